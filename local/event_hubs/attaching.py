"""Which link an attach asks for, and whether it may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local.event_hubs import addresses
from local.event_hubs.amqp.errors import Condition, LinkRefused
from local.event_hubs.config import Claim
from local.event_hubs.consuming import ConsumingLink
from local.event_hubs.faults import FaultKind
from local.event_hubs.nodes import NODES, ReplyLink, RequestLink
from local.event_hubs.publishing import PublishingLink
from local.event_hubs.receivers import Seat
from local.event_hubs.tokens import path_of

if TYPE_CHECKING:
    from local.event_hubs.addresses import Entity
    from local.event_hubs.amqp.performatives import Attach
    from local.event_hubs.link import Link
    from local.event_hubs.session import Session
    from local.event_hubs.storage import Hub, Partition

_UNANSWERED: Final = frozenset({FaultKind.NO_ATTACH_REPLY})


class NotAnswered(Exception):  # noqa: N818  a fault that was asked for
    """The attach gets no reply at all."""


def open_link(session: Session, attach: Attach) -> Link:
    """The link that ``attach`` asks for. Raises LinkRefused, or NotAnswered when a fault swallows it."""
    address = addresses.address_of(attach)
    node = address.rpartition("/")[2]
    if node in NODES:
        return ReplyLink(session, attach, node) if attach.role else RequestLink(session, attach, NODES[node])
    entity = addresses.entity_of(address)
    if entity is None:
        raise _not_found(address)
    namespace = session.connection.namespace
    if namespace.faults.strike(_UNANSWERED, hub=entity.hub, partition=entity.partition) is not None:
        raise NotAnswered
    hub = namespace.hub(entity.hub)
    if hub is None or namespace.hides(entity.hub):
        raise _not_found(address)
    partition = None if entity.partition is None else _partition(hub, entity.partition)
    claim = Claim.LISTEN if attach.role else Claim.SEND
    if not session.connection.permits(path_of(address), claim):
        raise LinkRefused(
            Condition.UNAUTHORIZED_ACCESS,
            f"Unauthorized access. The {claim} claim is required to attach to {address!r}.",
        )
    if not attach.role:
        return PublishingLink(session, attach, hub, partition)
    if partition is None:
        raise LinkRefused(Condition.NOT_ALLOWED, f"{address!r} can't be read as a whole: name a partition.")
    return ConsumingLink(session, attach, _seat(entity, partition), partition)


def _seat(entity: Entity, partition: Partition) -> Seat:
    return Seat(entity.hub, entity.group or addresses.DEFAULT_GROUP, partition.id)


def _partition(hub: Hub, partition_id: str) -> Partition:
    partition = hub.partition(partition_id)
    if partition is None:
        raise LinkRefused(
            Condition.ARGUMENT_ERROR,
            f"The hub {hub.name} has no partition {partition_id!r}: it has 0 to {len(hub.partitions) - 1}.",
        )
    return partition


def _not_found(address: str) -> LinkRefused:
    return LinkRefused(Condition.NOT_FOUND, f"The messaging entity {address!r} could not be found.")
