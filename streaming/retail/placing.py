"""Drafts take their places in the stream: they get a trace id and a timestamp, and become events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.core.event import Event
from streaming.retail.local_time import iso_second
from streaming.retail.scribe import HEADS, NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.retail.scribe import Draft


def place(drafts: Sequence[Draft], *, trace_prefix: str, first: int, start_us: int, step_us: int = 1) -> list[Event]:
    """The events of ``drafts``: number ``first + i`` of the trace, ``i`` steps after ``start_us``."""
    events: list[Event] = []
    add, heads = events.append, HEADS
    second, prefix = -1, ""
    for position, (event_type, key, text) in enumerate(drafts):
        now_second, micros = divmod(start_us + position * step_us, 1_000_000)
        if now_second != second:
            second, prefix = now_second, iso_second(now_second)
        timestamp = f"{prefix}.{micros:06d}Z"
        trace_id = f"{trace_prefix}{first + position:x}"
        body = f'{heads[event_type]}{trace_id}","ingest_timestamp":"{timestamp}",{text.replace(NOW, timestamp)}'
        add(Event(event_type, trace_id, key, body.encode()))
    return events
