"""One session: its links, and the windows that bound what is in flight."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from local.event_hubs.amqp import framing, performatives
from local.event_hubs.amqp.errors import Condition, LinkRefused, ProtocolViolation
from local.event_hubs.amqp.performatives import Attach, Begin, Detach, Disposition, Flow, Transfer
from local.event_hubs.amqp.values import UByte, UInt, UShort
from local.event_hubs.attaching import NotAnswered, open_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.event_hubs.amqp.errors import AmqpError
    from local.event_hubs.amqp.performatives import Performative
    from local.event_hubs.connection import Connection
    from local.event_hubs.link import Link

_log = logging.getLogger(__name__)

_INCOMING_WINDOW: Final = 10_000
"""Frames that the peer may have in flight. Refreshed when half of them have come."""
_OUTGOING_WINDOW: Final = 2**31 - 1
_HANDLE_MAX: Final = 255
_SERIAL: Final = 2**32
"""Ids are serial numbers of 32 bits: they wrap around."""


class Session:
    """The broker's end of a session. It speaks on the same channel, and of the same handles, as the peer."""

    def __init__(self, connection: Connection, channel: int, begin: Begin) -> None:
        self.connection = connection
        self.channel = channel
        self._next_incoming_id = int(begin.next_outgoing_id)
        self._received_since_flow = 0
        self._next_outgoing_id = 0
        self._next_delivery_id = 0
        self._peer_window = int(begin.incoming_window)
        self._links: dict[int, Link] = {}
        self._detaching: set[int] = set()
        self.send(
            Begin(
                remote_channel=UShort(channel),
                next_outgoing_id=UInt(0),
                incoming_window=UInt(_INCOMING_WINDOW),
                outgoing_window=UInt(_OUTGOING_WINDOW),
                handle_max=UInt(_HANDLE_MAX),
            ),
        )

    def links(self) -> Iterator[Link]:
        """The links that are open."""
        return iter(tuple(self._links.values()))

    def handle(self, performative: Performative, payload: bytes) -> None:
        """Take a frame from the peer. Raises AmqpError when it breaks the protocol."""
        match performative:
            case Transfer():
                self._transfer(performative, payload)
            case Flow():
                self._flow(performative)
            case Attach():
                self._attach(performative)
            case Detach():
                self._detach(performative)
            case Disposition():
                pass  # everything the broker sends is settled already
            case _:
                raise ProtocolViolation(Condition.NOT_ALLOWED, f"{type(performative).__name__} is out of place")

    def send(self, performative: Performative) -> None:
        """Queue a frame on this session's channel."""
        self.connection.send(framing.frame(self.channel, performative))

    def send_flow(
        self, handle: int | None = None, *, delivery_count: int = 0, credit: int = 0, drain: bool = False
    ) -> None:
        """Say where the session stands, and with a handle what a link may send or has sent."""
        linked = handle is not None
        self._received_since_flow = 0
        self.send(
            Flow(
                next_incoming_id=UInt(self._next_incoming_id),
                incoming_window=UInt(_INCOMING_WINDOW),
                next_outgoing_id=UInt(self._next_outgoing_id),
                outgoing_window=UInt(_OUTGOING_WINDOW),
                handle=None if handle is None else UInt(handle),
                delivery_count=UInt(delivery_count % _SERIAL) if linked else None,
                link_credit=UInt(credit) if linked else None,
                drain=drain if linked else None,
            ),
        )

    def has_room_for(self, payload: bytes) -> bool:
        """Whether the peer's window takes ``payload`` now."""
        return self._peer_window >= -(-len(payload) // self._payload_size)

    def send_message(self, handle: int, payload: bytes) -> None:
        """Send a settled message, in as many frames as it takes."""
        size, delivery_id = self._payload_size, self._next_delivery_id
        for start in range(0, max(len(payload), 1), size):
            more = start + size < len(payload)
            part = payload[start : start + size]
            self.connection.send(framing.transfer_frame(self.channel, handle, delivery_id, part, more=more))
            self._next_outgoing_id = (self._next_outgoing_id + 1) % _SERIAL
            self._peer_window -= 1
        self._next_delivery_id = (delivery_id + 1) % _SERIAL

    def close_link(self, link: Link, error: AmqpError | None) -> None:
        """Detach ``link`` from the broker's side. What the peer still sends on it is ignored."""
        if self._links.pop(link.handle, None) is not None:
            self._detaching.add(link.handle)
            self.send(Detach(handle=UInt(link.handle), closed=True, error=performatives.error_value(error)))
            self._forget(link)

    def resume(self) -> None:
        """The socket or the peer's window has room again."""
        for link in self.links():
            link.resume()

    def lost(self) -> None:
        """The session is over."""
        for link in self.links():
            self._forget(link)
        self._links.clear()

    @property
    def _payload_size(self) -> int:
        return self.connection.max_outgoing_frame - framing.TRANSFER_OVERHEAD

    def _forget(self, link: Link) -> None:
        self.connection.namespace.stats.links_open -= 1
        link.closed()

    def _attach(self, attach: Attach) -> None:
        handle = int(attach.handle)
        if handle in self._links or handle > _HANDLE_MAX:
            raise ProtocolViolation(Condition.HANDLE_IN_USE, f"handle {handle} is in use or too large")
        self._detaching.discard(handle)
        try:
            link = open_link(self, attach)
        except LinkRefused as refusal:
            _log.info("A link is refused: %s", refusal)
            self._refuse(attach, refusal)
            return
        except NotAnswered:
            self._detaching.add(handle)
            return
        self._links[handle] = link
        stats = self.connection.namespace.stats
        stats.links += 1
        stats.links_open += 1
        self.send(link.answer(attach))
        link.opened()

    def _refuse(self, attach: Attach, refusal: LinkRefused) -> None:
        """Answer with no source and no target, which says that a refusal follows; then close."""
        self._detaching.add(int(attach.handle))
        self.send(
            Attach(
                name=attach.name,
                handle=attach.handle,
                role=not attach.role,
                snd_settle_mode=attach.snd_settle_mode or UByte(2),
                rcv_settle_mode=attach.rcv_settle_mode or UByte(0),
                initial_delivery_count=UInt(0) if attach.role else None,
            ),
        )
        self.send(Detach(handle=attach.handle, closed=True, error=performatives.error_value(refusal)))

    def _detach(self, detach: Detach) -> None:
        handle = int(detach.handle)
        link = self._links.pop(handle, None)
        if link is not None:
            self._forget(link)
            self.send(Detach(handle=detach.handle, closed=detach.closed))
        else:
            self._detaching.discard(handle)  # the peer's answer to the broker's own detach

    def _transfer(self, transfer: Transfer, payload: bytes) -> None:
        self._next_incoming_id = (self._next_incoming_id + 1) % _SERIAL
        self._received_since_flow += 1
        if self._received_since_flow >= _INCOMING_WINDOW // 2:
            self.send_flow()
        link = self._links.get(transfer.handle)
        if link is not None:
            link.transfer(transfer, payload)
        elif transfer.handle not in self._detaching:
            raise ProtocolViolation(Condition.UNATTACHED_HANDLE, f"no link has the handle {transfer.handle}")

    def _flow(self, flow: Flow) -> None:
        seen = self._next_outgoing_id if flow.next_incoming_id is None else int(flow.next_incoming_id)
        in_flight = (self._next_outgoing_id - seen) % _SERIAL
        self._peer_window = int(flow.incoming_window) - (in_flight if in_flight < _SERIAL // 2 else 0)
        link = None if flow.handle is None else self._links.get(flow.handle)
        if link is not None:
            link.flow(flow)
        elif flow.handle is not None and flow.handle not in self._detaching:
            raise ProtocolViolation(Condition.UNATTACHED_HANDLE, f"no link has the handle {flow.handle}")
        elif flow.echo:
            self.send_flow()
        self.resume()
