"""Which partition a key belongs to: the one that the Azure SDKs for .NET and JavaScript compute, as the service does.

The key is hashed with Bob Jenkins' lookup3 (``hashlittle2``) and folded to a signed 16-bit number, whose magnitude
counts.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFFFFFF
_INITIAL: Final = 0xDEADBEEF
_BLOCK: Final = 12
_SIGN: Final = 0x8000


def partition_of(key: str, partitions: int) -> int:
    """The partition, 0 … ``partitions - 1``, of all events with ``key``. Stable."""
    first, second = _lookup3(key.encode())
    folded = (first ^ second) & 0xFFFF
    magnitude = 2 * _SIGN - folded if folded & _SIGN else folded
    return magnitude % partitions


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _lookup3(data: bytes) -> tuple[int, int]:
    a = b = c = (_INITIAL + len(data)) & _MASK
    position = 0
    while len(data) - position > _BLOCK:
        a, b, c = _mix(*_added(a, b, c, data[position : position + _BLOCK]))
        position += _BLOCK
    if position == len(data):
        return c, b
    return _final(*_added(a, b, c, data[position:].ljust(_BLOCK, b"\0")))


def _added(a: int, b: int, c: int, block: bytes) -> tuple[int, int, int]:
    return (
        (a + int.from_bytes(block[0:4], "little")) & _MASK,
        (b + int.from_bytes(block[4:8], "little")) & _MASK,
        (c + int.from_bytes(block[8:12], "little")) & _MASK,
    )


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _MASK) ^ _rotate(c, bits)
        c = (c + b) & _MASK
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> tuple[int, int]:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotate(b, bits)) & _MASK
        a, b, c = b, c, a
    return b, a  # seven turns of three names: c is now called b, and b is called a
