"""A dead-letter queue of 10 000 events on the whole local stack: write, summarize, list, send again, clear.

The yardsticks are the limits that operators were promised: a summary within a second, a clear within ten; and for
writing and redrive the rate of the guide's production stream. Writing is asked for all it can do: a stream of ten times
that rate, all of whose events the hub refuses, and a queue that is full meanwhile, so that as much is evicted.
``BENCH_BATCH`` sets how many events share a dead letter (25): fewer make more letters.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tests.e2e.delivered import account_of, ask, start, stop
from tests.e2e.full_queue import SIZE, fill, prepare, redrive
from tests.hub_faults import HubFaults
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BATCH: Final = int(os.environ.get("BENCH_BATCH", "25"))
STREAM_PER_SECOND: Final = 5_000
"""The yardstick."""


def main() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, StackProcess(Path(folder), "--no-stream") as stack:
        prepare(stack, events_per_letter=BATCH)
        written_per_second = _written_per_second(stack)
        ask(stack, "DELETE", "/api/stream/dlq")
        session_id = fill(stack)
        letters = len({entry["batch"] for entry in ask(stack, "GET", "/api/stream/dlq")["events"]})
        summary_seconds, summary = _timed(lambda: ask(stack, "GET", "/api/stream/dlq/summary"))
        list_seconds, _ = _timed(lambda: ask(stack, "GET", "/api/stream/dlq"))
        redrive_seconds, redriven = _timed(lambda: redrive(stack))
        account = account_of(stack, session_id)
        lost = account.books["generated"] - account.books["evicted"] - len(account.in_hub)
        fill(stack)
        clear_seconds, cleared = _timed(lambda: ask(stack, "DELETE", "/api/stream/dlq"))
    print(f"  written {written_per_second:.0f} events/s")
    print(f"  {summary['size']} events in {letters} letters")
    print(f"  summary {summary_seconds:.3f} s (limit 1)   list all {list_seconds:.3f} s")
    print(
        f"  redrive {redriven} in {redrive_seconds:.2f} s = {SIZE / redrive_seconds:.0f} events/s, {max(0, lost)} lost"
    )
    print(f"  clear {cleared['cleared']} in {clear_seconds:.3f} s (limit 10)")
    return {
        "dlq_write_to_stream_rate": written_per_second / STREAM_PER_SECOND,
        "dlq_summary_seconds": summary_seconds,
        "dlq_list_seconds": list_seconds,
        "dlq_redrive_to_stream_rate": SIZE / redrive_seconds / STREAM_PER_SECOND,
        "dlq_redrive_lost": float(max(0, lost)),
        "dlq_clear_seconds": clear_seconds,
    }


def _written_per_second(stack: StackProcess) -> float:
    """Events that become dead letters and are committed as such, of a stream that makes more than that."""

    def failed() -> int:
        return int(ask(stack, "GET", "/api/stream/statistics")["events_failed"])

    hub = HubFaults(stack)
    hub.put({"kind": "reject"})
    start(stack, emit_interval_ms=100, burst=STREAM_PER_SECOND)
    wait_until(lambda: failed() >= SIZE, "a full queue")
    began, before = time.monotonic(), failed()
    wait_until(lambda: failed() >= before + 5 * SIZE, "more dead letters")
    rate = (failed() - before) / (time.monotonic() - began)
    stop(stack)
    hub.clear()
    return rate


def _timed(question: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    answer = question()
    return time.monotonic() - began, answer


if __name__ == "__main__":
    print(main())
