"""Links on which producers send: from transfers to stored messages and their dispositions, with faults in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from local.event_hubs.addresses import address_of
from local.event_hubs.amqp import messages, performatives
from local.event_hubs.amqp.errors import AmqpError, Condition, DecodeError, ProtocolViolation
from local.event_hubs.amqp.performatives import Disposition
from local.event_hubs.amqp.values import UInt
from local.event_hubs.config import Claim
from local.event_hubs.faults import ON_MESSAGE, FaultKind
from local.event_hubs.link import ReceivingLink
from local.event_hubs.tokens import path_of

if TYPE_CHECKING:
    from local.event_hubs.amqp.performatives import Attach, Transfer
    from local.event_hubs.amqp.values import Described
    from local.event_hubs.faults import Fault
    from local.event_hubs.session import Session
    from local.event_hubs.storage import Hub, Partition

_DELAY: Final = frozenset({FaultKind.DELAY})


class Delivery(NamedTuple):
    """A message that has arrived completely, or was too large to keep (``message`` None)."""

    delivery_id: int
    settled: bool
    batched: bool
    message: bytes | None


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
        self._delayed: deque[Delivery] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a message, or a part of one."""
        if self._first is None:
            if transfer.delivery_id is None:
                raise ProtocolViolation(Condition.INVALID_FIELD, "the first transfer of a message has no delivery-id")
            self._first = transfer
        if transfer.aborted:
            self._start_over()
            self._count_delivery()
            return
        self._size += len(payload)
        if self._size <= self._max_bytes:
            self._parts.append(payload)
        else:
            self._parts.clear()
        if not transfer.more:
            delivery = self._complete(self._first, settled=bool(transfer.settled or self._first.settled))
            self._count_delivery()
            self._arrived(delivery)

    def closed(self) -> None:
        """Forget what was not stored yet."""
        super().closed()
        self._delayed.clear()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def _max_bytes(self) -> int:
        return self.session.connection.namespace.config.max_message_bytes

    def _start_over(self) -> None:
        self._first, self._parts, self._size = None, [], 0

    def _complete(self, first: Transfer, *, settled: bool) -> Delivery:
        delivery = Delivery(
            delivery_id=int(first.delivery_id or 0),
            settled=settled,
            batched=first.message_format == messages.BATCH_FORMAT,
            message=b"".join(self._parts) if self._size <= self._max_bytes else None,
        )
        self._start_over()
        return delivery

    # --- delays: what comes later waits behind what is late ---

    def _arrived(self, delivery: Delivery) -> None:
        delay = self._strike(_DELAY, self._partition)
        if delay is None and not self._delayed:
            self._take(delivery)
            return
        self._delayed.append(delivery)
        if delay is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay.milliseconds / 1000, self._release)

    def _release(self) -> None:
        self._timer = None
        while self._delayed and self.is_open:
            self._take(self._delayed.popleft())
        self.session.connection.flush()

    # --- storing ---

    def _take(self, delivery: Delivery) -> None:
        connection = self.session.connection
        if not connection.permits(self._path, Claim.SEND):
            self.detach(AmqpError(Condition.UNAUTHORIZED_ACCESS, "The token has expired."))
            return
        if delivery.message is None:
            text = f"The message is larger than the {self._max_bytes} bytes that are allowed."
            self._settle(delivery, performatives.rejected(AmqpError(Condition.MESSAGE_SIZE_EXCEEDED, text)))
            return
        try:
            key = messages.partition_key(delivery.message)
            partition = self._partition or self._hub.route(key)
            fault = self._strike(ON_MESSAGE, partition)
            if fault is None:
                partition.append(delivery.message, batched=delivery.batched, partition_key=key)
                self._settle(delivery, performatives.ACCEPTED)
            else:
                self._fail(fault, delivery, delivery.message, partition, key)
        except DecodeError as error:
            self._settle(delivery, performatives.rejected(error))

    def _settle(self, delivery: Delivery, state: Described) -> None:
        if not delivery.settled:
            first = UInt(delivery.delivery_id)
            self.session.send(Disposition(role=True, first=first, last=first, settled=True, state=state))

    def _strike(self, kinds: frozenset[FaultKind], partition: Partition | None) -> Fault | None:
        faults = self.session.connection.namespace.faults
        return faults.strike(kinds, hub=self._hub.name, partition=None if partition is None else partition.id)

    def _fail(self, fault: Fault, delivery: Delivery, message: bytes, partition: Partition, key: str | None) -> None:
        error = AmqpError(fault.condition, fault.description)
        match fault.kind:
            case FaultKind.SERVER_BUSY:
                partition.stats.throttled += 1
                text = "The request was terminated because the entity is being throttled. Please wait 4 seconds."
                self._settle(delivery, performatives.rejected(AmqpError(Condition.SERVER_BUSY, text)))
            case FaultKind.REJECT:
                self._settle(delivery, performatives.rejected(error))
            case FaultKind.RELEASED:
                self._settle(delivery, performatives.RELEASED)
            case FaultKind.MODIFIED:
                self._settle(delivery, performatives.MODIFIED)
            case FaultKind.NO_DISPOSITION:
                if fault.stores:
                    partition.append(message, batched=delivery.batched, partition_key=key)
            case FaultKind.DETACH:
                self.detach(error)
            case FaultKind.DROP_BEFORE_STORING:
                self.session.connection.drop()
            case FaultKind.DROP_AFTER_STORING:
                partition.append(message, batched=delivery.batched, partition_key=key)
                self.session.connection.drop()
            case (
                FaultKind.DELAY
                | FaultKind.UNKNOWN_HUB
                | FaultKind.NO_ATTACH_REPLY
                | FaultKind.REFUSE_TOKEN
                | FaultKind.NO_TOKEN_REPLY
                | FaultKind.SILENT
                | FaultKind.REFUSE_CONNECTIONS
            ):
                raise AssertionError(f"{fault.kind} strikes elsewhere")
            case _:
                assert_never(fault.kind)
