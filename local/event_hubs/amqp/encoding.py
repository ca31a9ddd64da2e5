"""AMQP values to bytes, always in the shortest form.

Except that a list is never ``list0``: the Azure SDK for Python can't read it where a performative is expected.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from uuid import UUID

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

_UINT32: Final = struct.Struct(">I")
_SMALL: Final = 0x100


def encode(value: object) -> bytes:
    """The bytes of ``value``. Raises TypeError for what AMQP has no type for, struct.error when out of range."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"AMQP has no type for {type(value).__name__}")
    return encoder(value)


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
