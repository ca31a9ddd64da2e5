"""What a link's address names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs.tokens import split_address

if TYPE_CHECKING:
    from local.event_hubs.amqp.performatives import Attach
    from local.event_hubs.amqp.values import Described

CBS: Final = "$cbs"
MANAGEMENT: Final = "$management"
DEFAULT_GROUP: Final = "$Default"


class Entity(NamedTuple):
    """A hub, or a partition of it, perhaps as one consumer group sees it."""

    hub: str
    partition: str | None = None
    group: str | None = None


def address_of(attach: Attach) -> str:
    """The node that the client wants: the source when it receives, else the target. Empty when it names none."""
    terminus = attach.source if attach.role else attach.target
    return text_field(terminus, 0)


def text_field(terminus: Described | None, index: int) -> str:
    """A field of a source or target, if it is text."""
    fields = terminus.value if terminus is not None else None
    value = fields[index] if isinstance(fields, list) and len(fields) > index else None
    return str(value) if isinstance(value, str) else ""


def entity_of(address: str) -> Entity | None:
    """The entity behind an address, or None when it has the form of none."""
    match split_address(address):
        case [hub]:
            return Entity(hub)
        case [hub, partitions, partition] if partitions.lower() == "partitions":
            return Entity(hub, partition)
        case [hub, groups, group, partitions, partition] if (
            groups.lower() == "consumergroups" and partitions.lower() == "partitions"
        ):
            return Entity(hub, partition, group)
        case _:
            return None
