"""The lanes of a live shard: one queue and one worker each, so that a slow partition holds up nobody else.

Order is kept within a lane: one batch in flight, the next one cut when it is settled. What has piled up meanwhile goes
in one batch, whichever bursts it came from: that is what lets short intervals keep their pace over a slow network.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streaming.core.batching import batch_length, by_lane
from streaming.flows.deliver import DeliveryPolicy, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.clock import Clock
    from streaming.core.event import Event
    from streaming.flows.buffer import Buffer
    from streaming.flows.deliver import Deliverer
    from streaming.flows.window import WindowRun
    from streaming.ports import Publisher

CROWDED_WAIT_US: Final = 250_000


@dataclass(slots=True, kw_only=True)
class _Chunk:
    """One burst's events of one lane, as far as they aren't settled."""

    run: WindowRun
    burst: int
    events: Sequence[Event]


class Lanes:
    """The send queues of one shard during one invocation."""

    def __init__(
        self,
        *,
        lanes: int,
        buffer: Buffer,
        deliverer: Deliverer,
        publisher: Publisher,
        clock: Clock,
        policy: Callable[[], DeliveryPolicy],
        lease_until_us: Callable[[], int],
        max_buffer_size: Callable[[], int],
        final: Callable[[], bool],
        on_sent: Callable[[Sequence[Sequence[Event]]], None],
        on_progress: Callable[[], None],
    ) -> None:
        """``on_sent`` hears of each batch sent, ``on_progress`` when a window has settled or must be committed."""
        self._queues: list[deque[_Chunk]] = [deque() for _ in range(lanes)]
        self._arrivals = [asyncio.Event() for _ in range(lanes)]
        self._nudge = asyncio.Event()
        self._buffer = buffer
        self._buffered = 0
        self._deliverer = deliverer
        self._publisher = publisher
        self._clock = clock
        self._policy = policy
        self._lease_until_us = lease_until_us
        self._max_buffer_size = max_buffer_size
        self._final = final
        self._on_sent = on_sent
        self._on_progress = on_progress

    @property
    def buffered(self) -> int:
        """Events of this shard in memory that aren't settled."""
        return self._buffered

    def close(self) -> None:
        """Give up what isn't settled: this run is over, and another one will make it again."""
        self._buffer.remove(self._buffered)
        self._buffered = 0

    async def submit(self, run: WindowRun, burst: int, events: Sequence[Event]) -> None:
        """Hand over a burst's events; waits while as much as is allowed is in memory already."""
        await self._buffer.room_for(len(events), at_most=self._max_buffer_size())
        run.count_generated(events)
        for lane, dealt in enumerate(by_lane(events, len(self._queues))):
            skipped = min(run.to_skip[lane], len(dealt))
            run.to_skip[lane] -= skipped
            if len(dealt) > skipped:
                self._buffered += len(dealt) - skipped
                self._buffer.add(len(dealt) - skipped)
                self._queues[lane].append(_Chunk(run=run, burst=burst, events=dealt[skipped:]))
                self._arrivals[lane].set()

    def nudge(self) -> None:
        """Let lanes that have put off a batch try again now: the breaker or the lease may have changed."""
        self._nudge.set()
        self._nudge = asyncio.Event()

    async def work(self, lane: int) -> None:
        """Send the lane's events until cancelled."""
        queue = self._queues[lane]
        while True:
            while not queue:
                self._arrivals[lane].clear()
                await self._arrivals[lane].wait()
            await self._send_next(lane, queue)

    async def _send_next(self, lane: int, queue: deque[_Chunk]) -> None:
        policy = self._policy()
        run, first_burst = queue[0].run, queue[0].burst
        events = self._cut(queue, policy)
        last_burst = _burst_at(queue, len(events) - 1)
        terms = Terms(lane=lane, policy=policy, lease_until_us=self._lease_until_us, final=self._final)
        delivery = await self._deliverer.deliver(events, terms)
        while not run.has_room_for(delivery):
            run.crowded = True
            self._on_progress()
            await self._put_off(self._clock.now_us() + CROWDED_WAIT_US)
        self._drop(queue, delivery.settled)
        run.settle(lane, delivery, first_burst=first_burst, last_burst=last_burst, now_us=self._clock.now_us())
        self._on_sent(delivery.sent)
        if run.settled:
            self._on_progress()
        if delivery.retry_at_us is not None:
            await self._put_off(delivery.retry_at_us)

    def _cut(self, queue: deque[_Chunk], policy: DeliveryPolicy) -> Sequence[Event]:
        """The next batch: from one window, as many bursts as have piled up and fit."""
        first = queue[0]
        events: Sequence[Event] = first.events
        if len(queue) > 1 and len(events) < policy.max_batch_size:
            gathered: list[Event] = []
            for chunk in queue:
                if chunk.run is not first.run or len(gathered) >= policy.max_batch_size:
                    break
                gathered.extend(chunk.events)
            events = gathered
        length = batch_length(
            events,
            max_events=policy.max_batch_size,
            max_bytes=self._publisher.max_batch_bytes,
            size_of=self._publisher.encoded_size,
        )
        return events[:length]

    def _drop(self, queue: deque[_Chunk], settled: int) -> None:
        self._buffered -= settled
        self._buffer.remove(settled)
        while settled:
            chunk = queue[0]
            if settled < len(chunk.events):
                chunk.events = chunk.events[settled:]
                return
            settled -= len(chunk.events)
            queue.popleft()

    async def _put_off(self, retry_at_us: int) -> None:
        """Wait until ``retry_at_us``, or until nudged."""
        nudge = asyncio.ensure_future(self._nudge.wait())
        alarm = asyncio.ensure_future(self._clock.sleep_until(retry_at_us))
        try:
            await asyncio.wait((nudge, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nudge.cancel()
            alarm.cancel()


def _burst_at(queue: Iterable[_Chunk], position: int) -> int:
    """The burst of the event at ``position`` of a lane's queue."""
    for chunk in queue:
        if position < len(chunk.events):
            return chunk.burst
        position -= len(chunk.events)
    raise IndexError(position)
