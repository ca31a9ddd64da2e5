"""AMQP over WebSocket, on the same port, with the SDK and without."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData, TransportType
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.websocket import BadHandshake, WebSocket
from tests.local.event_hubs.clients import HUB, SDK_LEAVES_SOCKETS, consumer, producer, reading
from tests.local.event_hubs.peer import Peer

if TYPE_CHECKING:
    from local.event_hubs import EventHubsBroker

pytestmark = SDK_LEAVES_SOCKETS

HANDSHAKE = (
    b"GET /$servicebus/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: AMQPWSB10\r\n\r\n"
)


def _masked(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    first = opcode | (0x80 if final else 0)
    if len(payload) < 126:
        header = struct.pack(">BB", first, 0x80 | len(payload))
    elif len(payload) < 65536:
        header = struct.pack(">BBH", first, 0x80 | 126, len(payload))
    else:
        header = struct.pack(">BBQ", first, 0x80 | 127, len(payload))
    return header + mask + masked


def _open() -> WebSocket:
    websocket = WebSocket()
    payload, answer = websocket.feed(HANDSHAKE)
    assert payload == b""
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer  # the RFC's own example
    return websocket


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # the SDK passes it to aiohttp
async def test_the_sdk_sends_and_receives(broker: EventHubsBroker) -> None:
    """It takes the port only from custom_endpoint_address: without it, WebSockets go to 80 or 443."""
    options: dict[str, Any] = {
        "transport_type": TransportType.AmqpOverWebsocket,
        "custom_endpoint_address": f"sb://localhost:{broker.port}",
    }
    async with producer(broker, **options) as client:
        await client.send_batch([EventData("x" * 500) for _ in range(1000)], partition_id="0")
    async with reading(consumer(broker, **options), partition_id="0") as seen:
        await seen.until(events=1000)
    assert broker.stats().hub(HUB).messages == 1000


@given(st.lists(st.binary(max_size=300), max_size=4), st.data())
def test_frames_are_read_however_they_arrive(payloads: list[bytes], data: st.DataObject) -> None:
    websocket = _open()
    stream = b"".join(
        _masked(0x2, payload, final=False) + _masked(0x9, b"ping") + _masked(0x0, payload) for payload in payloads
    )
    received = answered = b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        payload, answer = websocket.feed(stream[:size])
        received, answered, stream = received + payload, answered + answer, stream[size:]
    assert received == b"".join(payload * 2 for payload in payloads)
    assert answered == b"\x8a\x04ping" * len(payloads)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_every_form_of_length_is_read(size: int) -> None:
    assert _open().feed(_masked(0x2, b"y" * size)) == (b"y" * size, b"")


def test_a_close_is_answered_and_final() -> None:
    websocket = _open()
    assert websocket.feed(_masked(0x8, b"\x03\xe8bye") + _masked(0x2, b"too late")) == (b"", b"\x88\x02\x03\xe8")
    assert websocket.closed


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (5, b"\x05"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65535, b"\x7e\xff\xff"),
        (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_what_is_sent_is_one_binary_message(size: int, length: bytes) -> None:
    assert WebSocket.wrap(b"x" * size) == b"\x82" + length + b"x" * size


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x82\x01x", "not masked"),
        (_masked(0x1, b"text"), "opcode 1"),
        (b"\x82\xff\x00\x00\x00\x00\xff\xff\xff\xff", "too large"),
    ],
    ids=["not masked", "text", "too large"],
)
def test_other_frames_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadHandshake, match=why):
        _open().feed(data)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HANDSHAKE.replace(b"AMQPWSB10", b"chat"), b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"x" * 20_000, b"431 "),
    ],
)
async def test_other_requests_are_told_so(broker: EventHubsBroker, request_bytes: bytes, status: bytes) -> None:
    async with await Peer.connect(broker) as peer:
        peer.write(request_bytes)
        assert (await peer.read_to_end()).startswith(b"HTTP/1.1 " + status)


async def test_a_handshake_in_pieces_is_awaited_and_amqp_follows(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        for position in range(len(HANDSHAKE)):
            peer.write(HANDSHAKE[position : position + 1])
            await peer.writer.drain()
        assert b"101 Switching Protocols" in await peer.reader.readuntil(b"\r\n\r\n")
        peer.write(_masked(0x2, b"AMQP\x00\x01\x00\x00"))
        assert await peer.read_exactly(10) == b"\x82\x08AMQP\x00\x01\x00\x00"
        peer.write(_masked(0x8, b""))
        assert await peer.read_to_end() == b"\x88\x00"
