"""The ``DeadLetterStore`` port on Azure Table Storage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streaming.adapters.tables import keys
from streaming.adapters.tables.client import CALL_SECONDS, WRITE_SECONDS, bounded
from streaming.adapters.tables.dead_letters import (
    OUTLINE,
    letter_entities,
    letter_rows,
    read_letters,
    read_outlines,
    resolved_entity,
)
from streaming.adapters.tables.shard_rows import read_standings
from streaming.ports import ConflictError, Shelf, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.adapters.tables.client import TablesClient
    from streaming.adapters.tables.entities import Entity
    from streaming.core.dead_letter import DeadLetter, LetterOutline
    from streaming.ports import LetterChange, Standing


class TableDeadLetterStore:
    """The ``dlq|…`` rows of all shards' partitions, guarded in each by the version of ``live|dead-letters``."""

    def __init__(self, tables: TablesClient) -> None:
        self._tables = tables

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        async with bounded(CALL_SECONDS):
            return await self._shelves(session_id)

    async def audit(self, session_id: str) -> tuple[Shelf, ...]:
        """As the port says: read again until nothing was written meanwhile."""
        async with bounded(CALL_SECONDS):
            while True:
                shelves = await self._shelves(session_id)
                if tuple(shelf.standing for shelf in shelves) == await self._standings(session_id):
                    return shelves

    async def letters(self, outlines: Sequence[LetterOutline]) -> list[DeadLetter]:
        if not outlines:
            return []
        wanted = {outline.letter_id for outline in outlines}
        ranges = [keys.rows_below(keys.dead_letter(letter_id)) for letter_id in wanted]
        # Not the first and the last letter's: the order of rows and of ids differs where a letter has parted.
        rows = keys.RowRange(first=min(each.first for each in ranges), beyond=max(each.beyond for each in ranges))
        partition = keys.shard_partition(outlines[0].session_id, outlines[0].shard)
        async with bounded(CALL_SECONDS):
            found = await self._tables.read_range(partition, rows)
        # Uncompressing many letters takes a while: not on the event loop, where it would hold up all else.
        letters = await asyncio.to_thread(read_letters, found.rows)
        return [letter for letter in letters if letter.letter_id in wanted]

    async def change(self, change: LetterChange) -> str:
        """As the port says. A change whose answer is lost is recognized as ``TableShardStore.commit`` does.

        The write that the caller prepared and that took effect after all leaves its ``operation_id`` beside the counts;
        anything else there means that somebody else was quicker (``ConflictError``).
        """
        entities, removed = await asyncio.to_thread(_operations, change)
        async with bounded(CALL_SECONDS):
            try:
                async with bounded(WRITE_SECONDS):
                    return await self._tables.write(entities, version=change.version, removed=removed)
            except (ConflictError, StorageUnavailableError) as error:
                return await self._recognize(change, error)

    async def _shelves(self, session_id: str) -> tuple[Shelf, ...]:
        standings = await self._standings(session_id)
        if not any(standing.cursor.value.tally.dead_lettered for standing in standings):
            return tuple(Shelf(standing=standing, outlines=()) for standing in standings)
        found = await self._tables.read_range(keys.shard_partitions(session_id), keys.DEAD_LETTERS, properties=OUTLINE)
        outlines = await asyncio.to_thread(read_outlines, found.rows)
        return tuple(
            Shelf(
                standing=standing,
                outlines=tuple(outline for outline in outlines if outline.shard == standing.cursor.value.slot),
            )
            for standing in standings
        )

    async def _standings(self, session_id: str) -> tuple[Standing, ...]:
        found = await self._tables.read_range(keys.shard_partitions(session_id), keys.STANDING)
        return read_standings(found.rows)

    async def _recognize(self, change: LetterChange, error: ConflictError | StorageUnavailableError) -> str:
        """Find out what became of ``change``, which ended in ``error``."""
        row = await self._tables.read(keys.shard_partition(change.session_id, change.shard), keys.RESOLVED)
        if row is not None and row.properties["operation_id"] == change.operation_id:
            return row.version
        if (row and row.version) == change.version and isinstance(error, StorageUnavailableError):
            raise error
        raise ConflictError("Somebody else has changed the shard's dead letters.") from error


def _operations(change: LetterChange) -> tuple[list[Entity], list[str]]:
    """What is written, the counts first, and the rows that go."""
    partition = keys.shard_partition(change.session_id, change.shard)
    entities = [resolved_entity(partition, change.resolved, change.operation_id)]
    for letter in change.written:
        entities += letter_entities(partition, letter)
    written = {entity["RowKey"] for entity in entities}
    removed = [row for outline in change.removed for row in letter_rows(outline) if row not in written]
    return entities, removed
