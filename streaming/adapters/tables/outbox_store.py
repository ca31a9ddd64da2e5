"""The ``OutboxStore`` port on Azure Table Storage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from streaming.adapters.tables import keys
from streaming.adapters.tables.client import CALL_SECONDS, WRITE_SECONDS, bounded
from streaming.adapters.tables.entities import entity, int64
from streaming.adapters.tables.outbox_rows import (
    PAGE_OUTLINE,
    desk_entity,
    lane_partition,
    operation_of,
    read_checkpoint,
    read_desk,
    read_epochs,
    read_lane,
    read_page_outlines,
    read_pages,
    settle_entities,
    stage_entities,
    timeline_entities,
)
from streaming.adapters.tables.shard_rows import read_hour, read_recent
from streaming.ports import ConflictError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streaming.adapters.tables.client import RangeOfRows
    from streaming.adapters.tables.entities import Entity, Row
    from streaming.adapters.tables.keys import RowRange
    from streaming.core.history import Hour
    from streaming.core.outbox import DrainOrder, Epoch, Pulse, Timeline
    from streaming.core.outbox_lane import StageHead
    from streaming.core.outbox_page import Page, PageOutline
    from streaming.outbox_ports import Desk, Settlement, StoredLane

T = TypeVar("T")

PURGED_AT_ONCE: Final = 90


class Table(Protocol):
    """The primitives that a table offers: ``TablesClient``, or one in memory."""

    async def write(self, entities: Sequence[Entity], *, version: str | None, removed: Sequence[str] = ()) -> str: ...

    async def read(self, partition: str, row: str) -> Row | None: ...

    async def read_range(
        self, partition: str | RowRange, rows: RowRange, *, properties: Sequence[str] | None = None
    ) -> RangeOfRows: ...


class Offload(Protocol):
    """Runs what takes long without holding up the event loop."""

    def __call__(self, function: Callable[..., T], /, *arguments: Any) -> Awaitable[T]: ...


class TableOutboxStore:
    """The desk's partition, and one for each epoch and lane."""

    def __init__(self, table: Table, *, offload: Offload = asyncio.to_thread) -> None:
        self._table = table
        self._offload = offload

    async def desk(self) -> Desk:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(keys.TIMELINE, keys.DESK)
        return read_desk(found.rows)

    async def checkpoint(self) -> bytes | None:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(keys.TIMELINE, keys.rows_below(keys.CHECKPOINT_ROW))
        return read_checkpoint(found.rows)

    async def save_timeline(
        self, timeline: Timeline, *, version: str | None, checkpoint: bytes | None = None, opened: Epoch | None = None
    ) -> str:
        return await self._write(timeline_entities(timeline, checkpoint, opened), version, timeline.operation_id)

    async def save_order(self, order: DrainOrder, *, version: str | None) -> str:
        return await self._write([desk_entity(keys.DESK_ORDER, order)], version, order.operation_id)

    async def save_pulse(self, pulse: Pulse, *, version: str | None) -> str:
        return await self._write([desk_entity(keys.DESK_PULSE, pulse)], version, pulse.operation_id)

    async def epochs(self, session_id: str) -> tuple[Epoch, ...]:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(keys.TIMELINE, keys.rows_below(f"epoch|{session_id}"))
        return read_epochs(found.rows)

    async def lane(self, epoch: Epoch, lane: int) -> StoredLane:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(lane_partition(epoch, lane), keys.STANDING)
        return read_lane(epoch, lane, found.rows)

    async def stage(
        self, epoch: Epoch, lane: int, head: StageHead, *, version: str | None, pages: Sequence[Page], now_us: int
    ) -> str:
        entities = await self._offload(stage_entities, lane_partition(epoch, lane), head, pages, now_us)
        return await self._write(entities, version, head.operation_id)

    async def settle(self, epoch: Epoch, lane: int, settlement: Settlement) -> str:
        entities = settle_entities(lane_partition(epoch, lane), settlement)
        removed = [keys.page_row(number) for number in settlement.settled_pages]
        return await self._write(entities, settlement.version, settlement.head.cursor.operation_id, removed)

    async def pages(self, epoch: Epoch, lane: int, *, first: int, limit: int) -> list[Page]:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(lane_partition(epoch, lane), keys.page_rows(first, first + limit))
        return await self._offload(read_pages, found.rows)

    async def outlines(self, epoch: Epoch, lane: int, *, first: int, limit: int) -> list[PageOutline]:
        partition = lane_partition(epoch, lane)
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(
                partition, keys.page_rows(first, first + limit), properties=PAGE_OUTLINE
            )
        return read_page_outlines(found.rows)

    async def purge(self, epoch: Epoch, lane: int) -> int:
        """As the port says. How far it has come is kept beside the pages, so that those gone are not sought again."""
        partition = lane_partition(epoch, lane)
        async with bounded(CALL_SECONDS):
            stored = read_lane(epoch, lane, (await self._table.read_range(partition, keys.STANDING)).rows)
            marker = await self._table.read(partition, keys.PURGE)
            gone = marker.properties["page"] if marker else 0
            first = max(gone, stored.drain.value.page if stored.drain else 0) + 1
            beyond = min(first + PURGED_AT_ONCE, (stored.stage.value.page if stored.stage else 0) + 1)
            if first >= beyond:
                return 0
            found = await self._table.read_range(partition, keys.page_rows(first, beyond), properties=("count",))
            mark = entity(partition, keys.PURGE, {"page": int64(beyond - 1)})
            removed = [row.key for row in found.rows]
            await self._table.write([mark], version=marker.version if marker else None, removed=removed)
        return beyond - first

    async def recent(self, epoch: Epoch, lane: int) -> tuple[bytes, ...]:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(lane_partition(epoch, lane), keys.rows_below(keys.RECENT))
        return read_recent(found.rows)

    async def hours(self, epoch: Epoch, lane: int) -> list[Hour]:
        async with bounded(CALL_SECONDS):
            found = await self._table.read_range(lane_partition(epoch, lane), keys.HISTORY)
        return sorted(map(read_hour, found.rows), key=lambda hour: hour.hour)

    async def _write(
        self, entities: Sequence[Entity], version: str | None, operation_id: str, removed: Sequence[str] = ()
    ) -> str:
        """Write, the first of ``entities`` under ``version``; recognize the very write when its answer was lost.

        ::

            write ── ok ────────────────────────────────────────────────────► its new version
              │ 412, timeout, broken connection
              ▼
            read the first row ── has this operation id ────────────────────► its version
              │                ── still has the old version, no 412 ────────► StorageUnavailableError: try it again
              ▼ anything else, a 412 for another row's sake included
            ConflictError
        """
        async with bounded(CALL_SECONDS):
            try:
                async with bounded(WRITE_SECONDS):
                    return await self._table.write(entities, version=version, removed=removed)
            except (ConflictError, StorageUnavailableError) as error:
                row = await self._table.read(entities[0]["PartitionKey"], entities[0]["RowKey"])
                if row is not None and operation_of(row) == operation_id:
                    return row.version
                if (row and row.version) == version and isinstance(error, StorageUnavailableError):
                    raise
                raise ConflictError("Somebody else has written the row.") from error
