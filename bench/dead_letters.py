"""A dead-letter queue of 10 000 events on the whole local stack: summarize it, list it, send it again, clear it.

The yardsticks are the limits that operators were promised: a summary within a second, a clear within ten; and for the
redrive the rate at which the same stack sends events that nothing befalls. ``BENCH_BATCH`` sets how many events share a
dead letter (25): fewer make more letters.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tests.e2e.delivered import account_of, ask
from tests.e2e.full_queue import SIZE, fill, prepare, redrive
from tests.stack_process import StackProcess

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BATCH: Final = int(os.environ.get("BENCH_BATCH", "25"))


def main() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, StackProcess(Path(folder), "--no-stream") as stack:
        prepare(stack, events_per_letter=BATCH)
        session_id = fill(stack)
        letters = len({entry["batch"] for entry in ask(stack, "GET", "/api/stream/dlq")["events"]})
        summary_seconds, summary = _timed(lambda: ask(stack, "GET", "/api/stream/dlq/summary"))
        list_seconds, _ = _timed(lambda: ask(stack, "GET", "/api/stream/dlq"))
        redrive_seconds, redriven = _timed(lambda: redrive(stack))
        account = account_of(stack, session_id)
        lost = account.books["generated"] - account.books["evicted"] - len(account.in_hub)
        fill(stack)
        clear_seconds, cleared = _timed(lambda: ask(stack, "DELETE", "/api/stream/dlq"))
    print(f"  {summary['size']} events in {letters} letters")
    print(f"  summary {summary_seconds:.3f} s (limit 1)   list all {list_seconds:.3f} s")
    print(
        f"  redrive {redriven} in {redrive_seconds:.2f} s = {SIZE / redrive_seconds:.0f} events/s, {max(0, lost)} lost"
    )
    print(f"  clear {cleared['cleared']} in {clear_seconds:.3f} s (limit 10)")
    return {
        "dlq_summary_seconds": summary_seconds,
        "dlq_list_seconds": list_seconds,
        "dlq_redrive_to_stream_rate": SIZE / redrive_seconds / 5_000,
        "dlq_redrive_lost": float(max(0, lost)),
        "dlq_clear_seconds": clear_seconds,
    }


def _timed(question: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    answer = question()
    return time.monotonic() - began, answer


if __name__ == "__main__":
    print(main())
