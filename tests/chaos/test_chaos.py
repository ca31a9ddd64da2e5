"""Chaos: a running stack is broken again and again, at random, and the books balance each time.

``CHAOS_ROUNDS`` says how often (``make chaos ROUNDS=500``), ``CHAOS_SEED`` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.delivered import account_of, ask, start, stop
from tests.hub_faults import HubFaults
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS: Final = int(os.environ.get("CHAOS_ROUNDS", "30"))
SEED: Final = int(os.environ.get("CHAOS_SEED", random.SystemRandom().getrandbits(32)))
STORAGE_AWAY_SECONDS: Final = 20.0
ONE_RARE_IN: Final = 8
SETTINGS: Final = {
    "batch_timeout_ms": 300,
    "retry_attempts": 1,
    "failure_threshold": 3,
    "timeout_seconds": 1,
    "half_open_max_calls": 2,
    "monitoring_interval": 1,  # A look at the stream beside each moment of its run.
}
KINDS: Final = (
    *("server-busy", "reject", "released", "detach", "drop-before-storing", "drop-after-storing", "no-disposition"),
    *("delay", "unknown-hub", "refuse-token", "refuse-connections", "silent"),
)
ON_NEW_CONNECTIONS: Final = frozenset({"unknown-hub", "refuse-token", "silent"})


class Chaos:
    """What can befall a stack. Every trouble has passed when ``is_over`` says so."""

    def __init__(self, stack: StackProcess, chance: random.Random) -> None:
        self._stack = stack
        self._hub = HubFaults(stack)
        self._chance = chance

    def deck(self, rounds: int) -> list[Callable[[], str]]:
        """So many troubles: mostly the hub's, for the rarer ones take their time (a lease has 15 seconds)."""
        rare = [self.kill_host, self.take_storage_away, self.end_storage, self.hang_storage]
        self._chance.shuffle(rare)
        deck = [
            rare[number // ONE_RARE_IN % len(rare)] if number % ONE_RARE_IN == 0 else self._often(number)
            for number in range(rounds)
        ]
        self._chance.shuffle(deck)
        return deck

    def is_over(self) -> bool:
        return not self._hub.in_force()

    def break_hub(self) -> str:
        kind = self._chance.choice(KINDS)
        seconds = round(self._chance.uniform(0.1, 1.2), 2)
        fault = {"kind": kind, "seconds": seconds}
        if kind != "refuse-connections":
            fault["probability"] = self._chance.choice([0.3, 1.0])
        if kind == "delay":
            fault["milliseconds"] = self._chance.choice([100, 600])
        # A lane that sends nothing meanwhile keeps its link: cut later, it would be a trouble of its own.
        cut = {"kind": "drop-before-storing", "count": 1, "seconds": seconds}
        cuts = [{**cut, "partition": str(lane)} for lane in range(4)] if kind in ON_NEW_CONNECTIONS else []
        self._hub.put(*cuts, fault)
        return f"{kind} for {seconds} s"

    def send_again(self) -> str:
        """A redrive while the hub fails, perhaps."""
        what = self.break_hub()
        code, report = self._stack.ask("POST", "/api/stream/dlq/retry")
        return f"{what}; a redrive meanwhile: {report['message'] if code == 200 else code}"

    def kill_host(self) -> str:
        """In the middle of a redrive, perhaps."""
        threading.Thread(target=lambda: self._stack.ask("POST", "/api/stream/dlq/retry"), daemon=True).start()
        self._stack.end_child("functions_host")
        return "kill -9 of the host"

    def end_storage(self) -> str:
        """By SIGTERM: a kill -9 would lose what Azurite has not written yet. The stack starts it again."""
        self._stack.end_child("azurite", signal.SIGTERM)
        return "the storage ended"

    def take_storage_away(self) -> str:
        """For longer than a lease lasts; whoever would start it again stands still meanwhile."""
        os.kill(self._stack.pid, signal.SIGSTOP)
        try:
            self._stack.end_child("azurite", signal.SIGTERM)
            back_at = time.monotonic() + STORAGE_AWAY_SECONDS
            wait_until(lambda: time.monotonic() >= back_at, "the storage's return")
        finally:
            os.kill(self._stack.pid, signal.SIGCONT)
        return f"the storage was away for {STORAGE_AWAY_SECONDS:.0f} s"

    def hang_storage(self) -> str:
        (pid,) = self._stack.children("azurite")
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: self._stack.ask("GET", "/api/stream/health")[0] == 503, "health to notice")
        finally:
            os.kill(pid, signal.SIGCONT)
        return "the storage hung"

    def _often(self, number: int) -> Callable[[], str]:
        return self.send_again if number % 5 == 1 else self.break_hub


def test_the_books_balance_whatever_happens(tmp_path: Path) -> None:
    print(f"CHAOS_ROUNDS={ROUNDS} CHAOS_SEED={SEED}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)  # noqa: S311 - troubles, no secret
    with StackProcess(tmp_path, "--no-stream") as stack:
        ask(stack, "PUT", "/api/stream/config", SETTINGS)
        session_id = start(stack, emit_interval_ms=100, burst=20)
        chaos = Chaos(stack, chance)
        for number, trouble in enumerate(chaos.deck(ROUNDS), start=1):
            what = trouble()
            wait_until(chaos.is_over, f"the end of {what}")
            before = _sent(stack)
            wait_until(lambda before=before: _sent(stack) >= before + 60, f"the stream to go on after {what}")  # type: ignore[misc]  # bound now
            # A trouble that meets the trials of the one before makes the breaker wait ever longer, as it should.
            wait_until(lambda: _breaker(stack)["state"] == "closed", f"the breaker to close after {what}")
            books = ask(stack, "GET", "/api/stream/books")
            print(f"{number:>4} {what}: {books}")  # noqa: T201 - likewise
            assert books["balanced"], books
        HubFaults(stack).clear()
        ask(stack, "POST", "/api/stream/circuit-breaker/reset")
        stop(stack)
        wait_until(
            lambda: ask(stack, "POST", "/api/stream/dlq/retry", {"include_exhausted": True})["still_in_dlq"] == 0,
            "the dead letters to be sent again",
        )
        account = account_of(stack, session_id)

    assert len(account.in_hub) == account.books["generated"] > 60 * ROUNDS
    print(f"{account.books['generated']} events, {account.duplicates} of them twice")  # noqa: T201 - likewise


def _breaker(stack: StackProcess) -> dict[str, Any]:
    answer: dict[str, Any] = ask(stack, "GET", "/api/stream/circuit-breaker")
    return answer


def _sent(stack: StackProcess) -> int:
    """First deliveries, as statistics say; waits until somebody answers."""
    return int(ask(stack, "GET", "/api/stream/status")["events_sent"])
