"""What all links have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from local.event_hubs.amqp.errors import Condition, ProtocolViolation
from local.event_hubs.amqp.values import UByte, UInt, ULong

if TYPE_CHECKING:
    from local.event_hubs.amqp.errors import AmqpError
    from local.event_hubs.amqp.performatives import Attach, Flow, Transfer
    from local.event_hubs.session import Session

_MIXED: Final = UByte(2)
_FIRST: Final = UByte(0)
_SERIAL: Final = 2**32


class Link:
    """The broker's end of a link. ``receives`` says who sends: the peer when it is True."""

    receives: bool

    def __init__(self, session: Session, attach: Attach) -> None:
        self.session = session
        self.handle = int(attach.handle)
        self.name = attach.name
        self.is_open = True

    def answer(self, attach: Attach) -> Attach:
        """The attach that accepts the peer's."""
        return replace(
            attach,
            role=self.receives,
            snd_settle_mode=_MIXED if attach.snd_settle_mode is None else attach.snd_settle_mode,
            rcv_settle_mode=_FIRST,
            unsettled=None,
            incomplete_unsettled=None,
            initial_delivery_count=None if self.receives else UInt(0),
            max_message_size=ULong(self.session.connection.namespace.config.max_message_bytes),
            offered_capabilities=None,
            desired_capabilities=None,
            properties=None,
        )

    def opened(self) -> None:
        """The answer is on its way."""

    def transfer(self, transfer: Transfer, payload: bytes) -> None:  # noqa: ARG002  for the links that take messages
        """The peer sends."""
        raise ProtocolViolation(Condition.NOT_ALLOWED, "a message was sent on a link that only receives")

    def flow(self, flow: Flow) -> None:
        """The peer says where it stands."""

    def resume(self) -> None:
        """There is room to send again."""

    def closed(self) -> None:
        """The link is gone: by detach, with its session, or with the connection."""
        self.is_open = False

    def detach(self, error: AmqpError | None = None) -> None:
        """Close the link from the broker's side."""
        self.session.close_link(self, error)
        self.session.connection.flush()


class ReceivingLink(Link):
    """A link on which the peer sends messages."""

    receives = True
    credit = 1000

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self._delivery_count = int(attach.initial_delivery_count or 0)
        self._granted = 0

    def opened(self) -> None:
        """Grant the first credit."""
        self._grant()

    def flow(self, flow: Flow) -> None:
        """Answer when the peer asks for it; its count of what it sent is its own business."""
        if flow.echo:
            self._grant()

    def _count_delivery(self) -> None:
        self._delivery_count = (self._delivery_count + 1) % _SERIAL
        self._granted -= 1
        if self._granted <= self.credit // 2:
            self._grant()

    def _grant(self) -> None:
        self._granted = self.credit
        self.session.send_flow(self.handle, delivery_count=self._delivery_count, credit=self.credit)


class SendingLink(Link):
    """A link on which the broker sends messages, as far as the peer's credit goes."""

    receives = False

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self._credit = 0
        self._delivery_count = 0

    def flow(self, flow: Flow) -> None:
        """Take the peer's credit and use it. A drain ends with none left."""
        seen = self._delivery_count if flow.delivery_count is None else int(flow.delivery_count)
        in_flight = (self._delivery_count - seen) % _SERIAL
        self._credit = max(int(flow.link_credit or 0) - in_flight, 0)
        if not flow.drain:
            self.resume()
        else:
            self.send_waiting()
            self._delivery_count = (self._delivery_count + self._credit) % _SERIAL
            self._credit = 0
        if flow.drain or flow.echo:
            self.session.send_flow(
                self.handle,
                delivery_count=self._delivery_count,
                credit=self._credit,
                drain=bool(flow.drain),
            )

    def send_waiting(self) -> None:
        """Send at once what there is, as far as it goes."""

    def resume(self) -> None:
        """There is room again: send, now or soon."""
        self.send_waiting()

    def can_send(self, payload: bytes) -> bool:
        """Whether credit, window and socket take ``payload`` now."""
        return (
            self.is_open
            and self._credit > 0
            and self.session.connection.writable
            and self.session.has_room_for(payload)
        )

    def send(self, payload: bytes) -> None:
        """Send a settled message."""
        self.session.send_message(self.handle, payload)
        self._delivery_count = (self._delivery_count + 1) % _SERIAL
        self._credit -= 1
