"""Sending dead letters again: through the same delivery as everything else, and out of the queue only once accepted.

Run after run of letters is read, sent (one letter at a time in each lane, the oldest first) and settled in one
transaction. A crash in between leads to the same letters being sent again, byte for byte the same; never to a loss.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared import telemetry
from shared.clock import MICROSECONDS, to_iso
from shared.tasks import gather
from streaming.core.dead_letter import (
    REDRIVES_BEFORE_EXHAUSTED,
    FailedRedrive,
    Failure,
    LetterFilter,
    after_redrive,
)
from streaming.flows.dead_letters import QueueBusyError, in_runs
from streaming.flows.deliver import DeliveryPolicy, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.dead_letter import DeadLetter, LetterOutline
    from streaming.core.event import Event
    from streaming.flows.breaker import CircuitBreaker
    from streaming.flows.dead_letters import DeadLetterQueue
    from streaming.flows.deliver import Deliverer
    from streaming.ports import Control, ControlStore, Shelf

logger = logging.getLogger(__name__)

RUN_SECONDS: Final = 100
"""How long one request sends: an answer must come within 230 s, the last batch's retries included."""
WRITTEN_BYTES_PER_CHANGE: Final = 1_500_000
"""Uncompressed, of the letters that stay: a transaction then holds them, however badly they compress."""
_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveRequest:
    """What is to be sent again."""

    wanted: LetterFilter = field(default_factory=LetterFilter)
    max_events: int | None = None
    max_per_second: float | None = None
    include_exhausted: bool = False
    """Also what was sent again in vain as often as is allowed."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveReport:
    """``POST /api/stream/dlq/retry``. Counts are of events."""

    total_attempted: int
    succeeded: int
    failed: int
    still_in_dlq: int
    skipped_exhausted: int
    complete: bool
    """Whether all that was asked for was tried; if not, ask again."""
    message: str


class Redriver:
    """Carries out redrives. Any number may go on at once, anywhere."""

    def __init__(
        self,
        *,
        queue: DeadLetterQueue,
        control: ControlStore,
        deliverer: Deliverer,
        breaker: CircuitBreaker,
        config_of: Callable[[Control], RealtimeConfig],
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._control = control
        self._deliverer = deliverer
        self._breaker = breaker
        self._config_of = config_of
        self._clock = clock

    async def redrive(self, request: RedriveRequest) -> RedriveReport:
        """Send again what is asked for, until it is done, the time is up, or the breaker says no.

        Raises ``QueueBusyError`` when others keep changing the queue: what was sent by then may be sent again.
        """
        until_us = self._clock.now_us() + RUN_SECONDS * MICROSECONDS
        run = _Run(request, self._deliverer, self._clock, until_us)
        shelves = [shelf async for shelf in self._queue.shelves()]
        for shelf in shelves:
            await self._redrive_from(shelf, run)
        report = run.report(still_in_dlq=await self._queue.size())
        if not request.dry_run:
            telemetry.info(logger, "dead_letters_redriven", attempted=run.attempted, succeeded=run.succeeded)
        return report

    async def _redrive_from(self, shelf: Shelf, run: _Run) -> None:
        for outlines in in_runs(run.choose(shelf.outlines)):
            if run.over:
                return
            if run.request.dry_run:
                run.imagine(outlines)
                continue
            policy = await self._policy()
            letters = [letter async for letter in self._queue.load(outlines)]
            outcomes = await run.send(letters, policy)
            for group in _groups(letters, outcomes):
                gone, shelf = await self._settle(shelf, group, outcomes)
                run.succeeded += gone

    async def _policy(self) -> DeliveryPolicy:
        """What is in force now, for sending."""
        control = await self._control.read()
        self._breaker.observe(control.breaker)
        return DeliveryPolicy.of(self._config_of(control))

    async def _settle(
        self, shelf: Shelf, letters: Sequence[DeadLetter], outcomes: dict[str, _Outcome]
    ) -> tuple[int, Shelf]:
        """Write what has come of ``letters``: how many events have left the queue by that, and the shelf as it is then.

        ``shelf`` was read before ``letters`` were. Whoever was overtaken reads both again and applies the same outcomes
        to what is there now: an event that somebody else has taken out meanwhile is not counted twice.
        """
        ids = {letter.letter_id for letter in letters}
        for _ in range(_TRIES):
            removed = tuple(outline for outline in shelf.outlines if outline.letter_id in ids)
            stays = [left for letter in letters for left in _left(letter, outcomes[letter.letter_id])]
            if list(letters) == stays:
                return 0, shelf
            gone = _events_in(letters) - _events_in(stays)
            change = replace(self._queue.proposal(shelf, redriven=gone), removed=removed, written=tuple(stays))
            after = await self._queue.change(shelf, change)
            if after is not None:
                return gone, after
            shelf = await self._queue.again(shelf)
            letters = [
                letter async for letter in self._queue.load([each for each in shelf.outlines if each.letter_id in ids])
            ]
        raise QueueBusyError("Others keep changing the dead letters. Try again.")


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What has come of a letter's events, by trace id."""

    sent: set[str] = field(default_factory=set)
    failed: list[FailedRedrive] = field(default_factory=list)


