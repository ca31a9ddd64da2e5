"""Text and bytes of any length as properties and rows of the lengths that Azure takes, and back. Pure.

A value is cut into properties ``<name>00``, ``<name>01``, …; what is too large for one row goes to rows ``<row>|000``,
``<row>|001``, …, the first of which says how many there are: rows that an earlier, longer value left are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.data.tables import EdmType, EntityProperty

from streaming.adapters.tables import keys
from streaming.adapters.tables.limits import MAX_PROPERTY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Entity = dict[str, Any]
"""What is written: ``PartitionKey``, ``RowKey`` and properties of the types that the SDK knows."""

FASTEST: Final = 1
"""The zlib level: envelopes shrink to a fifth already; more effort would hold up the stream."""
_DATA: Final = "data"
_PARTS: Final = "parts"
_ROW_BYTES: Final = 11 * MAX_PROPERTY_BYTES
"""Of a row's data. As sent (base64) that is 939 KiB: the emulator counts a row's 1 MiB so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is read: a row's key, its version (ETag) and its properties, integers of any size as ``int``."""

    key: str
    version: str
    properties: Mapping[str, Any]


def entity(partition: str, row: str, properties: Mapping[str, Any]) -> Entity:
    return {"PartitionKey": partition, "RowKey": row, **properties}


def int64(value: int) -> EntityProperty:
    """A number that may exceed 31 bits, such as microseconds."""
    return EntityProperty(value, EdmType.INT64)


def text_properties(name: str, text: str) -> dict[str, str]:
    """``text``, cut into properties. A property's 64 KiB are counted in UTF-16."""
    step = MAX_PROPERTY_BYTES // (2 if text.isascii() else 4)
    return {f"{name}{index:02d}": text[at : at + step] for index, at in enumerate(range(0, max(1, len(text)), step))}


def read_text(row: Row, name: str) -> str:
    return "".join(_chunks(row, name))


def data_entities(partition: str, row: str, data: bytes, properties: Mapping[str, Any]) -> list[Entity]:
    """``data`` as rows ``<row>|<part>``; the first one also has ``properties``."""
    pieces = [data[at : at + _ROW_BYTES] for at in range(0, max(1, len(data)), _ROW_BYTES)]
    entities = [
        entity(partition, keys.part(row, number), _data_properties(piece)) for number, piece in enumerate(pieces)
    ]
    entities[0] |= {_PARTS: len(pieces), **properties}
    return entities


def read_data(rows: Mapping[str, Row], row: str) -> bytes | None:
    """What ``data_entities`` wrote, out of ``rows`` by key; None if it was never written."""
    first = rows.get(keys.part(row, 0))
    if first is None:
        return None
    parts = (rows[keys.part(row, number)] for number in range(first.properties[_PARTS]))
    return b"".join(chunk for part in parts for chunk in _chunks(part, _DATA))


def _data_properties(piece: bytes) -> dict[str, bytes]:
    return {
        f"{_DATA}{index:02d}": piece[at : at + MAX_PROPERTY_BYTES]
        for index, at in enumerate(range(0, len(piece), MAX_PROPERTY_BYTES))
    }


def _chunks(row: Row, name: str) -> Iterable[Any]:
    index = 0
    while (chunk := row.properties.get(f"{name}{index:02d}")) is not None:
        yield chunk
        index += 1
