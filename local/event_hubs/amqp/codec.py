"""AMQP values to bytes and back.

Encoding always takes the shortest form, except that a list is never ``list0``: the Azure SDK for Python can't read it
where a performative is expected. Decoding is total: any input gives a value or a :class:`DecodeError`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NoReturn
from uuid import UUID

from local.event_hubs.amqp.errors import DecodeError
from local.event_hubs.amqp.values import (
    Array,
    Byte,
    Char,
    Decimal,
    Described,
    Int,
    Long,
    Short,
    Single,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH: Final = 32
"""Deeper nesting is refused: nobody means it, and it would exhaust the stack."""
MAX_EMPTY_ITEMS: Final = 256
"""An array whose items take no bytes could otherwise claim four billion of them."""

_UINT32: Final = struct.Struct(">I")
_SMALL: Final = 0x100


def encode(value: object) -> bytes:
    """The bytes of ``value``. Raises TypeError for what AMQP has no type for, struct.error when out of range."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"AMQP has no type for {type(value).__name__}")
    return encoder(value)


def decode(data: bytes, position: int = 0) -> tuple[object, int]:
    """The value that starts at ``position``, and the position behind it."""
    try:
        return _decode(data, position, 0)
    except (IndexError, struct.error) as error:
        raise DecodeError("the value is cut off") from error
    except UnicodeDecodeError as error:
        raise DecodeError("a string or symbol has bytes that its encoding forbids") from error


def skip(data: bytes, position: int) -> int:
    """The position behind the value at ``position``, without looking inside. Raises DecodeError when it is cut off."""
    try:
        constructor = data[position]
        position += 1
        if constructor == 0:
            return skip(data, skip(data, position))
        width = _WIDTHS[constructor >> 4]
        if width >= 0:
            position += width
        elif width == _SIZED_BY_ONE:
            position += 1 + data[position]
        elif width == _SIZED_BY_FOUR:
            position += 4 + _UINT32.unpack_from(data, position)[0]
        else:
            raise DecodeError(f"no AMQP type has the constructor 0x{constructor:02x}")
    except (IndexError, struct.error, RecursionError) as error:
        raise DecodeError("the value is cut off") from error
    if position > len(data):
        raise DecodeError("the value is cut off")
    return position


_SIZED_BY_ONE: Final = -1
_SIZED_BY_FOUR: Final = -4
_UNKNOWN: Final = -99
_WIDTHS: Final = (
    *(_UNKNOWN,) * 4,
    *(0, 1, 2, 4, 8, 16),  # 0x4_ … 0x9_: fixed width
    *(_SIZED_BY_ONE, _SIZED_BY_FOUR) * 3,  # 0xa_ … 0xf_: variable, compound, array
)
"""How many bytes follow a constructor, by its high nibble."""


# --- encoding -------------------------------------------------------------------------------------------------------


def _sized(small: int, large: int, payload: bytes) -> bytes:
    if len(payload) < _SMALL:
        return bytes((small, len(payload))) + payload
    return bytes((large,)) + _UINT32.pack(len(payload)) + payload


def _compound(small: int, large: int, count: int, items: bytes) -> bytes:
    if len(items) + 1 < _SMALL and count < _SMALL:
        return bytes((small, len(items) + 1, count)) + items
    return bytes((large,)) + _UINT32.pack(len(items) + 4) + _UINT32.pack(count) + items


def _integer(full: int, layout: str, *, small: int | None = None, zero: int | None = None) -> Callable[..., bytes]:
    pack = struct.Struct(layout).pack
    small_pack = struct.Struct(layout[0] + ("b" if layout[1].islower() else "B")).pack
    prefix, small_range = bytes((full,)), (-0x80, 0x80) if layout[1].islower() else (0, 0x100)

    def encode_integer(value: int) -> bytes:
        if value == 0 and zero is not None:
            return bytes((zero,))
        if small is not None and small_range[0] <= value < small_range[1]:
            return bytes((small,)) + small_pack(value)
        return prefix + pack(value)

    return encode_integer


def _encode_list(value: list[object]) -> bytes:
    return _compound(0xC0, 0xD0, len(value), b"".join(map(encode, value)))


def _encode_map(value: dict[object, object]) -> bytes:
    items = b"".join(encode(part) for pair in value.items() for part in pair)
    return _compound(0xC1, 0xD1, 2 * len(value), items)


def _encode_array(value: Array) -> bytes:
    items = b"".join(_encode_item(value.constructor, item) for item in value.items)
    return _compound(0xE0, 0xF0, len(value.items), bytes((value.constructor,)) + items)


