"""The contract of ``DeadLetterStore``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streaming.adapters.tables.limits import StorageLimitError
from streaming.core.dead_letter import DeadLetter, Failure, outline_of
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory
from streaming.core.tally import DeadLetterTally, Tally
from streaming.ports import (
    ConflictError,
    LetterChange,
    ShardCommit,
    Standing,
    StorageUnavailableError,
    Versioned,
)
from tests.contract.stores.test_shard_store import FIRST, LETTER, SESSION, noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.ports import Shelf
    from tests.contract.stores.storages import Storage

FAILURE = Failure(at_us=17, attempts=3, category=ErrorCategory.UNKNOWN, detail="„was?“")


def letter(number: int, *, shard: int = 2, count: int = 3, body: bytes = b"{}") -> DeadLetter:
    events = tuple(
        Event("receipt_created" if index else "store_opened", f"trace-{number}-{index}", "store_1", body)
        for index in range(count)
    )
    return replace(LETTER, letter_id=f"{number:017d}-6-1-0-0", shard=shard, events=events)


async def bury(storage: Storage, letters: Sequence[DeadLetter], *, shard: int = 2) -> str:
    """Letters as a shard's owner writes them; returns the cursor's version."""
    dead = sum(len(each.events) for each in letters)
    cursor = replace(FIRST, shard=shard, tally=Tally(generated=dead, dead_lettered=dead))
    version = await storage.shards.create(replace(cursor, tally=Tally(), operation_id="created"))
    return await storage.shards.commit(ShardCommit(cursor=cursor, version=version, dead_letters=tuple(letters)))


async def only_shelf(storage: Storage) -> Shelf:
    (shelf,) = await storage.other_letters.shelves(SESSION)
    return shelf


def change(shelf: Shelf, **counts: int) -> LetterChange:
    resolved = shelf.standing.resolved
    return LetterChange(
        session_id=SESSION,
        shard=shelf.shard,
        version=resolved.version if resolved else None,
        resolved=DeadLetterTally(**counts),
        operation_id=f"operation-{counts}",
    )


async def test_a_session_that_nobody_knows_has_no_shelves(storage: Storage) -> None:
    assert await storage.letters.shelves("nobody") == ()
    assert await storage.letters.audit("nobody") == ()
    assert await storage.shards.standings("nobody") == ()
    assert await storage.letters.letters([]) == []


async def test_letters_are_outlined_by_shard_and_age(storage: Storage) -> None:
    older, newer, elsewhere = letter(5), letter(12), letter(1, shard=0)
    await bury(storage, [newer, older])
    await bury(storage, [elsewhere], shard=0)

    first, second = await storage.other_letters.shelves(SESSION)

    assert (first.session_id, first.shard, second.session_id, second.shard) == (SESSION, 0, SESSION, 2)
    assert first.outlines == (outline_of(elsewhere),)
    assert second.outlines == (outline_of(older), outline_of(newer))
    assert second.outlines[0].event_types == {"store_opened": 1, "receipt_created": 2}
    assert (second.standing.resolved, second.standing.in_dlq) == (None, 6)
    assert await storage.other_letters.audit(SESSION) == (first, second)


async def test_letters_are_read_whole_and_only_those_asked_for(storage: Storage) -> None:
    letters = [letter(number) for number in range(4)]
    await bury(storage, letters)
    outlines = (await only_shelf(storage)).outlines

    assert await storage.other_letters.letters([outlines[0], outlines[2]]) == [letters[0], letters[2]]
    gone = replace(outlines[1], letter_id=f"{2:017d}-7-7-7-7")
    assert await storage.other_letters.letters([gone]) == []


async def test_letters_that_went_are_gone_and_counted(storage: Storage) -> None:
    letters = [letter(number) for number in range(3)]
    await bury(storage, letters)
    shelf = await only_shelf(storage)

    version = await storage.letters.change(replace(change(shelf, cleared=6), removed=shelf.outlines[:2]))

    now = await only_shelf(storage)
    assert now.outlines == shelf.outlines[2:]
    assert now.standing.resolved == Versioned(value=DeadLetterTally(cleared=6), version=version)
    assert now.standing.in_dlq == 3
    assert now.standing.cursor == shelf.standing.cursor
    assert await storage.other_shards.standings(SESSION) == (now.standing,)
    second = await storage.letters.change(replace(change(now, cleared=6, evicted=3), removed=now.outlines))
    assert second != version
    assert (await only_shelf(storage)).standing.in_dlq == 0
    assert await storage.other_shards.dead_letters(SESSION, 2) == []


async def test_a_letter_is_replaced_and_split(storage: Storage) -> None:
    before = letter(1, count=5)
    await bury(storage, [before])
    shelf = await only_shelf(storage)
    rest = replace(before, events=before.events[:2])
    parted = replace(before, letter_id=f"{before.letter_id}-ff-0", events=before.events[3:], history=(FAILURE,))
    parted = replace(parted, redrives=1)

    await storage.letters.change(replace(change(shelf, redriven=1), removed=shelf.outlines, written=(rest, parted)))

    now = await only_shelf(storage)
    assert now.outlines == (outline_of(rest), outline_of(parted))
    assert await storage.other_letters.letters(now.outlines) == [rest, parted]
    assert await storage.other_letters.letters(now.outlines[:1]) == [rest]
    assert await storage.other_letters.letters(now.outlines[1:]) == [parted]
    assert now.standing.in_dlq == 4


async def test_a_letter_of_several_rows_goes_whole_and_shrinks_without_a_trace(storage: Storage) -> None:
    large = Event("receipt_created", "trace-large", "store_1", noise(1_000_000).hex().encode())
    before = replace(letter(1), events=(*LETTER.events, large))
    await bury(storage, [before])
    shelf = await only_shelf(storage)
    assert await storage.other_letters.letters(shelf.outlines) == [before]

    shrunk = replace(before, events=LETTER.events)
    await storage.letters.change(replace(change(shelf, redriven=1), removed=shelf.outlines, written=(shrunk,)))

    now = await only_shelf(storage)
    assert [outline.rows for outline in now.outlines] == [1]
    assert await storage.other_letters.letters(now.outlines) == [shrunk]
    await storage.letters.change(replace(change(now, redriven=3), removed=now.outlines))
    assert (await only_shelf(storage)).outlines == ()


async def test_only_the_first_of_two_changes_counts(storage: Storage) -> None:
    await bury(storage, [letter(1)])
    shelf = await only_shelf(storage)
    await storage.other_letters.change(replace(change(shelf, evicted=3), removed=shelf.outlines))

    with pytest.raises(ConflictError):
        await storage.letters.change(replace(change(shelf, redriven=3), removed=shelf.outlines))

    assert (await only_shelf(storage)).standing.resolved == Versioned(
        value=DeadLetterTally(evicted=3),
        version=(await only_shelf(storage)).standing.resolved.version,  # type: ignore[union-attr]  # there is one
    )
    now = await only_shelf(storage)
    await storage.letters.change(replace(change(now, evicted=3, cleared=1)))
    with pytest.raises(ConflictError):
        await storage.letters.change(replace(change(now, evicted=3, redriven=1)))


async def test_what_has_gone_cannot_go_again(storage: Storage) -> None:
    await bury(storage, [letter(1), letter(2)])
    shelf = await only_shelf(storage)
    await storage.letters.change(replace(change(shelf, cleared=3), removed=shelf.outlines[:1]))
    now = await only_shelf(storage)

    with pytest.raises(ConflictError):
        await storage.letters.change(replace(change(now, cleared=9), removed=shelf.outlines))

    assert await only_shelf(storage) == now


async def test_the_owner_adds_letters_undisturbed(storage: Storage) -> None:
    version = await bury(storage, [letter(1)])
    shelf = await only_shelf(storage)
    await storage.letters.change(replace(change(shelf, redriven=3), removed=shelf.outlines))
    cursor = replace(shelf.standing.cursor.value, operation_id="later", tally=Tally(generated=6, dead_lettered=6))

    version = await storage.shards.commit(ShardCommit(cursor=cursor, version=version, dead_letters=(letter(2),)))

    now = await only_shelf(storage)
    assert now.standing.cursor == Versioned(value=cursor, version=version)
    assert now.outlines == (outline_of(letter(2)),)
    assert now.standing.in_dlq == 3
    loaded = await storage.other_shards.load(SESSION, 2)
    assert loaded is not None
    assert loaded.cursor.value == cursor


async def test_a_change_whose_answer_is_lost_is_recognized(storage: Storage) -> None:
    await bury(storage, [letter(1), letter(2)])
    shelf = await only_shelf(storage)
    wanted = replace(change(shelf, cleared=3), removed=shelf.outlines[:1])
    storage.lose_answers()
    with pytest.raises(StorageUnavailableError):
        await storage.letters.change(wanted)
    await storage.come_back()

    version = await storage.letters.change(wanted)

    now = await only_shelf(storage)
    assert now.standing.resolved == Versioned(value=DeadLetterTally(cleared=3), version=version)
    assert now.outlines == shelf.outlines[1:]


async def test_what_a_transaction_cannot_hold_is_refused_before_it_is_sent(storage: Storage) -> None:
    letters = [letter(number) for number in range(100)]
    await bury(storage, letters[:80])
    shelf = await only_shelf(storage)
    too_many = tuple(outline_of(each) for each in letters)

    with pytest.raises(StorageLimitError):
        await storage.letters.change(replace(change(shelf, cleared=300), removed=too_many))

    assert (await only_shelf(storage)) == shelf


async def test_storage_that_is_away_is_said_to_be(storage: Storage) -> None:
    await bury(storage, [letter(1)])
    shelf = await only_shelf(storage)
    await storage.go_away()

    with pytest.raises(StorageUnavailableError):
        await storage.letters.shelves(SESSION)
    with pytest.raises(StorageUnavailableError):
        await storage.letters.letters(shelf.outlines)
    with pytest.raises(StorageUnavailableError):
        await storage.letters.change(replace(change(shelf, cleared=3), removed=shelf.outlines))


async def test_a_look_costs_two_round_trips_and_a_standing_one(storage: Storage) -> None:
    await bury(storage, [letter(number) for number in range(20)])
    before = storage.round_trips

    await storage.shards.standings(SESSION)
    assert storage.round_trips == before + 1
    await storage.letters.shelves(SESSION)

    assert storage.round_trips == before + 3


def test_a_standing_says_what_should_be_in_the_queue() -> None:
    tally = Tally(dead_lettered=100, discarded=30, by_type=Counter())
    cursor = Versioned(value=replace(FIRST, tally=tally), version="1")
    resolved = Versioned(value=DeadLetterTally(redriven=20, cleared=10, evicted=5), version="2")
    assert Standing(cursor=cursor).in_dlq == 70
    assert Standing(cursor=cursor, resolved=resolved).in_dlq == 35
