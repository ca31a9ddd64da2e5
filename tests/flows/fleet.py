"""A live stream of several shards in memory: processes, one of them with the timer, and the queue between them.

Real flows, core and retail world; memory adapters; a clock that tests move. Processes may be killed at any write.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.plan import share
from streaming.core.session import Session, WorldSize
from streaming.flows.control import StartRequest
from streaming.wiring import worlds
from tests.flows.killing import Killed, Writes
from tests.flows.process import TICK_US, Process
from tests.flows.virtual_clock import VirtualClock
from tests.retail.checker import violations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streaming.core.event import Event
    from streaming.flows.planner import RunShard

LANES: Final = 4
WORLD: Final = WorldSize(stores=12, distribution_centers=6, products=20, customers=40)
RUN_US: Final = 60 * MICROSECONDS
LISTEN_US: Final = 500_000
"""How often a process looks into the queue."""


class Fleet:
    """Storage, hub, clock and queue, and the processes that work with them."""

    def __init__(self, processes: int = 2, *, listeners: bool = True) -> None:
        """``listeners``: whether anybody listens to the queue."""
        self.clock = VirtualClock()
        self.control = MemoryControlStore()
        self.shards = MemoryShardStore()
        self.letters = MemoryDeadLetterStore(self.shards)
        self.hub = MemoryPublisher(partitions=LANES)
        self.queue: deque[tuple[int, RunShard]] = deque()
        """Messages, and when each becomes visible."""
        self.asked: list[tuple[int, RunShard]] = []
        """All that were ever sent, and when."""
        self.post: Callable[[RunShard], Sequence[int]] = lambda _message: (0,)
        """What becomes of a message: the delays, in microseconds, of the copies that arrive."""
        self.writes = [Writes() for _ in range(processes)]
        self.environment: dict[str, str] = {}
        self._numbers = itertools.count()
        """Each fleet's processes count from 0, so that the same test makes the same events."""
        self._listeners = listeners
        self.operator = self.process()
        """Where requests are answered; it runs nothing."""

    def process(self, writes: Writes | None = None) -> Process:
        writes = writes or Writes()
        return Process(
            control=writes.watch(self.control),
            shards=writes.watch(self.shards),
            letters=writes.watch(self.letters),
            publisher=self.hub,
            clock=self.clock,
            environment=self.environment,
            world=WORLD,
            generators=worlds.make_generator,
            deal=_deal,
            number=next(self._numbers),
        )

    async def start(self, **request: Any) -> Session:
        session = await self.operator.control.start(StartRequest(**request))
        assert isinstance(session, Session)
        return session

    async def run_until(self, instant_us: int) -> None:
        """Let all processes run. One that is killed is followed by another; the timer moves to the next one."""
        await self.clock.run(self._run_until(instant_us))

    async def run(self, seconds: float) -> None:
        await self.run_until(self.clock.now_us() + round(seconds * MICROSECONDS))

    async def beside(self, command: Awaitable[Any], seconds: float) -> Any:
        """Carry out a command while everything runs."""
        result, _ = await self.clock.run(  # type: ignore[misc]  # without a limit there is a result
            _both(command, self._run_until(self.clock.now_us() + round(seconds * MICROSECONDS)))
        )
        return result

    async def _run_until(self, instant_us: int) -> None:
        timer = asyncio.Lock()
        await asyncio.gather(*(self._place(number, timer, instant_us) for number in range(len(self.writes))))

    async def _place(self, number: int, timer: asyncio.Lock, instant_us: int) -> None:
        """A place where a process runs, and another one after it has been killed."""
        while self.clock.now_us() < instant_us:
            process = self.process(self.writes[number])
            tasks = [asyncio.create_task(self._tick(process, timer, instant_us))]
            if self._listeners:
                tasks.append(asyncio.create_task(self._listen(process, instant_us)))
            try:
                await asyncio.gather(*tasks)
            except Killed:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.writes[number] = Writes()

    async def _tick(self, process: Process, timer: asyncio.Lock, instant_us: int) -> None:
        """The stream timer: one over all processes, a run a second at most."""
        async with timer:
            while self.clock.now_us() < instant_us:
                began_us = self.clock.now_us()
                for message in await process.live.run(until_us=min(began_us + TICK_US, instant_us)):
                    self.asked.append((self.clock.now_us(), message))
                    self.queue += [(self.clock.now_us() + delay_us, message) for delay_us in self.post(message)]
                await self.clock.sleep_until(min(instant_us, began_us + MICROSECONDS))

    async def _listen(self, process: Process, instant_us: int) -> None:
        """A queue function: one message at a time."""
        while (now_us := self.clock.now_us()) < instant_us:
            visible = next((entry for entry in self.queue if entry[0] <= now_us), None)
            if visible is None:
                await self.clock.sleep_until(min(instant_us, now_us + LISTEN_US))
            else:
                self.queue.remove(visible)
                await process.live.run_shard(visible[1], min(RUN_US, instant_us - now_us))

    # What has come of it

    async def view(self) -> Any:
        return await self.operator.observer.view()

    async def session(self) -> Session:
        session = (await self.view()).session
        assert isinstance(session, Session)
        return session

    async def assert_nothing_lost_doubled_or_reordered(
        self, *, burst: int, whole: bool = True, to_one_end: bool = True
    ) -> None:
        """Of a stream that has ended: all that was planned is there, once but for identical copies, in order.

        ``whole``: each burst is there from all shards, too. Not so after a pause or a change of pace, which shards
        follow each with its own next window. ``to_one_end``: all shards have come to the same burst, so that what is
        under way then is under way at the stream's end. Not so after a stop.
        """
        first: dict[str, Event] = {}
        for event in self.hub.events():
            assert first.setdefault(event.trace_id, event) == event, "a duplicate differs"
        self._assert_all_there(first, await self.view(), burst, whole=whole)
        self._assert_ordered()
        envelopes = [[orjson.loads(event.body) for event in self.hub.events(lane)] for lane in range(LANES)]
        assert not to_one_end or violations(envelopes) == []
        view = await self.view()
        assert view.books.balanced
        assert view.books.pending == 0
        assert view.tally.generated == view.tally.sent_first == len(first)
        assert not any(cursor.plans for cursor in view.cursors)

    def _assert_all_there(self, events: dict[str, Event], view: Any, burst: int, *, whole: bool) -> None:
        found: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for trace_id in events:
            place = trace_id.removeprefix(f"{view.session.session_id}-").split("-")
            shard, number, index = (int(part, 16) for part in place)
            found[number, shard].add(index)
        counts = {cursor.shards for cursor in view.cursors if cursor.tally.generated}
        for (_, shard), indices in found.items():
            assert indices in [set(range(share(burst, shard, count))) for count in counts if shard < count]
        owing = [cursor for cursor in view.cursors if share(burst, cursor.shard, cursor.shards)]
        assert len(found) == sum(cursor.tally.bursts_planned for cursor in owing)
        if whole:
            numbers = Counter(number for number, _ in found)
            assert sorted(numbers) == list(range(len(numbers))), "bursts are missing"
            assert sum(map(len, found.values())) == burst * len(numbers)

    def _assert_ordered(self) -> None:
        last: dict[str, str] = {}
        seen: set[str] = set()
        for lane in range(LANES):
            for event in self.hub.events(lane):
                if event.trace_id in seen or event.partition_key.startswith("campaign_"):
                    continue  # A campaign is everybody's: no shard has it for itself.
                seen.add(event.trace_id)
                envelope = orjson.loads(event.body)
                assert last.get(event.partition_key, "") < envelope["ingest_timestamp"], "a store's events swap"
                last[event.partition_key] = envelope["ingest_timestamp"]


async def _deal(session: Session, checkpoints: Sequence[bytes | None], shards: int) -> Sequence[bytes | None]:
    """Without a thread, whose time the clock doesn't know."""
    return worlds.deal_now(session, checkpoints, shards)


async def _both(command: Awaitable[Any], running: Awaitable[None]) -> tuple[Any, None]:
    result, _ = await asyncio.gather(command, running)
    return result, None
