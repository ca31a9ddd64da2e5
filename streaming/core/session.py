"""A streaming session: what was asked for, and how it changes on request. Pure.

The session row says what is *wanted*; the shards' cursors say what *is*. Status is derived from both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

STALE_AFTER_US: Final = 15_000_000
"""A session whose shards have shown no sign of life for so long is not being run by anybody."""


class Mode(StrEnum):
    LIVE = "live"
    OUTBOX = "outbox"


class Wanted(StrEnum):
    """What the operator asked for last."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Status(StrEnum):
    """What ``GET /api/stream/status`` says."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSize:
    """The retail world of a session, recorded with it: the same events need the same world."""

    stores: int
    distribution_centers: int
    products: int
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session, from start to stop. Ended sessions stay readable."""

    session_id: str
    seed: int
    mode: Mode
    world: WorldSize
    started_at_us: int
    emit_interval_ms: int
    burst: int
    shards: int
    event_types: tuple[str, ...] | None = None
    ends_at_us: int | None = None
    wanted: Wanted = Wanted.RUNNING
    not_before_us: int
    """The start or the last resumption: bursts due earlier are not owed."""
    ended_at_us: int | None = None
    end_reason: str | None = None
    paused_at_us: int | None = None
    resumed_at_us: int | None = None
    events_sent_before_pause: int = 0
    pause_count: int = 0
    paused_total_us: int = 0
    lead_total_us: int = 0
    """Time spent between a start or a resumption and the first burst due after it."""

    @property
    def active(self) -> bool:
        return self.ended_at_us is None

    @property
    def events_per_second(self) -> float:
        """As configured."""
        return self.burst * 1_000 / self.emit_interval_ms

    def paused(self, now_us: int, *, events_sent: int) -> Session:
        return replace(
            self,
            wanted=Wanted.PAUSED,
            paused_at_us=now_us,
            events_sent_before_pause=events_sent,
            pause_count=self.pause_count + 1,
        )

    def resumed(self, now_us: int, *, not_before_us: int) -> Session:
        return replace(
            self,
            wanted=Wanted.RUNNING,
            paused_total_us=self.paused_us(now_us),
            paused_at_us=None,
            resumed_at_us=now_us,
            not_before_us=not_before_us,
            lead_total_us=self.lead_total_us + not_before_us - now_us,
        )

    def stopping(self, now_us: int) -> Session:
        return replace(self, wanted=Wanted.STOPPED, paused_total_us=self.paused_us(now_us), paused_at_us=None)

    def ended(self, now_us: int, *, reason: str) -> Session:
        return replace(
            self,
            wanted=Wanted.STOPPED,
            paused_total_us=self.paused_us(now_us),
            paused_at_us=None,
            ended_at_us=now_us,
            end_reason=reason,
        )

    def at_pace(self, *, emit_interval_ms: int, burst: int) -> Session:
        """With another pace; shards begin a new epoch with their next unplanned window."""
        return replace(self, emit_interval_ms=emit_interval_ms, burst=burst)

    def paused_us(self, now_us: int) -> int:
        """Microseconds spent paused, up to now."""
        return self.paused_total_us + (now_us - self.paused_at_us if self.paused_at_us is not None else 0)

    def elapsed_us(self, now_us: int) -> int:
        """Microseconds since the start, pauses included; up to the end once it has ended."""
        return max(0, (self.ended_at_us or now_us) - self.started_at_us)

    def streaming_us(self, now_us: int) -> int:
        """Microseconds in which bursts were due: pauses and leads not counted."""
        return max(0, self.elapsed_us(now_us) - self.paused_us(now_us) - self.lead_total_us)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        types = document["event_types"]
        return cls(
            **{
                **document,
                "mode": Mode(document["mode"]),
                "wanted": Wanted(document["wanted"]),
                "world": WorldSize(**document["world"]),
                "event_types": None if types is None else tuple(types),
            }
        )


def status_of(session: Session | None, *, alive: bool, faulty: bool) -> Status:
    """Derive the status. ``alive``: a shard has been run at least once. ``faulty``: the hub can't be sent to now."""
    if session is None or not session.active:
        return Status.STOPPED
    if session.wanted is Wanted.STOPPED:
        return Status.STOPPING
    if session.wanted is Wanted.PAUSED:
        return Status.PAUSED
    if faulty:
        return Status.ERROR
    return Status.RUNNING if alive else Status.STARTING
