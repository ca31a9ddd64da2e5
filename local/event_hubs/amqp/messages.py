"""Messages: sections, and what Event Hubs does with them.

A batch (``BATCH_FORMAT``) is one message whose data sections each hold one event, itself an encoded message. Nothing
here decodes more of an event than it must: events are stored as they came and annotated when they are read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs.amqp import decoding, encoding
from local.event_hubs.amqp.errors import DecodeError
from local.event_hubs.amqp.values import Described, Int, Long, Symbol, Timestamp, ULong

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_FORMAT: Final = 0x80013700

HEADER: Final = 0x70
DELIVERY_ANNOTATIONS: Final = 0x71
MESSAGE_ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION_PROPERTIES: Final = 0x74
DATA: Final = 0x75
AMQP_VALUE: Final = 0x77
_SECTIONS: Final = range(HEADER, 0x79)

PARTITION_KEY: Final = Symbol("x-opt-partition-key")
SEQUENCE_NUMBER: Final = Symbol("x-opt-sequence-number")
OFFSET: Final = Symbol("x-opt-offset")
ENQUEUED_TIME: Final = Symbol("x-opt-enqueued-time")

_UINT32: Final = struct.Struct(">I")
_INT64: Final = struct.Struct(">q")
_DATA_PREFIX: Final = b"\x00\x53\x75"
_SMALL_BINARY: Final = 0xA0
_LARGE_BINARY: Final = 0xB0


class Section(NamedTuple):
    """One section of a message: its descriptor, where it starts, where its value starts, and where it ends."""

    descriptor: int
    start: int
    value: int
    end: int


def sections(message: bytes, position: int = 0) -> Iterator[Section]:
    """The sections of ``message``, undecoded. Raises :class:`DecodeError`."""
    while position < len(message):
        start = position
        if message[start] != 0:
            raise DecodeError("a message's section has no descriptor")
        descriptor, value = decoding.decode(message, start + 1)
        if not isinstance(descriptor, ULong) or descriptor not in _SECTIONS:
            raise DecodeError(f"no message section has the descriptor {descriptor!r}")
        position = decoding.skip(message, value)
        yield Section(int(descriptor), start, value, position)


def message_annotations(message: bytes) -> dict[object, object]:
    """The message annotations, empty when there are none. Raises :class:`DecodeError`."""
    for section in sections(message):
        if section.descriptor == MESSAGE_ANNOTATIONS:
            found, _ = decoding.decode(message, section.value)
            if not isinstance(found, dict):
                raise DecodeError("the message annotations are no map")
            return found
        if section.descriptor > MESSAGE_ANNOTATIONS:
            break
    return {}


def partition_key(message: bytes) -> str | None:
    """The partition key that the sender chose, of a single event or of a whole batch."""
    key = message_annotations(message).get(PARTITION_KEY)
    return str(key) if isinstance(key, str) else None


class EventSpan(NamedTuple):
    """Where one event stands in the message that brought it: ``position`` tells it apart, and grows."""

    position: int
    start: int
    end: int


def batch_events(message: bytes) -> Iterator[EventSpan]:
    """The events of a batch, in order. Raises :class:`DecodeError` when a section is no data section."""
    position, end = batch_body(message), len(message)
    while position < end:
        position, start, stop = _data_section(message, position)
        yield EventSpan(position, start, stop)
        position = stop


class BatchExtent(NamedTuple):
    """How many events a batch holds, and the position of the last one."""

    events: int
    last_position: int


def batch_extent(message: bytes) -> BatchExtent:
    """Count a batch's events. The only work done per event when a batch is stored: about 0.2 µs each."""
    position, end, count, last = batch_body(message), len(message), 0, 0
    unpack = _UINT32.unpack_from
    try:
        while position < end:
            constructor = message[position + 3]
            if constructor == _LARGE_BINARY:
                following = position + 8 + unpack(message, position + 4)[0]
            elif constructor == _SMALL_BINARY:
                following = position + 5 + message[position + 4]
            else:
                following = -1
            if following < 0 or message[position : position + 3] != _DATA_PREFIX:
                _, _, following = _data_section(message, position)
            last, position = position, following
            count += 1
    except (IndexError, struct.error) as error:
        raise DecodeError("the batch is cut off") from error
    if position != end:
        raise DecodeError("the batch is cut off")
    return BatchExtent(count, last)


def single_extent(message: bytes) -> BatchExtent:
    """Check a message that is one event: a broken one must not reach the consumers. Raises :class:`DecodeError`."""
    for _ in sections(message):
        pass
    return BatchExtent(1, 0)


def batch_body(message: bytes) -> int:
    """Where a batch's data sections begin."""
    for section in sections(message):
        if section.descriptor >= DATA:
            return section.start
    return len(message)


def _data_section(message: bytes, position: int) -> tuple[int, int, int]:
    section = next(sections(message, position))
    constructor = message[section.value]
    if section.descriptor != DATA or constructor not in {_SMALL_BINARY, _LARGE_BINARY}:
        raise DecodeError("a batch holds something else than data sections")
    return position, section.value + (2 if constructor == _SMALL_BINARY else 5), section.end


# --- reading: an event with what the hub says about it ------------------------------------------------------------


