"""The cursor: one shard's whole position, written in one transaction with all that depends on it. Pure.

A window passes through three states: *planned* (its plan is in the cursor), *in progress* (``progress`` says how far
the front window has come) and *settled* (gone from the plans, its counts in the tally, the checkpoint behind it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from streaming.core.history import Hour, Slot
from streaming.core.plan import Frontier, Pace, WindowPlan
from streaming.core.session import MOST_SHARDS
from streaming.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

LEASE_US: Final = 15_000_000
HEARTBEAT_US: Final = 4_000_000
"""The owner writes at least this often, also when idle, to keep its lease and show that it lives."""
PLANNED_WINDOWS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the front window has come, as far as it is committed.

    A window's events are a fixed sequence, and so is each lane's part of it; lanes settle theirs in order. Two numbers
    therefore say everything: how many events were generated, and how many each lane has settled.
    """

    generated: int = 0
    settled: tuple[int, ...] = ()

    @property
    def pending(self) -> int:
        return self.generated - sum(self.settled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The state of one shard that its owner commits with every window."""

    session_id: str
    shard: int
    shards: int
    generation: int = 0
    """Of shards: a stream that changes how many it has begins a new one (``core/generation.py``)."""
    lanes: int
    """Fixed for the session: the hub's partitions, unless configured. 0 until the hub could be asked."""
    owner: str
    lease_until_us: int
    heartbeat_us: int
    operation_id: str
    """Names the write that made this version, so that a writer who lost the answer can recognize its own."""
    frontier: Frontier = field(default_factory=Frontier)
    plans: tuple[WindowPlan, ...] = ()
    progress: Progress = field(default_factory=Progress)
    tally: Tally = field(default_factory=Tally)
    seconds: Mapping[int, Slot] = field(default_factory=dict)
    hour: Hour = field(default_factory=lambda: Hour(hour=0, minutes={}))
    """The hour that is being filled; earlier ones are in their own rows."""
    disrupted: Mapping[str, int] = field(default_factory=dict)
    """By the id of a disruption, how many events it has touched so far."""
    fault: str | None = None
    """Why nothing can be sent at the moment, in words for a person."""
    runs_until_us: int = 0
    """When the owner's invocation ends, about: from then on another may take over. 0 without an owner."""
    closed: bool = False
    """Whether the shard has done all that its generation owes: it never plans again."""

    @property
    def slot(self) -> int:
        """Names the shard among all that its session ever had, and so its partition."""
        return self.generation * MOST_SHARDS + self.shard

    @property
    def pending(self) -> int:
        """Events generated and neither sent nor dead-lettered yet."""
        return self.progress.pending

    def leased(self, now_us: int) -> bool:
        return self.lease_until_us > now_us

    def leased_by_other(self, owner: str, now_us: int) -> bool:
        return self.owner != owner and self.leased(now_us)

    def to_json(self) -> dict[str, Any]:
        identity = ("session_id", "shard", "shards", "generation", "lanes")
        ownership = ("owner", "lease_until_us", "heartbeat_us", "runs_until_us")
        document = {name: getattr(self, name) for name in (*identity, *ownership)}
        return document | {
            "operation_id": self.operation_id,
            "frontier": asdict(self.frontier),
            "plans": [asdict(plan) for plan in self.plans],
            "progress": asdict(self.progress),
            "tally": self.tally.to_json(),
            "seconds": _slots_to_json(self.seconds),
            "hour": hour_to_json(self.hour),
            "disrupted": dict(self.disrupted),
            "fault": self.fault,
            "closed": self.closed,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **document,
                "frontier": _frontier(document["frontier"]),
                "plans": tuple(_plan(plan) for plan in document["plans"]),
                "progress": Progress(
                    generated=document["progress"]["generated"], settled=tuple(document["progress"]["settled"])
                ),
                "tally": Tally.from_json(document["tally"]),
                "seconds": _slots_from_json(document["seconds"]),
                "hour": hour_from_json(document["hour"]),
            }
        )


def hour_to_json(hour: Hour) -> dict[str, Any]:
    return {"hour": hour.hour, "minutes": _slots_to_json(hour.minutes)}


def hour_from_json(document: Mapping[str, Any]) -> Hour:
    return Hour(hour=document["hour"], minutes=_slots_from_json(document["minutes"]))


def _slots_to_json(slots: Mapping[int, Slot]) -> dict[str, list[int]]:
    # Encoders differ in what they make of integer keys and named tuples: some refuse them.
    return {str(instant): list(slot) for instant, slot in slots.items()}


def _slots_from_json(document: Mapping[str, Any]) -> dict[int, Slot]:
    return {int(instant): Slot(*slot) for instant, slot in document.items()}


def _pace(document: Mapping[str, Any] | None) -> Pace | None:
    return None if document is None else Pace(**document)


def _frontier(document: Mapping[str, Any]) -> Frontier:
    return Frontier(window=document["window"], burst=document["burst"], pace=_pace(document["pace"]))


def _plan(document: Mapping[str, Any]) -> WindowPlan:
    types = document["event_types"]
    return WindowPlan(
        **{
            **document,
            "pace": Pace(**document["pace"]),
            "event_types": None if types is None else tuple(types),
            "disruptions": tuple(document["disruptions"]),
        }
    )
