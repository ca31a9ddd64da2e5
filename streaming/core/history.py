"""Rates over time: a ring of seconds for the last minute, and minutes for the last two days. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.clock import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RING_SECONDS: Final = 60
HISTORY_HOURS: Final = 48
_SILENT_US: Final = 3 * MICROSECONDS
"""A shard that has committed nothing for three windows has nothing to count."""


class Slot(NamedTuple):
    """What was settled within one second or minute."""

    sent: int = 0
    failed: int = 0
    batches: int = 0
    bytes: int = 0

    def plus(self, other: Slot) -> Slot:
        return Slot(*map(sum, zip(self, other, strict=True)))


def add_second(ring: Mapping[int, Slot], second: int, slot: Slot) -> dict[int, Slot]:
    """``ring`` with ``slot`` added at ``second`` (since 1970), and what is older than the ring dropped.

    The ring holds the second that is being filled and ``RING_SECONDS`` complete ones before it.
    """
    kept = {key: value for key, value in ring.items() if key >= second - RING_SECONDS}
    kept[second] = kept.get(second, Slot()).plus(slot)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The minutes of one hour, as stored in one row: minute of the hour to its slot."""

    hour: int
    """Hours since 1970."""
    minutes: Mapping[int, Slot]

    def add(self, second: int, slot: Slot) -> Hour:
        """This hour with ``slot`` added at ``second``, or, when that lies in another hour, that one begun afresh."""
        hour, minute = second // 3_600, second // 60 % 60
        minutes = dict(self.minutes) if hour == self.hour else {}
        minutes[minute] = minutes.get(minute, Slot()).plus(slot)
        return Hour(hour=hour, minutes=minutes)


def add_seconds(ring: Mapping[int, Slot], slots: Mapping[int, Slot]) -> Mapping[int, Slot]:
    """``ring`` with all of ``slots`` added."""
    for second in sorted(slots):
        ring = add_second(ring, second, slots[second])
    return ring


def fill(hour: Hour, slots: Mapping[int, Slot]) -> tuple[Hour, Hour | None]:
    """The hour that is being filled with ``slots`` added, and the one that has ended by that."""
    ended: Hour | None = None
    for second in sorted(slots):
        following = hour.add(second, slots[second])
        if following.hour != hour.hour and hour.minutes:
            ended = hour
        hour = following
    return hour, ended


def last_minute_rate(ring: Mapping[int, Slot], *, committed_at_us: int, since_us: int, now_us: int) -> float:
    """Events sent per second over the last minute, or since ``since_us`` when that is shorter ago.

    Counts arrive about a second late, with their window's commit: the minute ends with the last commit, as long as
    that is recent. A stream that has fallen silent falls towards zero.
    """
    end_us = committed_at_us if now_us - committed_at_us < _SILENT_US else now_us
    end = end_us // MICROSECONDS
    # Complete seconds alone: a burst at either edge of a broken one would be counted with half of its interval.
    begin = max(end - RING_SECONDS, -(-since_us // MICROSECONDS))
    if begin < end:
        return sum(slot.sent for second, slot in ring.items() if begin <= second < end) / (end - begin)
    sent = sum(slot.sent for second, slot in ring.items() if since_us // MICROSECONDS <= second <= end)
    return sent / max(1.0, (end_us - since_us) / MICROSECONDS)


def buckets(hours: Iterable[Hour], *, now_us: int, window_minutes: int, bucket_seconds: int) -> list[tuple[int, Slot]]:
    """The minutes of the last ``window_minutes``, summed into buckets of a whole number of minutes, oldest first.

    Returns (start of the bucket in seconds since 1970, its slot), with empty buckets where nothing was settled.
    """
    size = max(1, bucket_seconds // 60)
    last = now_us // 60_000_000
    first = (last - window_minutes + 1) // size * size
    totals: dict[int, Slot] = {start: Slot() for start in range(first, last + 1, size)}
    for hour in hours:
        for minute, slot in hour.minutes.items():
            absolute = hour.hour * 60 + minute
            if first <= absolute <= last:
                start = absolute // size * size
                totals[start] = totals[start].plus(slot)
    return [(start * 60, slot) for start, slot in sorted(totals.items())]
