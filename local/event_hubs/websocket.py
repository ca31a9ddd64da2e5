"""The server's side of RFC 6455, as far as AMQP needs it: binary messages, fragments, ping, close. No extensions."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Final

SUBPROTOCOL: Final = "AMQPWSB10"
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_REQUEST_BYTES: Final = 16 * 1024
_MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127


class BadHandshake(Exception):  # noqa: N818  what the client did
    """The client's request or frames are not what AMQP over WebSocket needs. ``response`` is what it is told."""

    def __init__(self, reason: str, response: bytes = b"") -> None:
        super().__init__(reason)
        self.response = response


class WebSocket:
    """Turns bytes from the socket into AMQP's bytes, and back. No I/O."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._upgraded = False
        self.closed = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What the client's bytes carried, and what to answer on the socket. Raises :class:`BadHandshake`."""
        self._pending += data
        answer = b""
        if not self._upgraded:
            answer = self._upgrade()
            if not answer:
                return b"", b""
        payloads, answers = [], [answer]
        while not self.closed and (frame := self._take_frame()) is not None:
            opcode, payload = frame
            if opcode in {_CONTINUATION, _BINARY}:
                payloads.append(payload)
            elif opcode == _PING:
                answers.append(_frame(_PONG, payload))
            elif opcode == _CLOSE:
                self.closed = True
                answers.append(_frame(_CLOSE, payload[:2]))
            elif opcode != _PONG:
                raise BadHandshake(f"a frame has the opcode {opcode}")
        return b"".join(payloads), b"".join(answers)

    @staticmethod
    def wrap(data: bytes) -> bytes:
        """``data`` as one binary message."""
        return _frame(_BINARY, data)

    def _upgrade(self) -> bytes:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            if len(self._pending) > _MAX_REQUEST_BYTES:
                raise BadHandshake("the request is too long", _refusal("431 Request Header Fields Too Large"))
            return b""
        lines = bytes(self._pending[:end]).decode("latin-1").split("\r\n")
        del self._pending[: end + 4]
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        key = headers.get("sec-websocket-key")
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
        if headers.get("upgrade", "").lower() != "websocket" or not key or SUBPROTOCOL not in offered:
            raise BadHandshake(
                f"the request {lines[0]!r} is no WebSocket upgrade with the subprotocol {SUBPROTOCOL}",
                _refusal("400 Bad Request"),
            )
        self._upgraded = True
        accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324  as the RFC says
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        ).encode()

    def _take_frame(self) -> tuple[int, bytes] | None:
        header = self._header()
        if header is None:
            return None
        start, length = header
        if length > _MAX_FRAME_BYTES:
            raise BadHandshake(f"a frame of {length} bytes is too large")
        if len(self._pending) < start + 4 + length:
            return None
        opcode = self._pending[0] & 0x0F
        payload = _unmasked(
            bytes(self._pending[start : start + 4]), bytes(self._pending[start + 4 : start + 4 + length])
        )
        del self._pending[: start + 4 + length]
        return opcode, payload

    def _header(self) -> tuple[int, int] | None:
        """Where the mask begins and how long the payload is, or None while that has not arrived."""
        if len(self._pending) < 2:  # noqa: PLR2004  flags and length
            return None
        if not self._pending[1] & _MASKED:
            raise BadHandshake("a client's frame is not masked")
        length = self._pending[1] & 0x7F
        layout, start = {_LENGTH_16: (">H", 4), _LENGTH_64: (">Q", 10)}.get(length, ("", 2))
        if len(self._pending) < start:
            return None
        return start, struct.unpack_from(layout, self._pending, 2)[0] if layout else length


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    """XOR, done on one large integer: byte by byte would be a hundred times slower."""
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_16:
        header = struct.pack(">BB", _FINAL | opcode, size)
    elif size < 2**16:
        header = struct.pack(">BBH", _FINAL | opcode, _LENGTH_16, size)
    else:
        header = struct.pack(">BBQ", _FINAL | opcode, _LENGTH_64, size)
    return header + payload


def _refusal(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
