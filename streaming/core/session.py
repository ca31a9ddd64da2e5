"""A streaming session: what was asked for, and how it changes on request. Pure.

The session row says what is *wanted*; the shards' cursors say what *is*. Status is derived from both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_SHARDS: Final = 100
"""Of one generation."""
MOST_GENERATIONS: Final = 100
"""Of one session: a shard's number among all of them stays below any outbox lane's."""
BARRIER_LEAD_US: Final = 8_000_000
"""How far ahead a change of shards is set: beyond all that may be planned by then on what was read before the change.

Plans are made on a read that began at most four seconds ago (``flows/ledger.py``) and reach three seconds ahead; one
more is for clocks that differ.
"""
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
class Reshard:
    """A change of the number of shards that is under way."""

    shards: int
    generation: int
    """What the next generation is called. Unique: what was begun for a change that another has replaced is void."""
    barrier_us: int
    """The old generation owes the bursts due before this instant, the new one those due from then on."""


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
    generation: int = 0
    """Of shards: the one that streams now."""
    reshard: Reshard | None = None
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

    @property
    def wanted_shards(self) -> int:
        """As they are, or as they will be once a change that is under way is done."""
        return self.shards if self.reshard is None else self.reshard.shards

    @property
    def single(self) -> bool:
        """Whether it has one shard and is to keep it: then nobody else needs to be told anything."""
        return self.shards == 1 and self.reshard is None

    def resharded(self, shards: int, now_us: int) -> Session:
        """With another number of shards, from a barrier on.

        A request that replaces one under way keeps its barrier: shards may have closed there already. Raises
        ``ValueError`` when the session has had all the generations that there can be.
        """
        if shards == self.wanted_shards:
            return self
        last = self.generation if self.reshard is None else self.reshard.generation
        if last + 1 >= MOST_GENERATIONS:
            raise ValueError(f"a session can change its shards {MOST_GENERATIONS - 1} times")
        barrier_us = now_us + BARRIER_LEAD_US if self.reshard is None else self.reshard.barrier_us
        return replace(self, reshard=Reshard(shards=shards, generation=last + 1, barrier_us=barrier_us))

    def flipped(self) -> Session:
        """With the change of shards done: the new generation streams."""
        assert self.reshard is not None  # noqa: S101 - only a change that is under way can be done
        return replace(self, shards=self.reshard.shards, generation=self.reshard.generation, reshard=None)

    def paused(self, now_us: int, *, events_sent: int) -> Session:
        return replace(
            self,
            wanted=Wanted.PAUSED,
            paused_at_us=now_us,
            events_sent_before_pause=events_sent,
            pause_count=self.pause_count + 1,
        )

    def resumed(self, now_us: int, *, not_before_us: int) -> Session:
        """Going on from ``not_before_us``; during a change of shards from its barrier on at the earliest.

        Paused shards close at once then: what was due before the barrier would be owed by some and not by others.
        """
        if self.reshard is not None:
            not_before_us = max(not_before_us, self.reshard.barrier_us)
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
        reshard = document.get("reshard")
        return cls(
            **{
                **document,
                "reshard": None if reshard is None else Reshard(**reshard),
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
