"""The performatives of AMQP and of its SASL layer. The annotations are the schema that arrivals are checked against.

Every performative is written with all of its fields, nulls included, as the Azure SDK for Python reads by position.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import ClassVar, Final, TypeVar, get_args, get_origin, get_type_hints

from local.event_hubs.amqp import decoding, encoding
from local.event_hubs.amqp.errors import AmqpError, DecodeError
from local.event_hubs.amqp.values import Array, Described, Symbol, UByte, UInt, ULong, UShort

_UINT_MAX: Final = UInt(2**32 - 1)
_USHORT_MAX: Final = UShort(2**16 - 1)
_Symbols = Symbol | Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Performative:
    """One frame's meaning. ``code`` is its descriptor."""

    code: ClassVar[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Performative):
    """Says who is there and how large frames may be. ``idle_time_out`` is in milliseconds."""

    code: ClassVar[int] = 0x10
    container_id: str
    hostname: str | None = None
    max_frame_size: UInt = _UINT_MAX
    channel_max: UShort = _USHORT_MAX
    idle_time_out: UInt | None = None
    outgoing_locales: _Symbols | None = None
    incoming_locales: _Symbols | None = None
    offered_capabilities: _Symbols | None = None
    desired_capabilities: _Symbols | None = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Performative):
    """Starts a session on a channel."""

    code: ClassVar[int] = 0x11
    remote_channel: UShort | None = None
    next_outgoing_id: UInt
    incoming_window: UInt
    outgoing_window: UInt
    handle_max: UInt = _UINT_MAX
    offered_capabilities: _Symbols | None = None
    desired_capabilities: _Symbols | None = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach(Performative):
    """Starts a link. ``role`` is the speaker's: True when it receives."""

    code: ClassVar[int] = 0x12
    name: str
    handle: UInt
    role: bool
    snd_settle_mode: UByte | None = None
    rcv_settle_mode: UByte | None = None
    source: Described | None = None
    target: Described | None = None
    unsettled: dict[object, object] | None = None
    incomplete_unsettled: bool | None = None
    initial_delivery_count: UInt | None = None
    max_message_size: ULong | None = None
    offered_capabilities: _Symbols | None = None
    desired_capabilities: _Symbols | None = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow(Performative):
    """Grants credit: to the session, and to a link when ``handle`` is given."""

    code: ClassVar[int] = 0x13
    next_incoming_id: UInt | None = None
    incoming_window: UInt
    next_outgoing_id: UInt
    outgoing_window: UInt
    handle: UInt | None = None
    delivery_count: UInt | None = None
    link_credit: UInt | None = None
    available: UInt | None = None
    drain: bool | None = None
    echo: bool | None = None
    properties: dict[object, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Performative):
    """Carries a message, or a part of one."""

    code: ClassVar[int] = 0x14
    handle: UInt
    delivery_id: UInt | None = None
    delivery_tag: bytes | None = None
    message_format: UInt | None = None
    settled: bool | None = None
    more: bool | None = None
    rcv_settle_mode: UByte | None = None
    state: Described | None = None
    resume: bool | None = None
    aborted: bool | None = None
    batchable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition(Performative):
    """Says what became of deliveries ``first`` to ``last``."""

    code: ClassVar[int] = 0x15
    role: bool
    first: UInt
    last: UInt | None = None
    settled: bool | None = None
    state: Described | None = None
    batchable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach(Performative):
    """Ends a link."""

    code: ClassVar[int] = 0x16
    handle: UInt
    closed: bool | None = None
    error: Described | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Performative):
    """Ends a session."""

    code: ClassVar[int] = 0x17
    error: Described | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Performative):
    """Ends the connection."""

    code: ClassVar[int] = 0x18
    error: Described | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaslMechanisms(Performative):
    """What the server offers."""

    code: ClassVar[int] = 0x40
    sasl_server_mechanisms: _Symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class SaslInit(Performative):
    """What the client chose."""

    code: ClassVar[int] = 0x41
    mechanism: Symbol
    initial_response: bytes | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaslOutcome(Performative):
    """0 is success, 1 an authentication failure."""

    code: ClassVar[int] = 0x44
    outcome: UByte
    additional_data: bytes | None = None


_BY_CODE: Final[dict[int, type[Performative]]] = {
    kind.code: kind
    for kind in (
        *(Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close),
        *(SaslMechanisms, SaslInit, SaslOutcome),
    )
}
_REQUIRED: Final = object()
_ERROR: Final = ULong(0x1D)


def _shape_of(kind: type[Performative]) -> tuple[tuple[str, tuple[type, ...], object], ...]:
    """Each field's name, the types it may have, and what stands for null: a default, or ``_REQUIRED``."""
    hints = get_type_hints(kind)
    shape = []
    for field in fields(kind):
        hint = hints[field.name]
        options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        types = tuple(get_origin(option) or option for option in options if option is not NoneType)
        shape.append((field.name, types, _REQUIRED if field.default is MISSING else field.default))
    return tuple(shape)


_SHAPES: Final = {kind: _shape_of(kind) for kind in _BY_CODE.values()}


def encode(performative: Performative) -> bytes:
    """The frame's body, without a payload."""
    values: list[object] = [getattr(performative, name) for name, _, _ in _SHAPES[type(performative)]]
    return encoding.encode(Described(ULong(performative.code), values))


def decode(body: bytes, position: int = 0) -> tuple[Performative, int]:
    """The performative at ``position``, and where its payload begins. Raises :class:`DecodeError`."""
    described, position = decoding.decode(body, position)
    if not isinstance(described, Described) or not isinstance(described.value, list):
        raise DecodeError("the frame's body is no performative")
    kind = _BY_CODE.get(described.descriptor) if isinstance(described.descriptor, ULong) else None
    if kind is None:
        raise DecodeError(f"no performative has the descriptor {described.descriptor!r}")
    shape, values = _SHAPES[kind], described.value
    if len(values) > len(shape):
        raise DecodeError(f"{kind.__name__.lower()} has too many fields")
    arguments: dict[str, object] = {}
    for (name, types, default), value in zip(shape, values + [None] * (len(shape) - len(values)), strict=True):
        if value is None:
            if default is _REQUIRED:
                raise DecodeError(f"{kind.__name__.lower()} lacks {name}")
        elif not isinstance(value, types):
            raise DecodeError(f"{kind.__name__.lower()} has a {type(value).__name__} as {name}")
        else:
            arguments[name] = value
    return kind(**arguments), position


Kind = TypeVar("Kind", bound=Performative)


def expect(kind: type[Kind], body: bytes) -> Kind:
    """The performative in ``body``, which must be a ``kind``. Raises :class:`DecodeError`."""
    performative, _ = decode(body)
    if not isinstance(performative, kind):
        raise DecodeError(f"expected {kind.__name__}, got {type(performative).__name__}")
    return performative


def error_value(error: AmqpError | None) -> Described | None:
    """An error as performatives and outcomes carry it: all three fields."""
    if error is None:
        return None
    return Described(_ERROR, [Symbol(error.condition), error.description, None])


ACCEPTED: Final = Described(ULong(0x24), [])
RELEASED: Final = Described(ULong(0x26), [])
MODIFIED: Final = Described(ULong(0x27), [True, False, None])
REJECTED: Final = ULong(0x25)


def rejected(error: AmqpError) -> Described:
    """The outcome of a delivery that the broker did not take."""
    return Described(REJECTED, [error_value(error)])
