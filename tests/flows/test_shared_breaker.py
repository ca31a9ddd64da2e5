"""Two processes share one circuit breaker: through storage, and only through it."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_publisher import Fault, MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore
from streaming.core.breaker import BreakerStatus
from streaming.core.config import RealtimeConfig
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory, SendFailed, SendResult
from streaming.flows.breaker import CircuitBreaker
from streaming.flows.deliver import Deliverer, DeliveryPolicy, Terms
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLD, TRIALS, TIMEOUT_SECONDS = 4, 3, 10
POLICY = DeliveryPolicy.of(
    RealtimeConfig(
        retry_attempts=0,
        failure_threshold=THRESHOLD,
        timeout_seconds=TIMEOUT_SECONDS,
        half_open_max_calls=TRIALS,
        batch_timeout_ms=500,
    )
)
ROUND_TRIP_US = 5_000
WINDOW_US = MICROSECONDS


class SlowHub(MemoryPublisher):
    """A hub that takes a moment, and knows who asks for what at once."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(partitions=4)
        self._clock = clock
        self.attempts_at: list[tuple[int, str]] = []
        self.at_once = self.most_at_once = 0

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        self.attempts_at.append((self._clock.now_us(), events[0].partition_key))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self._clock.sleep_until(self._clock.now_us() + ROUND_TRIP_US)
        self.at_once -= 1
        return await super().send(events, partition=partition, timeout_seconds=timeout_seconds)


class Sender:
    """One process: four lanes that send batch after batch, and a look at the shared state with every window."""

    def __init__(self, name: str, control: MemoryControlStore, hub: SlowHub, clock: VirtualClock) -> None:
        ids = itertools.count()
        self.name = name
        self.breaker = CircuitBreaker(
            store=control, clock=clock, instance=name, new_id=lambda: f"{name}-{next(ids)}", draw=lambda: 0.5
        )
        self._deliverer = Deliverer(publisher=hub, breaker=self.breaker, clock=clock, draw=lambda: 0.5)
        self._control = control
        self._clock = clock
        self.outcomes: Counter[str] = Counter()

    async def run(self, until_us: int) -> None:
        await asyncio.gather(self._windows(until_us), *(self._lane(lane, until_us) for lane in range(4)))

    async def _windows(self, until_us: int) -> None:
        while self._clock.now_us() < until_us:
            self.breaker.observe((await self._control.read()).breaker)
            await self._clock.sleep_until(self._clock.now_us() + WINDOW_US)

    async def _lane(self, lane: int, until_us: int) -> None:
        terms = Terms(lane=lane, policy=POLICY, lease_until_us=lambda: until_us + 60 * MICROSECONDS)
        for number in itertools.count():
            if self._clock.now_us() >= until_us:
                return
            event = Event("receipt_created", f"{self.name}-{lane}-{number}", self.name, b"{}")
            delivery = await self._deliverer.deliver([event], terms)
            self.outcomes.update(
                sent=len(delivery.sent), dead=len(delivery.dead), waits=delivery.retry_at_us is not None
            )
            pause_us = 20_000 if delivery.retry_at_us is None else 200_000
            await self._clock.sleep_until(self._clock.now_us() + pause_us)


class Pair:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.control = MemoryControlStore()
        self.hub = SlowHub(self.clock)
        self.senders = [Sender(name, self.control, self.hub, self.clock) for name in ("first", "second")]

    async def run(self, seconds: float) -> None:
        until_us = self.clock.now_us() + round(seconds * MICROSECONDS)

        async def both() -> None:
            await asyncio.gather(*(sender.run(until_us) for sender in self.senders))

        await self.clock.run(both())

    def fail(self) -> None:
        refusal = SendFailed(category=ErrorCategory.THROTTLING, detail="scripted")
        self.hub.inject(Fault(outcome=refusal, remaining=None))

    def attempts_since(self, instant_us: int, name: str | None = None) -> int:
        return sum(at_us > instant_us and name in {None, who} for at_us, who in self.hub.attempts_at)


async def test_one_opens_it_and_the_other_stops_within_two_seconds() -> None:
    pair = Pair()
    await pair.run(2)
    first, second = pair.senders
    await pair.clock.run(first.breaker.force_open(reason="a test", by="first"))
    opened_us = pair.clock.now_us()

    await pair.run(60)

    assert pair.attempts_since(opened_us, "first") == 0
    assert pair.attempts_since(opened_us + 2 * MICROSECONDS) == 0
    assert second.breaker.state.status is BreakerStatus.OPEN


async def test_failures_of_both_count_together_and_nobody_sends_while_it_is_open() -> None:
    pair = Pair()
    await pair.run(2)
    pair.fail()
    await pair.run(3)

    stored = (await pair.control.read()).breaker
    assert stored is not None
    opened = stored.value.transitions[-1]
    assert opened.to_state is BreakerStatus.OPEN
    assert opened.reason.startswith(f"{THRESHOLD} consecutive failures")
    # What was under way when it opened still ends; the other one knows after its next window.
    assert pair.attempts_since(opened.at_us + WINDOW_US + ROUND_TRIP_US) == 0


@pytest.mark.parametrize("is_back", [True, False])
async def test_half_open_the_two_together_never_exceed_the_permits(is_back: bool) -> None:
    pair = Pair()
    await pair.run(2)
    pair.fail()
    await pair.run(3)
    if is_back:
        pair.hub.withdraw_faults()
    pair.hub.most_at_once = 0
    opened = (await pair.control.read()).breaker
    assert opened is not None
    assert opened.value.retry_at_us is not None

    await pair.run(TIMEOUT_SECONDS + 3)

    stored = (await pair.control.read()).breaker
    assert stored is not None
    half_open, ended = stored.value.transitions[1:3]
    assert half_open.to_state is BreakerStatus.HALF_OPEN
    assert half_open.at_us >= opened.value.retry_at_us
    trials = [at_us for at_us, _ in pair.hub.attempts_at if half_open.at_us <= at_us <= ended.at_us - ROUND_TRIP_US]
    assert 1 <= len(trials) <= TRIALS
    if is_back:
        assert len(trials) == TRIALS
        assert ended.to_state is BreakerStatus.CLOSED
        assert ended.reason == f"{TRIALS} trial batches were accepted"
        assert all(sender.breaker.state.status is BreakerStatus.CLOSED for sender in pair.senders)
        assert pair.attempts_since(ended.at_us, "first") > 0
        assert pair.attempts_since(ended.at_us, "second") > 0
    else:
        assert ended.to_state is BreakerStatus.OPEN
        assert pair.hub.most_at_once <= TRIALS
