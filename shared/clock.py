"""Time as an argument: integer microseconds since 1970, UTC, and a way to wait for an instant."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What flows know of time. Tests bring one whose hands they move."""

    def now_us(self) -> int:
        """The wall clock: microseconds since 1970-01-01T00:00Z."""

    async def sleep_until(self, instant_us: int) -> None:
        """Return once the wall clock shows ``instant_us``; at once if it already does."""


class SystemClock:
    """The machine's clock; the only caller of ``time`` in the product."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    async def sleep_until(self, instant_us: int) -> None:
        # In a loop: an event loop's timer may fire a moment early, and the wall clock may be set.
        while (remaining_us := instant_us - self.now_us()) > 0:  # noqa: ASYNC110 - waits for time itself
            await asyncio.sleep(min(remaining_us / MICROSECONDS, 1.0))


def to_iso(instant_us: int) -> str:
    """``2026-03-01T12:00:00Z``: whole seconds, as every HTTP route writes times."""
    return to_datetime(instant_us).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_datetime(instant_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant_us)


def from_datetime(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
