"""The faults that a test can script for the stores in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streaming.adapters.memory_stores import Fault, Faults, MemoryControlStore, MemoryShardStore
from streaming.core.cursor import Cursor
from streaming.ports import ConflictError, ShardCommit, ShardLostError, StorageUnavailableError

CURSOR = Cursor(
    session_id="s", shard=0, shards=1, lanes=1, owner="me", lease_until_us=0, heartbeat_us=0, operation_id="first"
)
SECOND = replace(CURSOR, operation_id="second")


def fault_at(number: int, fault: Fault) -> Faults:
    return Faults(lambda _name, at: fault if at == number else None)


async def test_writes_are_named_and_numbered_over_all_stores() -> None:
    asked: list[tuple[str, int]] = []

    def plan(name: str, number: int) -> Fault | None:
        asked.append((name, number))
        return None

    faults = Faults(plan)
    control, shards = MemoryControlStore(faults), MemoryShardStore(faults)
    await control.save_config({}, version=None)
    version = await shards.create(CURSOR)
    await control.read()
    await shards.commit(ShardCommit(cursor=SECOND, version=version))

    assert asked == [("save_config", 0), ("create", 1), ("commit", 2)]
    assert faults.writes == ["save_config", "create", "commit"]
    assert control.round_trips == shards.round_trips == 4


async def test_a_refused_write_has_no_effect() -> None:
    shards = MemoryShardStore(fault_at(1, Fault.REFUSED))
    version = await shards.create(CURSOR)
    commit = ShardCommit(cursor=SECOND, version=version)

    with pytest.raises(StorageUnavailableError):
        await shards.commit(commit)
    assert await shards.cursor("s", 0) == CURSOR
    await shards.commit(commit)
    assert await shards.cursor("s", 0) == SECOND


async def test_a_write_whose_answer_is_lost_has_its_effect() -> None:
    shards = MemoryShardStore(fault_at(1, Fault.ANSWER_LOST))
    version = await shards.create(CURSOR)
    commit = ShardCommit(cursor=SECOND, version=version)

    with pytest.raises(StorageUnavailableError):
        await shards.commit(commit)
    assert await shards.cursor("s", 0) == SECOND
    stored = await shards.load("s", 0)
    assert stored is not None
    assert await shards.commit(commit) == stored.cursor.version


async def test_a_commit_that_is_overtaken_finds_its_shard_lost() -> None:
    shards = MemoryShardStore(fault_at(1, Fault.OVERTAKEN))
    version = await shards.create(CURSOR)

    with pytest.raises(ShardLostError):
        await shards.commit(ShardCommit(cursor=SECOND, version=version))
    stored = await shards.cursor("s", 0)
    assert stored is not None
    assert stored.owner == "another instance"


async def test_a_creation_that_is_overtaken_is_a_conflict() -> None:
    shards = MemoryShardStore(fault_at(0, Fault.OVERTAKEN))

    with pytest.raises(ConflictError):
        await shards.create(CURSOR)
    stored = await shards.cursor("s", 0)
    assert stored is not None
    assert stored.owner == "another instance"


async def test_a_save_that_is_overtaken_is_a_conflict_and_the_value_stays() -> None:
    control = MemoryControlStore(fault_at(1, Fault.OVERTAKEN))
    version = await control.save_config({"burst": 1}, version=None)

    with pytest.raises(ConflictError):
        await control.save_config({"burst": 2}, version=version)
    stored = (await control.read()).config
    assert stored is not None
    assert stored.value == {"burst": 1}
    await control.save_config({"burst": 2}, version=stored.version)
