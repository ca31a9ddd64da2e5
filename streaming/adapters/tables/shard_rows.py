"""A shard as rows of its partition. Pure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from streaming.adapters.tables import keys
from streaming.adapters.tables.dead_letters import letter_entities, read_resolved
from streaming.adapters.tables.entities import (
    FASTEST,
    data_entities,
    entity,
    int64,
    read_data,
    read_text,
    text_properties,
)
from streaming.core.cursor import Cursor, hour_from_json, hour_to_json
from streaming.ports import ShardCommit, Standing, StoredShard, Versioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.adapters.tables.entities import Entity, Row
    from streaming.core.history import Hour


def cursor_entity(cursor: Cursor) -> Entity:
    partition = keys.shard_partition(cursor.session_id, cursor.slot)
    return entity(partition, keys.CURSOR, text_properties("json", dump_json(cursor.to_json())))


def first_entities(cursor: Cursor, checkpoint: bytes | None) -> list[Entity]:
    """A cursor, and the world that belongs to it."""
    entities = [cursor_entity(cursor)]
    if checkpoint is not None:
        entities += data_entities(entities[0]["PartitionKey"], keys.CHECKPOINT, checkpoint, {})
    return entities


def commit_entities(commit: ShardCommit) -> list[Entity]:
    """Everything that ``commit`` writes, the cursor first."""
    entities = first_entities(commit.cursor, commit.checkpoint)
    partition = entities[0]["PartitionKey"]
    if commit.recent is not None:
        entities += recent_entities(partition, commit.recent)
    if commit.ended_hour is not None:
        entities.append(hour_entity(partition, commit.ended_hour))
    for letter in commit.dead_letters:
        entities += letter_entities(partition, letter)
    return entities


def read_shard(rows: Sequence[Row]) -> StoredShard | None:
    """The shard out of its ``live`` rows; None if there is no cursor."""
    by_key = {row.key: row for row in rows}
    cursor = by_key.get(keys.CURSOR)
    if cursor is None:
        return None
    return StoredShard(
        cursor=read_cursor(cursor), checkpoint=read_data(by_key, keys.CHECKPOINT), recent=_read_recent(by_key)
    )


def read_standings(rows: Sequence[Row]) -> tuple[Standing, ...]:
    """Where shards stand, out of the ``STANDING`` rows of their partitions, in the order of slots."""
    resolved = {
        row.properties["PartitionKey"]: Versioned(value=read_resolved(row), version=row.version)
        for row in rows
        if row.key == keys.RESOLVED
    }
    standings = [
        Standing(cursor=read_cursor(row), resolved=resolved.get(row.properties["PartitionKey"]))
        for row in rows
        if row.key == keys.CURSOR
    ]
    # Not the order of rows: beyond the tenth generation a slot has a digit more.
    return tuple(sorted(standings, key=lambda standing: standing.cursor.value.slot))


def read_recent(rows: Sequence[Row]) -> tuple[bytes, ...]:
    return _read_recent({row.key: row for row in rows})


def read_cursor(row: Row) -> Versioned[Cursor]:
    return Versioned(value=Cursor.from_json(orjson.loads(read_text(row, "json"))), version=row.version)


def read_hour(row: Row) -> Hour:
    return hour_from_json(orjson.loads(read_text(row, "json")))


def dump_json(document: Mapping[str, Any] | Sequence[int]) -> str:
    return orjson.dumps(document).decode()


def recent_entities(partition: str, recent: Sequence[bytes]) -> list[Entity]:
    lengths = dump_json([len(envelope) for envelope in recent])
    data = zlib.compress(b"".join(recent), FASTEST)
    return data_entities(partition, keys.RECENT, data, text_properties("lengths", lengths))


def hour_entity(partition: str, hour: Hour) -> Entity:
    document = dump_json(hour_to_json(hour))
    return entity(partition, keys.hour_row(hour.hour), {"hour": int64(hour.hour), **text_properties("json", document)})


def _read_recent(rows: Mapping[str, Row]) -> tuple[bytes, ...]:
    compressed = read_data(rows, keys.RECENT)
    if compressed is None:
        return ()
    data = zlib.decompress(compressed)
    envelopes: list[bytes] = []
    at = 0
    for length in orjson.loads(read_text(rows[keys.part(keys.RECENT, 0)], "lengths")):
        envelopes.append(data[at : at + length])
        at += length
    return tuple(envelopes)
