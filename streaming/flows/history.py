"""Rates over time, for graphs: what every session of the window has sent and lost, bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from shared.clock import MICROSECONDS, to_iso
from shared.tasks import gather
from streaming.core.history import RING_SECONDS, Hour, Slot, buckets

if TYPE_CHECKING:
    from shared.clock import Clock
    from streaming.core.cursor import Cursor
    from streaming.core.session import Session
    from streaming.ports import ControlStore, ShardStore

MINUTE: Final = 60
SECONDS_WINDOW_MINUTES: Final = 1
"""Seconds are kept for the last minute only: finer buckets than a minute are for such a window."""
MOST_SESSIONS: Final = 50
"""How far back a window of many short sessions is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBucket:
    """One bucket of ``GET /api/stream/statistics/history``. Counts are of events settled within it."""

    timestamp: str
    """Its start."""
    events_sent: int
    events_failed: int
    batches_sent: int
    bytes_sent: int
    events_per_second: float
    """Events sent over the bucket's length; over its elapsed part for the one that is being filled."""
    failure_rate: float
    """Failed over settled, as a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReport:
    """``GET /api/stream/statistics/history``, oldest bucket first."""

    window_minutes: int
    bucket_seconds: int
    timestamp: str
    buckets: list[HistoryBucket]
    count: int


class History:
    """Reads what shards have kept: whole minutes for two days, seconds for the last minute."""

    def __init__(self, *, control: ControlStore, shards: ShardStore, clock: Clock) -> None:
        self._control = control
        self._shards = shards
        self._clock = clock

    async def report(self, *, window_minutes: int, bucket_seconds: int) -> HistoryReport:
        """The last ``window_minutes`` in buckets of ``bucket_seconds``: a multiple of 60, or less for one minute."""
        now_us = self._clock.now_us()
        sessions = await self._sessions(now_us - window_minutes * MINUTE * MICROSECONDS)
        if bucket_seconds < MINUTE:
            found = _seconds(await self._cursors(sessions), now_us, bucket_seconds)
        else:
            hours = await self._hours(sessions)
            found = buckets(hours, now_us=now_us, window_minutes=window_minutes, bucket_seconds=bucket_seconds)
        shown = [_bucket(start, slot, bucket_seconds, now_us) for start, slot in found]
        return HistoryReport(
            window_minutes=window_minutes,
            bucket_seconds=bucket_seconds,
            timestamp=to_iso(now_us),
            buckets=shown,
            count=len(shown),
        )

    async def _sessions(self, since_us: int) -> list[Session]:
        """The sessions that may have settled something since then: the active or last one, and what ended later."""
        found: list[Session] = []
        for session_id in reversed((await self._control.session_ids())[-MOST_SESSIONS:]):
            session = await self._control.session(session_id)
            if session is None or (session.ended_at_us is not None and session.ended_at_us < since_us):
                break  # Only one session is active at a time: what began earlier has ended earlier.
            found.append(session)
        return found

    async def _cursors(self, sessions: list[Session]) -> list[Cursor]:
        found = await gather(*(self._shards.standings(session.session_id) for session in sessions))
        return [standing.cursor.value for standings in found for standing in standings]

    async def _hours(self, sessions: list[Session]) -> list[Hour]:
        # In this order: an hour that ends in between is then seen twice, and counted once, rather than missed.
        cursors = await self._cursors(sessions)
        shards = await gather(*(self._hours_of(cursor) for cursor in cursors))
        return list(chain.from_iterable(shards))

    async def _hours_of(self, cursor: Cursor) -> list[Hour]:
        ended = await self._shards.hours(cursor.session_id, cursor.slot)
        if any(hour.hour == cursor.hour.hour for hour in ended):
            return ended
        return [*ended, cursor.hour]


def _seconds(cursors: list[Cursor], now_us: int, size: int) -> list[tuple[int, Slot]]:
    last = now_us // MICROSECONDS
    first = (last - RING_SECONDS + 1) // size * size
    totals = {start: Slot() for start in range(first, last + 1, size)}
    for cursor in cursors:
        for second, slot in cursor.seconds.items():
            start = second // size * size
            if start in totals:
                totals[start] = totals[start].plus(slot)
    return list(totals.items())


def _bucket(start: int, slot: Slot, size: int, now_us: int) -> HistoryBucket:
    elapsed = min(size, max(1.0, now_us / MICROSECONDS - start))
    settled = slot.sent + slot.failed
    return HistoryBucket(
        timestamp=to_iso(start * MICROSECONDS),
        events_sent=slot.sent,
        events_failed=slot.failed,
        batches_sent=slot.batches,
        bytes_sent=slot.bytes,
        events_per_second=round(slot.sent / elapsed, 1),
        failure_rate=round(slot.failed / settled, 6) if settled else 0.0,
    )
