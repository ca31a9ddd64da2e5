"""A client that says exactly what a test wants, also what no SDK would."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote_plus

from local.event_hubs import DEFAULT_POLICY
from local.event_hubs.amqp import encoding, framing, performatives
from local.event_hubs.amqp.messages import AMQP_VALUE, APPLICATION_PROPERTIES, PROPERTIES
from local.event_hubs.amqp.performatives import Attach, Begin, Flow, Open, Performative, SaslInit, Transfer
from local.event_hubs.amqp.values import Described, Symbol, UInt, ULong

if TYPE_CHECKING:
    from types import TracebackType

    from local.event_hubs import EventHubsBroker

PATIENCE_SECONDS = 120
Kind = TypeVar("Kind", bound=Performative)
SOURCE, TARGET = 0x28, 0x29


def terminus(code: int, address: str, filters: dict[object, object] | None = None) -> Described:
    """A source or target."""
    fields: list[object] = [address, *(None,) * 6]
    return Described(ULong(code), [*fields, filters] if code == SOURCE else fields)


def sas_token(resource: str, *, key: str, policy: str, expires_at: float) -> str:
    """A shared-access signature, made by hand."""
    encoded, expiry = quote_plus(resource), str(int(expires_at))
    digest = hmac.digest(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256)
    signature = quote_plus(base64.b64encode(digest).decode())
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn={policy}"


class Peer:
    """A raw connection. Everything that is read is checked to be AMQP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = framing.FrameReader(2**20)

    @classmethod
    async def connect(cls, broker: EventHubsBroker) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", broker.port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.writer.transport.abort()

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def say(self, performative: Performative, payload: bytes = b"", channel: int = 0) -> None:
        body = performatives.encode(performative) + payload
        self.write((8 + len(body)).to_bytes(4, "big") + b"\x02\x00" + channel.to_bytes(2, "big") + body)

    async def read_exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readexactly(size)

    async def read_to_end(self) -> bytes:
        """Everything until the broker closes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(-1)
            except ConnectionResetError:
                return b""

    async def next_frame(self) -> framing.Frame:
        size = await self.read_exactly(4)
        self._frames.feed(size + await self.read_exactly(int.from_bytes(size, "big") - 4))
        return next(self._frames.frames())

    async def hear(self) -> Performative:
        """The next performative; heartbeats are passed over."""
        while not (frame := await self.next_frame()).body:
            pass
        return performatives.decode(frame.body)[0]

    async def hear_until(self, kind: type[Kind]) -> Kind:
        """The next performative of this kind."""
        while not isinstance(heard := await self.hear(), kind):
            pass
        return heard

    async def sasl(self) -> None:
        """Say and hear what comes before AMQP."""
        self.write(framing.SASL_HEADER)
        self.write(framing.frame(0, SaslInit(mechanism=Symbol("ANONYMOUS")), kind=framing.SASL_FRAME))
        self.write(framing.AMQP_HEADER)
        assert await self.read_exactly(8) == framing.SASL_HEADER
        assert isinstance(await self.hear(), performatives.SaslMechanisms)
        outcome = await self.hear()
        assert isinstance(outcome, performatives.SaslOutcome)
        assert outcome.outcome == 0
        assert await self.read_exactly(8) == framing.AMQP_HEADER

    async def open(self, *, idle_time_out: int | None = None, max_frame_size: int = 65536) -> Open:
        """SASL, open and a session on channel 0. Returns the broker's open."""
        await self.sasl()
        idle = None if idle_time_out is None else UInt(idle_time_out)
        self.say(Open(container_id="peer", max_frame_size=UInt(max_frame_size), idle_time_out=idle))
        self.say(Begin(next_outgoing_id=UInt(0), incoming_window=UInt(1000), outgoing_window=UInt(1000)))
        opened = await self.hear_until(Open)
        await self.hear_until(Begin)
        return opened

    def attach(
        self,
        address: str,
        *,
        handle: int,
        receives: bool,
        filters: dict[object, object] | None = None,
        properties: dict[object, object] | None = None,
    ) -> None:
        """Ask for a link to ``address``."""
        self.say(
            Attach(
                name=f"link-{handle}",
                handle=UInt(handle),
                role=receives,
                source=terminus(SOURCE, address if receives else "peer", filters),
                target=terminus(TARGET, "peer" if receives else address),
                initial_delivery_count=None if receives else UInt(0),
                properties=properties,
            )
        )

    def grant(self, handle: int, credit: int, *, delivery_count: int = 0, drain: bool = False) -> None:
        """Let the broker send so many messages on a link."""
        self.say(
            Flow(
                next_incoming_id=UInt(0),
                incoming_window=UInt(1000),
                next_outgoing_id=UInt(0),
                outgoing_window=UInt(1000),
                handle=UInt(handle),
                delivery_count=UInt(delivery_count),
                link_credit=UInt(credit),
                drain=drain,
            )
        )

    def transfer(self, handle: int, payload: bytes, *, delivery_id: int = 0, **fields: object) -> None:
        """Send a message, or a part of one."""
        given = {"delivery_tag": b"t", "message_format": UInt(0), **fields}
        self.say(Transfer(handle=UInt(handle), delivery_id=UInt(delivery_id), **given), payload)  # type: ignore[arg-type]  # whatever the test says

    async def authorize(self, broker: EventHubsBroker, policy: str = DEFAULT_POLICY) -> None:
        """Present a token for the whole namespace. Uses the handles 0 and 1."""
        resource = f"sb://localhost:{broker.port}"
        key = broker.config.policies[policy].key
        token = sas_token(resource, key=key, policy=policy, expires_at=time.time() + 600)
        self.attach("$cbs", handle=0, receives=True)
        self.attach("$cbs", handle=1, receives=False)
        self.grant(0, 10)
        self.transfer(1, put_token(token, resource))
        answered = await self.hear_until(Transfer)
        assert answered.handle == 0


def error_of(value: Described | None) -> tuple[str, str]:
    """The condition and description of an error."""
    assert value is not None
    assert isinstance(value.value, list)
    condition, description, _ = value.value
    return str(condition), str(description)


def put_token(token: str, name: str) -> bytes:
    """The request that presents a token."""
    properties: dict[object, object] = {
        "operation": "put-token",
        "type": "servicebus.windows.net:sastoken",
        "name": name,
    }
    return b"".join(
        encoding.encode(Described(ULong(code), value))
        for code, value in (
            (PROPERTIES, ["id-1", *(None,) * 12]),
            (APPLICATION_PROPERTIES, properties),
            (AMQP_VALUE, token),
        )
    )
