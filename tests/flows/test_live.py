"""The live flow: exact pace, exact books, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import Fault, MemoryPublisher
from streaming.adapters.memory_stores import MemoryControlStore, MemoryShardStore
from streaming.core.batching import lane_of
from streaming.core.breaker import BreakerStatus
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.core.session import Session, Status
from streaming.flows import reports
from streaming.flows.control import LEAD_US, StartRequest, Stopped
from tests.flows.killing import Killed, Writes
from tests.flows.process import Process
from tests.flows.virtual_clock import NOON, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streaming.core.event import Event

LANES = 4


class Stage:
    """Storage, hub and clock, which outlive the processes that work with them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.control = MemoryControlStore()
        self.shards = MemoryShardStore()
        self.letters = MemoryDeadLetterStore(self.shards)
        self.hub = MemoryPublisher(partitions=LANES)

    def process(self, writes: Writes | None = None, **environment: str) -> Process:
        watch = (writes or Writes()).watch
        return Process(
            control=watch(self.control),
            shards=watch(self.shards),
            letters=watch(self.letters),
            publisher=self.hub,
            clock=self.clock,
            environment=environment,
        )

    async def statistics(self) -> reports.StatisticsReport:
        return reports.statistics(await self.process().observer.view())


async def start(process: Process, **request: object) -> Session:
    session = await process.control.start(StartRequest(**request))  # type: ignore[arg-type]  # values of all kinds
    assert isinstance(session, Session)
    return session


def seconds(count: float) -> int:
    """An instant, counted from when the first burst of a stream started at noon is due."""
    return NOON + LEAD_US + round(count * MICROSECONDS)


def expected_ids(session: Session, *, bursts: int, burst: int) -> list[str]:
    return [f"{session.session_id}-{number}-{index}" for number in range(bursts) for index in range(burst)]


def assert_ordered(hub: MemoryPublisher) -> None:
    """First deliveries are in order within a lane, and in the lane that their key belongs to."""
    for lane in range(LANES):
        stamps = [orjson.loads(event.body)["ingest_timestamp"] for event in first_deliveries(hub.events(lane))]
        assert stamps == sorted(stamps)
        assert {lane_of(event.partition_key, LANES) for event in hub.events(lane)} <= {lane}


def due_between(hub: MemoryPublisher, begin_us: int, end_us: int) -> int:
    return sum(begin_us <= orjson.loads(event.body)["ingest_timestamp"] < end_us for event in hub.events())


def first_deliveries(events: list[Event]) -> list[Event]:
    return list({event.trace_id: event for event in reversed(events)}.values())[::-1]


async def stop_while_ticking(process: Process) -> object:
    ticking = asyncio.ensure_future(process.tick_until(seconds(60)))
    stopped = await process.control.stop()
    ticking.cancel()
    return stopped


async def test_a_stream_of_a_minute_has_exactly_its_events_and_ends_by_itself() -> None:
    stage = Stage()
    process = stage.process()
    session = await start(process, emit_interval_ms=500, burst=100, duration_minutes=1)

    await stage.clock.run(process.tick_until(seconds(70)))

    assert Counter(event.trace_id for event in stage.hub.events()) == Counter(
        expected_ids(session, bursts=120, burst=100)
    )
    view = await process.observer.view()
    assert view.status is Status.STOPPED
    assert view.session is not None
    assert view.session.end_reason == "duration reached"
    statistics = reports.statistics(view)
    assert statistics.events_generated == statistics.events_sent_successfully == 12_000
    assert statistics.event_type_counts == {"customer_entered": 6_000, "receipt_created": 6_000}
    assert statistics.bytes_sent == sum(len(event.body) for event in stage.hub.events())
    assert statistics.batches_sent == sum(len(batches) for batches in stage.hub.batches.values())
    assert view.books.balanced
    assert_ordered(stage.hub)


