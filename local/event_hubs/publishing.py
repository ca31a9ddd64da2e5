"""Links on which producers send: from transfers to stored messages and their dispositions, with faults in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs.addresses import address_of
from local.event_hubs.amqp import messages, performatives
from local.event_hubs.amqp.errors import AmqpError, Condition, DecodeError, ProtocolViolation
from local.event_hubs.amqp.performatives import Disposition
from local.event_hubs.config import Claim
from local.event_hubs.faults import ON_MESSAGE, FaultKind
from local.event_hubs.link import ReceivingLink
from local.event_hubs.tokens import path_of

if TYPE_CHECKING:
    from local.event_hubs.amqp.performatives import Attach, Transfer
    from local.event_hubs.amqp.values import Described, UInt
    from local.event_hubs.faults import Fault
    from local.event_hubs.session import Session
    from local.event_hubs.storage import Hub, Partition

_DELAY: Final = frozenset({FaultKind.DELAY})
_BUSY: Final = AmqpError(
    Condition.SERVER_BUSY,
    "The request was terminated because the entity is being throttled. Please wait 4 seconds and try again.",
)


class Delivery(NamedTuple):
    """A message that has arrived completely."""

    delivery_id: UInt
    settled: bool
    batched: bool
    message: bytes
    partition: Partition
    key: str | None


class PublishingLink(ReceivingLink):
    """Takes messages for one hub; for one partition of it when ``partition`` is given."""

    def __init__(self, session: Session, attach: Attach, hub: Hub, partition: Partition | None) -> None:
        super().__init__(session, attach)
        self._path = path_of(address_of(attach))
        self._hub = hub
        self._partition = partition
        self._first: Transfer | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._late: deque[tuple[float, Delivery]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a message, or a part of one. What exceeds the limit is read, but not kept."""
        first = self._first or transfer
        if first.delivery_id is None:
            raise ProtocolViolation(Condition.INVALID_FIELD, "the first transfer of a message has no delivery-id")
        self._size += len(payload)
        if self._size <= self._max_bytes:
            self._parts.append(payload)
        else:
            self._parts.clear()
        if transfer.more and not transfer.aborted:
            self._first = first
            return
        message = b"".join(self._parts) if self._size <= self._max_bytes else None
        self._first, self._parts, self._size = None, [], 0
        self._count_delivery()
        if not transfer.aborted:
            self._complete(first, first.delivery_id, bool(first.settled or transfer.settled), message)

    def closed(self) -> None:
        """Forget what was not stored yet."""
        super().closed()
        self._late.clear()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def _max_bytes(self) -> int:
        return self.session.connection.namespace.config.max_message_bytes

    def _complete(self, first: Transfer, delivery_id: UInt, settled: bool, message: bytes | None) -> None:
        if not self.session.connection.permits(self._path, Claim.SEND):
            self.detach(AmqpError(Condition.UNAUTHORIZED_ACCESS, "The token has expired."))
            return
        try:
            if message is None:
                text = f"The message is larger than the {self._max_bytes} bytes that are allowed."
                raise AmqpError(Condition.MESSAGE_SIZE_EXCEEDED, text)  # noqa: TRY301  one place settles what is refused
            key = messages.partition_key(message)
            partition = self._partition or self._hub.route(key)
            batched = first.message_format == messages.BATCH_FORMAT
            self._arrived(Delivery(delivery_id, settled, batched, message, partition, key))
        except AmqpError as error:
            self._settle(delivery_id, settled, performatives.rejected(error))

    # --- delays: what comes later waits behind what is late ---

    def _arrived(self, delivery: Delivery) -> None:
        delay = self._strike(_DELAY, delivery)
        if delay is None and not self._late:
            self._take(delivery)
            return
        milliseconds = 0 if delay is None else delay.milliseconds
        self._late.append((asyncio.get_running_loop().time() + milliseconds / 1000, delivery))
        if self._timer is None:
            self._release()

    def _release(self) -> None:
        """Take what is due, and come back for the next."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self.is_open and self._late:
            due, delivery = self._late[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._release)
                break
            self._late.popleft()
            try:
                self._take(delivery)
            except DecodeError as error:
                self._settle(delivery.delivery_id, delivery.settled, performatives.rejected(error))
        self.session.connection.flush()

    # --- storing ---

    def _take(self, delivery: Delivery) -> None:
        fault = self._strike(ON_MESSAGE, delivery)
        if fault is None:
            self._store(delivery)
            self._settle(delivery.delivery_id, delivery.settled, performatives.ACCEPTED)
        else:
            self._fail(fault, delivery)

    @staticmethod
    def _store(delivery: Delivery) -> None:
        delivery.partition.append(delivery.message, batched=delivery.batched, partition_key=delivery.key)

    def _settle(self, delivery_id: UInt, settled: bool, state: Described) -> None:
        if not settled:
            self.session.send(Disposition(role=True, first=delivery_id, last=delivery_id, settled=True, state=state))

    def _strike(self, kinds: frozenset[FaultKind], delivery: Delivery) -> Fault | None:
        faults = self.session.connection.namespace.faults
        return faults.strike(kinds, hub=self._hub.name, partition=delivery.partition.id)

    def _fail(self, fault: Fault, delivery: Delivery) -> None:
        if fault.kind is FaultKind.DROP_AFTER_STORING or (fault.kind is FaultKind.NO_DISPOSITION and fault.stores):
            self._store(delivery)
        match fault.kind:
            case FaultKind.SERVER_BUSY | FaultKind.REJECT | FaultKind.RELEASED | FaultKind.MODIFIED:
                delivery.partition.stats.throttled += fault.kind is FaultKind.SERVER_BUSY
                self._settle(delivery.delivery_id, delivery.settled, _outcome(fault))
            case FaultKind.DETACH:
                self.detach(AmqpError(fault.condition, fault.description))
            case FaultKind.DROP_BEFORE_STORING | FaultKind.DROP_AFTER_STORING:
                self.session.connection.drop()
            case FaultKind.NO_DISPOSITION:
                pass
            case _:
                raise AssertionError(f"{fault.kind} does not strike messages")


def _outcome(fault: Fault) -> Described:
    """The disposition that a fault gives a message."""
    if fault.kind is FaultKind.RELEASED:
        return performatives.RELEASED
    if fault.kind is FaultKind.MODIFIED:
        return performatives.MODIFIED
    busy = fault.kind is FaultKind.SERVER_BUSY
    return performatives.rejected(_BUSY if busy else AmqpError(fault.condition, fault.description))
