"""Who may read a partition: the rules of epochs (``owner_level``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from local.event_hubs.amqp.errors import AmqpError, Condition, LinkRefused

if TYPE_CHECKING:
    from collections.abc import Hashable


class Evictable(Protocol):
    """A receiver that can be told to go."""

    @property
    def name(self) -> str:
        """The link's name, for messages."""

    def detach(self, error: AmqpError) -> None:
        """Close the link with this error."""


class Seat(NamedTuple):
    """One partition in one consumer group."""

    hub: str
    group: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sitting:
    receiver: Evictable
    epoch: int | None


class Receivers:
    """The receivers of all partitions."""

    def __init__(self, *, max_without_epoch: int) -> None:
        self._max_without_epoch = max_without_epoch
        self._seats: dict[Hashable, list[_Sitting]] = {}

    def admit(self, seat: Seat, receiver: Evictable, epoch: int | None) -> None:
        """Let ``receiver`` in, and turn out whom it beats. Raises LinkRefused when somebody beats it.

        An epoch beats every lower one, an equal one, and receivers without any.
        """
        present = self._seats.setdefault(seat, [])
        highest = max((sitting.epoch for sitting in present if sitting.epoch is not None), default=None)
        if highest is not None and (epoch is None or epoch < highest):
            raise LinkRefused(
                Condition.LINK_STOLEN,
                f"A receiver with the higher epoch {highest} reads partition {seat.partition} in consumer group "
                f"{seat.group}: the receiver {receiver.name!r} with epoch {epoch} can't.",
            )
        if epoch is None and len(present) >= self._max_without_epoch:
            raise LinkRefused(
                Condition.RESOURCE_LIMIT_EXCEEDED,
                f"Consumer group {seat.group} has its {self._max_without_epoch} receivers on partition "
                f"{seat.partition} already.",
            )
        stolen = AmqpError(
            Condition.LINK_STOLEN,
            f"A new receiver {receiver.name!r} with epoch {epoch} took over partition {seat.partition} in consumer "
            f"group {seat.group}.",
        )
        evicted = list(present) if epoch is not None else []
        present.append(_Sitting(receiver=receiver, epoch=epoch))
        for sitting in evicted:
            sitting.receiver.detach(stolen)

    def leave(self, seat: Seat, receiver: Evictable) -> None:
        """Forget ``receiver``. Nothing happens when it is not there."""
        left = [sitting for sitting in self._seats.get(seat, ()) if sitting.receiver is not receiver]
        if left:
            self._seats[seat] = left
        else:
            self._seats.pop(seat, None)
