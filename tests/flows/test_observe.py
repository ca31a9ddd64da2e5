"""Looking at a stream: quickly while it goes on, and never at the wrong session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.session import Session, Status
from streaming.flows.census import Census
from streaming.flows.control import StartRequest
from tests.flows.process import TICK_US, Process
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from streaming.ports import Control, Standing

REQUEST = StartRequest(emit_interval_ms=500, burst=10)


class PatientControlStore(MemoryControlStore):
    """Answers once it has been asked for all that the test waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self) -> Control:
        await self.may_answer.wait()
        return await super().read()


class NotedShardStore(MemoryShardStore):
    """Notes whose standings are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()

    async def standings(self, session_id: str) -> tuple[Standing, ...]:
        self.asked.append(session_id)
        self.was_asked.set()
        return await super().standings(session_id)


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.control = PatientControlStore()
        self.shards = NotedShardStore()
        self.process = Process(
            control=self.control,
            shards=self.shards,
            letters=MemoryDeadLetterStore(self.shards),
            publisher=MemoryPublisher(partitions=1),
            clock=self.clock,
        )

    async def tick(self) -> None:
        await self.clock.run(self.process.tick_until(self.clock.now_us() + TICK_US))

    async def start(self) -> Session:
        session = await self.clock.run(self.process.control.start(REQUEST))
        assert isinstance(session, Session)
        return session

    async def stop(self) -> None:
        """Stop, and have what is planned settled."""

        async def stopping() -> None:
            until_us = self.clock.now_us() + TICK_US
            await asyncio.gather(self.process.control.stop(), self.process.tick_until(until_us))

        await self.clock.run(stopping())


async def test_a_stream_that_goes_on_is_seen_in_one_round_trip() -> None:
    stage = Stage()
    await stage.start()
    await stage.tick()
    await stage.process.observer.view()
    stage.control.may_answer.clear()
    stage.shards.was_asked.clear()

    async def answer_once_both_are_asked() -> None:
        await stage.shards.was_asked.wait()
        stage.control.may_answer.set()

    view, _ = await asyncio.gather(stage.process.observer.view(), answer_once_both_are_asked())
    assert view.tally.sent_first > 0


async def test_another_session_is_noticed_at_once() -> None:
    stage = Stage()
    await stage.start()
    await stage.tick()
    first = await stage.process.observer.view()
    await stage.stop()
    session = await stage.start()
    view = await stage.process.observer.view()
    assert first.session is not None
    assert view.session == session
    assert view.tally.sent_first == 0


async def test_an_ended_session_is_read_first_and_its_counts_are_final() -> None:
    stage = Stage()
    await stage.start()
    await stage.tick()
    running = await stage.process.observer.view()
    await stage.stop()
    stage.shards.asked.clear()
    ended = await stage.process.observer.view()
    assert (ended.status, ended.books.pending) == (Status.STOPPED, 0)
    assert ended.tally.sent_first > running.tally.sent_first
    assert len(stage.shards.asked) == 2  # What was read beside the session may be older than its end.


async def test_a_session_that_is_younger_than_the_current_one_is_not_taken_for_an_earlier_one() -> None:
    stage = Stage()
    old = await stage.start()
    await stage.tick()
    await stage.stop()
    new = await stage.start()
    census = Census(control=stage.control, shards=stage.shards)
    stage.shards.asked.clear()
    assert await census.earlier(old.session_id) == {}
    assert stage.shards.asked == []
    assert await census.earlier(new.session_id) == {}
    assert stage.shards.asked == [old.session_id]
