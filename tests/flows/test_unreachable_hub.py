"""A stream whose hub can't be reached from its start: what it owes, how long it waits, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.core.session import Session, Status
from streaming.flows import reports
from streaming.flows.control import LEAD_US, StartRequest, Stopped
from tests.flows.process import Process
from tests.flows.virtual_clock import NOON, VirtualClock

LANES, BURST = 4, 20
AWAY = SendFailed(category=ErrorCategory.CONNECTION_ERROR, detail="nobody answers", reached_hub=False)


class Stage:
    """One process, and a hub that is away."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.hub = MemoryPublisher(partitions=LANES)
        self.hub.away = AWAY
        shards = MemoryShardStore()
        self.process = Process(
            control=MemoryControlStore(),
            shards=shards,
            letters=MemoryDeadLetterStore(shards),
            publisher=self.hub,
            clock=self.clock,
        )

    async def start(self, **request: float) -> None:
        started = await self.process.control.start(
            StartRequest(emit_interval_ms=500, burst=BURST, duration_minutes=request.get("duration_minutes"))
        )
        assert isinstance(started, Session)

    async def run_until(self, seconds: float) -> Status:
        """Go on until so long after the first burst was due; returns the stream's status then."""
        await self.clock.run(self.process.tick_until(NOON + LEAD_US + round(seconds * MICROSECONDS)))
        return (await self.process.observer.view()).status

    async def statistics(self) -> reports.StatisticsReport:
        return reports.statistics(await self.process.observer.view())


async def test_the_links_are_open_before_the_first_burst_is_due() -> None:
    stage = Stage()
    stage.hub.away = None
    await stage.start()
    due_us = NOON + LEAD_US
    await stage.clock.run(stage.process.tick_until(due_us), until_us=due_us - 1)
    assert stage.hub.warmed == set(range(LANES))
    assert stage.hub.attempts == 0


async def test_what_it_owes_is_sent_when_the_hub_answers_also_after_its_end() -> None:
    stage = Stage()
    await stage.start(duration_minutes=1)
    assert await stage.run_until(299) is Status.ERROR
    stage.hub.away = None
    assert await stage.run_until(310) is Status.STOPPED
    statistics = await stage.statistics()
    assert statistics.events_sent_successfully == statistics.events_generated == 120 * BURST
    assert statistics.bursts_skipped == 0


async def test_what_is_older_than_it_catches_up_is_skipped_and_counted() -> None:
    stage = Stage()
    await stage.start(duration_minutes=1)
    await stage.run_until(330)
    stage.hub.away = None
    assert await stage.run_until(340) is Status.STOPPED
    statistics = await stage.statistics()
    assert statistics.bursts_skipped + statistics.events_generated // BURST == 120
    assert 55 <= statistics.bursts_skipped <= 65
    assert statistics.events_sent_successfully == statistics.events_generated


async def test_it_ends_when_it_owes_nothing_any_more_though_the_hub_never_answered() -> None:
    stage = Stage()
    await stage.start(duration_minutes=1)
    assert await stage.run_until(359) is Status.ERROR
    assert await stage.run_until(363) is Status.STOPPED
    view = await stage.process.observer.view()
    assert view.session is not None
    assert view.session.end_reason == "duration reached"
    statistics = await stage.statistics()
    assert (statistics.bursts_skipped, statistics.events_generated) == (120, 0)
    assert view.books.balanced


async def test_without_an_end_it_waits_for_the_hub() -> None:
    stage = Stage()
    await stage.start()
    assert await stage.run_until(600) is Status.ERROR
    stage.hub.away = None
    assert await stage.run_until(660) is Status.RUNNING


@pytest.mark.parametrize("duration_minutes", [None, 1])
async def test_stop_ends_it_with_the_next_tick(duration_minutes: float | None) -> None:
    stage = Stage()
    await stage.start(**({} if duration_minutes is None else {"duration_minutes": duration_minutes}))
    await stage.run_until(90)
    asked_us = stage.clock.now_us()

    async def stop() -> Stopped:
        ticking = asyncio.ensure_future(stage.process.tick_until(asked_us + 60 * MICROSECONDS))
        stopped = await stage.process.control.stop()
        ticking.cancel()
        assert isinstance(stopped, Stopped)
        return stopped

    stopped = await stage.clock.run(stop())
    assert stopped is not None
    assert stopped.complete
    assert stage.clock.now_us() <= asked_us + 2 * MICROSECONDS
