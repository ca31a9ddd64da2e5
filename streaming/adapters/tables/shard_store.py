"""The ``ShardStore`` port on Azure Table Storage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streaming.adapters.tables import keys
from streaming.adapters.tables.client import CALL_SECONDS, WRITE_SECONDS, bounded
from streaming.adapters.tables.dead_letters import read_letters
from streaming.adapters.tables.shard_rows import (
    commit_entities,
    first_entities,
    read_cursor,
    read_hour,
    read_recent,
    read_shard,
    read_standings,
)
from streaming.ports import ConflictError, ShardLostError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.adapters.tables.client import TablesClient
    from streaming.adapters.tables.entities import Entity
    from streaming.core.cursor import Cursor
    from streaming.core.dead_letter import DeadLetter
    from streaming.core.history import Hour
    from streaming.ports import ShardCommit, Standing, StoredShard, Versioned


class TableShardStore:
    """One partition for each session and shard, guarded by its cursor's version."""

    def __init__(self, tables: TablesClient) -> None:
        self._tables = tables

    @property
    def round_trips(self) -> int:
        """Requests made by this process, of whatever store."""
        return self._tables.round_trips

    async def load(self, session_id: str, shard: int) -> StoredShard | None:
        """As the port says. A shard of more than one page is read again until no commit fell in between."""
        partition = keys.shard_partition(session_id, shard)
        async with bounded(CALL_SECONDS):
            while True:
                found = await self._tables.read_range(partition, keys.LIVE)
                stored = read_shard(found.rows)
                if stored is None or found.pages == 1:
                    return stored
                now = await self._tables.read(partition, keys.CURSOR)
                if now is not None and now.version == stored.cursor.version:
                    return stored

    async def create(self, cursor: Cursor, checkpoint: bytes | None = None) -> str:
        async with bounded(CALL_SECONDS):
            try:
                return await self._tables.write(first_entities(cursor, checkpoint), version=None)
            except ConflictError:
                stored = await self._stored(cursor.session_id, cursor.slot)
                if stored is None or stored.value.operation_id != cursor.operation_id:
                    raise
                return stored.version

    async def commit(self, commit: ShardCommit) -> str:
        """As the port says.

        ::

            write under the cursor's version ── ok ─────────────────────────────────────────► its new version
                  │ 412, timeout, broken connection
                  ▼
            read the cursor ── has this operation_id ───────────────────────────────────────► its version
                  │         ── still has the old version: nothing written (yet) ────────────► StorageUnavailableError
                  │         ── anything else ───────────────────────────────────────────────► ShardLostError
                  ▼ no answer
            StorageUnavailableError: the same commit, tried again, finds out

        A write that is still on its way when its answer is given up may take effect later: the next try, of the same
        commit, then meets a conflict and recognizes its own operation id.
        """
        entities = await _entities(commit)
        async with bounded(CALL_SECONDS):
            try:
                async with bounded(WRITE_SECONDS):
                    return await self._tables.write(entities, version=commit.version)
            except (ConflictError, StorageUnavailableError) as error:
                return await self._recognize(commit, error)

    async def cursor(self, session_id: str, shard: int) -> Cursor | None:
        async with bounded(CALL_SECONDS):
            stored = await self._stored(session_id, shard)
        return None if stored is None else stored.value

    async def standings(self, session_id: str) -> tuple[Standing, ...]:
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(keys.shard_partitions(session_id), keys.STANDING)
        return read_standings(found.rows)

    async def recent(self, session_id: str, shard: int) -> tuple[bytes, ...]:
        partition = keys.shard_partition(session_id, shard)
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(partition, keys.rows_below(keys.RECENT))
        return read_recent(found.rows)

    async def hours(self, session_id: str, shard: int) -> list[Hour]:
        partition = keys.shard_partition(session_id, shard)
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(partition, keys.HISTORY)
        return sorted(map(read_hour, found.rows), key=lambda hour: hour.hour)

    async def dead_letters(self, session_id: str, shard: int) -> list[DeadLetter]:
        """The shard's dead letters, oldest first."""
        partition = keys.shard_partition(session_id, shard)
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(partition, keys.DEAD_LETTERS)
        return read_letters(found.rows)

    async def _stored(self, session_id: str, shard: int) -> Versioned[Cursor] | None:
        row = await self._tables.read(keys.shard_partition(session_id, shard), keys.CURSOR)
        return None if row is None else read_cursor(row)

    async def _recognize(self, commit: ShardCommit, error: ConflictError | StorageUnavailableError) -> str:
        """Find out what became of ``commit``, which ended in ``error``."""
        stored = await self._stored(commit.cursor.session_id, commit.cursor.slot)
        if stored is not None and stored.value.operation_id == commit.cursor.operation_id:
            return stored.version
        if stored is not None and stored.version == commit.version:
            raise StorageUnavailableError(str(error)) from error
        raise ShardLostError("The shard's cursor was written by somebody else.") from error


async def _entities(commit: ShardCommit) -> Sequence[Entity]:
    # Compressing many letters takes a while: not on the event loop, where it would hold up all else.
    return await asyncio.to_thread(commit_entities, commit) if commit.dead_letters else commit_entities(commit)
