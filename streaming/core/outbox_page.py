"""Pages: up to a batch's worth of one lane's events, packed for a row of storage. Pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson

from shared.clock import from_datetime
from streaming.core.batching import batch_length, by_lane
from streaming.core.event import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_BYTES: Final = 600 * 1024
"""Of a page's events: below what a batch takes, and so little that any page fits one row, however badly it packs."""
_FRAMING_BYTES: Final = 300
"""More than a message's properties take."""
_FASTEST: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Events of one lane that are sent together."""

    number: int
    events: tuple[Event, ...]

    @property
    def size_bytes(self) -> int:
        return sum(map(_size, self.events))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOutline:
    """A page without its events."""

    number: int
    count: int
    first_us: int
    """Its first event's timestamp, on the day that was simulated."""
    last_us: int
    staged_at_us: int
    """When it was written."""


def cut(events: Sequence[Event], *, lanes: int, page_events: int, last_pages: Sequence[int]) -> list[list[Page]]:
    """Each lane's pages of a chunk, numbered from ``last_pages`` on. Every page is complete: none goes on in the next.

    The same events give the same pages, whoever cuts them.
    """
    return [_cut_lane(dealt, page_events, last) for dealt, last in zip(by_lane(events, lanes), last_pages, strict=True)]


def pack(events: Sequence[Event]) -> bytes:
    """Compressed; ``unpack`` gives the very same bytes back."""
    index = orjson.dumps([(event[0], event[1], event[2], len(event[3])) for event in events])
    return zlib.compress(b"".join((index, b"\n", *(event[3] for event in events))), _FASTEST)


def unpack(data: bytes) -> tuple[Event, ...]:
    index, _, bodies = zlib.decompress(data).partition(b"\n")
    events: list[Event] = []
    at = 0
    for event_type, trace_id, partition_key, length in orjson.loads(index):
        events.append(Event(event_type, trace_id, partition_key, bodies[at : at + length]))
        at += length
    return tuple(events)


def timestamp_us(event: Event) -> int:
    """An event's own time, out of its envelope."""
    return from_datetime(datetime.fromisoformat(orjson.loads(event.body)["ingest_timestamp"]))


def _cut_lane(events: Sequence[Event], page_events: int, last: int) -> list[Page]:
    pages: list[Page] = []
    at = 0
    while at < len(events):
        length = batch_length(
            events[at : at + page_events], max_events=page_events, max_bytes=PAGE_BYTES, size_of=_size
        )
        last += 1
        pages.append(Page(number=last, events=tuple(events[at : at + length])))
        at += length
    return pages


def _size(event: Event) -> int:
    return len(event[3]) + _FRAMING_BYTES
