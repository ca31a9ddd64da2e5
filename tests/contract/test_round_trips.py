"""What a window costs on real storage: one read and one write, however many events it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.clock import MICROSECONDS, SystemClock
from shared.settings import read_settings
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.tables.client import TablesClient
from streaming.adapters.tables.control_store import TableControlStore
from streaming.adapters.tables.dead_letter_store import TableDeadLetterStore
from streaming.adapters.tables.shard_store import TableShardStore
from streaming.core.session import Session
from streaming.flows.control import StartRequest
from tests.flows.process import Process

if TYPE_CHECKING:
    from local.azurite import Azurite


@pytest.mark.parametrize("burst", [10, 1_000])
async def test_a_window_costs_two_round_trips(azurite: Azurite, burst: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A window that ends late would cost a look in between.
    monkeypatch.setattr("streaming.flows.shard_run.POLL_US", 3_600 * MICROSECONDS)
    environment = {"AzureWebJobsStorage": azurite.connection_string, "STREAM_TABLE_PREFIX": f"trips{burst}"}
    tables = TablesClient(read_settings(environment))
    try:
        clock = SystemClock()
        process = Process(
            control=TableControlStore(tables),
            shards=TableShardStore(tables),
            letters=TableDeadLetterStore(tables),
            publisher=MemoryPublisher(),
            clock=clock,
        )
        session = await process.control.start(StartRequest(emit_interval_ms=100, burst=burst))
        assert isinstance(session, Session)
        await process.live.run(until_us=clock.now_us() + MICROSECONDS)
        await committed_windows(process)  # The first look also asks which sessions there were before.
        before, windows_before = tables.round_trips, await committed_windows(process)
        before += 2  # What asking has cost.

        await process.live.run(until_us=clock.now_us() + 6 * MICROSECONDS)

        trips, windows = tables.round_trips - before, await committed_windows(process) - windows_before
        assert windows >= 3  # Fewer than the seconds, where the machine was held up.
        # An invocation begins with a read and a claim, and ends with a release.
        assert trips <= 2 * windows + 3
    finally:
        await tables.close()


async def committed_windows(process: Process) -> int:
    (cursor,) = (await process.observer.view()).cursors
    return cursor.frontier.window - len(cursor.plans)
