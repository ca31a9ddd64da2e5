"""Several shards as they are looked at: sums over shards and generations count nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import orjson
import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_publisher import Fault
from streaming.adapters.memory_table import MemoryOutboxStore
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.core.session import Status
from streaming.flows import reports
from streaming.flows.buffer import Buffer
from streaming.flows.configuration import Configuration
from streaming.flows.control import LEAD_US
from streaming.flows.disruptions import DisruptionFlow
from streaming.flows.redrive import RedriveRequest
from streaming.flows.senders import Sender, Senders
from streaming.flows.state import ShardState, StateDocument, StateFlow
from streaming.retail.disruption import DisruptionType
from streaming.retail.world import World, WorldSpec
from streaming.wiring import worlds
from tests.flows.fleet import WORLD, Fleet
from tests.flows.virtual_clock import NOON

BURST = 60


def seconds(count: float) -> int:
    """An instant, counted from when the first burst of a stream started at noon is due."""
    return NOON + LEAD_US + round(count * MICROSECONDS)


async def test_a_skipped_burst_counts_once_however_many_shards_skip_it() -> None:
    fleet = Fleet(2)
    fleet.environment["max_catch_up_seconds"] = "10"
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=3)
    await fleet.run_until(seconds(10))
    await fleet.clock.run(fleet.clock.sleep_until(seconds(60)))  # Nobody runs meanwhile.
    await fleet.run_until(seconds(90))

    statistics = reports.statistics(await fleet.view())
    due = 90 * 2
    assert statistics.bursts_skipped == pytest.approx((60 - 10 - 13) * 2, abs=8)
    assert statistics.events_generated // BURST + statistics.bursts_skipped == pytest.approx(due, abs=6)


async def test_the_rate_and_recent_events_go_on_over_a_change_of_shards() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2)
    await fleet.run_until(seconds(90))
    await fleet.operator.control.configure({"shards": 3})
    changed = False
    for second in range(91, 120):
        await fleet.run_until(seconds(second))
        view = await fleet.view()
        changed = changed or view.session.shards == 3
        assert view.rate_last_minute == pytest.approx(2 * BURST, rel=0.15)
        assert view.status is Status.RUNNING
        assert view.tick_staleness_seconds < 6
        assert len(await fleet.operator.observer.recent(100)) == 100
    assert changed
    assert view.achieved_rate_ratio == pytest.approx(1, rel=0.1)


async def test_a_disruption_that_outlives_a_generation_is_counted_once() -> None:
    fleet = Fleet(2)
    world = World.build(WorldSpec(seed=1, **asdict(WORLD)))
    disruptions = DisruptionFlow(control=fleet.control, clock=fleet.clock, new_id=lambda: "d-1")
    await disruptions.create(
        world,
        disruption_type=DisruptionType.INVENTORY_SHORTAGE,
        target_id="store_1",
        severity=1.0,
        duration_minutes=60,
        product_ids=(),
    )
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2, duration_minutes=2)
    await fleet.run_until(seconds(30))
    before = (await fleet.view()).disrupted["d-1"]
    assert before > 0
    await fleet.operator.control.configure({"shards": 4})
    counts = [before]
    for second in (34, 38, 39, 40, 41, 42, 44, 50):
        await fleet.run_until(seconds(second))
        counts.append((await fleet.view()).disrupted["d-1"])
    assert counts == sorted(counts)
    latest = sum(cursor.disrupted.get("d-1", 0) for cursor in (await fleet.view()).current)
    assert counts[-1] == latest, "the world remembers what it has counted before"


async def test_dead_letters_of_an_earlier_generation_can_be_sent_again() -> None:
    fleet = Fleet(2)
    fleet.environment |= {"retry_attempts": "0", "circuit_breaker_enabled": "false"}
    fleet.operator = fleet.process()
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=3, duration_minutes=40 / 60)
    await fleet.run_until(seconds(3))
    failure = SendFailed(category=ErrorCategory.THROTTLING, detail="scripted")
    fleet.hub.inject(Fault(outcome=failure, remaining=9))
    await fleet.run_until(seconds(8))
    await fleet.operator.control.configure({"shards": 2})
    await fleet.run_until(seconds(25))
    fleet.hub.inject(Fault(outcome=failure, remaining=9))
    await fleet.run_until(seconds(60))
    view = await fleet.view()
    assert {cursor.generation for cursor in view.cursors if cursor.tally.dead_lettered} == {0, 1}
    audit = await fleet.operator.observer.audit()
    assert audit is not None
    assert audit.balanced
    assert audit.in_dlq == view.books.in_dlq > 0

    report = await fleet.operator.redriver.redrive(RedriveRequest())

    assert (report.succeeded, report.still_in_dlq) == (audit.in_dlq, 0)
    assert len({event.trace_id for event in fleet.hub.events()}) == (await fleet.view()).tally.generated


async def test_a_stream_of_several_generations_moves_with_all_of_them() -> None:
    old, new = Fleet(2), Fleet(2)
    new.clock, new.hub = old.clock, old.hub
    new.operator = new.process()
    await old.start(emit_interval_ms=500, burst=BURST, shards=2, duration_minutes=1)
    await old.run_until(seconds(5))
    await old.operator.control.configure({"shards": 4})
    await old.run_until(seconds(25))
    exported = await state_of(old).export()
    assert isinstance(exported, StateDocument)
    document = orjson.loads(orjson.dumps(asdict(exported)))
    shards = [ShardState(**shard) for shard in document["shards"]]

    assert await state_of(new).import_(StateDocument(**{**document, "shards": shards})) is None
    await new.run_until(seconds(80))

    view = await new.view()
    assert [cursor.slot for cursor in view.cursors] == [0, 1, 100, 101, 102, 103]
    assert view.tally.generated == 120 * BURST
    await new.assert_nothing_lost_doubled_or_reordered(burst=BURST)


def state_of(fleet: Fleet) -> StateFlow:
    return StateFlow(
        control=fleet.control,
        shards=fleet.shards,
        outbox=MemoryOutboxStore(),
        configuration=Configuration({}),
        clock=fleet.clock,
        check_world=worlds.check_world,
    )


async def test_a_buffer_is_one_for_all_who_share_it() -> None:
    buffer = Buffer()
    await buffer.room_for(500, at_most=100)  # Alone, even what is too large for it.
    buffer.add(90)
    waiting = [asyncio.create_task(buffer.room_for(20, at_most=100)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    buffer.remove(10)
    await asyncio.gather(*waiting)
    buffer.remove(80)
    assert buffer.events == 0


def test_shards_that_run_at_once_have_a_sender_each_and_later_ones_use_them_again() -> None:
    made: list[int] = []

    def make(number: int) -> Sender:
        made.append(number)
        return Sender(publisher=Fleet(1).hub, deliverer=None)  # type: ignore[arg-type]  # not used here

    senders = Senders(make)
    first = senders.first
    with senders.one() as one, senders.one() as two:
        assert one is first
        assert two is not one
    with senders.one() as again:
        assert again is first
    assert made == [0, 1]


async def test_a_stream_whose_hub_is_away_from_the_start_changes_its_shards_once_it_is_back() -> None:
    fleet = Fleet(2)
    fleet.hub.away = SendFailed(category=ErrorCategory.CONNECTION_ERROR, detail="scripted")
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=4, duration_minutes=2)
    await fleet.run_until(seconds(10))
    assert (await fleet.view()).fault == "connection_error: scripted"
    await fleet.operator.control.configure({"shards": 2})
    await fleet.run_until(seconds(40))
    assert (await fleet.session()).shards == 4
    fleet.hub.away = None
    await fleet.run_until(seconds(140))
    view = await fleet.view()
    assert (view.session.shards, view.session.end_reason) == (2, "duration reached")
    assert view.tally.generated == 240 * BURST
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


@pytest.mark.parametrize("changes", [False, True])
async def test_a_stream_of_shards_whose_hub_stays_away_ends_with_its_duration(changes: bool) -> None:
    fleet = Fleet(2)
    fleet.environment["max_catch_up_seconds"] = "30"
    fleet.hub.away = SendFailed(category=ErrorCategory.CONNECTION_ERROR, detail="scripted")
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=4, duration_minutes=1)
    await fleet.run_until(seconds(10))
    if changes:
        await fleet.operator.control.configure({"shards": 3})
    await fleet.run_until(seconds(180))
    view = await fleet.view()
    assert (view.status, view.session.end_reason) == (Status.STOPPED, "duration reached")
    assert (view.tally.generated, view.books.balanced) == (0, True)
