"""The ``DeadLetterStore`` port on the outbox's table: a lane's letters are kept as a shard's are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.tasks import gather
from streaming.adapters.tables import keys
from streaming.adapters.tables.client import CALL_SECONDS, bounded
from streaming.adapters.tables.dead_letter_store import TableDeadLetterStore
from streaming.adapters.tables.dead_letters import OUTLINE, read_outlines
from streaming.ports import Shelf

if TYPE_CHECKING:
    from streaming.adapters.tables.client import TablesClient
    from streaming.outbox_ports import OutboxStore
    from streaming.ports import Standing


class LaneLetterStore(TableDeadLetterStore):
    """Lane by lane: a range over partitions would have the storage wade through all the pages between them."""

    def __init__(self, tables: TablesClient, outbox: OutboxStore) -> None:
        super().__init__(tables)
        self._outbox = outbox

    async def _shelves(self, session_id: str) -> tuple[Shelf, ...]:
        return tuple(await gather(*(self._shelf(standing) for standing in await self._standings(session_id))))

    async def _standings(self, session_id: str) -> tuple[Standing, ...]:
        epochs = await self._outbox.epochs(session_id)
        places = [(epoch, lane) for epoch in epochs for lane in range(epoch.lanes)]
        lanes = await gather(*(self._outbox.lane(*place) for place in places))
        return tuple(lane.standing for lane in lanes)

    async def _shelf(self, standing: Standing) -> Shelf:
        cursor = standing.cursor.value
        if not cursor.tally.dead_lettered:
            return Shelf(standing=standing, outlines=())
        partition = keys.shard_partition(cursor.session_id, cursor.shard)
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(partition, keys.DEAD_LETTERS, properties=OUTLINE)
        return Shelf(standing=standing, outlines=tuple(await asyncio.to_thread(read_outlines, found.rows)))
