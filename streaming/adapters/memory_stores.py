"""The ``ControlStore`` and ``ShardStore`` ports in memory, as strict as the real ones, failing as a test scripts it.

Whatever is kept is kept serialised, so nothing is shared by reference; versions change with every write; Azure's limits
hold. A store stands for the storage itself: processes that share the object share the storage.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from streaming.adapters.tables.control_rows import (
    breaker_entity,
    config_entity,
    disruptions_entity,
    disruptions_of,
    session_entities,
)
from streaming.adapters.tables.dead_letters import kept_detail
from streaming.adapters.tables.limits import check_transaction
from streaming.adapters.tables.shard_rows import commit_entities, first_entities
from streaming.core.breaker import BreakerState
from streaming.core.cursor import Cursor, hour_from_json, hour_to_json
from streaming.core.history import HISTORY_HOURS, Hour
from streaming.core.session import Session
from streaming.ports import (
    ConflictError,
    Control,
    ShardLostError,
    Standing,
    StorageUnavailableError,
    StoredShard,
    Versioned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streaming.core.dead_letter import DeadLetter
    from streaming.core.tally import DeadLetterTally
    from streaming.ports import ShardCommit
    from streaming.retail.disruption import Disruption


class Fault(Enum):
    """What befalls one write."""

    REFUSED = auto()
    """It has no effect, and the writer learns only that storage is unavailable."""
    ANSWER_LOST = auto()
    """It has its effect, and the writer learns only that storage is unavailable."""
    OVERTAKEN = auto()
    """Somebody else writes the same row first."""


class Faults:
    """Decides what befalls each write of the stores that it is given to, and each request while storage is away.

    ``plan`` is asked with the write's name (``save_session``, ``create``, ``commit``, …) and its number, from 0 on over
    all these stores.
    """

    def __init__(self, plan: Callable[[str, int], Fault | None] = lambda _name, _number: None) -> None:
        self.plan = plan
        self.is_away = False
        """While set, no request of any kind is answered."""
        self.round_trips = 0
        self.writes: list[str] = []
        """The names of the writes so far."""

    async def read(self) -> None:
        """Before any read."""
        self.round_trips += 1
        await asyncio.sleep(0)  # others may run meanwhile, as with the real one
        if self.is_away:
            raise StorageUnavailableError("The storage is away.")

    async def write(self, name: str, *, overtake: Callable[[], None], apply: Callable[[], str]) -> str:
        """Do ``apply``, or what befalls it."""
        number = len(self.writes)
        self.writes.append(name)
        await self.read()
        match self.plan(name, number):
            case Fault.REFUSED:
                raise StorageUnavailableError("The storage refused.")
            case Fault.ANSWER_LOST:
                apply()
                raise StorageUnavailableError("The storage's answer was lost.")
            case Fault.OVERTAKEN:
                overtake()
                return apply()
            case None:
                return apply()


@dataclass(frozen=True, slots=True)
class _Stored:
    document: bytes
    version: str


class MemoryControlStore:
    """The stream's own rows."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._versions = count(1)
        self._rows: dict[str, _Stored] = {}
        self._index: dict[str, bytes] = {}

    @property
    def round_trips(self) -> int:
        return self.faults.round_trips

    async def read(self) -> Control:
        await self.faults.read()
        return Control(
            session=self._versioned("session", Session.from_json),
            config=self._versioned("config", dict),
            breaker=self._versioned("breaker", BreakerState.from_json),
            disruptions=self._versioned("disruptions", disruptions_of),
        )

    async def save_session(self, session: Session, *, version: str | None) -> str:
        check_transaction(session_entities(session))
        document = orjson.dumps(session.to_json())

        def index() -> None:
            self._index[session.session_id] = document

        return await self._save("session", document, version, and_then=index)

    async def save_config(self, keys: Mapping[str, object], *, version: str | None) -> str:
        check_transaction([config_entity(keys)])
        return await self._save("config", orjson.dumps(keys), version)

    async def save_breaker(self, state: BreakerState, *, version: str | None) -> str:
        check_transaction([breaker_entity(state)])
        return await self._save("breaker", orjson.dumps(state.to_json()), version)

    async def save_disruptions(self, disruptions: Sequence[Disruption], *, version: str | None) -> str:
        check_transaction([disruptions_entity(disruptions)])
        document = {"disruptions": [disruption.to_json() for disruption in disruptions]}
        return await self._save("disruptions", orjson.dumps(document), version)

    async def session(self, session_id: str) -> Session | None:
        await self.faults.read()
        document = self._index.get(session_id)
        return None if document is None else Session.from_json(orjson.loads(document))

    async def session_ids(self) -> list[str]:
        await self.faults.read()
        sessions = [Session.from_json(orjson.loads(document)) for document in self._index.values()]
        return [
            session.session_id for session in sorted(sessions, key=lambda each: (each.started_at_us, each.session_id))
        ]

    async def _save(
        self, row: str, document: bytes, version: str | None, *, and_then: Callable[[], None] = lambda: None
    ) -> str:
        def put(contents: bytes) -> str:
            self._rows[row] = _Stored(contents, f"c{next(self._versions)}")
            return self._rows[row].version

        def overtake() -> None:
            put(self._rows[row].document if row in self._rows else document)

        def apply() -> str:
            stored = self._rows.get(row)
            if (stored and stored.version) != version:
                raise ConflictError("The row was written by somebody else.")
            and_then()
            return put(document)

        return await self.faults.write(f"save_{row}", overtake=overtake, apply=apply)

    def _versioned(self, row: str, parse: Callable[[Any], Any]) -> Versioned[Any] | None:
        stored = self._rows.get(row)
        if stored is None:
            return None
        return Versioned(value=parse(orjson.loads(stored.document)), version=stored.version)


