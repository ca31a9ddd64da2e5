"""The outbox: every event of every day once, exact books, whatever happens in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import orjson
import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_publisher import Fault
from streaming.core.batching import lane_of
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.flows.control import ImpossibleWorldError
from streaming.flows.outbox import Phase
from tests.flows.killing import Killed, Writes
from tests.flows.outbox_process import DAY_EVENTS, LANES, WORLD, OutboxProcess, Stage
from tests.flows.virtual_clock import NOON


def seconds(count: float) -> int:
    return NOON + round(count * MICROSECONDS)


def expected(session_id: str, days: int) -> Counter[str]:
    dates = [(date(2026, 1, 31) + timedelta(days=day)).isoformat() for day in range(days)]
    return Counter(f"{session_id}-outbox-{date}-{number:05d}" for date in dates for number in range(DAY_EVENTS))


def assert_ordered(stage: Stage) -> None:
    """First deliveries are in order within a lane, and in the lane that their key belongs to; copies are identical."""
    bodies: dict[str, bytes] = {}
    for event in stage.hub.events():
        assert bodies.setdefault(event.trace_id, event.body) == event.body
    for lane in range(LANES):
        events = list({event.trace_id: event for event in stage.hub.events(lane)}.values())
        positions = [orjson.loads(event.body)["position"] for event in events]
        assert positions == sorted(positions)
        assert {lane_of(event.partition_key, LANES) for event in events} <= {lane}


async def test_a_day_is_staged_drained_at_the_streams_rate_and_followed_by_the_next() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="50")
    session = await process.start(emit_interval_ms=100, burst=10, duration_minutes=2.5)  # 100 events a second

    await stage.clock.run(process.run_until(seconds(170)))

    sent = stage.sent()
    days = -(-len(sent) // DAY_EVENTS)
    assert set(sent.values()) == {1}
    assert expected(session.session_id, days - 1) <= sent <= expected(session.session_id, days)
    assert 0.75 * 15_000 < len(sent) < 1.05 * 15_000
    assert_ordered(stage)
    books = await stage.books(session.session_id)
    assert books.balanced
    assert books.sent_first == len(sent)
    stored = (await stage.control.read()).session
    assert stored is not None
    assert stored.value.end_reason == "duration reached"


async def test_a_world_too_large_to_be_staged_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "tests.flows.outbox_process.WORLD", replace(WORLD, stores=1_000, products=10_000, customers=1_000)
    )
    stage = Stage()
    with pytest.raises(ImpossibleWorldError, match=r"^A day is staged in one piece, .* OUTBOX_DAY_SCALE\.$"):
        await stage.process().start()
    assert (await stage.control.read()).session is None


async def test_the_rate_is_the_streams_over_all_lanes() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="10")
    await process.start(emit_interval_ms=1_000, burst=7)
    await stage.clock.run(process.run_until(seconds(70)), until_us=seconds(70))

    # Each lane may be a page ahead, and a stage and a lead come first.
    assert abs(len(stage.hub.events()) - 7 * 66) <= 7 * 5 + 10 * LANES


async def test_a_faster_rate_does_not_wait_for_the_rest_of_a_slow_one() -> None:
    """A page of a slow stream takes minutes of its time. A drain, or a change of pace, is not to wait for them."""
    stage = Stage()
    process = stage.process(max_batch_size="50")
    session = await process.start(emit_interval_ms=10_000, burst=1)
    await stage.clock.run(process.run_until(seconds(20)), until_us=seconds(20))
    assert 0 < len(stage.hub.events()) <= 50 * LANES
    await process.control.configure({"emit_interval_ms": 100, "burst": 100})
    await stage.clock.run(process.run_until(seconds(40)), until_us=seconds(40))
    assert expected(session.session_id, 1) <= stage.sent()


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_process_killed_at_any_write_loses_and_doubles_nothing(takes_effect: bool) -> None:
    whole = Writes()
    await _run_two_processes(whole)
    assert whole.count > 20
    for fatal in range(1, whole.count + 1):
        stage, session_id = await _run_two_processes(Writes(fatal=fatal, takes_effect=takes_effect))
        sent = stage.sent()
        assert set(sent) >= set(expected(session_id, 1)), fatal
        assert_ordered(stage)
        books = await stage.books(session_id)
        assert books.balanced
        assert books.generated == books.sent_first + books.pending
        assert books.sent_first <= sent.total()
        if not books.pending:
            assert books.sent_first == len(sent), fatal


async def _run_two_processes(writes: Writes) -> tuple[Stage, str]:
    """The first works until it is killed, then another one, for less than a lease and two sweeps longer."""
    stage = Stage()
    session = await stage.process().start(emit_interval_ms=100, burst=25, duration_minutes=0.5)
    first = stage.process(writes, max_batch_size="20", max_buffer_size="200")
    with contextlib.suppress(Killed):
        await stage.clock.run(first.run_until(seconds(3.5)))
    await stage.clock.run(stage.process(max_batch_size="20", max_buffer_size="200").run_until(seconds(31)))
    return stage, session.session_id


async def test_messages_doubled_and_lost_change_nothing() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="20")
    session = await process.start(emit_interval_ms=10, burst=100)

    async def play() -> None:
        await asyncio.gather(*(process.stage.run(seconds(20)) for _ in range(3)))
        await stage.clock.sleep_until(seconds(3))
        await asyncio.gather(*(one.drain.run(seconds(30)) for one in (process, process, stage.process())))

    await stage.clock.run(play())

    assert stage.sent() == expected(session.session_id, 1)
    assert_ordered(stage)
    assert (await stage.books(session.session_id)).balanced


async def test_clear_while_staging_and_draining_fences_both_and_balances() -> None:
    for instant in (0.0, 2.0, 2.3, 2.6, 3.1, 4.0):
        stage = Stage()
        process = stage.process(max_batch_size="10", max_buffer_size="100")
        session = await process.start(emit_interval_ms=100, burst=20)

        cleared = await stage.clock.run(_clear_at(process, instant))
        books = await stage.books(session.session_id)
        assert books.balanced
        assert books.outbox_cleared <= (cleared or 0)
        assert books.sent_first == stage.sent().total() == len(stage.sent())
        await stage.clock.run(process.run_until(seconds(60)))
        assert (await stage.books(session.session_id)).balanced
        assert_ordered(stage)
        assert stage.sent().total() == len(stage.sent())
        assert len(stage.sent()) > 700
        desk = await stage.outbox.desk()
        assert desk.timeline is not None
        assert desk.timeline.value.purging == ()


async def _clear_at(process: OutboxProcess, instant: float) -> int:
    async def clear() -> int:
        await process.clock.sleep_until(seconds(instant))
        return await process.outbox.clear()

    clearing = asyncio.create_task(clear())
    await process.run_until(seconds(5))
    return await clearing


async def test_an_open_breaker_consumes_no_attempt_and_nothing_is_lost() -> None:
    stage = Stage()
    process = stage.process(
        max_batch_size="50", retry_attempts="0", failure_threshold="2", timeout_seconds="5", half_open_max_calls="1"
    )
    session = await process.start(emit_interval_ms=100, burst=50)
    down = Fault(
        outcome=SendFailed(category=ErrorCategory.CONNECTION_ERROR, detail="down"), remaining=None, stored=False
    )
    stage.hub.inject(down)
    await stage.clock.run(process.run_until(seconds(20)))
    books = await stage.books(session.session_id)
    assert books.balanced
    assert 0 < books.dead_lettered <= 6 * 50
    stage.hub.withdraw_faults()

    await stage.clock.run(process.run_until(seconds(90)))

    after = await stage.books(session.session_id)
    assert after.balanced
    assert after.dead_lettered <= books.dead_lettered + 50
    assert after.sent_first == stage.sent().total()
    assert process.evicted_to
    assert len(stage.sent()) + after.dead_lettered + after.pending == after.generated


async def test_pause_stop_and_drain_without_a_stream() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="10")
    session = await process.start(emit_interval_ms=1_000, burst=20)
    await stage.clock.run(process.run_until(seconds(8)))
    await process.control.pause()
    await stage.clock.run(process.run_until(seconds(12)))
    paused_at = len(stage.hub.events())
    await stage.clock.run(process.run_until(seconds(30)))
    assert len(stage.hub.events()) == paused_at > 0
    await process.control.resume()
    await stage.clock.run(process.run_until(seconds(40)))
    assert len(stage.hub.events()) > paused_at

    async def stop() -> object:
        running = asyncio.create_task(process.run_until(seconds(60)))
        stopped = await process.control.stop()
        await running
        return stopped

    await stage.clock.run(stop())
    stored = (await stage.control.read()).session
    assert stored is not None
    assert not stored.value.active
    stopped_at = len(stage.hub.events())
    books = await stage.books(session.session_id)
    assert books.pending == DAY_EVENTS - stopped_at > 0

    await process.outbox.order(emit_interval_ms=100, burst=100)
    await stage.clock.run(process.run_until(seconds(90)))

    assert stage.sent() == expected(session.session_id, 1)
    assert (await stage.books(session.session_id)).balanced
    desk = await stage.outbox.desk()
    assert desk.order is not None
    assert not desk.order.value.active


async def test_looking_costs_the_same_however_much_is_pending() -> None:
    costs, pending = [], []
    for batch in (700, 5):
        stage = Stage()
        process = stage.process(max_batch_size=str(batch))
        session = await process.start()
        await stage.clock.run(process.stage.run(seconds(30)))
        before = stage.outbox.table.faults.round_trips
        report = await process.outbox.report()
        await stage.books(session.session_id)
        costs.append(stage.outbox.table.faults.round_trips - before)
        pending.append(report.pending)
        assert (report.generated_day, report.staging_day, report.processing) == ("2026-01-31", None, 0)
        assert report.oldest_pending_ts == "2026-01-31T00:00:00Z"

    assert costs[0] == costs[1]
    assert pending == [DAY_EVENTS, DAY_EVENTS]


async def test_a_preview_shows_events_of_each_phase() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="20")
    await process.start(emit_interval_ms=1_000, burst=50)
    await stage.clock.run(process.run_until(seconds(5)))

    pending = await process.outbox.preview(Phase.PENDING, limit=30)
    sent = await process.outbox.preview(Phase.SENT, limit=1_000)
    processing = await process.outbox.preview(Phase.PROCESSING, limit=10)

    assert len(pending.preview_rows) == 30
    assert pending.row_count + sent.row_count == DAY_EVENTS
    assert {row["trace_id"] for row in sent.preview_rows} <= set(stage.sent())
    assert not {row["trace_id"] for row in pending.preview_rows} & set(stage.sent())
    assert set(pending.preview_rows[0]) == set(pending.columns)
    assert (processing.row_count, processing.preview_rows) == (0, [])


async def test_a_message_that_was_given_up_is_counted() -> None:
    stage = Stage()
    process = stage.process()
    await process.sweep.poisoned("retail-outbox-drain")
    await process.sweep.poisoned("retail-outbox-stage")

    assert (await process.outbox.report()).poison_messages == 2


async def test_the_same_day_staged_again_is_the_same_to_the_byte() -> None:
    rows = []
    for killed in (False, True):
        stage = Stage()
        session = await stage.process().start()
        stored = (await stage.control.read()).session
        assert stored is not None
        renamed = replace(session, session_id="the-same")
        await stage.control.save_session(renamed, version=stored.version)
        if killed:
            with contextlib.suppress(Killed):
                first = stage.process(Writes(fatal=9, takes_effect=True), max_batch_size="20", max_buffer_size="200")
                await stage.clock.run(first.stage.run(seconds(30)))
            await stage.clock.run(_after_the_lease(stage))
        else:
            await stage.clock.run(stage.process(max_batch_size="20", max_buffer_size="200").stage.run(seconds(30)))
        epoch = (await stage.outbox.epochs("the-same"))[0]
        rows.append([await stage.outbox.pages(epoch, lane, first=1, limit=500) for lane in range(LANES)])

    assert rows[0] == rows[1]
    assert sum(len(page.events) for lane in rows[0] for page in lane) == DAY_EVENTS


async def _after_the_lease(stage: Stage) -> None:
    await stage.clock.sleep_until(stage.clock.now_us() + 16 * MICROSECONDS)
    await stage.process(max_batch_size="20", max_buffer_size="200").stage.run(seconds(60))


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_clear_killed_at_any_write_is_finished_by_the_sweeper(takes_effect: bool) -> None:
    fatal = 0
    while True:
        fatal += 1
        stage = Stage()
        session = await stage.process().start(emit_interval_ms=1_000, burst=10)
        process = stage.process(max_batch_size="20", max_buffer_size="200")
        await stage.clock.run(process.run_until(seconds(4)))
        writes = Writes(fatal=fatal, takes_effect=takes_effect)
        with contextlib.suppress(Killed):
            await stage.clock.run(stage.process(writes).outbox.clear())
        if writes.count < fatal:
            break
        await stage.clock.run(process.run_until(seconds(12)))
        books = await stage.books(session.session_id)
        assert books.balanced
        assert stage.sent().total() == len(stage.sent()) == books.sent_first
        desk = await stage.outbox.desk()
        assert desk.timeline is not None
        assert not desk.timeline.value.closing
        if writes.count > 1 or takes_effect:
            assert books.outbox_cleared > 0
            assert books.generated == 2 * DAY_EVENTS
    assert fatal == 2 + 2 * LANES + 1


async def test_a_clear_in_the_middle_of_a_day_goes_on_with_it() -> None:
    stage = Stage()
    session = await stage.process().start(emit_interval_ms=1_000, burst=10)
    writes = Writes(fatal=14, takes_effect=True)
    with contextlib.suppress(Killed):
        await stage.clock.run(stage.process(writes, max_batch_size="20", max_buffer_size="200").stage.run(seconds(9)))
    process = stage.process()
    cleared = await stage.clock.run(process.outbox.clear())
    assert cleared
    assert (await stage.books(session.session_id)).outbox_cleared == cleared < DAY_EVENTS

    await stage.clock.run(process.run_until(seconds(100)))

    books = await stage.books(session.session_id)
    assert books.balanced
    assert books.outbox_cleared == cleared
    assert expected(session.session_id, 1).total() - cleared == len(
        [trace_id for trace_id in stage.sent() if "2026-01-31" in trace_id]
    )
    assert_ordered(stage)


async def test_the_next_stream_stages_at_once_and_sends_after_what_was_left() -> None:
    stage = Stage()
    process = stage.process(max_batch_size="10")
    first = await process.start(emit_interval_ms=1_000, burst=20)
    await stage.clock.run(process.run_until(seconds(8)))

    async def stop() -> None:
        running = asyncio.create_task(process.run_until(seconds(20)))
        await process.control.stop()
        await running

    await stage.clock.run(stop())
    left = (await stage.books(first.session_id)).pending
    assert left > 0

    second = await stage.process().start(emit_interval_ms=1_000, burst=100)
    await stage.clock.run(process.run_until(seconds(23)))
    assert (await stage.books(second.session_id)).pending == DAY_EVENTS
    await stage.clock.run(process.run_until(seconds(36)))

    for session in (first, second):
        books = await stage.books(session.session_id)
        assert books.balanced
    assert (await stage.books(first.session_id)).pending == 0
    assert stage.sent() >= expected(first.session_id, 2)
    assert_ordered(stage)
