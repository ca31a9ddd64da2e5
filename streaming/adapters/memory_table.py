"""A table in memory, as strict as Azure's: what ``TableOutboxStore`` works on where there is no storage.

It stands for the storage itself: processes that share the object share the storage. ``Faults`` befall its writes.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from streaming.adapters.memory_stores import Faults
from streaming.adapters.tables.client import RangeOfRows
from streaming.adapters.tables.entities import Row
from streaming.adapters.tables.limits import check_transaction
from streaming.adapters.tables.outbox_store import TableOutboxStore
from streaming.ports import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.adapters.tables.entities import Entity
    from streaming.adapters.tables.keys import RowRange


class MemoryTable:
    """Rows by partition and key."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._versions = count(1)
        self._rows: dict[tuple[str, str], Row] = {}

    async def write(self, entities: Sequence[Entity], *, version: str | None, removed: Sequence[str] = ()) -> str:
        check_transaction(entities, removed)
        partition, guard = entities[0]["PartitionKey"], entities[0]["RowKey"]

        def apply() -> str:
            stored = self._rows.get((partition, guard))
            if (stored and stored.version) != version:
                raise ConflictError("The row was written by somebody else.")
            if any((partition, row) not in self._rows for row in removed):
                raise ConflictError("There is no such row.")
            for row in removed:
                del self._rows[partition, row]
            for written in entities:
                self._put(written)
            return self._rows[partition, guard].version

        def overtake() -> None:
            stored = self._rows.get((partition, guard))
            self._put(entities[0] if stored is None else {**stored.properties})

        return await self.faults.write(guard, overtake=overtake, apply=apply)

    async def read(self, partition: str, row: str) -> Row | None:
        await self.faults.read()
        return self._rows.get((partition, row))

    async def read_range(
        self, partition: str | RowRange, rows: RowRange, *, properties: Sequence[str] | None = None
    ) -> RangeOfRows:
        await self.faults.read()
        found = [
            _selected(row, properties)
            for (place, key), row in sorted(self._rows.items())
            if rows.first <= key < rows.beyond
            and (place == partition if isinstance(partition, str) else partition.first <= place < partition.beyond)
        ]
        return RangeOfRows(rows=tuple(found), pages=1)

    def _put(self, written: Entity) -> None:
        properties = {name: value[0] if isinstance(value, tuple) else value for name, value in written.items()}
        key = (written["PartitionKey"], written["RowKey"])
        self._rows[key] = Row(key=key[1], version=f"m{next(self._versions)}", properties=properties)


class MemoryOutboxStore(TableOutboxStore):
    """The ``OutboxStore`` port in memory."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.table = MemoryTable(faults)
        super().__init__(self.table, offload=_at_once)


async def _at_once(function: Callable[..., Any], /, *arguments: Any) -> Any:
    return function(*arguments)


def _selected(row: Row, properties: Sequence[str] | None) -> Row:
    if properties is None:
        return row
    names = {"PartitionKey", "RowKey", *properties}
    kept = {name: value for name, value in row.properties.items() if name in names}
    return Row(key=row.key, version=row.version, properties=kept)
