"""Bytes to AMQP values. Total: any input gives a value or a :class:`DecodeError`."""

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
    if constructor in _VARIABLE:
        start, end = _extent(constructor < _FIRST_LARGE, data, position)
        return _VARIABLE[constructor](data[start:end]), end
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
_FIRST_LARGE: Final = 0xB0
_VARIABLE: Final[dict[int, Callable[[bytes], object]]] = {
    **dict.fromkeys((0xA0, 0xB0), bytes),
    **dict.fromkeys((0xA1, 0xB1), bytes.decode),
    **dict.fromkeys((0xA3, 0xB3), lambda data: Symbol(data.decode("ascii"))),
}
_COMPOUND: Final[dict[int, Callable[[bytes, int, int, bool], tuple[object, int]]]] = {
    0xC0: _decode_list,
    0xD0: _decode_list,
    0xC1: _decode_map,
    0xD1: _decode_map,
    0xE0: _decode_array,
    0xF0: _decode_array,
}
