"""What only the table-backed shard store has to get right: answers that are lost, pages, and the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streaming.adapters.tables.client import RangeOfRows, TablesClient
from streaming.adapters.tables.shard_store import TableShardStore
from streaming.core.cursor import Cursor
from streaming.core.dead_letter import DeadLetter
from streaming.core.event import Event
from streaming.core.history import Hour, Slot
from streaming.core.outcome import ErrorCategory
from streaming.core.session import Mode, Session, WorldSize
from streaming.ports import ShardCommit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from azure.data.tables.aio import TableClient

    from streaming.adapters.tables.keys import RowRange
    from tests.contract.stores.storages import AzuriteStorage

CURSOR = Cursor(
    session_id="s1", shard=7, shards=9, lanes=1, owner="me", lease_until_us=0, heartbeat_us=0, operation_id="first"
)
SECOND = replace(CURSOR, operation_id="second")
LETTER = DeadLetter(
    letter_id="0001-a",
    events=(Event("store_opened", "t", "store_1", b"{}"),),
    category=ErrorCategory.UNKNOWN,
    detail="",
    attempts=1,
    first_failure_us=1,
    last_failure_us=2,
    session_id="s1",
    shard=7,
    lane=0,
    window=0,
    first_burst=0,
    last_burst=1,
)


async def test_a_commit_that_loses_its_answer_recognizes_itself_with_one_more_round_trip(
    storage: AzuriteStorage,
) -> None:
    version = await storage.shards.create(CURSOR)
    before = storage.round_trips
    storage.proxy.answers_to_lose = 1

    second = await storage.shards.commit(ShardCommit(cursor=SECOND, version=version))

    assert storage.round_trips == before + 2
    third = replace(CURSOR, operation_id="third")
    await storage.shards.commit(ShardCommit(cursor=third, version=second))
    assert await storage.other_shards.cursor("s1", 7) == third


async def test_the_keys_are_as_documented(storage: AzuriteStorage) -> None:
    session = Session(
        session_id="s1",
        seed=1,
        mode=Mode.LIVE,
        world=WorldSize(stores=1, distribution_centers=1, products=100, customers=100),
        started_at_us=1,
        emit_interval_ms=1_000,
        burst=1,
        shards=1,
        not_before_us=1,
    )
    await storage.control.save_session(session, version=None)
    await storage.control.save_config({}, version=None)
    version = await storage.shards.create(CURSOR)
    await storage.shards.commit(
        ShardCommit(
            cursor=SECOND,
            version=version,
            checkpoint=bytes(800_000),
            recent=(b"{}",),
            ended_hour=Hour(hour=49, minutes={0: Slot()}),
            dead_letters=(LETTER,),
        )
    )

    table: TableClient = storage.tables._table
    keys = sorted([(row["PartitionKey"], row["RowKey"]) async for row in table.list_entities()])
    assert table.table_name.endswith("streams")
    assert keys == [
        ("shard|s1|007", "dlq|0001-a|000"),
        ("shard|s1|007", "history|01"),
        ("shard|s1|007", "live|checkpoint|000"),
        ("shard|s1|007", "live|checkpoint|001"),
        ("shard|s1|007", "live|cursor"),
        ("shard|s1|007", "live|recent|000"),
        ("stream", "control|config"),
        ("stream", "control|session"),
        ("stream", "sessions|s1"),
    ]


class Paging:
    """A client that reads ranges in two pages; whatever ``meanwhile`` says happens between the first time's."""

    def __init__(self, tables: TablesClient, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._tables = tables
        self._meanwhile: list[Callable[[], Awaitable[object]]] = [meanwhile]
        self.read = tables.read

    async def read_range(
        self, partition: str, rows: RowRange, *, properties: Sequence[str] | None = None
    ) -> RangeOfRows:
        found = await self._tables.read_range(partition, rows, properties=properties)
        if self._meanwhile:
            await self._meanwhile.pop()()
        return RangeOfRows(rows=found.rows, pages=2)


async def test_a_shard_of_several_pages_is_never_put_together_from_two_commits(storage: AzuriteStorage) -> None:
    version = await storage.shards.create(CURSOR)
    version = await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, checkpoint=b"older"))
    newer = ShardCommit(cursor=replace(CURSOR, operation_id="third"), version=version, checkpoint=b"newer")
    paging = Paging(storage.tables, meanwhile=lambda: storage.other_shards.commit(newer))

    stored = await TableShardStore(paging).load("s1", 7)  # type: ignore[arg-type]  # as much of a client as is needed

    assert stored is not None
    assert stored.cursor.value.operation_id == "third"
    assert stored.checkpoint == b"newer"
