"""The one middle of every flow: a lane's batch → leave from the breaker → send, with retries → what came of it.

It never knows who called it. It keeps nothing, and loses nothing: whatever isn't reported as sent or dead is still the
caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared.backoff import delay_seconds
from shared.clock import MICROSECONDS
from streaming.core.breaker import BreakerSettings, Permit
from streaming.core.outcome import GUIDE, ErrorCategory, SendFailed, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.event import Event
    from streaming.flows.breaker import CircuitBreaker
    from streaming.ports import Publisher

FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 10.0
PERMIT_MARGIN_SECONDS: Final = 6.0
"""For storing the permit and its result, each of which may take storage's four seconds: a trial is a single attempt."""
NO_LEASE_WAIT_US: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """The configuration's part that concerns sending."""

    timeout_seconds: float
    attempts: int
    backoff_multiplier: float
    max_batch_size: int
    breaker: BreakerSettings

    @classmethod
    def of(cls, config: RealtimeConfig) -> DeliveryPolicy:
        attempts = config.retry_attempts + 1
        timeout_seconds = config.batch_timeout_ms / 1_000
        return cls(
            timeout_seconds=timeout_seconds,
            attempts=attempts,
            backoff_multiplier=config.backoff_multiplier,
            max_batch_size=config.max_batch_size,
            breaker=BreakerSettings(
                enabled=config.circuit_breaker_enabled,
                failure_threshold=config.failure_threshold,
                timeout_seconds=config.timeout_seconds,
                half_open_max_calls=config.half_open_max_calls,
                permit_seconds=timeout_seconds + PERMIT_MARGIN_SECONDS,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under which terms a lane's owner may send."""

    lane: int
    policy: DeliveryPolicy
    lease_until_us: Callable[[], int]
    """How long the owner may still send: no attempt starts that the lease might not outlast."""
    final: Callable[[], bool] = lambda: False
    """Whether there is no later: what would be put off because of the breaker is dead then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadBatch:
    """Events that were tried for the last time."""

    events: tuple[Event, ...]
    category: ErrorCategory
    detail: str
    attempts: int
    first_failure_us: int
    last_failure_us: int


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What came of a batch. A prefix of it is settled, in order; the rest is still the caller's."""

    sent: list[Sequence[Event]] = field(default_factory=list)
    """One entry per accepted batch."""
    dead: list[DeadBatch] = field(default_factory=list)
    settled: int = 0
    """Events sent or dead, from the batch's first on."""
    connection_failures: int = 0
    retry_at_us: int | None = None
    """Set when the rest was put off: when trying again may help."""


class Deliverer:
    """Delivers batches to partitions. Concurrent calls for different lanes are the rule."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        breaker: CircuitBreaker,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        """``draw`` gives the jitter: a random number from 0 to 1."""
        self._publisher = publisher
        self._breaker = breaker
        self._clock = clock
        self._draw = draw

    async def deliver(self, events: Sequence[Event], terms: Terms) -> Delivery:
        """Deliver ``events``, which fit one batch, to the lane's partition.

        Bounded by one batch's retry budget (attempts x timeout and the waits between them) and the two seconds that a
        trial's link may take to open, times the logarithm of the batch's length where the hub finds it too large.
        """
        delivery = Delivery()
        pieces: list[Sequence[Event]] = [events]
        while pieces and delivery.retry_at_us is None:
            await self._deliver_piece(pieces.pop(), pieces, terms, delivery)
        return delivery

    async def _deliver_piece(
        self, piece: Sequence[Event], pieces: list[Sequence[Event]], terms: Terms, delivery: Delivery
    ) -> None:
        """Settle ``piece``, or split it onto ``pieces``, or set ``retry_at_us``."""
        now_us = self._clock.now_us()
        limit = self._publisher.max_batch_bytes
        if len(piece) == 1 and self._publisher.encoded_size(piece[0]) > limit:
            refusal = SendFailed(category=ErrorCategory.MESSAGE_TOO_LARGE, detail=f"the limit is {limit} bytes")
            self._bury(piece, refusal, 0, now_us, delivery)
            return
        if self._breaker.state.may_be_tried(now_us):
            # A trial is a single attempt. It is to show whether the hub is back, not how long connecting takes.
            await self._publisher.warm((terms.lane,))
        if not self._lease_outlasts_attempt(terms):
            delivery.retry_at_us = now_us + NO_LEASE_WAIT_US
            return
        permit = await self._breaker.acquire(terms.policy.breaker)
        if isinstance(permit, Permit):
            await self._attempt(piece, pieces, permit, terms, delivery)
        elif terms.final():
            category = ErrorCategory(self._breaker.state.last_category or ErrorCategory.UNKNOWN)
            failure = SendFailed(category=category, detail="the stream was stopped while the circuit breaker was open")
            self._bury(piece, failure, 0, now_us, delivery)
        else:
            delivery.retry_at_us = now_us + MICROSECONDS if permit.retry_at_us is None else permit.retry_at_us

    async def _attempt(
        self,
        piece: Sequence[Event],
        pieces: list[Sequence[Event]],
        permit: Permit,
        terms: Terms,
        delivery: Delivery,
    ) -> None:
        policy = terms.policy
        first_failure_us = 0
        attempt = 0
        while self._lease_outlasts_attempt(terms):
            attempt += 1
            result = await self._publisher.send(piece, partition=terms.lane, timeout_seconds=policy.timeout_seconds)
            if isinstance(result, Sent):
                await self._breaker.succeeded(permit, policy.breaker)
                delivery.sent.append(piece)
                delivery.settled += len(piece)
                return
            first_failure_us = first_failure_us or self._clock.now_us()
            delivery.connection_failures += not result.reached_hub
            guide = GUIDE[result.category]
            if not guide.infrastructure:
                await self._breaker.succeeded(permit, policy.breaker)  # The hub answered: it is the batch's own fault.
                if len(piece) > 1:  # Of one event in it, most likely: its neighbours are to go.
                    middle = len(piece) // 2
                    pieces.extend((piece[middle:], piece[:middle]))
                    return
            elif permit.permit_id:
                # A trial: it has shown that the hub isn't back, and its batch may wait for that.
                await self._breaker.failed(permit, policy.breaker, result.category)
                break
            if not guide.retryable or attempt >= policy.attempts:
                if guide.infrastructure:
                    await self._breaker.failed(permit, policy.breaker, result.category)
                self._bury(piece, result, attempt, first_failure_us, delivery)
                return
            await self._wait(attempt, result, policy)
            if not self._breaker.holds(permit, policy.breaker):
                break  # The breaker opened meanwhile: no use in retrying, and the batch isn't given up either.
        delivery.retry_at_us = self._clock.now_us() + NO_LEASE_WAIT_US

    def _lease_outlasts_attempt(self, terms: Terms) -> bool:
        attempt_us = round(terms.policy.timeout_seconds * MICROSECONDS)
        return terms.lease_until_us() > self._clock.now_us() + attempt_us

    async def _wait(self, attempt: int, result: SendFailed, policy: DeliveryPolicy) -> None:
        wait_seconds = _wait_seconds(attempt, policy.backoff_multiplier, jitter=self._draw())
        if result.retry_after_seconds is not None:
            wait_seconds = max(wait_seconds, min(result.retry_after_seconds, LONGEST_WAIT_SECONDS))
        await self._clock.sleep_until(self._clock.now_us() + round(wait_seconds * MICROSECONDS))

    def _bury(
        self, piece: Sequence[Event], failure: SendFailed, attempts: int, first_failure_us: int, delivery: Delivery
    ) -> None:
        delivery.settled += len(piece)
        before = delivery.dead[-1] if delivery.dead else None
        if before is not None and (before.category, before.detail) == (failure.category, failure.detail):
            # Pieces of one batch that died of the same thing stay one dead letter.
            delivery.dead[-1] = replace(before, events=(*before.events, *piece), last_failure_us=self._clock.now_us())
            return
        delivery.dead.append(
            DeadBatch(
                events=tuple(piece),
                category=failure.category,
                detail=failure.detail,
                attempts=attempts,
                first_failure_us=first_failure_us,
                last_failure_us=self._clock.now_us(),
            )
        )


def _wait_seconds(attempt: int, multiplier: float, *, jitter: float) -> float:
    return delay_seconds(
        failures=attempt,
        base_seconds=FIRST_WAIT_SECONDS,
        multiplier=multiplier,
        cap_seconds=LONGEST_WAIT_SECONDS,
        jitter=jitter,
    )
