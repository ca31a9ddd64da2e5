"""A stream moves to a fresh deployment: the state of one stack, exported over HTTP, goes on in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.delivered import ask
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stream_goes_on_where_another_stack_left_it(tmp_path: Path) -> None:
    with StackProcess(tmp_path / "old") as old:
        ask(old, "PUT", "/api/stream/config", {"burst": 40})
        wait_until(lambda: old.status().get("events_sent", 0) > 0, "the first events")
        exported = ask(old, "GET", "/api/state/export")
    with StackProcess(tmp_path / "new", "--no-stream") as new:
        code, imported = new.ask("POST", "/api/state/import", exported)
        assert (code, imported["success"]) == (200, True), imported
        sent = sum(shard["cursor"]["tally"]["sent_first"] for shard in exported["shards"])
        wait_until(lambda: new.status().get("events_sent", 0) > sent, "more events")
        assert ask(new, "GET", "/api/stream/status")["session_id"] == exported["session"]["session_id"]
        assert ask(new, "GET", "/api/stream/config")["realtime"]["burst"] == 40
        assert ask(new, "GET", "/api/stream/books")["balanced"]
        assert new.ask("POST", "/api/state/import", exported)[0] == 409