def _encode_item(constructor: int, item: object) -> bytes:
    """One array item, in the wide form that the array's constructor asks for."""
    if constructor in _WIDE_ITEMS:
        return _WIDE_ITEMS[constructor](item)
    encoded = encode(item)
    if encoded[0] != constructor:
        raise TypeError(f"an array of 0x{constructor:02x} can't hold {item!r}")
    return encoded[1:]


def _wide(layout: str) -> Callable[..., bytes]:
    return struct.Struct(layout).pack


def _wide_text(encoding: str) -> Callable[..., bytes]:
    def encode_text(item: str) -> bytes:
        data = item.encode(encoding)
        return _UINT32.pack(len(data)) + data

    return encode_text


def _wide_bytes(item: bytes) -> bytes:
    return _UINT32.pack(len(item)) + item


def _wide_compound(item: list[object] | dict[object, object]) -> bytes:
    parts = [part for pair in item.items() for part in pair] if isinstance(item, dict) else item
    items = b"".join(map(encode, parts))
    return _UINT32.pack(len(items) + 4) + _UINT32.pack(len(parts)) + items


_WIDE_ITEMS: Final[dict[int, Callable[..., bytes]]] = {
    0x56: lambda item: b"\x01" if item else b"\x00",
    0x70: _wide(">I"),
    0x71: _wide(">i"),
    0x80: _wide(">Q"),
    0x81: _wide(">q"),
    0xB0: _wide_bytes,
    0xB1: _wide_text("utf-8"),
    0xB3: _wide_text("ascii"),
    0xD0: _wide_compound,
    0xD1: _wide_compound,
}
"""The constructors whose values ``encode`` would write in a shorter form."""


def _encode_decimal(value: Decimal) -> bytes:
    constructors = {4: b"\x74", 8: b"\x84", 16: b"\x94"}
    if len(value.data) not in constructors:
        raise TypeError("a decimal has 4, 8 or 16 bytes")
    return constructors[len(value.data)] + value.data


_ENCODERS: Final[dict[type, Callable[..., bytes]]] = {
    type(None): lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    UByte: _integer(0x50, ">B"),
    UShort: _integer(0x60, ">H"),
    UInt: _integer(0x70, ">I", small=0x52, zero=0x43),
    ULong: _integer(0x80, ">Q", small=0x53, zero=0x44),
    Byte: _integer(0x51, ">b"),
    Short: _integer(0x61, ">h"),
    Int: _integer(0x71, ">i", small=0x54),
    Long: _integer(0x81, ">q", small=0x55),
    Timestamp: _integer(0x83, ">q"),
    Char: _integer(0x73, ">I"),
    Single: lambda value: b"\x72" + struct.pack(">f", value),
    float: lambda value: b"\x82" + struct.pack(">d", value),
    UUID: lambda value: b"\x98" + value.bytes,
    Decimal: _encode_decimal,
    bytes: lambda value: _sized(0xA0, 0xB0, value),
    str: lambda value: _sized(0xA1, 0xB1, value.encode()),
    Symbol: lambda value: _sized(0xA3, 0xB3, value.encode("ascii")),
    list: _encode_list,
    dict: _encode_map,
    Array: _encode_array,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}


# --- decoding -------------------------------------------------------------------------------------------------------


def _decode(data: bytes, position: int, depth: int) -> tuple[object, int]:
    constructor = data[position]
    if constructor == 0:
        if depth >= MAX_DEPTH:
            raise DecodeError("the value is nested too deep")
        descriptor, position = _decode(data, position + 1, depth + 1)
        value, position = _decode(data, position, depth + 1)
        return Described(descriptor, value), position
    return _decode_as(constructor, data, position + 1, depth)


def _decode_as(constructor: int, data: bytes, position: int, depth: int) -> tuple[object, int]:
    fixed = _FIXED.get(constructor)
    if fixed is not None:
        layout, make = fixed
        return make(layout.unpack_from(data, position)[0]), position + layout.size
    if constructor in _CONSTANTS:
        value = _CONSTANTS[constructor]
        return ([] if constructor == _LIST0 else value), position
    variable = _VARIABLE.get(constructor & 0x0F) if constructor >> 4 in {0xA, 0xB} else None
    if variable is not None:
        start, end = _extent(constructor >> 4 == 0xA, data, position)
        return variable(data[start:end]), end
    if constructor in _COMPOUND:
        if depth >= MAX_DEPTH:
            raise DecodeError("the value is nested too deep")
        return _COMPOUND[constructor](data, position, depth + 1, constructor < 0xD0 or constructor == 0xE0)  # noqa: PLR2004  0xc_ and 0xe_ are the short forms
    raise DecodeError(f"no AMQP type has the constructor 0x{constructor:02x}")


