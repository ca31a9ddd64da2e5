"""Failures on demand: which one strikes which message, link, token or connection."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final, get_args, get_type_hints

from local.event_hubs.amqp.errors import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random


class FaultKind(StrEnum):
    """What goes wrong."""

    # a message that a producer sends
    SERVER_BUSY = "server-busy"
    REJECT = "reject"
    RELEASED = "released"
    MODIFIED = "modified"
    NO_DISPOSITION = "no-disposition"
    """The message is stored, and nobody says so; with ``stores`` false it vanishes."""
    DETACH = "detach"
    DROP_BEFORE_STORING = "drop-before-storing"
    DROP_AFTER_STORING = "drop-after-storing"
    DELAY = "delay"
    """The message is stored and settled ``milliseconds`` late."""
    # a link that is attached
    UNKNOWN_HUB = "unknown-hub"
    NO_ATTACH_REPLY = "no-attach-reply"
    # a token that is presented
    REFUSE_TOKEN = "refuse-token"  # noqa: S105  the name of a fault
    NO_TOKEN_REPLY = "no-token-reply"  # noqa: S105  likewise
    # a connection
    SILENT = "silent"
    """TCP is accepted, and then nothing is ever said."""
    REFUSE_CONNECTIONS = "refuse-connections"
    """Connections are dropped and the port is closed, until the fault is gone."""


ON_MESSAGE: Final = frozenset(
    {
        *(
            FaultKind.SERVER_BUSY,
            FaultKind.REJECT,
            FaultKind.RELEASED,
            FaultKind.MODIFIED,
            FaultKind.NO_DISPOSITION,
        ),
        *(FaultKind.DETACH, FaultKind.DROP_BEFORE_STORING, FaultKind.DROP_AFTER_STORING),
    },
)
ON_TOKEN: Final = frozenset({FaultKind.REFUSE_TOKEN, FaultKind.NO_TOKEN_REPLY})
_ANYWHERE: Final = frozenset({*ON_TOKEN, FaultKind.SILENT, FaultKind.REFUSE_CONNECTIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure, and how often, where and how long it strikes. Raises ValueError for what makes no sense."""

    kind: FaultKind
    probability: float = 1.0
    count: int | None = None
    """Strike only the next so many. Exact when the probability is 1."""
    seconds: float | None = None
    """Stay in force only so long."""
    hub: str | None = None
    partition: str | None = None
    condition: str = Condition.INTERNAL_ERROR
    """Of reject and detach."""
    description: str = "A fault that was switched on."
    milliseconds: int = 1000
    """Of delay."""
    stores: bool = True
    """Of no-disposition."""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError("seconds must be above 0")
        if self.milliseconds < 0:
            raise ValueError("milliseconds must not be negative")
        if self.kind in _ANYWHERE and (self.hub is not None or self.partition is not None):
            raise ValueError(f"{self.kind} strikes before a hub or a partition is known")
        if self.kind is FaultKind.REFUSE_CONNECTIONS and (self.count is not None or self.probability < 1):
            raise ValueError("refuse-connections closes the port: it takes neither count nor probability, but seconds")


@dataclass(slots=True, kw_only=True)
class ActiveFault:
    """A fault in force."""

    id: int
    fault: Fault
    struck: int = 0
    expires_at: float | None = None


class Faults:
    """The faults in force. Looked up in the order in which they were added; the first that strikes wins."""

    def __init__(self, *, now: Callable[[], float], dice: Random, changed: Callable[[], None] = lambda: None) -> None:
        """``changed`` is called after faults were added or removed; ``now`` is in seconds."""
        self._now = now
        self._dice = dice
        self._changed = changed
        self._active: list[ActiveFault] = []
        self._next_id = 1

    def add(self, fault: Fault) -> ActiveFault:
        """Put ``fault`` in force, beside those that are."""
        active = ActiveFault(
            id=self._next_id,
            fault=fault,
            expires_at=None if fault.seconds is None else self._now() + fault.seconds,
        )
        self._next_id += 1
        self._active.append(active)
        self._changed()
        return active

    def clear(self, fault_id: int | None = None) -> int:
        """End the fault with this id, or all of them. Returns how many that were."""
        kept = [] if fault_id is None else [active for active in self.in_force() if active.id != fault_id]
        ended = len(self._active) - len(kept)
        self._active = kept
        self._changed()
        return ended

    def in_force(self) -> tuple[ActiveFault, ...]:
        """What is neither used up nor expired."""
        self._active = [active for active in self._active if self._lasts(active)]
        return tuple(self._active)

    def strike(
        self, kinds: frozenset[FaultKind], *, hub: str | None = None, partition: str | None = None
    ) -> Fault | None:
        """The fault that strikes now, if any; counts as one strike."""
        if not self._active:
            return None
        for active in self.in_force():
            fault = active.fault
            if (
                fault.kind in kinds
                and fault.hub in {None, hub}
                and fault.partition in {None, partition}
                and (fault.probability >= 1 or self._dice.random() < fault.probability)
            ):
                active.struck += 1
                return fault
        return None

    def seconds_left(self, kind: FaultKind) -> float | None:
        """How long a fault of this kind stays in force by itself: 0 when none is, None when it takes a ``clear``."""
        ends = [active.expires_at for active in self.in_force() if active.fault.kind is kind]
        if None in ends:
            return None
        return max((end - self._now() for end in ends if end is not None), default=0.0)

    def _lasts(self, active: ActiveFault) -> bool:
        used_up = active.fault.count is not None and active.struck >= active.fault.count
        return not used_up and (active.expires_at is None or self._now() < active.expires_at)


def fault_from_json(document: object) -> Fault:
    """The fault that ``document`` describes. Raises ValueError, naming what is wrong."""
    if not isinstance(document, dict):
        raise ValueError('a fault is an object such as {"kind": "server-busy", "count": 3}')  # noqa: TRY004  one kind of error for all bad input
    hints = get_type_hints(Fault)
    unknown = sorted(set(document) - set(hints))
    if unknown:
        raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(hints)}")
    if document.get("kind") not in list(FaultKind):
        raise ValueError(f"kind must be one of {', '.join(FaultKind)}")
    for name, value in document.items():
        if name != "kind" and not _fits(value, hints[name]):
            raise ValueError(f"{name} can't be {value!r}")
    return Fault(**{**document, "kind": FaultKind(document["kind"])})


def _fits(value: object, hint: object) -> bool:
    types = get_args(hint) or (hint,)
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types) or (float in types and isinstance(value, int))


def fault_to_json(active: ActiveFault, now: float) -> Mapping[str, object]:
    """What :func:`fault_from_json` reads, with what has become of it."""
    document = {field.name: getattr(active.fault, field.name) for field in fields(Fault)}
    left = None if active.expires_at is None else round(max(active.expires_at - now, 0.0), 3)
    return {"id": active.id, **document, "struck": active.struck, "seconds_left": left}
