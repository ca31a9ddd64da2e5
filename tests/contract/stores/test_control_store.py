"""The contract of ``ControlStore``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streaming.adapters.tables.limits import StorageLimitError
from streaming.core.breaker import BreakerState, BreakerStatus, Transition, Trial
from streaming.core.session import Mode, Session, Wanted, WorldSize
from streaming.ports import ConflictError, Control, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from tests.contract.stores.storages import Storage

STARTED_US = 1_780_000_000_123_456

SESSION = Session(
    session_id="20260528T202640-00f1",
    seed=2_147_483_647,
    mode=Mode.LIVE,
    world=WorldSize(stores=50, distribution_centers=5, products=1_000, customers=20_000),
    started_at_us=STARTED_US,
    emit_interval_ms=500,
    burst=100,
    shards=2,
    event_types=("receipt_created", "payment_processed"),
    ends_at_us=STARTED_US + 60_000_000,
    not_before_us=STARTED_US,
)

PAUSED = replace(
    SESSION,
    wanted=Wanted.PAUSED,
    paused_at_us=STARTED_US + 1_000_000,
    events_sent_before_pause=5_000_000_000,
    pause_count=1,
)

BREAKER = BreakerState(
    status=BreakerStatus.HALF_OPEN,
    epoch=3,
    consecutive_failures=5,
    opened_at_us=STARTED_US,
    reopenings=1,
    trials=(Trial(permit_id="a1", expires_us=STARTED_US + 9),),
    trial_successes=2,
    trips=2,
    last_category="throttling",
    transitions=(
        Transition(
            at_us=STARTED_US,
            from_state=BreakerStatus.CLOSED,
            to_state=BreakerStatus.OPEN,
            reason="5 consecutive failures, the last one throttling",
            by="instance-1",
        ),
    ),
)


async def test_an_empty_storage_has_nothing(storage: Storage) -> None:
    assert await storage.control.read() == Control()
    assert await storage.control.session("20260528T202640-00f1") is None
    assert await storage.control.session_ids() == []


async def test_what_is_saved_is_read_by_everybody_with_the_version_that_the_save_returned(storage: Storage) -> None:
    session_version = await storage.control.save_session(PAUSED, version=None)
    config_version = await storage.control.save_config({"burst": 50, "backoff_multiplier": 1.5}, version=None)
    breaker_version = await storage.control.save_breaker(BREAKER, version=None)

    assert await storage.other_control.read() == Control(
        session=Versioned(value=PAUSED, version=session_version),
        config=Versioned(value={"burst": 50, "backoff_multiplier": 1.5}, version=config_version),
        breaker=Versioned(value=BREAKER, version=breaker_version),
    )


async def test_each_save_needs_the_version_of_the_one_before(storage: Storage) -> None:
    first = await storage.control.save_session(SESSION, version=None)
    second = await storage.control.save_session(PAUSED, version=first)
    third = await storage.control.save_session(SESSION, version=second)

    assert len({first, second, third}) == 3
    assert (await storage.control.read()).session == Versioned(value=SESSION, version=third)


@pytest.mark.parametrize("row", ["session", "config", "breaker"])
async def test_a_save_under_any_other_version_is_refused_and_changes_nothing(storage: Storage, row: str) -> None:
    async def save(version: str | None) -> str:
        match row:
            case "session":
                return await storage.control.save_session(SESSION, version=version)
            case "config":
                return await storage.control.save_config({"burst": 1}, version=version)
            case _:
                return await storage.control.save_breaker(BREAKER, version=version)

    first = await save(None)
    await save(first)
    before = await storage.control.read()

    for stale in (None, first):
        with pytest.raises(ConflictError):
            await save(stale)
    assert await storage.control.read() == before


async def test_a_version_of_something_that_is_not_there_is_refused(storage: Storage) -> None:
    version = await storage.control.save_config({"burst": 1}, version=None)

    with pytest.raises(ConflictError):
        await storage.control.save_session(SESSION, version=version)
    assert (await storage.control.read()).session is None
    assert await storage.control.session_ids() == []


async def test_of_two_writers_one_wins(storage: Storage) -> None:
    version = await storage.control.save_config({"burst": 1}, version=None)

    theirs = await storage.other_control.save_config({"burst": 2}, version=version)
    with pytest.raises(ConflictError):
        await storage.control.save_config({"burst": 3}, version=version)
    assert (await storage.control.read()).config == Versioned(value={"burst": 2}, version=theirs)


async def test_rows_have_versions_of_their_own(storage: Storage) -> None:
    session = await storage.control.save_session(SESSION, version=None)
    config = await storage.control.save_config({}, version=None)
    await storage.control.save_config({"burst": 7}, version=config)

    await storage.control.save_session(PAUSED, version=session)


async def test_a_refused_session_leaves_the_index_alone(storage: Storage) -> None:
    await storage.control.save_session(SESSION, version=None)
    another = replace(SESSION, session_id="20260529T000000-00f2")

    with pytest.raises(ConflictError):
        await storage.control.save_session(another, version=None)
    assert await storage.control.session("20260529T000000-00f2") is None
    assert await storage.control.session_ids() == ["20260528T202640-00f1"]


async def test_the_index_has_every_session_as_last_written_oldest_first(storage: Storage) -> None:
    version: str | None = None
    for session_id, started_at_us in (("m", 20), ("z", 10), ("a", 30)):
        session = replace(SESSION, session_id=session_id, started_at_us=started_at_us)
        version = await storage.control.save_session(session, version=version)
        version = await storage.control.save_session(session.ended(99, reason=f"end of {session_id}"), version=version)

    assert await storage.control.session_ids() == ["z", "m", "a"]
    ended = await storage.control.session("m")
    assert ended is not None
    assert ended.end_reason == "end of m"
    assert ended.started_at_us == 20


async def test_nothing_stored_is_shared_with_the_caller(storage: Storage) -> None:
    keys: dict[str, object] = {"burst": 50}
    await storage.control.save_config(keys, version=None)
    keys["burst"] = 51
    first = (await storage.control.read()).config
    assert first is not None
    assert first.value == {"burst": 50}

    first.value["burst"] = 52  # type: ignore[index]  # to prove that it has no effect
    again = (await storage.control.read()).config
    assert again is not None
    assert again.value == {"burst": 50}


async def test_a_document_larger_than_a_property_is_kept_whole(storage: Storage) -> None:
    keys = {"ascii": "x" * 70_000, "beyond": "äöü🛒" * 10_000}
    await storage.control.save_config(keys, version=None)

    stored = (await storage.control.read()).config
    assert stored is not None
    assert stored.value == keys


async def test_a_shorter_document_replaces_a_longer_one_entirely(storage: Storage) -> None:
    version = await storage.control.save_config({"long": "x" * 70_000}, version=None)
    await storage.control.save_config({"short": 1}, version=version)

    stored = (await storage.control.read()).config
    assert stored is not None
    assert stored.value == {"short": 1}


@pytest.mark.parametrize("session_id", ["a/b", "a\\b", "a#b", "a?b", "a\tb", "a" * 600])
async def test_a_session_id_that_is_no_key_is_refused(storage: Storage, session_id: str) -> None:
    with pytest.raises(StorageLimitError):
        await storage.control.save_session(replace(SESSION, session_id=session_id), version=None)
    assert await storage.control.read() == Control()


async def test_a_document_beyond_a_mebibyte_is_refused(storage: Storage) -> None:
    with pytest.raises(StorageLimitError, match="takes"):
        await storage.control.save_config({"large": "x" * 600_000}, version=None)
    assert await storage.control.read() == Control()


async def test_reading_and_saving_cost_one_round_trip_each(storage: Storage) -> None:
    version = await storage.control.save_session(SESSION, version=None)

    before = storage.round_trips
    await storage.control.save_session(PAUSED, version=version)
    assert storage.round_trips == before + 1
    await storage.control.read()
    assert storage.round_trips == before + 2


async def test_a_storage_that_is_away_is_said_to_be_and_found_again(storage: Storage) -> None:
    version = await storage.control.save_config({"burst": 1}, version=None)
    await storage.go_away()

    with pytest.raises(StorageUnavailableError):
        await storage.control.read()
    with pytest.raises(StorageUnavailableError):
        await storage.control.save_config({"burst": 2}, version=version)
    with pytest.raises(StorageUnavailableError):
        await storage.control.session("any")
    with pytest.raises(StorageUnavailableError):
        await storage.control.session_ids()

    await storage.come_back()
    assert (await storage.control.read()).config == Versioned(value={"burst": 1}, version=version)


async def test_a_save_whose_answer_is_lost_is_unknown_to_the_writer_and_can_be_read(storage: Storage) -> None:
    version = await storage.control.save_config({"burst": 1}, version=None)
    storage.lose_answers()

    with pytest.raises(StorageUnavailableError):
        await storage.control.save_config({"burst": 2}, version=version)

    await storage.come_back()
    stored = (await storage.control.read()).config
    assert stored is not None
    assert stored.value == {"burst": 2}
    assert stored.version != version
