"""A dead letter as rows: the events compressed, and beside them what filters and summaries ask for."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from streaming.adapters.tables import keys
from streaming.adapters.tables.entities import FASTEST, data_entities, int64, read_data, read_text, text_properties
from streaming.core.dead_letter import DeadLetter, Failure, LetterOutline
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory
from streaming.core.tally import DeadLetterTally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.adapters.tables.entities import Entity, Row

_MAX_DETAIL_CHARACTERS: Final = 4_000
_MAX_HISTORY_CHARACTERS: Final = 500
"""Of the text of each failure before the last one."""
_NUMBERS: Final = (
    *("attempts", "first_failure_us", "last_failure_us", "lane", "window", "first_burst", "last_burst"),
    "redrives",
)
_EVENT_TYPES: Final = "event_types"
_ROWS: Final = "parts"
OUTLINE: Final = (
    *("category", "count", "session_id", "shard", "lane", "redrives", "first_failure_us", "last_failure_us"),
    *(f"{_EVENT_TYPES}00", _ROWS),
)
"""The properties that an outline is made of."""


def letter_entities(partition: str, letter: DeadLetter) -> list[Entity]:
    """The rows of ``letter``. A ``detail`` beyond 4 000 characters is cut; the events are kept whole."""
    properties: dict[str, Any] = {
        "category": letter.category.value,
        "count": len(letter.events),
        "session_id": letter.session_id,
        "shard": letter.shard,
        **text_properties(_EVENT_TYPES, json.dumps(Counter(event.event_type for event in letter.events))),
        **{name: int64(getattr(letter, name)) for name in _NUMBERS},
        "detail": kept_detail(letter.detail),
    }
    if letter.history:
        properties |= text_properties("history", json.dumps([asdict(failure) for failure in kept_history(letter)]))
    return data_entities(partition, keys.dead_letter(letter.letter_id), _pack(letter.events), properties)


def kept_detail(detail: str) -> str:
    """What is kept of an error's raw text: its beginning, in characters that can be stored."""
    return detail[:_MAX_DETAIL_CHARACTERS].encode("utf-8", "replace").decode()


def kept_history(letter: DeadLetter) -> tuple[Failure, ...]:
    """What is kept of the failures before the last one."""
    return tuple(
        replace(failure, detail=kept_detail(failure.detail)[:_MAX_HISTORY_CHARACTERS]) for failure in letter.history
    )


def letter_rows(outline: LetterOutline) -> list[str]:
    """The keys of all rows of a letter."""
    return [keys.part(keys.dead_letter(outline.letter_id), number) for number in range(outline.rows)]


def read_outlines(rows: Sequence[Row]) -> list[LetterOutline]:
    """The letters of a range of rows that were read with the properties ``OUTLINE``, oldest first."""
    outlines = [_read_outline(row) for row in rows if row.properties.get("count") is not None]
    return sorted(outlines, key=lambda outline: outline.letter_id)


def resolved_entity(partition: str, resolved: DeadLetterTally, operation_id: str) -> Entity:
    """The row that says what became of a shard's dead letters."""
    counts = {name: int64(count) for name, count in asdict(resolved).items()}
    return {"PartitionKey": partition, "RowKey": keys.RESOLVED, **counts, "operation_id": operation_id}


def read_resolved(row: Row) -> DeadLetterTally:
    return DeadLetterTally(**{name: row.properties[name] for name in ("redriven", "cleared", "evicted")})


def read_letters(rows: Sequence[Row]) -> list[DeadLetter]:
    """The letters of a range of rows, oldest first."""
    by_key = {row.key: row for row in rows}
    letters = [_read(row, by_key) for row in rows if "count" in row.properties]
    return sorted(letters, key=lambda letter: letter.letter_id)


def _read_outline(row: Row) -> LetterOutline:
    properties = row.properties
    return LetterOutline(
        letter_id=_letter_id(row),
        session_id=properties["session_id"],
        shard=properties["shard"],
        lane=properties["lane"],
        category=ErrorCategory(properties["category"]),
        event_types=json.loads(read_text(row, _EVENT_TYPES)),
        redrives=properties["redrives"],
        first_failure_us=properties["first_failure_us"],
        last_failure_us=properties["last_failure_us"],
        rows=properties[_ROWS],
    )


def _letter_id(first: Row) -> str:
    return first.key.rpartition("|")[0].removeprefix("dlq|")


def _read(first: Row, rows: Mapping[str, Row]) -> DeadLetter:
    letter_row = first.key.rpartition("|")[0]
    properties = first.properties
    return DeadLetter(
        letter_id=_letter_id(first),
        events=_unpack(read_data(rows, letter_row) or b""),
        category=ErrorCategory(properties["category"]),
        detail=properties["detail"],
        session_id=properties["session_id"],
        shard=properties["shard"],
        history=tuple(
            Failure(**{**failure, "category": ErrorCategory(failure["category"])})
            for failure in json.loads(read_text(first, "history") or "[]")
        ),
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
