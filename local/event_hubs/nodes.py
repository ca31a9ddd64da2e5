"""The broker's own addresses: ``$cbs`` takes tokens, ``$management`` describes hubs and partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs import tokens
from local.event_hubs.addresses import CBS, MANAGEMENT, text_field
from local.event_hubs.amqp import messages, performatives
from local.event_hubs.amqp.performatives import Disposition
from local.event_hubs.amqp.values import Array, Int, Long, Timestamp, UInt
from local.event_hubs.faults import ON_TOKEN, FaultKind
from local.event_hubs.link import ReceivingLink, SendingLink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.event_hubs.amqp.messages import Request
    from local.event_hubs.amqp.performatives import Attach, Transfer
    from local.event_hubs.connection import Connection
    from local.event_hubs.namespace import Namespace
    from local.event_hubs.session import Session
    from local.event_hubs.storage import Hub, Partition

    Node = Callable[[Connection, Request], "Answer | None"]

_OK, _ACCEPTED, _BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND, _BUSY = 200, 202, 400, 401, 404, 503
_STRINGS: Final = 0xB1
_YEAR_ONE_MS: Final = -62_135_596_800_000
"""What Azure says of a time that has not come yet."""
_MAX_REQUEST_BYTES: Final = 64 * 1024


class Answer(NamedTuple):
    """What a node says."""

    status: int
    description: str
    body: object = None


class RequestLink(ReceivingLink):
    """Takes requests. The answer goes to the link of the same session that listens for it."""

    credit = 100

    def __init__(self, session: Session, attach: Attach, node: Node) -> None:
        super().__init__(session, attach)
        self._node = node
        self._pending = bytearray()
        self._delivery_id = UInt(0)

    def transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a request. Raises DecodeError for a broken one."""
        if transfer.delivery_id is not None:
            self._delivery_id = transfer.delivery_id
        if len(self._pending) + len(payload) <= _MAX_REQUEST_BYTES:
            self._pending += payload
        if transfer.more:
            return
        request = messages.parse_request(bytes(self._pending))
        self._pending.clear()
        self._count_delivery()
        if not transfer.settled:
            done = Disposition(
                role=True,
                first=self._delivery_id,
                last=self._delivery_id,
                settled=True,
                state=performatives.ACCEPTED,
            )
            self.session.send(done)
        self._answer(request)

    def _answer(self, request: Request) -> None:
        answer = self._node(self.session.connection, request)
        replies = [
            link for link in self.session.links() if isinstance(link, ReplyLink) and NODES[link.node] is self._node
        ]
        if answer is None or not replies:
            return
        named = [link for link in replies if link.reply_address == request.reply_to]
        text = messages.reply(request, status=answer.status, description=answer.description, body=answer.body)
        (named or replies)[0].post(text)


class ReplyLink(SendingLink):
    """Carries a node's answers."""

    def __init__(self, session: Session, attach: Attach, node: str) -> None:
        super().__init__(session, attach)
        self.node = node
        self.reply_address = text_field(attach.target, 0)
        self._waiting: list[bytes] = []

    def post(self, message: bytes) -> None:
        """Send ``message`` as soon as the peer takes it."""
        self._waiting.append(message)
        self.resume()

    def send_waiting(self) -> None:
        """Send the answers that wait."""
        while self._waiting and self.can_send(self._waiting[0]):
            self.send(self._waiting.pop(0))


def put_token(connection: Connection, request: Request) -> Answer | None:
    """``$cbs``: check a token and remember what it permits. None when a fault swallows the answer."""
    namespace = connection.namespace
    fault = namespace.faults.strike(ON_TOKEN)
    if fault is not None and fault.kind is FaultKind.NO_TOKEN_REPLY:
        return None
    if request.properties.get("operation") != "put-token":
        return Answer(_BAD_REQUEST, f"{CBS} knows only the operation put-token")
    try:
        if fault is not None:
            raise tokens.TokenRefused(fault.description)  # noqa: TRY301  one place answers every refusal
        connection.grant(_grant_of(namespace, request))
    except tokens.TokenRefused as refusal:
        namespace.stats.tokens_refused += 1
        return Answer(_UNAUTHORIZED, f"InvalidSignature: {refusal}.")
    return Answer(_ACCEPTED, "Accepted")


def _grant_of(namespace: Namespace, request: Request) -> tokens.Grant:
    if request.properties.get("type") != tokens.SAS_TOKEN:
        raise tokens.TokenRefused("only shared-access signatures are accepted: there is no Entra ID here")
    audience = str(request.properties.get("name"))
    return tokens.verify(str(request.body), audience, namespace.config.policies, namespace.now())


def describe(connection: Connection, request: Request) -> Answer:
    """``$management``: read a hub's or a partition's properties."""
    if request.properties.get("operation") != "READ":
        return Answer(_BAD_REQUEST, f"{MANAGEMENT} knows only the operation READ")
    name = str(request.properties.get("name"))
    hub = connection.namespace.hub(name)
    if hub is None or connection.namespace.hides(name):
        return Answer(_NOT_FOUND, f"The messaging entity {name!r} could not be found.")
    if not connection.permits(tokens.path_of(f"{name}/{MANAGEMENT}"), None):
        return Answer(_UNAUTHORIZED, f"No token permits to read the properties of {name!r}.")
    if connection.namespace.throttles(name):
        return Answer(_BUSY, "The request was terminated because the entity is being throttled.")
    return _description(hub, request)


def _description(hub: Hub, request: Request) -> Answer:
    kind, partition_id = request.properties.get("type"), request.properties.get("partition")
    if kind == "com.microsoft:eventhub":
        return Answer(_OK, "OK", _hub_body(hub))
    if kind != "com.microsoft:partition":
        return Answer(_BAD_REQUEST, f"there is no entity of the type {kind!r}")
    partition = hub.partition(str(partition_id))
    if partition is None:
        return Answer(_NOT_FOUND, f"The hub {hub.name} has no partition {partition_id!r}.")
    return Answer(_OK, "OK", _partition_body(hub, partition))


def _hub_body(hub: Hub) -> dict[object, object]:
    return {
        "name": hub.name,
        "type": "com.microsoft:eventhub",
        "created_at": Timestamp(hub.created_ms),
        "partition_count": Int(len(hub.partitions)),
        "partition_ids": Array(_STRINGS, tuple(partition.id for partition in hub.partitions)),
    }


def _partition_body(hub: Hub, partition: Partition) -> dict[object, object]:
    enqueued_ms = partition.last_enqueued_ms
    return {
        "name": hub.name,
        "type": "com.microsoft:partition",
        "partition": partition.id,
        "begin_sequence_number": Long(partition.first_sequence),
        "last_enqueued_sequence_number": Long(partition.next_sequence - 1),
        "last_enqueued_offset": partition.last_offset,
        "last_enqueued_time_utc": Timestamp(_YEAR_ONE_MS if enqueued_ms is None else enqueued_ms),
        "is_partition_empty": partition.first_sequence == partition.next_sequence,
    }


NODES: Final[Mapping[str, Callable[[Connection, Request], Answer | None]]] = {
    CBS: put_token,
    MANAGEMENT: describe,
}
