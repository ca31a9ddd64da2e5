"""What the outbox's flows need of the outside world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streaming.ports import Standing, Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.dead_letter import DeadLetter
    from streaming.core.event import Event
    from streaming.core.history import Hour
    from streaming.core.outbox import Day, DrainOrder, Epoch, Pulse, Timeline
    from streaming.core.outbox_lane import DrainHead, LaneCounts, StageHead
    from streaming.core.outbox_page import Page, PageOutline
    from streaming.core.tally import DeadLetterTally


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every run reads first, in one round trip."""

    timeline: Versioned[Timeline] | None = None
    order: Versioned[DrainOrder] | None = None
    pulse: Versioned[Pulse] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLane:
    """A lane's two heads; None where nothing was staged or settled yet."""

    stage: Versioned[StageHead] | None
    drain: Versioned[DrainHead] | None
    counts: LaneCounts
    resolved: Versioned[DeadLetterTally] | None = None
    """What became of the lane's dead letters."""

    @property
    def standing(self) -> Standing:
        """The lane in the form in which a shard is looked at."""
        return Standing(
            cursor=Versioned(value=self.counts.cursor, version=self.drain.version if self.drain else ""),
            resolved=self.resolved,
            outbox_cleared=self.counts.cleared,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One write of a lane's drainer, all of it or nothing."""

    head: DrainHead
    version: str | None
    """The version of the head that it replaces; None: there is none yet."""
    settled_pages: range = range(0)
    """Pages that go: they are settled as a whole."""
    dead_letters: tuple[DeadLetter, ...] = ()
    recent: tuple[bytes, ...] | None = None
    ended_hour: Hour | None = None


class OutboxStore(Protocol):
    """The outbox's rows: the desk, and a partition for each epoch and lane.

    Every write names the version that it replaces and carries an operation id. It happens exactly once, also when its
    answer is lost: what is there then tells whether it is this very write. Raises ``ConflictError`` when somebody else
    was quicker, which is also what a writer learns that has lost its lease: nothing of its write took effect. Raises
    ``StorageUnavailableError``, within 4 seconds, when storage is away; the same write may be tried again, unchanged.
    """

    async def desk(self) -> Desk:
        """Timeline, order and pulse."""

    async def checkpoint(self) -> bytes | None:
        """The retail world as of the timeline's last checkpoint; None before the first."""

    async def save_timeline(
        self, timeline: Timeline, *, version: str | None, checkpoint: bytes | None = None, opened: Epoch | None = None
    ) -> str:
        """Replace the timeline; in the same transaction the checkpoint, unless None, and a new epoch's index row."""

    async def save_order(self, order: DrainOrder, *, version: str | None) -> str: ...

    async def save_pulse(self, pulse: Pulse, *, version: str | None) -> str: ...

    async def epochs(self, session_id: str) -> tuple[Epoch, ...]:
        """All epochs that a session ever had, oldest first."""

    async def lane(self, epoch: Epoch, lane: int) -> StoredLane:
        """Both heads, in one round trip."""

    async def stage(
        self, epoch: Epoch, lane: int, head: StageHead, *, version: str | None, pages: Sequence[Page], now_us: int
    ) -> str:
        """Write pages and the stage head. The caller splits what exceeds ``PAGES_PER_WRITE`` or ``BYTES_PER_WRITE``."""

    async def settle(self, epoch: Epoch, lane: int, settlement: Settlement) -> str:
        """Write a settlement. At most ``PAGES_PER_WRITE`` pages; dead letters as in ``ShardStore.commit``."""

    async def pages(self, epoch: Epoch, lane: int, *, first: int, limit: int) -> list[Page]:
        """Pages from number ``first`` on, in order."""

    async def outlines(self, epoch: Epoch, lane: int, *, first: int, limit: int) -> list[PageOutline]:
        """As ``pages``, without events."""

    async def purge(self, epoch: Epoch, lane: int) -> int:
        """Remove up to ``PAGES_PER_WRITE`` pages of a closed lane; returns how many there were."""

    async def recent(self, epoch: Epoch, lane: int) -> tuple[bytes, ...]:
        """The lane's last envelopes sent, oldest first."""

    async def hours(self, epoch: Epoch, lane: int) -> list[Hour]:
        """The lane's ended hours that are still kept."""


class DayWorld(Protocol):
    """The retail world over one day: a pure function with a memory."""

    @property
    def over(self) -> bool: ...

    def next_events(self, limit: int) -> list[Event]:
        """Up to ``limit`` events, fewer only at the end of the day."""

    def snapshot(self) -> bytes:
        """A checkpoint: a world restored from it goes on identically."""


class DayWorlds(Protocol):
    """Makes the world of a timeline's day, from the checkpoint of the day before, or of that very day."""

    def __call__(self, timeline: Timeline, day: Day, *, checkpoint: bytes | None) -> DayWorld: ...
