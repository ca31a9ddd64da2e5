"""The outbox's timeline: which day is staged, into which epoch, and what is done with the epochs before. Pure.

An *epoch* is a numbered set of lanes that one session stages into, and one number more than any before it. Clearing
closes an epoch for good; what is staged afterwards goes into the next one. A *day* is staged chunk by chunk; each chunk
ends every lane's last page, so that pages depend on the day's frozen inputs alone and never on who staged them when.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from streaming.core.session import WorldSize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STAGE_LEASE_US: Final = 15_000_000
MOST_LANES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A set of lanes that belong together."""

    number: int
    session_id: str
    """The session whose events they hold: it counts them, whoever sends them in the end."""
    lanes: int

    def slot(self, lane: int) -> int:
        """Names a lane among all of its session's lanes."""
        return self.number * MOST_LANES + lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day's inputs, frozen when its staging begins."""

    date: str
    """``2026-01-31``."""
    event_types: tuple[str, ...] | None
    disruptions: tuple[str, ...]
    """The disruptions in force all day, each as recorded (JSON)."""
    page_events: int
    """The most events on a page."""
    chunk_events: int
    """The most events generated at a time."""
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How far the staging of a day has come, as of its checkpoint."""

    day: Day
    pages: tuple[int, ...]
    """Each lane's last page before the checkpoint. Pages are numbered within an epoch; 0 and less: in one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The whole outbox's position; one row, written only under its version."""

    name: str
    """Part of every event's id."""
    seed: int
    world: WorldSize
    operation_id: str
    has_checkpoint: bool = False
    """Whether the stored checkpoint is of this timeline's world."""
    generated_day: str | None = None
    """The last day that is staged as a whole."""
    epochs: tuple[Epoch, ...] = ()
    """The open ones, oldest first; the last one is staged into."""
    closing: bool = False
    """A clear is under way: all open epochs are being closed."""
    purging: tuple[Epoch, ...] = ()
    """Closed epochs whose pages may still take room."""
    last_epoch: int = 0
    staging: Staging | None = None
    owner: str = ""
    lease_until_us: int = 0

    @property
    def epoch(self) -> Epoch:
        """The one that is staged into. Only while ``epochs`` isn't empty."""
        return self.epochs[-1]

    def leased_by_other(self, owner: str, now_us: int) -> bool:
        return self.owner != owner and self.lease_until_us > now_us

    def staging_at(self, pages: Sequence[int]) -> Timeline:
        """With a checkpoint after these pages."""
        assert self.staging is not None  # noqa: S101 - only a day that is being staged has checkpoints
        return replace(self, has_checkpoint=True, staging=replace(self.staging, pages=tuple(pages)))

    def day_staged(self) -> Timeline:
        """The day is over: all of its pages are written."""
        assert self.staging is not None  # noqa: S101 - only a day that is being staged can be over
        return replace(self, has_checkpoint=True, staging=None, generated_day=self.staging.day.date)

    def without_drained(self, drained: frozenset[int]) -> Timeline:
        """Without the epochs of these numbers, in which nothing is pending; the one that is staged into stays."""
        return replace(
            self, epochs=tuple(epoch for epoch in self.epochs if epoch.number not in drained or epoch is self.epoch)
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **document,
                "world": WorldSize(**document["world"]),
                "epochs": tuple(Epoch(**epoch) for epoch in document["epochs"]),
                "purging": tuple(Epoch(**epoch) for epoch in document["purging"]),
                "staging": _staging(document["staging"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOrder:
    """A request to drain, beside what a running outbox stream does by itself."""

    operation_id: str
    session_id: str | None
    """The outbox stream that ran when it was given, whose pace it changes; None: it drains without a stream."""
    active: bool
    emit_interval_ms: int | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The sweeper's sign of life."""

    operation_id: str
    heartbeat_us: int
    poisoned: int = 0
    """Queue messages that were given up, ever."""


def next_date(generated_day: str | None, first_day: str) -> str:
    """The day to stage: the one after the last, or the first one."""
    if generated_day is None:
        return first_day
    return (date.fromisoformat(generated_day) + timedelta(days=1)).isoformat()


def with_day(timeline: Timeline, day: Day, *, session_id: str, lanes: int, last_pages: Sequence[int]) -> Timeline:
    """Begin to stage ``day`` for a session. ``last_pages``: each lane's last page in the epoch that is staged into.

    A session's days share one epoch, as long as it isn't closed and the hub has as many partitions as before.
    """
    current = timeline.epochs[-1] if timeline.epochs else None
    if current is not None and current.session_id == session_id and current.lanes == lanes:
        return replace(timeline, staging=Staging(day=day, pages=tuple(last_pages)))
    fresh = Epoch(number=timeline.last_epoch + 1, session_id=session_id, lanes=lanes)
    return replace(
        timeline,
        epochs=(*timeline.epochs, fresh),
        last_epoch=fresh.number,
        staging=Staging(day=day, pages=(0,) * lanes),
    )


def cleared(timeline: Timeline, *, last_pages: Sequence[int]) -> Timeline:
    """After a clear has closed every lane of every open epoch.

    ``last_pages``: each lane's last page in the epoch that was staged into. A day whose staging is in progress goes on
    in a new epoch, with the page after the last one that was cleared: the checkpoint lies before it, so the replay's
    first pages get numbers of 0 and less, and are skipped like any page that is there already.
    """
    closed = replace(timeline, epochs=(), purging=(*timeline.purging, *timeline.epochs), closing=False)
    staging = timeline.staging
    if staging is None:
        return closed
    fresh = replace(timeline.epoch, number=timeline.last_epoch + 1)
    pages = tuple(page - last for page, last in zip(staging.pages, last_pages, strict=True))
    return replace(
        closed,
        epochs=(fresh,),
        last_epoch=fresh.number,
        staging=replace(staging, pages=pages),
        owner="",
        lease_until_us=0,
    )


def _staging(document: Mapping[str, Any] | None) -> Staging | None:
    if document is None:
        return None
    day = document["day"]
    types = day["event_types"]
    return Staging(
        day=Day(
            **{
                **day,
                "event_types": None if types is None else tuple(types),
                "disruptions": tuple(day["disruptions"]),
            }
        ),
        pages=tuple(document["pages"]),
    )