@pytest.mark.parametrize(("interval_ms", "burst"), [(10, 7), (100, 500), (2_000, 50), (3_600_000, 3)])
async def test_bursts_leave_at_their_instants(interval_ms: int, burst: int) -> None:
    stage = Stage()
    process = stage.process()
    await start(process, emit_interval_ms=interval_ms, burst=burst)
    arrivals: dict[str, int] = {}
    send = stage.hub.send

    async def stamped(events, *, partition, timeout_seconds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the port's shape
        arrivals.update((event.trace_id, stage.clock.now_us()) for event in events)
        return await send(events, partition=partition, timeout_seconds=timeout_seconds)

    stage.hub.send = stamped  # type: ignore[method-assign]  # observed, not replaced
    await stage.clock.run(process.tick_until(seconds(45)))

    late = {orjson.loads(e.body)["ingest_timestamp"]: arrivals[e.trace_id] for e in stage.hub.events()}
    bursts = {due // 1_000 * 1_000: arrived for due, arrived in late.items()}
    assert sorted(bursts) == [seconds(0) + number * interval_ms * 1_000 for number in range(len(bursts))]
    assert sum(due < seconds(45) for due in bursts) == -(-45_000 // interval_ms)
    assert all(arrived == due for due, arrived in bursts.items())


async def test_a_window_costs_one_read_and_one_write() -> None:
    stage = Stage()
    writes = Writes()
    process = stage.process(writes)
    await start(process, emit_interval_ms=100, burst=10)
    await stage.clock.run(process.tick_until(seconds(10)))
    reads, written = writes.reads, writes.count

    await stage.clock.run(process.tick_until(seconds(110)))

    # Each invocation, one in 30 seconds, reads once more, and claims and releases the shard.
    assert writes.count - written <= 101 + 2 * 4
    assert writes.reads - reads <= 101 + 4


async def test_a_pace_change_takes_effect_within_three_seconds_and_loses_nothing() -> None:
    stage = Stage()
    process = stage.process()
    session = await start(process, emit_interval_ms=1_000, burst=10)
    await stage.clock.run(process.tick_until(seconds(10)))
    await process.control.configure({"emit_interval_ms": 100, "burst": 50})
    await stage.clock.run(process.tick_until(seconds(20)))
    await process.control.configure({"emit_interval_ms": 3_600_000})
    await stage.clock.run(process.tick_until(seconds(30)))
    await process.control.configure({"emit_interval_ms": 1_000, "burst": 10})
    await stage.clock.run(process.tick_until(seconds(40)))

    assert due_between(stage.hub, seconds(0), seconds(10)) == 100
    assert due_between(stage.hub, seconds(13), seconds(20)) == 7 * 500
    assert due_between(stage.hub, seconds(24), seconds(30)) == 0
    assert due_between(stage.hub, seconds(33), seconds(40)) == 70
    ids = [event.trace_id for event in stage.hub.events()]
    assert len(set(ids)) == len(ids)
    numbers = sorted({int(trace_id.removeprefix(session.session_id).split("-")[1]) for trace_id in ids})
    assert numbers == list(range(len(numbers)))


async def test_a_pause_is_not_caught_up() -> None:
    stage = Stage()
    process = stage.process()
    await start(process, emit_interval_ms=100, burst=10)
    await stage.clock.run(process.tick_until(seconds(10)))
    await process.control.pause()
    await stage.clock.run(process.tick_until(seconds(13)))
    paused = len(stage.hub.events())
    await stage.clock.run(process.tick_until(seconds(60)))
    assert len(stage.hub.events()) == paused
    assert (await process.observer.view()).status is Status.PAUSED
    await process.control.resume()
    await stage.clock.run(process.tick_until(seconds(70)))

    assert len(stage.hub.events()) - paused == pytest.approx(1_000, abs=100)
    statistics = await stage.statistics()
    assert statistics.bursts_skipped == 0


async def test_what_is_late_is_caught_up_to_the_bound_and_the_rest_is_skipped_and_counted() -> None:
    stage = Stage()
    first = stage.process()
    await start(first, emit_interval_ms=1_000, burst=10)
    await stage.clock.run(first.tick_until(seconds(10)))
    second = stage.process()
    await stage.clock.run(second.clock.sleep_until(seconds(1_000)))

    await stage.clock.run(second.tick_until(seconds(1_060)))

    statistics = await stage.statistics()
    # 1 060 bursts were due. Two windows had been planned; the bound of 300 s reaches back to second 700.
    assert statistics.events_sent_successfully == len(stage.hub.events())
    # The window under way when the time is up is finished.
    assert statistics.events_sent_successfully // 10 + statistics.bursts_skipped in {1_060, 1_061}
    assert statistics.bursts_skipped == pytest.approx(700 - 12, abs=3)


async def test_stop_settles_what_is_planned_and_a_new_session_begins_its_own_world() -> None:
    stage = Stage()
    process = stage.process()
    await start(process, emit_interval_ms=100, burst=10)
    await stage.clock.run(process.tick_until(seconds(5)))

    stopped = await stage.clock.run(stop_while_ticking(process))
    assert isinstance(stopped, Stopped)
    assert stopped.complete
    assert (await process.observer.view()).books.pending == 0
    session = await start(process, emit_interval_ms=100, burst=10, duration_minutes=1 / 60)
    await stage.clock.run(process.tick_until(stage.clock.now_us() + 5 * MICROSECONDS))
    ids = [event.trace_id for event in stage.hub.events()]
    assert len(set(ids)) == len(ids)
    assert sum(trace_id.startswith(session.session_id) for trace_id in ids) == 100


async def _finish(stage: Stage, process: Process) -> None:
    await stage.clock.run(process.tick_until(stage.clock.now_us() + 60 * MICROSECONDS))


async def _nothing(process: Process) -> None:
    pass


async def _reconfigure(process: Process) -> None:
    await process.control.configure({"burst": 20})


async def _pause_and_resume(process: Process) -> None:
    await process.control.pause()
    await process.control.resume()


COMMANDS: dict[str, Callable[[Process], Awaitable[None]]] = {
    "nothing": _nothing,
    "configure": _reconfigure,
    "pause": _pause_and_resume,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_crash_at_any_write_loses_nothing(command: str, takes_effect: bool) -> None:
    fatal, crashed = 0, True
    while crashed:
        fatal += 1
        stage = Stage()
        commander = stage.process()
        session = await start(commander, emit_interval_ms=250, burst=11, duration_minutes=5 / 60)
        process = stage.process(Writes(fatal=fatal, takes_effect=takes_effect))
        try:
            await stage.clock.run(process.tick_until(seconds(2.1)))
            await COMMANDS[command](commander)
            await stage.clock.run(process.tick_until(seconds(12)))
            crashed = False
        except Killed:
            await COMMANDS[command](commander)
            await _finish(stage, stage.process())
        await _assert_settled(stage, session)
    assert fatal > 6, "the stream was too short to crash in the middle of it"


async def _assert_settled(stage: Stage, session: Session) -> None:
    """Every burst is there, what is there twice is identical, and statistics say exactly what was sent."""
    events = stage.hub.events()
    bodies = defaultdict(set)
    for event in events:
        bodies[event.trace_id].add(event)
    assert all(len(copies) == 1 for copies in bodies.values())
    numbers = sorted({int(trace_id.removeprefix(session.session_id).split("-")[1]) for trace_id in bodies})
    assert numbers == list(range(len(numbers)))
    statistics = await stage.statistics()
    assert statistics.events_sent_successfully == statistics.events_generated == len(bodies)
    assert statistics.event_type_counts == Counter(event.event_type for event in first_deliveries(events))
    view = await stage.process().observer.view()
    assert view.books.balanced
    assert view.status is Status.STOPPED
    assert_ordered(stage.hub)


async def test_another_instance_takes_over_from_a_killed_one_when_the_lease_has_run_out_and_not_before() -> None:
    stage = Stage()
    first, second = stage.process(Writes(fatal=6)), stage.process()
    await start(second, emit_interval_ms=500, burst=10)
    with pytest.raises(Killed):
        await stage.clock.run(first.tick_until(seconds(60)))
    sent = len(stage.hub.events())
    (cursor,) = (await second.observer.view()).cursors
    await stage.clock.run(second.tick_until(cursor.lease_until_us - 1))
    assert len(stage.hub.events()) == sent

    await stage.clock.run(second.tick_until(seconds(40)))

    assert {event.trace_id for event in stage.hub.events()} >= set(
        expected_ids((await second.observer.view()).session, bursts=80, burst=10)  # type: ignore[arg-type]  # there is one
    )


async def test_an_invocation_that_ends_in_order_lets_another_instance_go_on_at_once() -> None:
    stage = Stage()
    first, second = stage.process(), stage.process()
    await start(first, emit_interval_ms=500, burst=10)
    await stage.clock.run(first.tick_until(seconds(5)))
    await stage.clock.run(second.tick_until(seconds(40)))
    assert due_between(stage.hub, seconds(0), seconds(40)) == 800
    sent = len(stage.hub.events())

    await stage.clock.run(first.tick_until(seconds(42)))

    assert len({event.trace_id for event in stage.hub.events()}) == len(stage.hub.events())
    assert len(stage.hub.events()) >= sent


@pytest.mark.parametrize("category", [ErrorCategory.THROTTLING, ErrorCategory.AUTHENTICATION])
async def test_the_breaker_defers_and_closes_by_itself(category: ErrorCategory) -> None:
    stage = Stage()
    process = stage.process(failure_threshold="3", timeout_seconds="10", retry_attempts="1")
    await start(process, emit_interval_ms=500, burst=44)
    await stage.clock.run(process.tick_until(seconds(5)))
    stage.hub.inject(Fault(outcome=SendFailed(category=category, detail="scripted"), remaining=None))
    await stage.clock.run(process.tick_until(seconds(9)))
    view = await process.observer.view()
    assert view.breaker.status is BreakerStatus.OPEN
    assert view.status is Status.ERROR
    assert view.books.pending > 0
    assert view.books.balanced
    stage.hub.withdraw_faults()
    await stage.clock.run(process.tick_until(seconds(60)))

    view = await process.observer.view()
    assert view.breaker.status is BreakerStatus.CLOSED
    assert view.status is Status.RUNNING
    statistics = reports.statistics(view)
    assert (
        statistics.events_generated
        == statistics.events_sent_successfully + statistics.events_failed + view.books.pending
    )
    assert statistics.error_counts == {category.value: statistics.events_failed}
    assert statistics.events_failed > 0
    assert statistics.bursts_skipped == 0
    assert 120 * 44 <= statistics.events_generated <= 126 * 44
    assert len(stage.hub.events()) == statistics.events_sent_successfully
    assert_ordered(stage.hub)


async def test_stopping_while_the_breaker_is_open_leaves_nothing_pending() -> None:
    stage = Stage()
    process = stage.process(failure_threshold="1", timeout_seconds="3600", retry_attempts="0")
    await start(process, emit_interval_ms=500, burst=44)
    await stage.clock.run(process.tick_until(seconds(5)))
    stage.hub.inject(Fault(outcome=SendFailed(category=ErrorCategory.NOT_FOUND, detail="scripted"), remaining=None))
    await stage.clock.run(process.tick_until(seconds(9)))
    session = (await process.observer.view()).session
    assert session is not None

    await stage.clock.run(stop_while_ticking(process))

    view = await process.observer.view()
    assert view.status is Status.STOPPED
    assert view.books.pending == 0
    assert view.tally.dead_lettered > 0
    assert view.tally.generated == view.tally.sent_first + view.tally.dead_lettered
