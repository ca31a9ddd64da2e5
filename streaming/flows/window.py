"""One window while it runs: what was generated, what each lane has settled, and the counts still to be committed."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from streaming.core.cursor import Progress
from streaming.flows.delivery_books import DeliveryBooks, letter_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.core.cursor import Cursor
    from streaming.core.dead_letter import DeadLetter
    from streaming.core.event import Event
    from streaming.core.history import Slot
    from streaming.core.plan import WindowPlan
    from streaming.core.tally import Tally
    from streaming.flows.deliver import DeadBatch, Delivery

LETTERS_PER_COMMIT: Final = 80
LETTER_BYTES_PER_COMMIT: Final = 1_500_000
"""Uncompressed: with the largest checkpoint (2 MiB) and however badly they compress, a transaction still holds them."""

_event_type = itemgetter(0)


def _size_bytes(batch: DeadBatch) -> int:
    return sum(len(event.body) for event in batch.events)


class WindowRun:
    """A planned window being run, from the start or from where its last committed progress left off.

    Its events are generated again from the window's start either way; those that the progress calls counted aren't
    counted again, and those that it calls settled aren't sent again.
    """

    def __init__(self, plan: WindowPlan, cursor: Cursor, progress: Progress) -> None:
        self.plan = plan
        self._cursor = cursor
        self._to_count = -progress.generated
        self.to_skip = list(progress.settled) or [0] * cursor.lanes
        """Per lane, how many of its next events were settled before this run began."""
        self.generated = 0
        self._settled = list(self.to_skip)
        self.complete = False
        """Whether all of the window's events have been generated."""
        self.checkpoint: bytes | None = None
        """The world at the window's end, once it is complete, and"""
        self.disrupted: Mapping[str, int] = {}
        """how many events each disruption has touched by then."""
        self._books = DeliveryBooks()
        self.dead_letters: list[DeadLetter] = []
        self._letter_bytes = 0
        self.crowded = False
        """Whether a lane waits for the dead letters in memory to be committed."""

    @property
    def tally(self) -> Tally:
        """Counts since the last commit."""
        return self._books.tally

    @property
    def settled(self) -> bool:
        """Whether the window is over: complete, and every event sent or dead-lettered."""
        return self.complete and self.generated == sum(self._settled)

    @property
    def progress(self) -> Progress:
        # After a restart, what the earlier run had generated stays counted until this one gets there.
        return Progress(generated=self.generated - min(0, self._to_count), settled=tuple(self._settled))

    def count_generated(self, events: Sequence[Event]) -> None:
        """Count a burst's events, except the ones that were counted before the restart."""
        self.generated += len(events)
        new = events[-self._to_count :] if self._to_count < 0 else events
        self._to_count = min(0, self._to_count + len(events))
        self.tally.generated += len(new)
        self.tally.by_type.update(Counter(map(_event_type, new)))

    def has_room_for(self, delivery: Delivery) -> bool:
        """Whether ``delivery``'s dead letters still fit the next commit's transaction."""
        if not self.dead_letters or not delivery.dead:
            return True
        count = len(self.dead_letters) + len(delivery.dead)
        size_bytes = self._letter_bytes + sum(map(_size_bytes, delivery.dead))
        return count <= LETTERS_PER_COMMIT and size_bytes <= LETTER_BYTES_PER_COMMIT

    def settle(self, lane: int, delivery: Delivery, *, first_burst: int, last_burst: int, now_us: int) -> None:
        """Book what came of a lane's batch, in memory; the next commit writes it."""
        self._settled[lane] += delivery.settled
        self._books.book(delivery, now_us=now_us)
        for batch in delivery.dead:
            self._letter_bytes += _size_bytes(batch)
            self.dead_letters.append(
                letter_of(
                    batch,
                    session_id=self._cursor.session_id,
                    shard=self._cursor.slot,
                    lane=lane,
                    window=self.plan.window,
                    position=self._settled[lane],
                    index=len(self.dead_letters),
                    first_burst=first_burst,
                    last_burst=last_burst,
                )
            )

    def take(self) -> tuple[Tally, dict[int, Slot], tuple[DeadLetter, ...]]:
        """What is to be committed since the last time; from now on counted as taken."""
        letters, self.dead_letters = tuple(self.dead_letters), []
        self._letter_bytes, self.crowded = 0, False
        return (*self._books.take(), letters)
