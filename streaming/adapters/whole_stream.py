"""The live shards and the outbox's lanes of a session as one: for those who look at a stream, and for its dead letters.

A lane's number among its session's (``Epoch.slot``) is beyond any shard's, so that one number tells which of both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.tasks import gather
from streaming.core.outbox import MOST_LANES, Epoch
from streaming.ports import Shelf, Standing, Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.cursor import Cursor
    from streaming.core.dead_letter import DeadLetter, LetterOutline
    from streaming.core.history import Hour
    from streaming.outbox_ports import OutboxStore
    from streaming.ports import DeadLetterStore, LetterChange, ShardCommit, ShardStore, StoredShard


class WholeStream:
    """The ``ShardStore`` port: what owners do concerns live shards; observers see lanes as well."""

    def __init__(self, *, live: ShardStore, outbox: OutboxStore) -> None:
        self._live = live
        self._outbox = outbox
        self._known_live: str | None = None
        """A session that has live shards: it will never stage anything."""

    async def load(self, session_id: str, shard: int) -> StoredShard | None:
        return await self._live.load(session_id, shard)

    async def create(self, cursor: Cursor, checkpoint: bytes | None = None) -> str:
        return await self._live.create(cursor, checkpoint)

    async def commit(self, commit: ShardCommit) -> str:
        return await self._live.commit(commit)

    async def cursor(self, session_id: str, shard: int) -> Cursor | None:
        if shard < MOST_LANES:
            return await self._live.cursor(session_id, shard)
        return (await self._outbox.lane(*_place(session_id, shard))).counts.cursor

    async def standings(self, session_id: str) -> tuple[Standing, ...]:
        """As the port says; with an outbox it is a round trip more for each lane, all at once."""
        if session_id == self._known_live:
            return await self._live.standings(session_id)
        live, lanes = await gather(self._live.standings(session_id), self.lanes(session_id))
        if live:
            self._known_live = session_id
        return (*live, *lanes)

    async def lanes(self, session_id: str) -> tuple[Standing, ...]:
        """Where the lanes stand. The sweeper's sign of life is theirs, too: an idle lane isn't a dead one."""
        epochs = await self._outbox.epochs(session_id)
        if not epochs:
            return ()
        places = [(epoch, lane) for epoch in epochs for lane in range(epoch.lanes)]
        desk, lanes = await gather(self._outbox.desk(), gather(*(self._outbox.lane(*place) for place in places)))
        alive_us = desk.pulse.value.heartbeat_us if desk.pulse else 0
        return tuple(_heard_of(lane.standing, alive_us) for lane in lanes)

    async def recent(self, session_id: str, shard: int) -> tuple[bytes, ...]:
        if shard < MOST_LANES:
            return await self._live.recent(session_id, shard)
        return await self._outbox.recent(*_place(session_id, shard))

    async def hours(self, session_id: str, shard: int) -> list[Hour]:
        if shard < MOST_LANES:
            return await self._live.hours(session_id, shard)
        return await self._outbox.hours(*_place(session_id, shard))


class WholeDeadLetters:
    """The ``DeadLetterStore`` port over two: the live shards' letters and the lanes'."""

    def __init__(self, *, live: DeadLetterStore, lanes: DeadLetterStore) -> None:
        self._live = live
        self._lanes = lanes

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        live, lanes = await gather(self._live.shelves(session_id), self._lanes.shelves(session_id))
        return (*live, *lanes)

    async def audit(self, session_id: str) -> tuple[Shelf, ...]:
        live, lanes = await gather(self._live.audit(session_id), self._lanes.audit(session_id))
        return (*live, *lanes)

    async def letters(self, outlines: Sequence[LetterOutline]) -> list[DeadLetter]:
        return await self._of(outlines[0].shard).letters(outlines) if outlines else []

    async def change(self, change: LetterChange) -> str:
        return await self._of(change.shard).change(change)

    def _of(self, shard: int) -> DeadLetterStore:
        return self._live if shard < MOST_LANES else self._lanes


def _place(session_id: str, shard: int) -> tuple[Epoch, int]:
    number, lane = divmod(shard, MOST_LANES)
    return Epoch(number=number, session_id=session_id, lanes=0), lane


def _heard_of(standing: Standing, alive_us: int) -> Standing:
    cursor = standing.cursor
    heard_us = max(cursor.value.heartbeat_us, alive_us)
    return replace(
        standing, cursor=Versioned(value=replace(cursor.value, heartbeat_us=heard_us), version=cursor.version)
    )