@dataclass(slots=True, kw_only=True)
class Partition:
    """One shard."""

    cursor: bytes
    version: str
    checkpoint: bytes | None = None
    recent: tuple[bytes, ...] = ()
    hours: dict[int, bytes] = field(default_factory=dict)
    """By hour modulo ``HISTORY_HOURS``."""
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    """Immutable through and through, so they may be kept as they are."""
    resolved: Versioned[DeadLetterTally] | None = None

    def read(self) -> Cursor:
        return Cursor.from_json(orjson.loads(self.cursor))


class MemoryShardStore:
    """The shards' partitions."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._versions = count(1)
        self._shards: dict[tuple[str, int], Partition] = {}

    @property
    def round_trips(self) -> int:
        return self.faults.round_trips

    async def load(self, session_id: str, shard: int) -> StoredShard | None:
        partition = await self._read(session_id, shard)
        if partition is None:
            return None
        cursor = Versioned(value=partition.read(), version=partition.version)
        return StoredShard(cursor=cursor, checkpoint=partition.checkpoint, recent=partition.recent)

    async def create(self, cursor: Cursor, checkpoint: bytes | None = None) -> str:
        check_transaction(first_entities(cursor, checkpoint))
        place = (cursor.session_id, cursor.slot)

        def put(written: Cursor) -> str:
            self._shards[place] = Partition(
                cursor=_dump(written), version=self.next_version(), checkpoint=checkpoint and bytes(checkpoint)
            )
            return self._shards[place].version

        def apply() -> str:
            stored = self._shards.get(place)
            if stored is None:
                return put(cursor)
            if stored.read().operation_id == cursor.operation_id:
                return stored.version
            raise ConflictError("The shard has a cursor already.")

        def overtake() -> None:
            if place not in self._shards:
                put(_another(cursor))

        return await self.faults.write("create", overtake=overtake, apply=apply)

    async def commit(self, commit: ShardCommit) -> str:
        check_transaction(commit_entities(commit))
        cursor = commit.cursor
        place = (cursor.session_id, cursor.slot)

        def apply() -> str:
            stored = self._shards.get(place)
            if stored is None:
                raise ShardLostError("The shard has no cursor.")
            if stored.version != commit.version:
                if stored.read().operation_id == cursor.operation_id:
                    return stored.version
                raise ShardLostError("The shard's cursor was written by somebody else.")
            self._put(stored, commit)
            return stored.version

        def overtake() -> None:
            stored = self._shards.get(place)
            if stored is not None:
                stored.cursor = _dump(_another(stored.read()))
                stored.version = self.next_version()

        return await self.faults.write("commit", overtake=overtake, apply=apply)

    async def cursor(self, session_id: str, shard: int) -> Cursor | None:
        partition = await self._read(session_id, shard)
        return None if partition is None else partition.read()

    async def standings(self, session_id: str) -> tuple[Standing, ...]:
        await self.faults.read()
        return tuple(
            Standing(cursor=Versioned(value=partition.read(), version=partition.version), resolved=partition.resolved)
            for (session, _), partition in sorted(self._shards.items(), key=lambda item: item[0])
            if session == session_id
        )

    async def recent(self, session_id: str, shard: int) -> tuple[bytes, ...]:
        partition = await self._read(session_id, shard)
        return () if partition is None else partition.recent

    async def hours(self, session_id: str, shard: int) -> list[Hour]:
        partition = await self._read(session_id, shard)
        hours = [] if partition is None else [hour_from_json(orjson.loads(row)) for row in partition.hours.values()]
        return sorted(hours, key=lambda hour: hour.hour)

    async def dead_letters(self, session_id: str, shard: int) -> list[DeadLetter]:
        """The shard's dead letters, oldest first."""
        partition = await self._read(session_id, shard)
        return [] if partition is None else [partition.letters[letter_id] for letter_id in sorted(partition.letters)]

    def partition(self, session_id: str, shard: int) -> Partition:
        """For the stores that share these partitions. Raises ``KeyError``."""
        return self._shards[session_id, shard]

    async def _read(self, session_id: str, shard: int) -> Partition | None:
        await self.faults.read()
        return self._shards.get((session_id, shard))

    def _put(self, stored: Partition, commit: ShardCommit) -> None:
        stored.cursor, stored.version = _dump(commit.cursor), self.next_version()
        if commit.checkpoint is not None:
            stored.checkpoint = bytes(commit.checkpoint)
        if commit.recent is not None:
            stored.recent = tuple(commit.recent)
        if commit.ended_hour is not None:
            hour = commit.ended_hour
            stored.hours[hour.hour % HISTORY_HOURS] = orjson.dumps(hour_to_json(hour))
        stored.letters |= {
            letter.letter_id: replace(letter, detail=kept_detail(letter.detail)) for letter in commit.dead_letters
        }

    def next_version(self) -> str:
        """Never the same twice."""
        return f"s{next(self._versions)}"


def _dump(cursor: Cursor) -> bytes:
    return orjson.dumps(cursor.to_json())


def _another(cursor: Cursor) -> Cursor:
    """What somebody else might have written."""
    return replace(cursor, owner="another instance", operation_id="another operation")
