"""Every fault of the hub, for a moment and for longer, on the whole local stack: afterwards every event is there.

The longer one lasts until a trial has failed; ``FAULT_SECONDS=60`` makes it a minute (``make faults`` does so, several
faults side by side, and shows what was measured).
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.delivered import account_of, ask, start, stop
from tests.hub_faults import HubFaults
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = float(os.environ.get("FAULT_SECONDS", "0"))
LANES, THRESHOLD, TRIALS = 4, 3, 2
BATCH_TIMEOUT_MS, RETRY_ATTEMPTS = 500, 1
LOOK_SECONDS: Final = 0.5
"""How often to look while a fault lasts for so long: by hand only."""
SETTINGS = {
    "batch_timeout_ms": BATCH_TIMEOUT_MS,
    "retry_attempts": RETRY_ATTEMPTS,
    "failure_threshold": THRESHOLD,
    "timeout_seconds": 1,
    "half_open_max_calls": TRIALS,
}
CUT: list[dict[str, Any]] = [
    {"kind": "drop-before-storing", "partition": str(lane), "count": 1} for lane in range(LANES)
]
"""For faults that strike only who connects anew: no lane keeps what it has."""

FAULTS: dict[str, list[dict[str, Any]]] = {
    "server-busy": [{"kind": "server-busy"}],
    "reject": [{"kind": "reject"}],
    "detach": [{"kind": "detach"}],
    "drop-before-storing": [{"kind": "drop-before-storing"}],
    "drop-after-storing": [{"kind": "drop-after-storing"}],
    "no-disposition": [{"kind": "no-disposition"}],
    "delay": [{"kind": "delay", "milliseconds": 3 * BATCH_TIMEOUT_MS}],
    "refuse-token": [*CUT, {"kind": "refuse-token"}],
    "unknown-hub": [*CUT, {"kind": "unknown-hub"}],
    "nothing-listens": [{"kind": "refuse-connections"}],
    "silent": [*CUT, {"kind": "silent"}],
}
BOUND_SECONDS = dict.fromkeys(FAULTS, 2 * 0.5 + 0.1 + 2.0) | {"server-busy": 2 * 0.5 + 4.0 + 2.0}
"""A batch's retry budget (two attempts and the wait between them: four seconds for a busy hub), and two seconds."""
ON_MESSAGES = {
    "server-busy",
    "reject",
    "detach",
    "drop-before-storing",
    "drop-after-storing",
    "no-disposition",
    "delay",
}
"""These strike once for each batch that is tried."""
TIMES_OUT = {"no-disposition", "delay", "silent"}
"""Taken for a timeout whatever else goes on; what the others are taken for, the publisher's own tests say."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with StackProcess(tmp_path_factory.mktemp("stack"), "--no-stream") as running:
        yield running


@pytest.fixture
def hub(stack: StackProcess) -> Iterator[HubFaults]:
    ask(stack, "PUT", "/api/stream/config", SETTINGS)
    faults = HubFaults(stack)
    yield faults
    faults.clear()
    stop(stack)
    ask(stack, "DELETE", "/api/stream/dlq")


def sent(stack: StackProcess) -> int:
    return int(stack.status().get("events_sent", 0))


def breaker(stack: StackProcess) -> dict[str, Any]:
    return ask(stack, "GET", "/api/stream/circuit-breaker")


def stale(stack: StackProcess) -> float:
    """How long ago the stream's last sign of life is."""
    found: list[str] = []

    def is_said() -> bool:
        """Not while storage is slow."""
        with urllib.request.urlopen(f"{stack.url}/metrics") as answer:  # noqa: S310 - always http
            text = answer.read().decode()
        found.extend(re.findall(r"^streaming_tick_staleness_seconds (\S+)$", text, re.MULTILINE))
        return bool(found)

    wait_until(is_said, "the metric")
    return float(found[0])


def for_a_moment(fault: dict[str, Any]) -> dict[str, Any]:
    """Some strikes of it, or 0.3 s where strikes aren't counted."""
    return {
        **fault,
        **({"seconds": 0.3} if fault["kind"] == "refuse-connections" else {"count": fault.get("count", 3)}),
    }


