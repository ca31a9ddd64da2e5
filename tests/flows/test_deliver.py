"""The middle of every flow: which attempts are made, and what is said about them."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_publisher import Fault, MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore
from streaming.core.breaker import BreakerStatus
from streaming.core.config import RealtimeConfig
from streaming.core.event import Event
from streaming.core.outcome import GUIDE, ErrorCategory, SendFailed
from streaming.flows.breaker import CircuitBreaker
from streaming.flows.deliver import Deliverer, Delivery, DeliveryPolicy, Terms
from tests.flows.virtual_clock import NOON, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS = tuple(Event("receipt_created", f"id-{number}", "store_1", b"x" * 100) for number in range(8))
RETRYABLE = [category for category in ErrorCategory if GUIDE[category].retryable]
HOPELESS = [category for category in ErrorCategory if not GUIDE[category].retryable and GUIDE[category].infrastructure]


class Bench:
    """A deliverer on a scripted hub."""

    def __init__(self, *, max_batch_bytes: int = 1 << 20, **config: object) -> None:
        self.clock = VirtualClock()
        self.hub = MemoryPublisher(partitions=1, max_batch_bytes=max_batch_bytes)
        self.policy = DeliveryPolicy.of(RealtimeConfig.model_validate(config))
        self.lease_until_us = NOON + 3_600 * MICROSECONDS
        self.final = False
        draw = random.Random(7).random  # noqa: S311 - jitter, the same in every run
        self.breaker = CircuitBreaker(
            store=MemoryControlStore(),
            clock=self.clock,
            instance="one",
            new_id=iter(map(str, range(99))).__next__,
            draw=draw,
        )
        self.deliverer = Deliverer(publisher=self.hub, breaker=self.breaker, clock=self.clock, draw=draw)

    async def deliver(self, events: Sequence[Event] = EVENTS) -> Delivery:
        terms = Terms(lane=0, policy=self.policy, lease_until_us=lambda: self.lease_until_us, final=lambda: self.final)
        delivery = await self.clock.run(self.deliverer.deliver(events, terms))
        assert delivery is not None
        return delivery

    def fail(self, category: ErrorCategory, times: int | None, *, stored: bool = False, **details: object) -> None:
        failure = SendFailed(category=category, detail="scripted", **details)  # type: ignore[arg-type]  # the test's words
        self.hub.inject(Fault(outcome=failure, remaining=times, stored=stored))


async def test_an_accepted_batch_is_settled_with_one_attempt() -> None:
    bench = Bench()
    delivery = await bench.deliver()
    assert (delivery.settled, list(delivery.sent), delivery.dead) == (8, [EVENTS], [])
    assert bench.hub.attempts == 1


@pytest.mark.parametrize("category", RETRYABLE)
async def test_what_may_still_succeed_is_tried_again_with_growing_waits(category: ErrorCategory) -> None:
    bench = Bench(retry_attempts=3, backoff_multiplier=2.0)
    bench.fail(category, 3)
    delivery = await bench.deliver()
    assert (delivery.settled, len(delivery.sent), delivery.dead) == (8, 1, [])
    assert bench.hub.attempts == 4
    waited_seconds = (bench.clock.now_us() - NOON) / MICROSECONDS
    assert 0.7 * 0.75 <= waited_seconds <= 0.7


@pytest.mark.parametrize("category", RETRYABLE)
@pytest.mark.parametrize("retry_attempts", [0, 2])
async def test_exhausted_attempts_make_one_dead_letter(category: ErrorCategory, retry_attempts: int) -> None:
    bench = Bench(retry_attempts=retry_attempts)
    bench.fail(category, None)
    delivery = await bench.deliver()
    assert (delivery.settled, delivery.sent) == (8, [])
    (dead,) = delivery.dead
    assert (dead.events, dead.category, dead.attempts) == (EVENTS, category, retry_attempts + 1)
    assert dead.first_failure_us == NOON
    assert dead.last_failure_us == bench.clock.now_us()
    assert bench.breaker.state.consecutive_failures == 1


@pytest.mark.parametrize("category", HOPELESS)
async def test_the_hopeless_is_not_tried_again(category: ErrorCategory) -> None:
    bench = Bench(retry_attempts=3)
    bench.fail(category, None)
    delivery = await bench.deliver()
    assert bench.hub.attempts == 1
    assert [dead.attempts for dead in delivery.dead] == [1]
    assert bench.breaker.state.consecutive_failures == 1


async def test_what_is_the_batch_s_own_fault_is_looked_for_event_by_event() -> None:
    bench = Bench(failure_threshold=1)
    bench.fail(ErrorCategory.SERIALIZATION, 4)  # The whole, its first half, that one's first half, the first event.
    delivery = await bench.deliver()
    assert delivery.settled == 8
    assert [dead.events for dead in delivery.dead] == [EVENTS[:1]]
    assert bench.hub.events(0) == list(EVENTS[1:])
    assert bench.breaker.state.status is BreakerStatus.CLOSED


async def test_a_throttling_hub_gets_the_patience_that_it_asks_for() -> None:
    bench = Bench(retry_attempts=1)
    bench.fail(ErrorCategory.THROTTLING, 1, retry_after_seconds=4.0)
    await bench.deliver()
    assert bench.clock.now_us() - NOON == 4 * MICROSECONDS


async def test_a_batch_that_is_too_large_goes_in_pieces_and_only_the_culprit_dies() -> None:
    giant = EVENTS[3]._replace(body=b"x" * 2_000)
    bench = Bench(max_batch_bytes=1_500, failure_threshold=1)
    events = (*EVENTS[:3], giant, *EVENTS[4:])
    delivery = await bench.deliver(events)
    assert delivery.settled == 8
    assert bench.hub.events(0) == [event for event in events if event is not giant]
    (dead,) = delivery.dead
    assert dead.events == (giant,)
    assert dead.category is ErrorCategory.MESSAGE_TOO_LARGE
    assert bench.breaker.state.status is BreakerStatus.CLOSED


async def test_attempts_to_connect_that_failed_are_counted() -> None:
    bench = Bench(retry_attempts=3)
    bench.fail(ErrorCategory.CONNECTION_ERROR, 2, reached_hub=False)
    bench.fail(ErrorCategory.CONNECTION_ERROR, 1, reached_hub=True)
    assert (await bench.deliver()).connection_failures == 2


async def test_an_open_breaker_puts_off_and_consumes_no_attempt() -> None:
    bench = Bench(retry_attempts=0, failure_threshold=1, timeout_seconds=60)
    bench.fail(ErrorCategory.THROTTLING, 1)
    await bench.deliver()
    delivery = await bench.deliver()
    assert (delivery.settled, delivery.sent, delivery.dead) == (0, [], [])
    assert delivery.retry_at_us == NOON + 60 * MICROSECONDS
    assert bench.hub.attempts == 1


async def test_a_trial_is_one_attempt_and_its_batch_may_wait() -> None:
    bench = Bench(retry_attempts=3, failure_threshold=1, timeout_seconds=60)
    bench.fail(ErrorCategory.AUTHENTICATION, None)
    await bench.deliver()
    await bench.clock.run(bench.clock.sleep_until(NOON + 61 * MICROSECONDS))
    delivery = await bench.deliver()
    assert (delivery.settled, delivery.dead) == (0, [])
    assert bench.hub.attempts == 2
    assert bench.breaker.state.status is BreakerStatus.OPEN
    assert bench.breaker.state.reopenings == 1


async def test_a_trial_finds_its_link_open_and_nothing_is_opened_before_it_is_time() -> None:
    bench = Bench(retry_attempts=0, failure_threshold=1, timeout_seconds=60)
    bench.fail(ErrorCategory.CONNECTION_ERROR, 1)
    await bench.deliver()
    await bench.deliver()
    assert bench.breaker.state.status is BreakerStatus.OPEN
    assert bench.hub.warmed == set()
    await bench.clock.run(bench.clock.sleep_until(NOON + 60 * MICROSECONDS))
    assert (await bench.deliver()).settled == 8
    assert bench.hub.warmed == {0}


async def test_without_a_later_what_would_be_put_off_is_dead() -> None:
    bench = Bench(retry_attempts=0, failure_threshold=1)
    bench.fail(ErrorCategory.THROTTLING, 1)
    await bench.deliver()
    bench.final = True
    delivery = await bench.deliver()
    assert delivery.settled == 8
    assert [dead.category for dead in delivery.dead] == [ErrorCategory.THROTTLING]
    assert bench.hub.attempts == 1


async def test_no_attempt_starts_that_the_lease_might_not_outlast() -> None:
    bench = Bench(batch_timeout_ms=1_000)
    bench.lease_until_us = NOON + MICROSECONDS
    delivery = await bench.deliver()
    assert (delivery.settled, bench.hub.attempts) == (0, 0)
    assert delivery.retry_at_us is not None


async def test_retries_end_when_somebody_else_opens_the_breaker() -> None:
    bench = Bench(retry_attempts=20, backoff_multiplier=1.0)
    bench.fail(ErrorCategory.THROTTLING, None, retry_after_seconds=1.0)

    async def open_after_three_seconds() -> None:
        await bench.clock.sleep_until(NOON + 2_500_000)
        await bench.breaker.force_open(reason="maintenance", by="operator")

    opening = asyncio.ensure_future(open_after_three_seconds())
    delivery = await bench.deliver()
    await opening
    assert (delivery.settled, delivery.dead, bench.hub.attempts) == (0, [], 3)
    assert delivery.retry_at_us is not None


async def test_a_batch_stored_before_its_failure_comes_again_identical() -> None:
    bench = Bench(retry_attempts=1)
    bench.fail(ErrorCategory.CONNECTION_ERROR, 1, stored=True)
    delivery = await bench.deliver()
    assert delivery.settled == 8
    assert bench.hub.events(0) == [*EVENTS, *EVENTS]
