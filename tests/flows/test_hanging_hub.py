"""A hub that hangs, or fails as slowly as it can, for a minute: no step of a stream takes longer than its bound.

The bound is one batch's retry budget and two seconds. In virtual time, so that it is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.breaker import BreakerStatus
from streaming.core.cursor import HEARTBEAT_US
from streaming.core.outcome import ErrorCategory, SendFailed, SendResult
from streaming.core.session import Session
from streaming.flows.control import LEAD_US, StartRequest
from tests.flows.process import Process
from tests.flows.virtual_clock import NOON, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streaming.core.event import Event
    from streaming.flows.deliver import Delivery, Terms
    from streaming.ports import ShardCommit

THRESHOLD, TRIALS = 3, 2
TIMEOUT_SECONDS = 1.0
WARMING_US = 2 * MICROSECONDS
"""What the port allows for opening links."""


class HangingHub(MemoryPublisher):
    """Takes all the time that a send or a link may take, and then fails, while ``failure`` is set."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(partitions=4)
        self.failure: SendFailed | None = None
        self._clock = clock

    async def warm(self, partitions: Iterable[int]) -> None:
        if self.failure is not None:
            await self._clock.sleep_until(self._clock.now_us() + WARMING_US)
        await super().warm(partitions)

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        failure = self.failure
        if failure is None:
            return await super().send(events, partition=partition, timeout_seconds=timeout_seconds)
        await self._clock.sleep_until(self._clock.now_us() + round(timeout_seconds * MICROSECONDS))
        return failure


class Stage:
    """One process on a hub that may hang; what it did is written down."""

    def __init__(self, retry_attempts: int) -> None:
        self.clock = VirtualClock()
        self.hub = HangingHub(self.clock)
        shards = MemoryShardStore()
        self.process = Process(
            control=MemoryControlStore(),
            shards=shards,
            letters=MemoryDeadLetterStore(shards),
            publisher=self.hub,
            clock=self.clock,
            environment={
                "batch_timeout_ms": str(round(TIMEOUT_SECONDS * 1_000)),
                "retry_attempts": str(retry_attempts),
                "failure_threshold": str(THRESHOLD),
                "timeout_seconds": "5",
                "half_open_max_calls": str(TRIALS),
            },
        )
        self.steps_us: list[int] = []
        self.heartbeats_us: list[int] = []
        deliverer = self.process.live._ports.senders.first.deliverer
        deliver, write = deliverer.deliver, shards.commit

        async def timed(events: Sequence[Event], terms: Terms) -> Delivery:
            began_us = self.clock.now_us()
            delivery = await deliver(events, terms)
            self.steps_us.append(self.clock.now_us() - began_us)
            return delivery

        async def noted(commit: ShardCommit) -> str:
            self.heartbeats_us.append(commit.cursor.heartbeat_us)
            return await write(commit)

        deliverer.deliver = timed  # type: ignore[method-assign]  # observed, not replaced
        shards.commit = noted  # type: ignore[method-assign]  # likewise

    async def run_until(self, seconds: float) -> None:
        await self.clock.run(self.process.tick_until(NOON + LEAD_US + round(seconds * MICROSECONDS)))


class Case(NamedTuple):
    category: ErrorCategory
    retry_attempts: int
    budget_seconds: float
    """Attempts times a second, and the waits between them: 0.1 s, doubled each time, or what the hub asks for."""
    retry_after_seconds: float | None = None


CASES = [
    Case(ErrorCategory.CONNECTION_TIMEOUT, 0, 1.0),
    Case(ErrorCategory.CONNECTION_TIMEOUT, 3, 4.0 + 0.7),
    Case(ErrorCategory.CONNECTION_ERROR, 1, 2.0 + 0.1),
    Case(ErrorCategory.THROTTLING, 2, 3.0 + 8.0, 4.0),
    Case(ErrorCategory.AUTHENTICATION, 3, 1.0),
    Case(ErrorCategory.NOT_FOUND, 3, 1.0),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.category}-{case.retry_attempts}" for case in CASES])
async def test_no_step_takes_longer_than_its_bound_and_the_stream_shows_signs_of_life(case: Case) -> None:
    stage = Stage(case.retry_attempts)
    session = await stage.process.control.start(StartRequest(emit_interval_ms=500, burst=20))
    assert isinstance(session, Session)
    await stage.run_until(10)
    stage.hub.failure = SendFailed(
        category=case.category, detail="slow to fail", retry_after_seconds=case.retry_after_seconds
    )
    await stage.run_until(70)
    stage.hub.failure = None
    await stage.run_until(130)

    assert max(stage.steps_us) <= round((case.budget_seconds + 2.0) * MICROSECONDS)
    gaps_us = [after - before for before, after in zip(stage.heartbeats_us, stage.heartbeats_us[1:], strict=False)]
    assert max(gaps_us) <= HEARTBEAT_US + MICROSECONDS
    view = await stage.process.observer.view()
    assert view.breaker.status is BreakerStatus.CLOSED
    opened, *outage = view.breaker.transitions
    assert opened.reason.startswith(f"{THRESHOLD} consecutive failures")
    assert outage[-1].reason == f"{TRIALS} trial batches were accepted"
    assert view.books.balanced
    assert view.tally.dead_lettered > 0
    sent = [event.trace_id for event in stage.hub.events()]
    assert len(set(sent)) == len(sent) == view.tally.sent_first
