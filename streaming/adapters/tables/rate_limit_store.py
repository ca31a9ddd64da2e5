"""The ``RateLimitStore`` port on Azure Table Storage: a row for each limit, beside the stream's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from streaming.adapters.tables import keys
from streaming.adapters.tables.client import CALL_SECONDS, bounded
from streaming.adapters.tables.entities import entity, read_text, text_properties
from streaming.ports import Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.adapters.tables.client import TablesClient


class TableRateLimitStore:
    """Guarded by each row's version."""

    def __init__(self, tables: TablesClient) -> None:
        self._tables = tables

    async def calls(self, name: str) -> Versioned[tuple[int, ...]] | None:
        async with bounded(CALL_SECONDS):
            row = await self._tables.read(keys.STREAM, keys.limit_row(name))
        return (
            None if row is None else Versioned(value=tuple(orjson.loads(read_text(row, "json"))), version=row.version)
        )

    async def save_calls(self, name: str, calls_us: Sequence[int], *, version: str | None) -> str:
        row = entity(keys.STREAM, keys.limit_row(name), text_properties("json", orjson.dumps(list(calls_us)).decode()))
        async with bounded(CALL_SECONDS):
            return await self._tables.write([row], version=version)
