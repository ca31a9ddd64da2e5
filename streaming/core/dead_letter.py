"""A dead letter: one failed batch, with everything needed to understand it and to send it again. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streaming.core.event import Event
    from streaming.core.outcome import ErrorCategory

REDRIVES_BEFORE_EXHAUSTED: Final = 5
"""A letter that was sent again so often in vain is left alone, unless it is asked for by name."""
KEPT_FAILURES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How an attempt to deliver a letter ended."""

    at_us: int
    attempts: int
    category: ErrorCategory
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRedrive:
    """Events of a letter that were sent again in vain, and how that ended."""

    trace_ids: Collection[str]
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Events that failed together. Written in the transaction that settles them, removed once sent or given up."""

    letter_id: str
    """Unique within its partition; sorts by age."""
    events: tuple[Event, ...]
    category: ErrorCategory
    detail: str
    """The last attempt's raw text, redacted."""
    attempts: int
    """All of them, redrives included."""
    first_failure_us: int
    last_failure_us: int
    session_id: str
    shard: int
    """Its slot: 100 times the generation plus the shard; of an outbox lane 10 000 times the epoch plus the lane."""
    lane: int
    window: int
    first_burst: int
    last_burst: int
    redrives: int = 0
    """How often it was sent again in vain."""
    history: tuple[Failure, ...] = ()
    """The failures before the last one, oldest first; the last ten are kept."""

    @property
    def retry_count(self) -> int:
        return max(0, self.attempts - 1)

    @property
    def is_exhausted(self) -> bool:
        return self.redrives >= REDRIVES_BEFORE_EXHAUSTED

    def failed_again(self, failure: Failure) -> DeadLetter:
        """The letter after a redrive that ended in ``failure``."""
        before = Failure(at_us=self.last_failure_us, attempts=self.attempts, category=self.category, detail=self.detail)
        return replace(
            self,
            category=failure.category,
            detail=failure.detail,
            attempts=self.attempts + failure.attempts,
            first_failure_us=self.first_failure_us or failure.at_us,
            last_failure_us=failure.at_us,
            redrives=self.redrives + 1,
            history=(*self.history, before)[-KEPT_FAILURES:],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterOutline:
    """A letter without its events: what lists, filters and summaries need."""

    letter_id: str
    session_id: str
    shard: int
    lane: int
    category: ErrorCategory
    event_types: Mapping[str, int]
    """How many events of each type it holds."""
    redrives: int
    first_failure_us: int
    last_failure_us: int
    rows: int = 1
    """How many rows of storage it takes."""

    @property
    def count(self) -> int:
        return sum(self.event_types.values())

    @property
    def is_exhausted(self) -> bool:
        return self.redrives >= REDRIVES_BEFORE_EXHAUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which events of the dead-letter queue are meant; None means all."""

    category: ErrorCategory | None = None
    event_type: str | None = None

    def count_in(self, outline: LetterOutline) -> int:
        """How many events of the letter are meant."""
        if self.category not in {None, outline.category}:
            return 0
        return outline.count if self.event_type is None else outline.event_types.get(self.event_type, 0)

    def events_of(self, letter: DeadLetter) -> tuple[Event, ...]:
        """The letter's events that are meant, in its order."""
        if self.category not in {None, letter.category}:
            return ()
        if self.event_type is None:
            return letter.events
        return tuple(event for event in letter.events if event.event_type == self.event_type)


def outline_of(letter: DeadLetter) -> LetterOutline:
    return LetterOutline(
        letter_id=letter.letter_id,
        session_id=letter.session_id,
        shard=letter.shard,
        lane=letter.lane,
        category=letter.category,
        event_types=Counter(event.event_type for event in letter.events),
        redrives=letter.redrives,
        first_failure_us=letter.first_failure_us,
        last_failure_us=letter.last_failure_us,
    )


def after_redrive(
    letter: DeadLetter, *, sent: Collection[str], failed: Sequence[FailedRedrive]
) -> tuple[DeadLetter, ...]:
    """What stays of ``letter`` once the events whose trace ids are ``sent`` have left it.

    Events that failed again part from those that were not tried, so that each one's history is its own. What the letter
    no longer holds (somebody else has taken it) is passed over: the function may be asked again about a newer letter.
    """
    tried = {trace_id for redrive in failed for trace_id in redrive.trace_ids}
    rest = tuple(event for event in letter.events if event.trace_id not in sent and event.trace_id not in tried)
    stays = [replace(letter, events=rest)] if rest else []
    for number, redrive in enumerate(failed):
        events = tuple(event for event in letter.events if event.trace_id in redrive.trace_ids)
        if not events:
            continue
        again = replace(letter, events=events).failed_again(redrive.failure)
        if stays:  # Its name is taken: a later one that still sorts behind the letter it comes from.
            again = replace(again, letter_id=f"{letter.letter_id}-{redrive.failure.at_us:x}-{number:x}")
        stays.append(again)
    return tuple(stays)