class _Run:
    """One redrive: what is left to do, and what has been done."""

    def __init__(self, request: RedriveRequest, deliverer: Deliverer, clock: Clock, until_us: int) -> None:
        self.attempted = 0
        self.succeeded = 0
        self.failed = 0
        self.skipped_exhausted = 0
        self.stopped: str | None = None
        """Why not everything was tried."""
        self.request = request
        self._deliverer = deliverer
        self._clock = clock
        self._until_us = until_us
        self._left = math.inf if request.max_events is None else request.max_events
        self._next_us = clock.now_us()
        """When the rate allows the next batch."""

    @property
    def over(self) -> bool:
        return self.stopped is not None or not self._left

    def imagine(self, outlines: Sequence[LetterOutline]) -> None:
        """Count what would be tried."""
        count = sum(map(self.request.wanted.count_in, outlines))
        self.attempted += int(min(self._left, count))
        self._left = max(0, self._left - count)

    def choose(self, outlines: Sequence[LetterOutline]) -> Iterator[LetterOutline]:
        """The letters that are meant."""
        for outline in outlines:
            count = self.request.wanted.count_in(outline)
            if count and outline.is_exhausted and not self.request.include_exhausted:
                self.skipped_exhausted += count
            elif count:
                yield outline

    async def send(self, letters: Sequence[DeadLetter], policy: DeliveryPolicy) -> dict[str, _Outcome]:
        """Send the letters' events that are meant: one letter at a time in each lane, the oldest first."""
        lanes: defaultdict[int, list[tuple[DeadLetter, Sequence[Event]]]] = defaultdict(list)
        for letter in letters:
            events = self.request.wanted.events_of(letter)
            allowed = int(min(self._left, len(events)))
            self._left -= allowed
            lanes[letter.lane].append((letter, events[:allowed]))
        outcomes = {letter.letter_id: _Outcome() for letter in letters}
        await gather(*(self._send_lane(lane, parts, policy, outcomes) for lane, parts in lanes.items()))
        return outcomes

    async def _send_lane(
        self,
        lane: int,
        parts: Sequence[tuple[DeadLetter, Sequence[Event]]],
        policy: DeliveryPolicy,
        outcomes: dict[str, _Outcome],
    ) -> None:
        terms = Terms(lane=lane, policy=policy, lease_until_us=lambda: self._lease_until_us(policy))
        size = self._batch_size(policy)
        for letter, events in parts:
            for first in range(0, len(events), size):
                if not await self._may_send(events[first : first + size]):
                    return
                await self._send(events[first : first + size], terms, outcomes[letter.letter_id])

    async def _send(self, events: Sequence[Event], terms: Terms, outcome: _Outcome) -> None:
        delivery = await self._deliverer.deliver(events, terms)
        outcome.sent.update(event.trace_id for batch in delivery.sent for event in batch)
        for batch in delivery.dead:
            failure = Failure(
                at_us=batch.last_failure_us, attempts=batch.attempts, category=batch.category, detail=batch.detail
            )
            trace_ids = frozenset(event.trace_id for event in batch.events)
            outcome.failed.append(FailedRedrive(trace_ids=trace_ids, failure=failure))
            self.failed += len(batch.events)
        self.attempted += delivery.settled
        if delivery.retry_at_us is not None and self.stopped is None:
            self.stopped = f"The circuit breaker lets nothing through until {to_iso(delivery.retry_at_us)}."

    async def _may_send(self, events: Sequence[Event]) -> bool:
        """Wait until the rate allows ``events``; False once the redrive is over."""
        rate = self.request.max_per_second
        if rate is not None:
            turn_us = self._next_us = max(self._next_us, self._clock.now_us())
            self._next_us += round(len(events) / rate * MICROSECONDS)
            await self._clock.sleep_until(min(turn_us, self._until_us))
        if self.stopped is None and self._clock.now_us() >= self._until_us:
            self.stopped = f"It took {RUN_SECONDS} seconds, the most that one request may take."
        return self.stopped is None

    def _batch_size(self, policy: DeliveryPolicy) -> int:
        rate = self.request.max_per_second
        return policy.max_batch_size if rate is None else max(1, min(policy.max_batch_size, int(rate)))

    def _lease_until_us(self, policy: DeliveryPolicy) -> int:
        """Letters are nobody's, so there is no lease: what was begun in time is finished."""
        return self._clock.now_us() + 2 * round(policy.timeout_seconds * MICROSECONDS)

    def report(self, *, still_in_dlq: int) -> RedriveReport:
        return RedriveReport(
            total_attempted=self.attempted,
            succeeded=self.succeeded,
            failed=self.failed,
            still_in_dlq=still_in_dlq,
            skipped_exhausted=self.skipped_exhausted,
            complete=self.stopped is None,
            message=self._message(),
        )

    def _message(self) -> str:
        verb = "would be sent again" if self.request.dry_run else "were sent again"
        parts = [f"{self.attempted if self.request.dry_run else self.succeeded} events {verb}."]
        if self.failed:
            parts.append(f"{self.failed} failed again.")
        if self.skipped_exhausted:
            parts.append(
                f"{self.skipped_exhausted} were passed over: sent again in vain {REDRIVES_BEFORE_EXHAUSTED} times "
                "already (include_exhausted sends them too)."
            )
        if self.stopped:
            parts.append(self.stopped)
        return " ".join(parts)


def _left(letter: DeadLetter, outcome: _Outcome) -> tuple[DeadLetter, ...]:
    return after_redrive(letter, sent=outcome.sent, failed=outcome.failed)


def _groups(letters: Sequence[DeadLetter], outcomes: dict[str, _Outcome]) -> Iterator[list[DeadLetter]]:
    """``letters`` in groups that one transaction can settle."""
    group: list[DeadLetter] = []
    size_bytes = 0
    for letter in letters:
        stays_bytes = sum(len(e.body) for left in _left(letter, outcomes[letter.letter_id]) for e in left.events)
        if group and size_bytes + stays_bytes > WRITTEN_BYTES_PER_CHANGE:
            yield group
            group, size_bytes = [], 0
        group.append(letter)
        size_bytes += stays_bytes
    if group:
        yield group


def _events_in(letters: Sequence[DeadLetter]) -> int:
    return sum(len(letter.events) for letter in letters)
