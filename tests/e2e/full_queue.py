"""A dead-letter queue of 10 000 events on a local stack: how it is filled, and emptied again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.e2e.delivered import ask, start, stop
from tests.hub_faults import HubFaults
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from tests.stack_process import StackProcess

SIZE: Final = 10_000


def prepare(stack: StackProcess, *, events_per_letter: int) -> None:
    """Let everything that fails become a dead letter at once, and nothing else: no batch times out."""
    settings = {"circuit_breaker_enabled": False, "retry_attempts": 0, "dlq_max_size": SIZE, "batch_timeout_ms": 10_000}
    ask(stack, "PUT", "/api/stream/config", {**settings, "max_batch_size": events_per_letter})


def fill(stack: StackProcess) -> str:
    """Have a stream whose events all fail, until the queue is full; returns its session."""
    hub = HubFaults(stack)
    hub.put({"kind": "reject"})
    session_id = start(stack, emit_interval_ms=100, burst=500)
    wait_until(lambda: ask(stack, "GET", "/api/stream/statistics")["events_failed"] >= SIZE, f"{SIZE} dead letters")
    stop(stack)
    hub.clear()
    wait_until(lambda: ask(stack, "GET", "/api/stream/dlq/summary")["size"] <= SIZE, "the eviction")
    return session_id


def redrive(stack: StackProcess) -> int:
    """Send again until the queue is empty; returns how many events went."""
    succeeded = 0
    while True:
        report = ask(stack, "POST", "/api/stream/dlq/retry")
        succeeded += int(report["succeeded"])
        if report["still_in_dlq"] == 0:
            return succeeded