def wait_for_more(stack: StackProcess, count: int) -> None:
    before = sent(stack)
    wait_until(lambda: sent(stack) >= before + count, f"{count} more events")


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_every_event_is_there(fault: str, hub: HubFaults, stack: StackProcess) -> None:
    session_id = start(stack, emit_interval_ms=100, burst=20)
    wait_for_more(stack, 100)

    hub.put(*map(for_a_moment, FAULTS[fault]))
    wait_until(lambda: not hub.in_force(), "the moment to pass")
    wait_until(lambda: breaker(stack)["state"] == "closed", "the breaker to be closed")
    wait_for_more(stack, 200)

    trips = breaker(stack)["trips"]
    hub.put(*FAULTS[fault])
    began = time.monotonic()
    wait_until(lambda: breaker(stack)["trips"] > trips, "the breaker to open")
    opened = time.monotonic()
    struck = hub.in_force()[-1]["struck"]
    wait_until(lambda: stack.status().get("status") == "error", "the stream to say so")
    # Half-open trials fail, and it opens again: for as long as the fault lasts.
    wait_until(lambda: breaker(stack)["trips"] >= trips + 2, "a trial to fail")
    opened_at = max(each["at"] for each in breaker(stack)["transitions"] if each["from_state"] == "closed")
    staleness = [stale(stack)]
    while time.monotonic() < began + SECONDS:
        time.sleep(LOOK_SECONDS)
        staleness.append(stale(stack))
    tried = hub.in_force()[-1]["struck"] - struck
    trips = breaker(stack)["trips"] - trips
    hub.clear()
    cleared = time.monotonic()
    wait_until(lambda: breaker(stack)["state"] == "closed", "the breaker to close by itself")
    closed = time.monotonic()
    wait_until(lambda: stack.status().get("status") == "running", "the stream to go on")
    wait_for_more(stack, 200)
    stop(stack)

    if fault in ON_MESSAGES:
        # What was under way when it opened, and the trials; one half-opening may be under way when the fault ends.
        assert tried <= LANES * (RETRY_ATTEMPTS + 1) + TRIALS * trips
    assert_outage(breaker(stack)["transitions"], opened_at)
    entries = ask(stack, "GET", "/api/stream/dlq")["events"]
    if fault in TIMES_OUT:
        assert "connection_timeout" in {entry["error_category"] for entry in entries}
    assert {entry["retry_count"] for entry in entries} <= {0, 1}

    # A machine that stands still may have opened the breaker once more; now there is time enough for every batch.
    ask(stack, "PUT", "/api/stream/config", {"batch_timeout_ms": 10_000})
    ask(stack, "POST", "/api/stream/circuit-breaker/reset")
    redriven = ask(stack, "POST", "/api/stream/dlq/retry")
    assert (redriven["succeeded"], redriven["still_in_dlq"]) == (len(entries), 0)
    account = account_of(stack, session_id)
    assert len(account.in_hub) == account.books["generated"]
    assert account.books["redriven"] == account.books["dead_lettered"] == len(entries)
    print(  # noqa: T201 - for whoever ran it by hand
        f"{fault}: {cleared - began:.1f} s; open after {opened - began:.2f} s (bound {BOUND_SECONDS[fault]:.1f} s), "
        f"{trips} trips, {tried} strikes meanwhile; no sign of life for {max(staleness):.1f} s at most; "
        f"closed after {closed - cleared:.1f} s; {account.books['generated']} events, all in the hub, "
        f"{account.duplicates} of them twice, {len(entries)} by way of the dead letters"
    )


def assert_outage(transitions: list[dict[str, Any]], opened_at: str) -> None:
    """That outage: opened by exactly so many failures, tried again, closed by exactly so many successes."""
    begin = next(n for n, each in enumerate(transitions) if (each["from_state"], each["at"]) == ("closed", opened_at))
    end = next(n for n, each in enumerate(transitions) if n > begin and each["to_state"] == "closed")
    outage = transitions[begin : end + 1]
    assert [each["to_state"] for each in outage[1::2]] == ["half_open"] * (len(outage) // 2)
    opened, *between, closed = outage[::2]
    assert opened["reason"].startswith(f"{THRESHOLD} consecutive failures")
    assert between
    assert all(each["reason"].startswith("a trial batch failed") for each in between)
    assert (closed["to_state"], closed["reason"]) == ("closed", f"{TRIALS} trial batches were accepted")
