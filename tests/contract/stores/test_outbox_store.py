"""The contract of ``OutboxStore``: over a table in memory, and on the storage emulator behind a proxy."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from local.azurite import StoragePorts
from shared.settings import read_settings
from streaming.adapters.memory_stores import Fault, Faults
from streaming.adapters.memory_table import MemoryOutboxStore
from streaming.adapters.tables.client import TablesClient
from streaming.adapters.tables.outbox_store import TableOutboxStore
from streaming.core.dead_letter import DeadLetter
from streaming.core.event import Event
from streaming.core.history import Hour, Slot
from streaming.core.outbox import Day, DrainOrder, Epoch, Pulse, Staging, Timeline
from streaming.core.outbox_lane import DrainHead, StageHead, first_cursor
from streaming.core.outbox_pacing import Debt
from streaming.core.outbox_page import Page
from streaming.core.outcome import ErrorCategory
from streaming.core.session import WorldSize
from streaming.core.tally import Tally
from streaming.outbox_ports import Settlement
from streaming.ports import ConflictError, StorageUnavailableError
from tests.contract.stores.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local.azurite import Azurite
    from streaming.outbox_ports import OutboxStore

EPOCH = Epoch(number=1, session_id="s-1", lanes=2)
_prefixes = itertools.count()


@dataclass
class Storage:
    """A store, and ways to take its answers away."""

    store: OutboxStore
    lose_answers: Callable[[bool], None]


@pytest.fixture(params=["memory", "azurite"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "memory":
        faults = Faults()

        def lose(on: bool) -> None:
            faults.plan = lambda _name, _number: Fault.ANSWER_LOST if on else None

        yield Storage(MemoryOutboxStore(faults), lose)
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    async with Proxy(azurite.ports.table) as proxy:
        connection_string = StoragePorts(table=proxy.port).connection_string
        settings = read_settings(
            {"AzureWebJobsStorage": connection_string, "STREAM_TABLE_PREFIX": f"outbox{next(_prefixes)}"}
        )
        tables = TablesClient(settings, table="outbox")

        def lose_next(on: bool) -> None:
            proxy.answers_to_lose = 1 if on else 0

        yield Storage(TableOutboxStore(tables), lose_next)
        proxy.answers_to_lose = 0
        await tables.close()


def event(number: int, size: int = 20) -> Event:
    envelope = {"ingest_timestamp": f"2026-01-31T00:00:{number % 60:02d}.000001Z", "pad": "x" * size, "umlaut": "ü"}
    return Event("receipt_created", f"t-{number}", f"store_{number}", orjson.dumps(envelope))


def page(number: int, events: int = 3) -> Page:
    return Page(number=number, events=tuple(event(100 * number + index) for index in range(events)))


def timeline(operation_id: str = "o-1", **changes: Any) -> Timeline:
    day = Day(
        date="2026-01-31",
        event_types=("receipt_created",),
        disruptions=("{}",),
        page_events=3,
        chunk_events=9,
        scale=1.5,
    )
    whole = Timeline(
        name="s-1-outbox",
        seed=7,
        world=WorldSize(stores=1, distribution_centers=1, products=100, customers=100),
        operation_id=operation_id,
        epochs=(EPOCH,),
        purging=(replace(EPOCH, number=9),),
        last_epoch=9,
        staging=Staging(day=day, pages=(0, -2)),
    )
    return replace(whole, **changes)


def head(operation_id: str, **changes: Any) -> DrainHead:
    tally = Tally(sent_first=changes.pop("sent", 0), dead_lettered=changes.pop("dead", 0))
    cursor = replace(first_cursor(EPOCH, 1), operation_id=operation_id, owner="me", lease_until_us=5, tally=tally)
    return replace(DrainHead(cursor=cursor), **changes)


async def staged(store: OutboxStore, *pages: Page) -> str:
    stage_head = StageHead(operation_id="").after(pages, "s-1")
    return await store.stage(EPOCH, 1, stage_head, version=None, pages=pages, now_us=77)


async def test_a_new_outbox_is_empty(storage: Storage) -> None:
    desk = await storage.store.desk()
    assert (desk.timeline, desk.order, desk.pulse) == (None, None, None)
    assert await storage.store.checkpoint() is None
    assert await storage.store.epochs("s-1") == ()
    lane = await storage.store.lane(EPOCH, 0)
    assert (lane.stage, lane.drain, lane.counts.pending, lane.counts.cleared) == (None, None, 0, 0)


async def test_the_desk_keeps_what_is_written(storage: Storage) -> None:
    store = storage.store
    order = DrainOrder(operation_id="d", session_id=None, active=True, burst=5)
    pulse = Pulse(operation_id="p", heartbeat_us=1_795_000_000_000_000, poisoned=2)
    checkpoint = bytes(range(256)) * 8_192  # 2 MiB

    version = await store.save_timeline(timeline(), version=None, checkpoint=checkpoint, opened=EPOCH)
    await store.save_order(order, version=None)
    await store.save_pulse(pulse, version=None)

    desk = await store.desk()
    assert desk.timeline is not None
    assert desk.order is not None
    assert desk.pulse is not None
    assert (desk.timeline.value, desk.timeline.version) == (timeline(), version)
    assert (desk.order.value, desk.pulse.value) == (order, pulse)
    assert await store.checkpoint() == checkpoint
    assert await store.epochs("s-1") == (EPOCH,)
    assert await store.epochs("s") == ()
    await store.save_timeline(timeline("o-2"), version=version)
    assert await store.checkpoint() == checkpoint


async def test_pages_come_back_as_they_were_and_in_order(storage: Storage) -> None:
    pages = [page(number) for number in range(1, 12)]
    await staged(storage.store, *pages)

    assert await storage.store.pages(EPOCH, 1, first=2, limit=9) == pages[1:10]
    assert await storage.store.pages(EPOCH, 1, first=12, limit=5) == []
    assert await storage.store.pages(EPOCH, 0, first=1, limit=5) == []
    outline = (await storage.store.outlines(EPOCH, 1, first=3, limit=1))[0]
    assert (outline.number, outline.count, outline.staged_at_us) == (3, 3, 77)
    assert (outline.first_us, outline.last_us) == (1_769_817_600_000_001, 1_769_817_602_000_001)
    lane = await storage.store.lane(EPOCH, 1)
    assert lane.stage is not None
    assert (lane.stage.value.page, lane.counts.pending) == (11, 33)
    assert lane.stage.value.by_type == {"receipt_created": 33}


async def test_a_settlement_is_all_or_nothing(storage: Storage) -> None:
    store = storage.store
    await staged(store, page(1), page(2))
    version = await store.settle(EPOCH, 1, Settlement(head=head("o-1"), version=None))
    letter = DeadLetter(
        letter_id="1-1",
        events=page(1).events,
        category=ErrorCategory.THROTTLING,
        detail="too much",
        attempts=4,
        first_failure_us=1,
        last_failure_us=2,
        session_id="s-1",
        shard=EPOCH.slot(1),
        lane=1,
        window=1,
        first_burst=1,
        last_burst=1,
    )
    settled = Settlement(
        head=head("o-2", page=1, dead=3, debt=Debt(since_us=9, events=2.5)),
        version=version,
        settled_pages=range(1, 2),
        dead_letters=(letter,),
        recent=(b"{}", b"[]"),
        ended_hour=Hour(hour=5, minutes={1: Slot(sent=1)}),
    )
    with pytest.raises(ConflictError):
        await store.settle(EPOCH, 1, replace(settled, version="W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""))
    assert [each.number for each in await store.pages(EPOCH, 1, first=1, limit=9)] == [1, 2]

    await store.settle(EPOCH, 1, settled)

    assert [each.number for each in await store.pages(EPOCH, 1, first=1, limit=9)] == [2]
    lane = await store.lane(EPOCH, 1)
    assert lane.drain is not None
    assert lane.drain.value == settled.head
    assert lane.counts.pending == 3
    assert await store.recent(EPOCH, 1) == (b"{}", b"[]")
    assert await store.hours(EPOCH, 1) == [settled.ended_hour]
    assert lane.standing.in_dlq == 3


async def test_a_lost_answer_is_found_out(storage: Storage) -> None:
    store = storage.store
    await staged(store, page(1))  # The table is there, and a connection.
    storage.lose_answers(True)
    version = await _until_answered(store, "o-1", None)
    storage.lose_answers(False)
    lane = await store.lane(EPOCH, 1)
    assert lane.drain is not None
    assert (lane.drain.version, lane.drain.value.cursor.operation_id) == (version, "o-1")
    with pytest.raises(ConflictError):
        await store.settle(EPOCH, 1, Settlement(head=head("o-2"), version=None))


async def _until_answered(store: OutboxStore, operation_id: str, version: str | None) -> str:
    while True:
        try:
            return await store.settle(EPOCH, 1, Settlement(head=head(operation_id), version=version))
        except StorageUnavailableError:
            continue


async def test_two_writers_of_one_row_have_one_winner(storage: Storage) -> None:
    store = storage.store
    version = await store.save_timeline(timeline("o-1"), version=None)
    await store.save_timeline(timeline("o-2"), version=version)
    with pytest.raises(ConflictError):
        await store.save_timeline(timeline("o-3"), version=version)
    with pytest.raises(ConflictError):
        await store.save_timeline(timeline("o-4"), version=None)
    desk = await store.desk()
    assert desk.timeline is not None
    assert desk.timeline.value.operation_id == "o-2"


async def test_a_purge_removes_what_is_left_piece_by_piece(storage: Storage) -> None:
    store = storage.store
    first = [page(number, events=1) for number in range(1, 81)]
    version = await staged(store, *first)
    second = [page(number, events=1) for number in range(81, 121)]
    following = StageHead(operation_id="").after(first, "s").after(second, "s-2")
    await store.stage(EPOCH, 1, following, version=version, pages=second, now_us=1)

    rounds = 0
    while await store.purge(EPOCH, 1):
        rounds += 1

    assert rounds == math.ceil(120 / 90)
    assert await store.pages(EPOCH, 1, first=1, limit=200) == []
    assert await store.purge(EPOCH, 0) == 0
