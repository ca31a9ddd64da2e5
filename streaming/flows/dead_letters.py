"""The dead-letter queue of all sessions and shards: look at it, summarize it, clear it, keep it within its size.

Every change is one transaction in a shard's partition: letters that go or shrink, and the counts of what became of
them. Whoever is overtaken reads again, so two who change the queue at once neither lose nor double anything.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from shared import telemetry
from shared.clock import to_iso
from streaming.core.dead_letter import LetterFilter, LetterOutline
from streaming.core.outcome import GUIDE
from streaming.core.tally import DeadLetterTally
from streaming.flows.census import in_dlq
from streaming.ports import ConflictError, LetterChange, Shelf, Versioned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from streaming.core.dead_letter import DeadLetter
    from streaming.core.event import Event
    from streaming.core.outcome import ErrorCategory
    from streaming.flows.census import Census
    from streaming.ports import DeadLetterStore

logger = logging.getLogger(__name__)

ROWS_PER_CHANGE: Final = 80
EVENTS_PER_READ: Final = 2_000
_TRIES: Final = 20


class QueueBusyError(Exception):
    """Others kept changing the dead letters: try again."""


class Position(NamedTuple):
    """Where a page of the queue ended: behind so many of a letter's events that were asked for."""

    session_id: str
    shard: int
    letter_id: str
    events: int


class Entry(NamedTuple):
    """One event of the queue, and the letter that it is in."""

    event: Event
    letter: DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of the queue."""

    entries: list[Entry]
    count: int
    """Events in the whole queue, whatever was asked for."""
    next: Position | None
    """Where to go on; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """``GET /api/stream/dlq/summary``. Counts are of events."""

    size: int
    max_size: int
    by_category: dict[str, int]
    by_event_type: dict[str, int]
    by_error: dict[str, int]
    oldest_entry: str | None
    newest_entry: str | None
    evicted: int
    exhausted: int
    """Sent again in vain so often that a redrive passes over them."""