def _extent(small: bool, data: bytes, position: int) -> tuple[int, int]:
    if small:
        start, size = position + 1, data[position]
    else:
        start, size = position + 4, _UINT32.unpack_from(data, position)[0]
    if start + size > len(data):
        raise DecodeError("the value is cut off")
    return start, start + size


def _counted(small: bool, data: bytes, position: int) -> tuple[int, int, int]:
    start, end = _extent(small, data, position)
    if small:
        return start + 1, end, data[start]
    return start + 4, end, _UINT32.unpack_from(data, start)[0]


def _decode_list(data: bytes, position: int, depth: int, small: bool) -> tuple[object, int]:
    position, end, count = _counted(small, data, position)
    if count > end - position:
        raise DecodeError("a list claims more items than it has bytes")
    items = []
    for _ in range(count):
        item, position = _decode(data, position, depth)
        items.append(item)
    return items, _ending(position, end)


def _decode_map(data: bytes, position: int, depth: int, small: bool) -> tuple[object, int]:
    items, position = _decode_list(data, position, depth, small)
    assert isinstance(items, list)  # noqa: S101  for the type checker: a map is laid out as a list
    if len(items) % 2:
        raise DecodeError("a map has a key without a value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True)), position
    except TypeError as error:
        raise DecodeError("a map's key is a list or a map") from error


def _decode_array(data: bytes, position: int, depth: int, small: bool) -> tuple[object, int]:
    position, end, count = _counted(small, data, position)
    constructor = data[position]
    if constructor == 0:
        raise DecodeError("arrays of described values are not supported")
    position += 1
    if count > max(end - position, MAX_EMPTY_ITEMS):
        raise DecodeError("an array claims more items than it has bytes")
    items = []
    for _ in range(count):
        item, position = _decode_as(constructor, data, position, depth)
        items.append(item)
    return Array(constructor, tuple(items)), _ending(position, end)


def _ending(position: int, end: int) -> int:
    if position != end:
        raise DecodeError("a compound value's size does not match its items")
    return end


def _no(_: object) -> NoReturn:
    raise DecodeError("a boolean is neither 0 nor 1")


def _boolean(value: int) -> bool:
    return value == 1 if value in {0, 1} else _no(value)


_LIST0: Final = 0x45
_CONSTANTS: Final[dict[int, object]] = {
    0x40: None,
    0x41: True,
    0x42: False,
    0x43: UInt(0),
    0x44: ULong(0),
    _LIST0: None,
}
_FIXED: Final[dict[int, tuple[struct.Struct, Callable[..., object]]]] = {
    0x50: (struct.Struct(">B"), UByte),
    0x51: (struct.Struct(">b"), Byte),
    0x52: (struct.Struct(">B"), UInt),
    0x53: (struct.Struct(">B"), ULong),
    0x54: (struct.Struct(">b"), Int),
    0x55: (struct.Struct(">b"), Long),
    0x56: (struct.Struct(">B"), _boolean),
    0x60: (struct.Struct(">H"), UShort),
    0x61: (struct.Struct(">h"), Short),
    0x70: (struct.Struct(">I"), UInt),
    0x71: (struct.Struct(">i"), Int),
    0x72: (struct.Struct(">f"), Single),
    0x73: (struct.Struct(">I"), Char),
    0x74: (struct.Struct(">4s"), Decimal),
    0x80: (struct.Struct(">Q"), ULong),
    0x81: (struct.Struct(">q"), Long),
    0x82: (struct.Struct(">d"), float),
    0x83: (struct.Struct(">q"), Timestamp),
    0x84: (struct.Struct(">8s"), Decimal),
    0x94: (struct.Struct(">16s"), Decimal),
    0x98: (struct.Struct(">16s"), lambda data: UUID(bytes=data)),
}
_VARIABLE: Final[dict[int, Callable[[bytes], object]]] = {
    0x0: bytes,
    0x1: bytes.decode,
    0x3: lambda data: Symbol(data.decode("ascii")),
}
_COMPOUND: Final[dict[int, Callable[[bytes, int, int, bool], tuple[object, int]]]] = {
    0xC0: _decode_list,
    0xD0: _decode_list,
    0xC1: _decode_map,
    0xD1: _decode_map,
    0xE0: _decode_array,
    0xF0: _decode_array,
}
