"""Randomness without state: what a journey draws depends only on a key, its number and its stage.

A keyed hash gives the same bits on every machine and every Python, in any order of asking, for a microsecond.
"""

from __future__ import annotations

from hashlib import blake2b, shake_256
from struct import Struct
from typing import Final

FULL: Final = 65_536
"""One draw is an integer from 0 to just below this."""

PER_BLOCK: Final = 32

_BLOCK = Struct(f"<{PER_BLOCK}H").unpack


class Draws:
    """An endless table of draws, for one purpose."""

    __slots__ = ("_key",)

    def __init__(self, *purpose: object) -> None:
        """``purpose`` names what the draws are for; equal purposes have equal draws."""
        self._key = blake2b("\x1f".join(map(str, purpose)).encode(), digest_size=24).digest()

    def block(self, number: int, stage: int = 0) -> tuple[int, ...]:
        """``PER_BLOCK`` independent draws for stage ``stage`` (below 65 536) of journey ``number``."""
        return _BLOCK(blake2b(self._key + (number << 16 | stage).to_bytes(10, "little")).digest())

    def many(self, number: int, count: int) -> tuple[int, ...]:
        """``count`` draws at once, for filling large tables."""
        raw = shake_256(self._key + number.to_bytes(10, "little")).digest(2 * count)
        return Struct(f"<{count}H").unpack(raw)


def share_of(draw: int, count: int) -> int:
    """An index below ``count``, even over draws; ``count`` up to a few thousand."""
    return draw * count >> 16
