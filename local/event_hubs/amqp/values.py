"""AMQP's types that Python has no own word for. Everything else is ``None``, bool, str, bytes, float, list, dict, UUID.

A value keeps its wire type through decoding and encoding: what a client sends as a uint comes back as one.
"""

from __future__ import annotations

from typing import NamedTuple


class UByte(int):
    """0 … 2**8 - 1."""

    __slots__ = ()


class UShort(int):
    """0 … 2**16 - 1."""

    __slots__ = ()


class UInt(int):
    """0 … 2**32 - 1."""

    __slots__ = ()


class ULong(int):
    """0 … 2**64 - 1."""

    __slots__ = ()


class Byte(int):
    """-2**7 … 2**7 - 1."""

    __slots__ = ()


class Short(int):
    """-2**15 … 2**15 - 1."""

    __slots__ = ()


class Int(int):
    """-2**31 … 2**31 - 1."""

    __slots__ = ()


class Long(int):
    """-2**63 … 2**63 - 1."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970, UTC; signed."""

    __slots__ = ()


class Char(int):
    """One UTF-32 code point."""

    __slots__ = ()


class Single(float):
    """A 32-bit float; Python's own is AMQP's double."""

    __slots__ = ()


class Symbol(str):
    """A name from a constrained domain, ASCII."""

    __slots__ = ()


class Decimal(NamedTuple):
    """An IEEE 754 decimal, uninterpreted: 4, 8 or 16 bytes."""

    data: bytes


class Array(NamedTuple):
    """Values of one type, given by ``constructor``: the byte that stands before them on the wire."""

    constructor: int
    items: tuple[object, ...]


class Described(NamedTuple):
    """A value with a descriptor that says what it means."""

    descriptor: object
    value: object
