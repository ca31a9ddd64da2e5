"""Cutting a lane's events into batches, by count and by bytes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streaming.core.event import Event


def lane_of(partition_key: str, lanes: int) -> int:
    """The lane of a partition key: the same on every machine, for as long as ``lanes`` stays."""
    return crc32(partition_key.encode()) % lanes


def by_lane(events: Iterable[Event], lanes: int) -> list[list[Event]]:
    """``events`` dealt out to ``lanes`` lists, in order."""
    dealt: list[list[Event]] = [[] for _ in range(lanes)]
    for event in events:
        dealt[crc32(event[2].encode()) % lanes].append(event)  # event[2]: partition_key, without attribute access
    return dealt


def batch_length(events: Sequence[Event], *, max_events: int, max_bytes: int, size_of: Callable[[Event], int]) -> int:
    """How many of ``events``, from the first on, make the next batch: at least one, however large it is."""
    total_bytes = 0
    for count, event in enumerate(events):
        if count == max_events:
            return count
        total_bytes += size_of(event)
        if total_bytes > max_bytes:
            return max(1, count)
    return len(events)
