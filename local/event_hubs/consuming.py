"""Links on which consumers read a partition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from local.event_hubs.addresses import address_of
from local.event_hubs.amqp import messages
from local.event_hubs.amqp.errors import AmqpError, Condition, DecodeError
from local.event_hubs.amqp.values import Array, Symbol
from local.event_hubs.config import Claim
from local.event_hubs.link import SendingLink
from local.event_hubs.positions import position_of
from local.event_hubs.storage import Cursor
from local.event_hubs.tokens import path_of

if TYPE_CHECKING:
    from local.event_hubs.amqp.performatives import Attach
    from local.event_hubs.receivers import Seat
    from local.event_hubs.session import Session
    from local.event_hubs.storage import Partition

_EPOCH: Final = "com.microsoft:epoch"
_RUNTIME_METRICS: Final = "com.microsoft:enable-receiver-runtime-metric"
_TURN: Final = 256
"""Events sent before other connections get their turn."""


class ConsumingLink(SendingLink):
    """Sends the events of one partition, from the position that the consumer asks for."""

    def __init__(self, session: Session, attach: Attach, seat: Seat, partition: Partition) -> None:
        super().__init__(session, attach)
        self._path = path_of(address_of(attach))
        self._seat = seat
        self._partition = partition
        self._cursor = Cursor(partition, partition.seek(position_of(attach.source)))
        self._unsent: bytes | None = None
        self._scheduled = False
        self._wants_metrics = _RUNTIME_METRICS in _names(attach.desired_capabilities)
        self._namespace = session.connection.namespace
        self._namespace.receivers.admit(seat, self, _epoch(attach))
        partition.listen(self.resume)

    def closed(self) -> None:
        """Leave the partition."""
        super().closed()
        self._partition.unlisten(self.resume)
        self._namespace.receivers.leave(self._seat, self)

    def resume(self) -> None:
        """Send what there is, soon."""
        if not self._scheduled and self.is_open and self._credit > 0:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        if self.is_open:
            self.send_waiting()
            self.session.connection.flush()

    def send_waiting(self) -> None:
        """Send the next events, and come back for more when this turn is used up."""
        if not self.session.connection.permits(self._path, Claim.LISTEN):
            self.detach(AmqpError(Condition.UNAUTHORIZED_ACCESS, "The token has expired."))
            return
        for _ in range(_TURN):
            payload = self._unsent or self._next()
            self._unsent = payload
            if payload is None or not self.can_send(payload):
                return
            self._unsent = None
            self.send(payload)
        self.resume()

    def _next(self) -> bytes | None:
        event = self._cursor.take()
        if event is None:
            return None
        metrics = b""
        if self._wants_metrics:
            metrics = messages.last_enqueued(
                sequence_number=self._partition.next_sequence - 1,
                offset=self._partition.last_offset,
                enqueued_ms=self._partition.last_enqueued_ms or 0,
                now_ms=self._namespace.now_ms(),
            )
        try:
            return messages.delivered(event.encoded, event.system, metrics)
        except DecodeError:
            return messages.delivered_as_data(event.encoded, event.system)


def _epoch(attach: Attach) -> int | None:
    epoch = (attach.properties or {}).get(Symbol(_EPOCH))
    return int(epoch) if isinstance(epoch, int) else None


def _names(capabilities: Symbol | Array | None) -> tuple[object, ...]:
    if capabilities is None:
        return ()
    return capabilities.items if isinstance(capabilities, Array) else (capabilities,)
