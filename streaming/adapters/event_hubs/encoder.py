"""The bytes of a batch of events, written once, from parts that are kept.

A batch on the wire is one AMQP message of format 0x80013700: a data section per event, each holding that event's own
encoded message (properties, application properties, one data section with the body). The SDK builds an object for each
event and encodes it twice; here everything but the trace id and the body is a constant of the event's type and of two
lengths, and comes from a cache. See docs/decisions/0002-batch-encoder.md.

Pure: no SDK, no clock. ``sdk.py`` proves at start-up that the SDK's own path makes the same bytes.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.event import Event

CONTENT_TYPE = "application/json"
TABLE_PROPERTY = "Table"
ROUTING_PROPERTIES = {"Format": "json", "IngestionMappingReference": "EventMapping"}
"""What Azure Data Explorer and Fabric route by, beside the table; the same on every event."""

_PROPERTIES = b"\x00\x53\x73"
_APPLICATION_PROPERTIES = b"\x00\x53\x74"
_DATA = b"\x00\x53\x75"
_NULL = b"\x40"
_FIELDS_OF_PROPERTIES = 13
_LARGEST_SMALL = 255
"""The largest length that AMQP's one-byte encodings hold; a compound's counts its element count too."""
_FRAMINGS_KEPT = 8192
"""Enough for eighteen types times the lengths that their bodies take; about 4 MiB when full."""


def _variable(small: bytes, large: bytes, length: int) -> bytes:
    """The constructor and size of a value of variable width, in its smallest form."""
    return small + bytes((length,)) if length <= _LARGEST_SMALL else large + struct.pack(">I", length)


def _compound(small: bytes, large: bytes, length: int, count: int) -> bytes:
    """The constructor, size and count of a list or map whose elements take ``length`` bytes."""
    if length < _LARGEST_SMALL:
        return small + bytes((length + 1, count))
    return large + struct.pack(">II", length + 4, count)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return _variable(b"\xa1", b"\xb1", len(encoded)) + encoded


def _binary_head(length: int) -> bytes:
    return _variable(b"\xa0", b"\xb0", length)


def _application_properties(event_type: str) -> bytes:
    pairs = {TABLE_PROPERTY: event_type, **ROUTING_PROPERTIES}
    elements = b"".join(_string(name) + _string(value) for name, value in pairs.items())
    return _APPLICATION_PROPERTIES + _compound(b"\xc1", b"\xd1", len(elements), 2 * len(pairs)) + elements


_CONTENT_TYPE_SYMBOL = _variable(b"\xa3", b"\xb3", len(CONTENT_TYPE)) + CONTENT_TYPE.encode()
_BETWEEN_ID_AND_CONTENT_TYPE = 5 * _NULL  # user-id, to, subject, reply-to, correlation-id
_AFTER_CONTENT_TYPE = 6 * _NULL  # content-encoding to reply-to-group-id
_AFTER_ID = _BETWEEN_ID_AND_CONTENT_TYPE + _CONTENT_TYPE_SYMBOL + _AFTER_CONTENT_TYPE


class _Framing(NamedTuple):
    """The constant bytes around the trace id and the body of one event in a batch."""

    head: bytes
    """From the batch's section header to the trace id."""
    middle: bytes
    """From the trace id to the body."""
    opening_bytes: int
    """How much of ``head`` is the batch's own section header."""


@lru_cache(maxsize=_FRAMINGS_KEPT)
def _framing(event_type: str, id_bytes: int, body_bytes: int) -> _Framing:
    id_head = _variable(b"\xa1", b"\xb1", id_bytes)
    fields_bytes = len(id_head) + id_bytes + len(_AFTER_ID)
    before_id = _PROPERTIES + _compound(b"\xc0", b"\xd0", fields_bytes, _FIELDS_OF_PROPERTIES) + id_head
    middle = _AFTER_ID + _application_properties(event_type) + _DATA + _binary_head(body_bytes)
    opening = _DATA + _binary_head(len(before_id) + id_bytes + len(middle) + body_bytes)
    return _Framing(head=opening + before_id, middle=middle, opening_bytes=len(opening))


class EncodedBatch(NamedTuple):
    """A batch ready to be sent."""

    sections: bytes
    """The data sections of all events, exactly as they go over the wire."""
    event_count: int
    first_opening_bytes: int
    """The length of the first section's own header (descriptor, constructor, size)."""
    first_content_bytes: int
    """The length of what the first section holds."""


def encoded_size(event: Event) -> int:
    """The bytes that ``event`` takes in a batch, framing included. A batch's size is exactly the sum."""
    id_bytes = len(event.trace_id.encode())
    body_bytes = len(event.body)
    head, middle, _ = _framing(event.event_type, id_bytes, body_bytes)
    return len(head) + id_bytes + len(middle) + body_bytes


def encode_batch(events: Sequence[Event]) -> EncodedBatch:
    """Encode ``events``, in order, as the data sections of one batch.

    :raises UnicodeEncodeError: a trace id or type holds a lone surrogate, which no encoding of text can carry.
    :raises ValueError: ``events`` is empty.
    """
    if not events:
        raise ValueError("A batch has at least one event.")
    parts: list[bytes] = []
    for event_type, trace_id, _, body in events:
        encoded_id = trace_id.encode()
        head, middle, _ = _framing(event_type, len(encoded_id), len(body))
        parts += (head, encoded_id, middle, body)
    first = events[0]
    opening_bytes = _framing(first.event_type, len(parts[1]), len(first.body)).opening_bytes
    return EncodedBatch(
        sections=b"".join(parts),
        event_count=len(events),
        first_opening_bytes=opening_bytes,
        first_content_bytes=sum(map(len, parts[:4])) - opening_bytes,
    )
