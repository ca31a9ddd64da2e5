"""A full dead-letter queue, on the whole local stack. How long it takes is `bench/dead_letters.py`'s to measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.delivered import account_of, ask
from tests.e2e.full_queue import SIZE, fill, prepare, redrive
from tests.stack_process import StackProcess

if TYPE_CHECKING:
    from pathlib import Path


def test_ten_thousand_dead_letters_are_summarized_sent_again_and_cleared(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        prepare(stack, events_per_letter=25)
        session_id = fill(stack)
        summary = ask(stack, "GET", "/api/stream/dlq/summary")
        assert summary["size"] == sum(summary["by_error"].values()) == SIZE
        assert redrive(stack) == SIZE
        account = account_of(stack, session_id)
        assert len(account.in_hub) == account.books["generated"] - account.books["evicted"]
        assert account.books["redriven"] == SIZE

        session_id = fill(stack)
        assert ask(stack, "DELETE", "/api/stream/dlq")["cleared"] == SIZE
        books = account_of(stack, session_id).books
        assert (books["cleared"], books["in_dlq"]) == (SIZE, 0)
