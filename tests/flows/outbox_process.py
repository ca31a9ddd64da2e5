"""The outbox in memory: real flows and pure core, a table in memory, a queue that tests may play with."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.adapters.memory_table import MemoryOutboxStore
from streaming.adapters.whole_stream import WholeStream
from streaming.core.event import Event
from streaming.core.session import Mode, Session, WorldSize
from streaming.core.tally import sum_books
from streaming.flows.breaker import CircuitBreaker
from streaming.flows.configuration import Configuration
from streaming.flows.control import ControlFlow, StartRequest
from streaming.flows.deliver import Deliverer
from streaming.flows.observe import books_of
from streaming.flows.outbox import Outbox
from streaming.flows.outbox_desk import Hints, OutboxPorts
from tests.flows.killing import Writes
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from streaming.core.outbox import Day, Timeline
    from streaming.core.tally import Books

WORLD = WorldSize(stores=5, distribution_centers=1, products=100, customers=100)
LANES = 4
DAY_EVENTS = 700
KEYS = 11
RUN_US = 30 * MICROSECONDS
SWEEP_US = 5 * MICROSECONDS


class CountingDay:
    """A day of events that say which they are."""

    def __init__(self, timeline: Timeline, day: Day, *, checkpoint: bytes | None) -> None:
        self._prefix = f"{timeline.name}-{day.date}"
        self._day = day
        saved: dict[str, Any] = orjson.loads(checkpoint or b'{"date": null, "made": 0, "total": 0}')
        self._made: int = saved["made"] if saved["date"] == day.date else 0
        self._total: int = saved["total"]

    @property
    def over(self) -> bool:
        return self._made >= DAY_EVENTS

    def next_events(self, limit: int) -> list[Event]:
        events = []
        for number in range(self._made, min(DAY_EVENTS, self._made + limit)):
            trace_id = f"{self._prefix}-{number:05d}"
            envelope: dict[str, Any] = {
                "trace_id": trace_id,
                "event_type": "receipt_created" if number % 2 else "customer_entered",
                "partition_key": f"store_{number % KEYS}",
                "payload": {},
                "ingest_timestamp": f"{self._day.date}T00:{number // 60:02d}:{number % 60:02d}.000000Z",
                "position": self._total,
            }
            event_type = "receipt_created" if number % 2 else "customer_entered"
            events.append(Event(event_type, trace_id, f"store_{number % KEYS}", orjson.dumps(envelope)))
            self._total += 1
        self._made += len(events)
        return events

    def snapshot(self) -> bytes:
        return orjson.dumps({"date": self._day.date, "made": self._made, "total": self._total})


class Stage:
    """Storage, hub, queue and clock, which outlive the processes that work with them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.control = MemoryControlStore()
        self.shards = MemoryShardStore()
        self.outbox = MemoryOutboxStore()
        self.hub = MemoryPublisher(partitions=LANES)

    def process(self, writes: Writes | None = None, **environment: str) -> OutboxProcess:
        return OutboxProcess(self, writes or Writes(), environment)

    def sent(self) -> Counter[str]:
        return Counter(event.trace_id for event in self.hub.events())

    async def books(self, session_id: str) -> Books:
        standings = await WholeStream(live=self.shards, outbox=self.outbox).standings(session_id)
        return sum_books(books_of(standing, standing.in_dlq) for standing in standings)


class OutboxProcess:
    """One function app process with its queue functions and its sweeper."""

    _numbers = itertools.count()

    def __init__(self, stage: Stage, writes: Writes, environment: dict[str, str]) -> None:
        number = next(self._numbers)
        draw = random.Random(number).random  # noqa: S311 - jitter, the same in every run
        ids = itertools.count()
        control, outbox = writes.watch(stage.control), writes.watch(stage.outbox)
        configuration = Configuration(environment)
        self.clock = stage.clock
        self.evicted_to: list[int] = []
        self.breaker = CircuitBreaker(
            store=control, clock=stage.clock, instance=f"p{number}", new_id=lambda: f"{number}-{next(ids)}", draw=draw
        )
        ports = OutboxPorts(
            outbox=outbox,
            control=control,
            publisher=stage.hub,
            deliverer=Deliverer(publisher=stage.hub, breaker=self.breaker, clock=stage.clock, draw=draw),
            breaker=self.breaker,
            worlds=CountingDay,
            clock=stage.clock,
            instance=f"p{number}",
            new_id=lambda: f"{number}-{next(ids)}",
            config_of=configuration.of,
            evict=self._evict,
            first_day="2026-01-31",
            scale=1.0,
        )
        self.outbox = Outbox(ports, letters=MemoryDeadLetterStore(stage.shards))
        self.stage, self.drain, self.sweep = self.outbox.staging, self.outbox.draining, self.outbox.sweeper
        self.control = ControlFlow(
            control=control,
            shards=WholeStream(live=stage.shards, outbox=stage.outbox),
            breaker=self.breaker,
            configuration=configuration,
            world=WORLD,
            day_scale=1.0,
            clock=stage.clock,
            seed=1,
            new_suffix=lambda: f"{number:04x}",
        )
        self._messages: set[asyncio.Task[Any]] = set()

    async def start(self, **request: Any) -> Session:
        session = await self.control.start(StartRequest(mode=Mode.OUTBOX, **request))
        assert isinstance(session, Session)
        return session

    async def run_until(self, instant_us: int) -> None:
        """The sweeper and what it asks for, and what that asks for, and so on."""
        try:
            while self.clock.now_us() < instant_us:
                self.follow(await self.sweep.run(), instant_us)
                await self._wait(min(instant_us, self.clock.now_us() + SWEEP_US))
            await self._wait(None)
        finally:
            for message in self._messages:
                message.cancel()
            await asyncio.gather(*self._messages, return_exceptions=True)

    def follow(self, hints: Hints, instant_us: int) -> None:
        """Send messages, and have them processed."""
        until_us = min(self.clock.now_us() + RUN_US, instant_us)
        if until_us <= self.clock.now_us():
            return
        if hints.stage:
            self._messages.add(asyncio.create_task(self.stage.run(until_us)))
        if hints.drain:
            self._messages.add(asyncio.create_task(self.drain.run(until_us)))

    async def _wait(self, instant_us: int | None) -> None:
        """Wait for an instant, or for all messages, and send on what they return."""
        sleeping = asyncio.create_task(self.clock.sleep_until(instant_us)) if instant_us else None
        try:
            while (sleeping is None and self._messages) or (sleeping is not None and not sleeping.done()):
                waiting = {*self._messages, sleeping} if sleeping else set(self._messages)
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for message in done - {sleeping}:
                    self._messages.discard(message)
                    hints = message.result()
                    if instant_us is not None:
                        self.follow(hints, instant_us)
        finally:
            if sleeping is not None:
                sleeping.cancel()

    async def _evict(self, limit: int) -> int:
        self.evicted_to.append(limit)
        return 0