class DeadLetterQueue:
    """The queue as operators see it."""

    def __init__(self, *, census: Census, letters: DeadLetterStore, new_id: Callable[[], str]) -> None:
        self._census = census
        self._letters = letters
        self._new_id = new_id

    async def shelves(self) -> AsyncIterator[Shelf]:
        """Every shard that has, or may have, dead letters; the oldest session first."""
        for session_id in await self._census.standings():
            for shelf in await self._letters.shelves(session_id):
                yield shelf

    async def size(self) -> int:
        """Events in the queue."""
        return sum(map(in_dlq, (await self._census.standings()).values()))

    async def page(self, wanted: LetterFilter, *, limit: int | None, after: Position | None = None) -> Page:
        """Up to ``limit`` of the events that are wanted, oldest first within a shard, from behind ``after`` on."""
        shelves = [shelf async for shelf in self.shelves()]
        count = sum(outline.count for shelf in shelves for outline in shelf.outlines)
        entries: list[Entry] = []
        for shelf in _from(shelves, after):
            behind = after if after is not None and _is_at(shelf, after) else None
            chosen = [
                outline
                for outline in shelf.outlines
                if wanted.count_in(outline) and (behind is None or outline.letter_id >= behind.letter_id)
            ]
            async for letter in self.load(chosen):
                skipped = behind.events if behind is not None and letter.letter_id == behind.letter_id else 0
                for number, event in enumerate(wanted.events_of(letter)[skipped:], start=skipped):
                    if len(entries) == limit:
                        position = Position(letter.session_id, letter.shard, letter.letter_id, number)
                        return Page(entries=entries, count=count, next=position)
                    entries.append(Entry(event=event, letter=letter))
        return Page(entries=entries, count=count, next=None)

    async def load(self, outlines: Sequence[LetterOutline]) -> AsyncIterator[DeadLetter]:
        """The letters themselves, some thousand events at a time; those that have gone meanwhile are left out."""
        for run in in_runs(outlines):
            for letter in await self._letters.letters(run):
                yield letter

    async def summary(self, *, max_size: int) -> Summary:
        categories: Counter[str] = Counter()
        event_types: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        oldest_us, newest_us, evicted, exhausted = [], [], 0, 0
        async for shelf in self.shelves():
            evicted += shelf.standing.resolved.value.evicted if shelf.standing.resolved else 0
            for outline in shelf.outlines:
                categories[outline.category.value] += outline.count
                errors[GUIDE[outline.category].phrase] += outline.count
                event_types.update(outline.event_types)
                oldest_us.append(outline.first_failure_us or outline.last_failure_us)
                newest_us.append(outline.last_failure_us)
                exhausted += outline.count if outline.is_exhausted else 0
        return Summary(
            size=categories.total(),
            max_size=max_size,
            by_category=dict(sorted(categories.items())),
            by_event_type=dict(sorted(event_types.items())),
            by_error=dict(sorted(errors.items())),
            oldest_entry=to_iso(min(oldest_us)) if oldest_us else None,
            newest_entry=to_iso(max(newest_us)) if newest_us else None,
            evicted=evicted,
            exhausted=exhausted,
        )

    async def clear(self, category: ErrorCategory | None = None) -> int:
        """Give up all letters, or those of one category, that are there now. Returns how many events that were."""
        wanted = LetterFilter(category=category)
        cleared = 0
        async for shelf in self.shelves():
            there = {outline.letter_id for outline in shelf.outlines if wanted.count_in(outline)}

            def choose(current: Shelf, there: set[str] = there) -> list[LetterOutline]:
                left = [o for o in current.outlines if o.letter_id in there and wanted.count_in(o)]
                return left[: _fitting(left)]

            cleared += await self._remove(shelf, choose, "cleared")
        return cleared

    async def evict(self, limit: int) -> int:
        """Give up the oldest events beyond ``limit``. Returns how many. Costs two round trips when there are none.

        Oldest first: the oldest session, in it the oldest letters of each shard in turn, a letter's first events.
        """
        standings = await self._census.standings()
        surplus = sum(map(in_dlq, standings.values())) - limit
        evicted = 0
        for session_id in standings:
            if evicted >= surplus:
                break
            for shelf in await self._letters.shelves(session_id):
                evicted += await self._evict_from(shelf, surplus - evicted)
        if evicted:
            telemetry.error(logger, "dead_letters_evicted", events=evicted, max_size=limit)
        return evicted

    async def change(self, shelf: Shelf, change: LetterChange) -> Shelf | None:
        """Write ``change``; the shelf as it is then, without what was removed; None when somebody else was quicker."""
        try:
            version = await self._letters.change(change)
        except ConflictError:
            return None
        return Shelf(
            standing=replace(shelf.standing, resolved=Versioned(value=change.resolved, version=version)),
            outlines=tuple(outline for outline in shelf.outlines if outline not in change.removed),
        )

    def proposal(self, shelf: Shelf, **counted: int) -> LetterChange:
        """A change of ``shelf`` that counts so many more events as redriven, cleared or evicted."""
        resolved = shelf.standing.resolved
        before = resolved.value if resolved else DeadLetterTally()
        return LetterChange(
            session_id=shelf.session_id,
            shard=shelf.shard,
            version=resolved.version if resolved else None,
            resolved=replace(before, **{name: getattr(before, name) + count for name, count in counted.items()}),
            operation_id=self._new_id(),
        )

    async def again(self, shelf: Shelf) -> Shelf:
        """The shelf as it is now."""
        shelves = await self._letters.shelves(shelf.session_id)
        return next(each for each in shelves if each.shard == shelf.shard)

    async def _remove(self, shelf: Shelf, choose: Callable[[Shelf], list[LetterOutline]], counted_as: str) -> int:
        """Remove what ``choose`` finds, again and again until it finds nothing; returns how many events went."""
        removed = conflicts = 0
        while gone := choose(shelf):
            events = sum(outline.count for outline in gone)
            change = replace(self.proposal(shelf, **{counted_as: events}), removed=tuple(gone))
            if (after := await self.change(shelf, change)) is not None:
                removed += events
                shelf = after
            elif (conflicts := conflicts + 1) > _TRIES:
                raise QueueBusyError("Others keep changing the dead letters. Try again.")
            else:
                shelf = await self.again(shelf)
        return removed

    async def _evict_from(self, shelf: Shelf, surplus: int) -> int:
        evicted = conflicts = 0
        while evicted < surplus and shelf.outlines and conflicts <= _TRIES:  # If overtaken for ever: the next one.
            events, change = await self._eviction(shelf, surplus - evicted)
            after = await self.change(shelf, change)
            if after is None:
                conflicts += 1
                shelf = await self.again(shelf)
            else:
                evicted += events
                shelf = after
        return evicted

    async def _eviction(self, shelf: Shelf, surplus: int) -> tuple[int, LetterChange]:
        """The oldest letters within ``surplus`` events go; where that is none, the oldest one's first events."""
        whole = _oldest_within(shelf.outlines, surplus)
        if whole:
            gone = whole[: _fitting(whole)]
            events = sum(outline.count for outline in gone)
            return events, replace(self.proposal(shelf, evicted=events), removed=tuple(gone))
        oldest = shelf.outlines[0]
        rest = [replace(each, events=each.events[surplus:]) for each in await self._letters.letters([oldest])]
        return surplus, replace(self.proposal(shelf, evicted=surplus), removed=(oldest,), written=tuple(rest))


def in_runs(outlines: Iterable[LetterOutline]) -> Iterator[list[LetterOutline]]:
    """``outlines`` in runs that are read and changed at once."""
    run: list[LetterOutline] = []
    events = rows = 0
    for outline in outlines:
        if run and (events + outline.count > EVENTS_PER_READ or rows + outline.rows > ROWS_PER_CHANGE):
            yield run
            run, events, rows = [], 0, 0
        run.append(outline)
        events += outline.count
        rows += outline.rows
    if run:
        yield run


def _fitting(outlines: Sequence[LetterOutline]) -> int:
    """How many of the first letters one transaction can remove."""
    rows = 0
    for number, outline in enumerate(outlines):
        rows += outline.rows
        if rows > ROWS_PER_CHANGE:
            return max(1, number)
    return len(outlines)


def _oldest_within(outlines: Sequence[LetterOutline], events: int) -> list[LetterOutline]:
    """The oldest letters that together hold no more than ``events``."""
    chosen: list[LetterOutline] = []
    for outline in outlines:
        events -= outline.count
        if events < 0:
            break
        chosen.append(outline)
    return chosen


def _from(shelves: Sequence[Shelf], after: Position | None) -> Sequence[Shelf]:
    """The shelves from where a page ended; what is older than a session that has gone was shown."""
    if after is None:
        return shelves
    position = next((number for number, shelf in enumerate(shelves) if _is_at(shelf, after)), None)
    if position is not None:
        return shelves[position:]
    return [shelf for shelf in shelves if (shelf.session_id, shelf.shard) > (after.session_id, after.shard)]


def _is_at(shelf: Shelf, position: Position) -> bool:
    return (shelf.session_id, shelf.shard) == (position.session_id, position.shard)
