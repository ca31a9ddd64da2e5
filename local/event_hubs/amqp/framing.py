"""Frames: how performatives travel on the byte stream."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs.amqp import performatives
from local.event_hubs.amqp.errors import Condition, ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.event_hubs.amqp.performatives import Performative

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
EMPTY_FRAME: Final = b"\x00\x00\x00\x08\x02\x00\x00\x00"
"""A heartbeat."""

AMQP_FRAME: Final = 0
SASL_FRAME: Final = 1
MIN_MAX_FRAME_SIZE: Final = 512

_HEADER: Final = struct.Struct(">IBBH")
_HEADER_SIZE: Final = 8
_MIN_DATA_OFFSET: Final = 2
_TRANSFER: Final = struct.Struct(">IBBH 7sI sI 2sI 2s s 5s")
TRANSFER_OVERHEAD: Final = _TRANSFER.size
"""The bytes of a frame made by :func:`transfer_frame` beside its payload."""
_TRANSFER_LIST: Final = b"\x00\x53\x14\xc0\x19\x0b\x70"
_UINT: Final = b"\x70"
_TAG: Final = b"\xa0\x04"
_FORMAT_0_SETTLED: Final = b"\x43\x41"
_TRUE: Final = b"\x41"
_FALSE: Final = b"\x42"
_FIVE_NULLS: Final = b"\x40" * 5


class Frame(NamedTuple):
    """One frame, cut out of the stream. ``body`` is empty for a heartbeat."""

    kind: int
    channel: int
    body: bytes


class FrameReader:
    """Cuts a stream of bytes into frames. Keeps what is not complete yet, never more than one frame."""

    def __init__(self, max_frame_size: int) -> None:
        self._max_frame_size = max_frame_size
        self._pending = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self._pending += data

    def take(self, size: int) -> bytes | None:
        """The next ``size`` bytes that are no frame (a protocol header), or None while they have not all arrived."""
        if len(self._pending) < size:
            return None
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def peek(self) -> bytes:
        """What has arrived and was not taken."""
        return bytes(self._pending)

    def frames(self) -> Iterator[Frame]:
        """Each complete frame, until the first incomplete one. Raises ProtocolViolation when a frame can't be formed.

        Frames may be taken one at a time: an abandoned iteration loses nothing.
        """
        while len(self._pending) >= max(self._needed, _HEADER_SIZE):
            size, offset, kind, channel = _HEADER.unpack_from(self._pending)
            if not _HEADER_SIZE <= 4 * offset <= size or offset < _MIN_DATA_OFFSET:
                raise ProtocolViolation(Condition.FRAMING_ERROR, "the bytes form no frame header")
            if size > self._max_frame_size:
                raise ProtocolViolation(
                    Condition.FRAMING_ERROR,
                    f"a frame of {size} bytes exceeds the agreed {self._max_frame_size}",
                )
            if len(self._pending) < size:
                self._needed = size
                return
            self._needed = 0
            with memoryview(self._pending) as view:
                body = bytes(view[4 * offset : size])
            del self._pending[:size]
            yield Frame(kind, channel, body)


def frame(channel: int, performative: Performative, *, kind: int = AMQP_FRAME) -> bytes:
    """The frame that carries ``performative`` and no payload."""
    body = performatives.encode(performative)
    return _HEADER.pack(_HEADER_SIZE + len(body), _MIN_DATA_OFFSET, kind, channel) + body


def transfer_frame(channel: int, handle: int, delivery_id: int, payload: bytes, *, more: bool) -> bytes:
    """A settled transfer, packed in one go: a consumer gets one for every event."""
    return (
        _TRANSFER.pack(
            TRANSFER_OVERHEAD + len(payload),
            *(_MIN_DATA_OFFSET, AMQP_FRAME, channel),
            *(_TRANSFER_LIST, handle),
            *(_UINT, delivery_id),
            *(_TAG, delivery_id),
            _FORMAT_0_SETTLED,
            _TRUE if more else _FALSE,
            _FIVE_NULLS,
        )
        + payload
    )
