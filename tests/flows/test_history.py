"""History: every session of the window, each event once, in buckets that graphs can use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.history import Hour, Slot
from streaming.flows.control import LEAD_US, StartRequest
from streaming.flows.history import History, HistoryReport
from streaming.ports import ShardCommit
from tests.flows.process import Process
from tests.flows.virtual_clock import NOON, VirtualClock


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.control = MemoryControlStore()
        self.shards = MemoryShardStore()
        self.process = Process(
            control=self.control,
            shards=self.shards,
            letters=MemoryDeadLetterStore(self.shards),
            publisher=MemoryPublisher(partitions=2),
            clock=self.clock,
        )

    async def stream(self, *, minutes: float, burst: int) -> None:
        await self.process.control.start(StartRequest(emit_interval_ms=1_000, burst=burst, duration_minutes=minutes))
        until_us = self.clock.now_us() + LEAD_US + round((minutes * 60 + 5) * MICROSECONDS)
        await self.clock.run(self.process.tick_until(until_us))

    async def report(self, window_minutes: int, bucket_seconds: int) -> HistoryReport:
        history = History(control=self.control, shards=self.shards, clock=self.clock)
        return await history.report(window_minutes=window_minutes, bucket_seconds=bucket_seconds)


async def test_before_any_stream_there_are_empty_buckets() -> None:
    report = await Stage().report(5, 60)
    assert report.count == len(report.buckets) == 5
    assert {(bucket.events_sent, bucket.events_per_second) for bucket in report.buckets} == {(0, 0.0)}
    assert report.buckets[-1].timestamp == "2026-03-01T12:00:00Z"


async def test_every_session_of_the_window_is_in_it_once() -> None:
    stage = Stage()
    await stage.stream(minutes=2, burst=10)
    await stage.stream(minutes=3, burst=20)
    report = await stage.report(60, 60)
    assert sum(bucket.events_sent for bucket in report.buckets) == 120 * 10 + 180 * 20
    rates = {bucket.events_per_second for bucket in report.buckets}
    assert {10.0, 20.0} & rates
    assert max(rates) <= 20.0


async def test_the_last_minute_can_be_had_by_the_second() -> None:
    stage = Stage()
    await stage.stream(minutes=1, burst=10)
    report = await stage.report(1, 1)
    assert report.count == 60
    assert {bucket.events_per_second for bucket in report.buckets} == {0.0, 10.0}


@pytest.mark.parametrize("size", [120, 600, 3_600])
async def test_larger_buckets_hold_the_same(size: int) -> None:
    stage = Stage()
    await stage.stream(minutes=5, burst=7)
    report = await stage.report(120, size)
    assert sum(bucket.events_sent for bucket in report.buckets) == 300 * 7


async def test_an_hour_that_is_in_its_row_and_still_in_the_cursor_counts_once() -> None:
    stage = Stage()
    await stage.stream(minutes=1, burst=10)
    (session_id,) = await stage.control.session_ids()
    stored = await stage.shards.load(session_id, 0)
    assert stored is not None
    cursor = stored.cursor.value
    hour = Hour(hour=NOON // 3_600_000_000, minutes={0: Slot(sent=600)})
    cursor = replace(cursor, hour=replace(hour, minutes={0: Slot(sent=500)}), operation_id="rolled over")
    await stage.shards.commit(ShardCommit(cursor=cursor, version=stored.cursor.version, ended_hour=hour))
    report = await stage.report(60, 60)
    assert sum(bucket.events_sent for bucket in report.buckets) == 600
