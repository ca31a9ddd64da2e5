"""A dead letter as rows: the events compressed, and beside them what filters and summaries ask for."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from streaming.adapters.tables import keys
from streaming.adapters.tables.entities import FASTEST, data_entities, int64, read_data, read_text, text_properties
from streaming.core.dead_letter import DeadLetter
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.adapters.tables.entities import Entity, Row

_MAX_DETAIL_CHARACTERS: Final = 4_000
_NUMBERS: Final = ("attempts", "first_failure_us", "last_failure_us", "lane", "window", "first_burst", "last_burst")


def letter_entities(partition: str, letter: DeadLetter) -> list[Entity]:
    """The rows of ``letter``. A ``detail`` beyond 4 000 characters is cut; the events are kept whole."""
    properties: dict[str, Any] = {
        "category": letter.category.value,
        "count": len(letter.events),
        "session_id": letter.session_id,
        "shard": letter.shard,
        **text_properties("event_types", json.dumps(Counter(event.event_type for event in letter.events))),
        **{name: int64(getattr(letter, name)) for name in _NUMBERS},
        "detail": kept_detail(letter.detail),
    }
    return data_entities(partition, keys.dead_letter(letter.letter_id), _pack(letter.events), properties)


def kept_detail(detail: str) -> str:
    """What is kept of an error's raw text: its beginning, in characters that can be stored."""
    return detail[:_MAX_DETAIL_CHARACTERS].encode("utf-8", "replace").decode()


def read_letters(rows: Sequence[Row]) -> list[DeadLetter]:
    """The letters of a range of rows, in its order: oldest first."""
    by_key = {row.key: row for row in rows}
    return [_read(row, by_key) for row in rows if "count" in row.properties]


def event_types(row: Row) -> dict[str, int]:
    """How many events of each type a letter has, told by its first row alone."""
    counts: dict[str, int] = json.loads(read_text(row, "event_types"))
    return counts


def _read(first: Row, rows: Mapping[str, Row]) -> DeadLetter:
    letter_row = first.key.rpartition("|")[0]
    properties = first.properties
    return DeadLetter(
        letter_id=letter_row.removeprefix("dlq|"),
        events=_unpack(read_data(rows, letter_row) or b""),
        category=ErrorCategory(properties["category"]),
        detail=properties["detail"],
        session_id=properties["session_id"],
        shard=properties["shard"],
        **{name: properties[name] for name in _NUMBERS},
    )


def _pack(events: Sequence[Event]) -> bytes:
    # The standard library's JSON, because a letter may hold just what could not be encoded: it takes lone surrogates,
    # which also stand for the bytes of a body that is no UTF-8.
    rows = [(*event[:3], event.body.decode("utf-8", "surrogateescape")) for event in events]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode("ascii"), FASTEST)


def _unpack(data: bytes) -> tuple[Event, ...]:
    return tuple(
        Event(event_type, trace_id, partition_key, body.encode("utf-8", "surrogateescape"))
        for event_type, trace_id, partition_key, body in json.loads(zlib.decompress(data))
    )
