"""The ``DeadLetterStore`` port in memory, over the shards of a ``MemoryShardStore``: as strict as the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streaming.adapters.tables.dead_letters import kept_detail, kept_history, letter_entities, resolved_entity
from streaming.adapters.tables.limits import check_transaction
from streaming.core.dead_letter import outline_of
from streaming.ports import ConflictError, Shelf, Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.adapters.memory_stores import MemoryShardStore
    from streaming.core.dead_letter import DeadLetter, LetterOutline
    from streaming.ports import LetterChange


class MemoryDeadLetterStore:
    """The dead letters that ``shards`` keeps."""

    def __init__(self, shards: MemoryShardStore) -> None:
        self._shards = shards
        self._last_operations: dict[tuple[str, int], str] = {}

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        shelves: list[Shelf] = []
        for standing in await self._shards.standings(session_id):
            letters = await self._shards.dead_letters(session_id, standing.cursor.value.slot)
            shelves.append(Shelf(standing=standing, outlines=tuple(map(outline_of, letters))))
        return tuple(shelves)

    async def audit(self, session_id: str) -> tuple[Shelf, ...]:
        while True:
            shelves = await self.shelves(session_id)
            if tuple(shelf.standing for shelf in shelves) == await self._shards.standings(session_id):
                return shelves

    async def letters(self, outlines: Sequence[LetterOutline]) -> list[DeadLetter]:
        if not outlines:
            return []
        wanted = {outline.letter_id for outline in outlines}
        letters = await self._shards.dead_letters(outlines[0].session_id, outlines[0].shard)
        return [letter for letter in letters if letter.letter_id in wanted]

    async def change(self, change: LetterChange) -> str:
        place = (change.session_id, change.shard)
        entities = [resolved_entity("shard", change.resolved, change.operation_id)]
        entities += [entity for letter in change.written for entity in letter_entities("shard", letter)]
        written = {letter.letter_id for letter in change.written}
        check_transaction(
            entities, [outline.letter_id for outline in change.removed if outline.letter_id not in written]
        )

        def apply() -> str:
            partition = self._shards.partition(*place)
            version = partition.resolved and partition.resolved.version
            gone = {outline.letter_id for outline in change.removed} - written
            if version != change.version or not gone <= partition.letters.keys():
                if self._last_operations.get(place) == change.operation_id:
                    return version or ""
                raise ConflictError("Somebody else has changed the shard's dead letters.")
            for letter_id in gone:
                del partition.letters[letter_id]
            partition.letters |= {
                letter.letter_id: replace(letter, detail=kept_detail(letter.detail), history=kept_history(letter))
                for letter in change.written
            }
            partition.resolved = Versioned(value=change.resolved, version=self._shards.next_version())
            self._last_operations[place] = change.operation_id
            return partition.resolved.version

        def overtake() -> None:
            partition = self._shards.partition(*place)
            counts = partition.resolved.value if partition.resolved else replace(change.resolved, redriven=0, cleared=0)
            partition.resolved = Versioned(value=counts, version=self._shards.next_version())

        return await self._shards.faults.write("change_letters", overtake=overtake, apply=apply)