class SystemProperties(NamedTuple):
    """What the hub adds to every event."""

    sequence_number: int
    offset: str
    enqueued_ms: int
    partition_key: str | None
    """The batch's own; an event's wins."""


_SYSTEM: Final = (SEQUENCE_NUMBER, OFFSET, ENQUEUED_TIME)
_SEQUENCE_ENTRY: Final = encoding.encode(SEQUENCE_NUMBER) + b"\x81"
_OFFSET_ENTRY: Final = encoding.encode(OFFSET) + b"\xa1"
_TIME_ENTRY: Final = encoding.encode(ENQUEUED_TIME) + b"\x83"
_KEY_ENTRY: Final = encoding.encode(PARTITION_KEY)
_ANNOTATIONS_PREFIX: Final = b"\x00\x53\x72\xd1"


def delivered(event: bytes, system: SystemProperties, extra: bytes = b"") -> bytes:
    """``event`` as a consumer gets it: with system properties, and ``extra`` (delivery annotations) after its header.

    Delivery annotations that the producer sent were for the hub, and are left out.
    """
    header_end = rest = 0
    own: dict[object, object] = {}
    for section in sections(event):
        if section.descriptor > MESSAGE_ANNOTATIONS:
            break
        rest = section.end
        if section.descriptor == HEADER:
            header_end = section.end
        elif section.descriptor == MESSAGE_ANNOTATIONS:
            decoded, _ = decoding.decode(event, section.value)
            own = decoded if isinstance(decoded, dict) else {}
    return b"".join((event[:header_end], extra, _annotations(own, system), event[rest:]))


def delivered_as_data(data: bytes, system: SystemProperties) -> bytes:
    """What was sent as an event of a batch but is no message: consumers get it as a body, with system properties."""
    return _annotations({}, system) + encoding.encode(Described(ULong(DATA), data))


def _annotations(own: dict[object, object], system: SystemProperties) -> bytes:
    offset = system.offset.encode()
    entries = [
        *(_SEQUENCE_ENTRY, _INT64.pack(system.sequence_number)),
        *(_OFFSET_ENTRY, bytes((len(offset),)), offset),
        *(_TIME_ENTRY, _INT64.pack(system.enqueued_ms)),
    ]
    count = 2 * len(_SYSTEM)
    if system.partition_key is not None and PARTITION_KEY not in own:
        entries += (_KEY_ENTRY, encoding.encode(system.partition_key))
        count += 2
    for key, value in own.items():
        if key not in _SYSTEM:
            entries += (encoding.encode(key), encoding.encode(value))
            count += 2
    body = b"".join(entries)
    return b"".join((_ANNOTATIONS_PREFIX, _UINT32.pack(len(body) + 4), _UINT32.pack(count), body))


def last_enqueued(*, sequence_number: int, offset: str, enqueued_ms: int, now_ms: int) -> bytes:
    """Delivery annotations that tell a consumer how far the partition has got."""
    known: dict[object, object] = {
        Symbol("last_enqueued_sequence_number"): Long(sequence_number),
        Symbol("last_enqueued_offset"): offset,
        Symbol("last_enqueued_time_utc"): Timestamp(enqueued_ms),
        Symbol("runtime_info_retrieval_time_utc"): Timestamp(now_ms),
    }
    return encoding.encode(Described(ULong(DELIVERY_ANNOTATIONS), known))


# --- requests and replies of $cbs and $management -----------------------------------------------------------------


class Request(NamedTuple):
    """A request to one of the broker's own nodes. ``message_id`` keeps its type: the reply echoes it."""

    message_id: object
    reply_to: object
    properties: dict[str, object]
    """Application properties."""
    body: object


_MESSAGE_ID, _REPLY_TO, _CORRELATION_ID, _PROPERTY_FIELDS = 0, 4, 5, 13


def parse_request(message: bytes) -> Request:
    """The parts of ``message`` that a request needs. Raises :class:`DecodeError`."""
    found: dict[int, object] = {}
    for section in sections(message):
        found[section.descriptor], _ = decoding.decode(message, section.value)
    listed, named = found.get(PROPERTIES), found.get(APPLICATION_PROPERTIES)
    properties = [*(listed if isinstance(listed, list) else []), *(None,) * _PROPERTY_FIELDS]
    return Request(
        message_id=properties[_MESSAGE_ID],
        reply_to=properties[_REPLY_TO],
        properties={str(key): value for key, value in named.items()} if isinstance(named, dict) else {},
        body=found.get(AMQP_VALUE),
    )


def reply(request: Request, *, status: int, description: str, body: object) -> bytes:
    """The answer to ``request``, in the form that the Azure SDKs expect."""
    properties: list[object] = [None] * _PROPERTY_FIELDS
    properties[_CORRELATION_ID] = request.message_id
    named: dict[object, object] = {
        "status-code": Int(status),
        "status-description": description,
        "statusDescription": description,  # where the SDK for Python looks when it asks $management
    }
    return b"".join(
        encoding.encode(Described(ULong(descriptor), value))
        for descriptor, value in (
            (PROPERTIES, properties),
            (APPLICATION_PROPERTIES, named),
            (AMQP_VALUE, body),
        )
    )
