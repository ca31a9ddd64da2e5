"""The contract of ``ShardStore``."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streaming.adapters.tables.limits import StorageLimitError
from streaming.core.cursor import Cursor, Progress
from streaming.core.dead_letter import DeadLetter
from streaming.core.event import Event
from streaming.core.history import Hour, Slot
from streaming.core.outcome import ErrorCategory
from streaming.core.plan import Frontier, Pace, WindowPlan
from streaming.core.tally import Tally
from streaming.ports import (
    ConflictError,
    ShardCommit,
    ShardLostError,
    StorageUnavailableError,
    StoredShard,
    Versioned,
)

if TYPE_CHECKING:
    from tests.contract.stores.storages import Storage

SESSION = "20260528T202640-00f1"
NOW_US = 1_780_000_000_123_456
PACE = Pace(anchor_burst=0, anchor_us=NOW_US, interval_ms=100, burst=500)
FIRST = Cursor(
    session_id=SESSION,
    shard=2,
    shards=3,
    lanes=4,
    owner="instance-1",
    lease_until_us=NOW_US + 15_000_000,
    heartbeat_us=NOW_US,
    operation_id="operation-0",
)
SECOND = replace(
    FIRST,
    operation_id="operation-1",
    frontier=Frontier(window=7, burst=70, pace=PACE),
    plans=(
        WindowPlan(window=6, first_burst=60, bursts=10, pace=PACE, skipped=3, event_types=("store_opened",)),
        WindowPlan(window=7, first_burst=70, bursts=10, pace=PACE, disruptions=('{"kind":"x"}',)),
    ),
    progress=Progress(generated=5_000, settled=(1_200, 1_100, 1_300, 900)),
    tally=Tally(
        generated=30_000_000_000,
        sent_first=29_999_999_000,
        dead_lettered=500,
        last_event_us=NOW_US,
        by_type=Counter({"store_opened": 12}),
        by_error=Counter({"throttling": 500}),
    ),
    seconds={1_780_000_000: Slot(10, 1, 2, 5_000_000_000)},
    hour=Hour(hour=494_444, minutes={0: Slot(1, 2, 3, 4), 59: Slot(5, 6, 7, 8)}),
    fault="The hub refuses: „später“.",
    runs_until_us=NOW_US + 60_000_000,
    closed=True,
)
LETTER = DeadLetter(
    letter_id="01780000000123456-6-1-0-0",
    events=(
        Event("receipt_created", "trace-1", "store_42", '{"payload":"Kääse 🧀"}'.encode()),
        Event("store_opened", "trace-2", "store_42", b'{"a":"\\"quoted\\""}'),
    ),
    category=ErrorCategory.THROTTLING,
    detail="server-busy: try again",
    attempts=4,
    first_failure_us=NOW_US - 5_000_000,
    last_failure_us=NOW_US,
    session_id=SESSION,
    shard=2,
    lane=1,
    window=6,
    first_burst=60,
    last_burst=69,
)


def noise(size: int, *, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


async def test_an_unknown_shard_has_nothing(storage: Storage) -> None:
    assert await storage.shards.load(SESSION, 2) is None
    assert await storage.shards.cursor(SESSION, 2) is None
    assert await storage.shards.recent(SESSION, 2) == ()
    assert await storage.shards.hours(SESSION, 2) == []
    assert await storage.shards.dead_letters(SESSION, 2) == []


async def test_a_shard_begins_with_a_cursor_alone(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)

    expected = StoredShard(cursor=Versioned(value=FIRST, version=version), checkpoint=None, recent=())
    assert await storage.other_shards.load(SESSION, 2) == expected
    assert await storage.other_shards.cursor(SESSION, 2) == FIRST
    assert await storage.other_shards.load(SESSION, 1) is None
    assert await storage.other_shards.load("another", 2) is None


async def test_a_commit_is_read_back_whole_by_a_new_owner(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    version = await storage.shards.commit(
        ShardCommit(
            cursor=SECOND, version=version, checkpoint=b"\x00world\xff", recent=(b'{"n":1}', b"", b'{"n":"\n"}')
        )
    )

    assert await storage.other_shards.load(SESSION, 2) == StoredShard(
        cursor=Versioned(value=SECOND, version=version),
        checkpoint=b"\x00world\xff",
        recent=(b'{"n":1}', b"", b'{"n":"\n"}'),
    )
    assert await storage.other_shards.cursor(SESSION, 2) == SECOND
    assert await storage.other_shards.recent(SESSION, 2) == (b'{"n":1}', b"", b'{"n":"\n"}')


async def test_what_a_commit_leaves_out_stays_as_it_is(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    version = await storage.shards.commit(
        ShardCommit(cursor=SECOND, version=version, checkpoint=b"world", recent=(b"one",), dead_letters=(LETTER,))
    )
    third = replace(SECOND, operation_id="operation-2")
    version = await storage.shards.commit(ShardCommit(cursor=third, version=version))

    expected = StoredShard(cursor=Versioned(value=third, version=version), checkpoint=b"world", recent=(b"one",))
    assert await storage.shards.load(SESSION, 2) == expected
    assert await storage.shards.dead_letters(SESSION, 2) == [LETTER]


async def test_an_empty_checkpoint_and_no_recent_events_are_something_to_store(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    version = await storage.shards.commit(
        ShardCommit(cursor=SECOND, version=version, checkpoint=b"world", recent=(b"one",))
    )
    third = replace(SECOND, operation_id="operation-2")
    await storage.shards.commit(ShardCommit(cursor=third, version=version, checkpoint=b"", recent=()))

    stored = await storage.shards.load(SESSION, 2)
    assert stored is not None
    assert stored.checkpoint == b""
    assert stored.recent == ()


async def test_a_shard_may_begin_with_a_world(storage: Storage) -> None:
    world = noise(2 << 20)  # The largest that there is.
    version = await storage.shards.create(FIRST, world)

    expected = StoredShard(cursor=Versioned(value=FIRST, version=version), checkpoint=world, recent=())
    assert await storage.other_shards.load(SESSION, 2) == expected
    with pytest.raises(ConflictError):
        await storage.other_shards.create(replace(FIRST, operation_id="operation-x"), b"another world")
    assert await storage.other_shards.create(FIRST, world) == version
    assert await storage.shards.load(SESSION, 2) == expected


async def test_a_creation_whose_answer_is_lost_is_done_with_its_world(storage: Storage) -> None:
    storage.lose_answers()
    with pytest.raises(StorageUnavailableError):
        await storage.shards.create(FIRST, b"world")
    await storage.come_back()

    version = await storage.shards.create(FIRST, b"world")
    expected = StoredShard(cursor=Versioned(value=FIRST, version=version), checkpoint=b"world", recent=())
    assert await storage.shards.load(SESSION, 2) == expected


async def test_each_generation_has_partitions_of_its_own_and_standings_are_in_their_order(storage: Storage) -> None:
    cursors = [replace(FIRST, generation=generation, shard=shard) for generation in (10, 0, 9, 1) for shard in (1, 0)]
    for cursor in cursors:
        await storage.shards.create(replace(cursor, operation_id=f"opened-{cursor.slot}"))

    standings = await storage.other_shards.standings(SESSION)
    assert [standing.cursor.value.slot for standing in standings] == [0, 1, 100, 101, 900, 901, 1_000, 1_001]
    assert (await storage.shards.cursor(SESSION, 1_001)) == replace(
        FIRST, generation=10, shard=1, operation_id="opened-1001"
    )


async def test_a_second_creation_is_a_conflict_unless_it_is_the_same_one(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)

    with pytest.raises(ConflictError):
        await storage.other_shards.create(replace(FIRST, owner="instance-2", operation_id="operation-x"))
    assert await storage.shards.create(FIRST) == version
    assert await storage.shards.cursor(SESSION, 2) == FIRST


async def test_a_shard_that_somebody_else_has_written_is_lost_and_nothing_of_the_commit_shows(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    theirs = replace(SECOND, owner="instance-2", operation_id="operation-x")
    their_version = await storage.other_shards.commit(
        ShardCommit(cursor=theirs, version=version, checkpoint=b"their world", recent=(b"their event",))
    )

    mine = ShardCommit(
        cursor=SECOND,
        version=version,
        checkpoint=b"my world",
        recent=(b"my event",),
        ended_hour=Hour(hour=1, minutes={1: Slot(1, 1, 1, 1)}),
        dead_letters=(LETTER,),
    )
    with pytest.raises(ShardLostError):
        await storage.shards.commit(mine)

    assert await storage.shards.load(SESSION, 2) == StoredShard(
        cursor=Versioned(value=theirs, version=their_version), checkpoint=b"their world", recent=(b"their event",)
    )
    assert await storage.shards.hours(SESSION, 2) == []
    assert await storage.shards.dead_letters(SESSION, 2) == []


async def test_a_commit_to_a_shard_that_does_not_exist_finds_it_lost(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)

    with pytest.raises(ShardLostError):
        await storage.shards.commit(ShardCommit(cursor=replace(SECOND, shard=1), version=version))
    assert await storage.shards.load(SESSION, 1) is None


async def test_a_commit_whose_answer_is_lost_takes_effect_once(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    commit = ShardCommit(cursor=SECOND, version=version, checkpoint=b"world", dead_letters=(LETTER,))
    storage.lose_answers()
    with pytest.raises(StorageUnavailableError):
        await storage.shards.commit(commit)
    await storage.come_back()

    stored = await storage.other_shards.load(SESSION, 2)
    assert stored is not None
    assert stored.cursor.value == SECOND
    assert await storage.shards.commit(commit) == stored.cursor.version
    assert await storage.other_shards.load(SESSION, 2) == stored
    assert await storage.shards.dead_letters(SESSION, 2) == [LETTER]

    following = ShardCommit(cursor=replace(SECOND, operation_id="operation-2"), version=stored.cursor.version)
    assert await storage.shards.commit(following) != stored.cursor.version


async def test_a_commit_whose_answer_is_lost_and_that_was_overwritten_since_is_a_lost_shard(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    commit = ShardCommit(cursor=SECOND, version=version)
    storage.lose_answers()
    with pytest.raises(StorageUnavailableError):
        await storage.shards.commit(commit)
    await storage.come_back()
    stored = await storage.other_shards.load(SESSION, 2)
    assert stored is not None
    theirs = replace(SECOND, owner="instance-2", operation_id="operation-x")
    await storage.other_shards.commit(ShardCommit(cursor=theirs, version=stored.cursor.version))

    with pytest.raises(ShardLostError):
        await storage.shards.commit(commit)
    assert await storage.shards.cursor(SESSION, 2) == theirs


async def test_a_creation_whose_answer_is_lost_takes_effect_once(storage: Storage) -> None:
    await storage.shards.cursor(SESSION, 2)  # the table is there
    storage.lose_answers()
    with pytest.raises(StorageUnavailableError):
        await storage.shards.create(FIRST)
    await storage.come_back()

    version = await storage.shards.create(FIRST)
    await storage.shards.commit(ShardCommit(cursor=SECOND, version=version))


async def test_a_storage_that_is_away_is_said_to_be_and_the_same_commit_succeeds_afterwards(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    commit = ShardCommit(cursor=SECOND, version=version, checkpoint=b"world")
    await storage.go_away()

    with pytest.raises(StorageUnavailableError):
        await storage.shards.commit(commit)
    with pytest.raises(StorageUnavailableError):
        await storage.shards.load(SESSION, 2)
    with pytest.raises(StorageUnavailableError):
        await storage.shards.hours(SESSION, 2)

    await storage.come_back()
    assert await storage.shards.cursor(SESSION, 2) == FIRST
    version = await storage.shards.commit(commit)
    assert await storage.shards.load(SESSION, 2) == StoredShard(
        cursor=Versioned(value=SECOND, version=version), checkpoint=b"world", recent=()
    )


async def test_a_checkpoint_of_two_mebibytes_is_kept_and_a_later_small_one_replaces_it(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    large = noise(2 * 1024 * 1024)
    version = await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, checkpoint=large))
    stored = await storage.shards.load(SESSION, 2)
    assert stored is not None
    assert stored.checkpoint == large

    third = replace(SECOND, operation_id="operation-2")
    await storage.shards.commit(ShardCommit(cursor=third, version=version, checkpoint=b"small"))
    stored = await storage.shards.load(SESSION, 2)
    assert stored is not None
    assert stored.checkpoint == b"small"


async def test_a_commit_of_eighty_dead_letters_and_three_mebibytes_is_one_transaction(storage: Storage) -> None:
    letters = tuple(
        replace(
            LETTER,
            letter_id=f"{number:017d}",
            # As hard to compress as text can be.
            events=tuple(Event("ad_impression", "t", "c", noise(500, seed=number).hex().encode()) for _ in range(13)),
        )
        for number in range(80)
    )
    assert sum(len(event.body) for letter in letters for event in letter.events) > 1_000_000
    version = await storage.shards.create(FIRST)
    before = storage.round_trips
    await storage.shards.commit(
        ShardCommit(
            cursor=SECOND,
            version=version,
            checkpoint=noise(2 * 1024 * 1024),
            recent=tuple(noise(500, seed=number).hex().encode() for number in range(100)),
            ended_hour=Hour(hour=494_443, minutes={minute: Slot(9, 9, 9, 9) for minute in range(60)}),
            dead_letters=letters,
        )
    )

    assert storage.round_trips == before + 1
    assert await storage.shards.dead_letters(SESSION, 2) == list(letters)


async def test_a_dead_letter_is_read_back_whole_oldest_first(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    older = replace(LETTER, letter_id="01780000000000000-6-1-0-0", category=ErrorCategory.UNKNOWN, detail="")
    await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, dead_letters=(LETTER, older)))

    assert await storage.other_shards.dead_letters(SESSION, 2) == [older, LETTER]
    assert await storage.other_shards.dead_letters(SESSION, 1) == []


async def test_a_dead_letter_larger_than_a_row_is_kept_whole(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    bodies = [noise(700_000, seed=number).hex().encode() for number in range(2)]
    letter = replace(LETTER, events=tuple(Event("store_closed", "t", "store_1", body) for body in bodies))
    await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, dead_letters=(letter,)))

    assert await storage.shards.dead_letters(SESSION, 2) == [letter]


async def test_a_dead_letter_of_what_cannot_be_encoded_is_kept_as_it_is(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    letter = replace(LETTER, events=(Event("store_closed", "t", "store_\udc80", b"\xff\x00 no UTF-8"),))
    await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, dead_letters=(letter,)))

    assert await storage.shards.dead_letters(SESSION, 2) == [letter]


async def test_an_error_text_is_cut_and_made_storable(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    letter = replace(LETTER, detail="é" * 3_999 + "\udc80" + "é" * 100_000)
    await storage.shards.commit(ShardCommit(cursor=SECOND, version=version, dead_letters=(letter,)))

    (stored,) = await storage.shards.dead_letters(SESSION, 2)
    assert stored == replace(LETTER, detail="é" * 3_999 + "?")


async def test_ended_hours_are_kept_for_two_days_in_a_ring(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)
    for hour in (494_399, 494_400, 494_447):
        ended = Hour(hour=hour, minutes={0: Slot(hour, 0, 0, 0), 59: Slot(1, 2, 3, 5_000_000_000)})
        cursor = replace(SECOND, operation_id=f"operation-{hour}")
        version = await storage.shards.commit(ShardCommit(cursor=cursor, version=version, ended_hour=ended))

    # 494 447 is 48 hours after 494 399, whose place it took.
    assert await storage.shards.hours(SESSION, 2) == [
        Hour(hour=494_400, minutes={0: Slot(494_400, 0, 0, 0), 59: Slot(1, 2, 3, 5_000_000_000)}),
        Hour(hour=494_447, minutes={0: Slot(494_447, 0, 0, 0), 59: Slot(1, 2, 3, 5_000_000_000)}),
    ]


async def test_shards_are_apart(storage: Storage) -> None:
    for shard in range(3):
        cursor = replace(FIRST, shard=shard)
        version = await storage.shards.create(cursor)
        await storage.shards.commit(
            ShardCommit(cursor=replace(cursor, operation_id="x"), version=version, checkpoint=b"%d" % shard)
        )

    for shard in range(3):
        stored = await storage.shards.load(SESSION, shard)
        assert stored is not None
        assert stored.cursor.value.shard == shard
        assert stored.checkpoint == b"%d" % shard


async def test_nothing_stored_is_shared_with_the_caller(storage: Storage) -> None:
    tally = Tally(generated=1)
    await storage.shards.create(replace(FIRST, tally=tally))
    tally.generated = 2

    first = await storage.shards.cursor(SESSION, 2)
    assert first is not None
    assert first.tally.generated == 1
    first.tally.generated = 3
    again = await storage.shards.cursor(SESSION, 2)
    assert again is not None
    assert again.tally.generated == 1


@pytest.mark.parametrize(
    "commit",
    [
        ShardCommit(cursor=SECOND, version="", checkpoint=noise(3_200_000)),
        ShardCommit(
            cursor=SECOND,
            version="",
            dead_letters=tuple(replace(LETTER, letter_id=f"{number:03d}") for number in range(100)),
        ),
        ShardCommit(cursor=SECOND, version="", dead_letters=(LETTER, LETTER)),
        ShardCommit(cursor=SECOND, version="", dead_letters=(replace(LETTER, letter_id="a/b"),)),
    ],
    ids=["bytes", "operations", "row twice", "key"],
)
async def test_a_commit_beyond_the_limits_is_refused_before_it_is_sent(storage: Storage, commit: ShardCommit) -> None:
    version = await storage.shards.create(FIRST)
    before = storage.round_trips

    with pytest.raises(StorageLimitError):
        await storage.shards.commit(replace(commit, version=version))
    assert storage.round_trips == before
    assert await storage.shards.cursor(SESSION, 2) == FIRST


async def test_a_commit_a_load_and_a_cursor_cost_one_round_trip_each(storage: Storage) -> None:
    version = await storage.shards.create(FIRST)

    before = storage.round_trips
    await storage.shards.commit(
        ShardCommit(cursor=SECOND, version=version, checkpoint=noise(256 * 1024), recent=(b"event",) * 100)
    )
    assert storage.round_trips == before + 1
    await storage.shards.load(SESSION, 2)
    assert storage.round_trips == before + 2
    await storage.shards.cursor(SESSION, 2)
    assert storage.round_trips == before + 3
