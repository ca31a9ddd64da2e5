"""Several shards, and another number of them while the stream runs: exact, in order, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_publisher import Fault
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.core.session import Status
from streaming.flows.control import LEAD_US, ImpossibleWorldError, Refusal, Stopped
from tests.flows.fleet import Fleet
from tests.flows.killing import Writes
from tests.flows.virtual_clock import NOON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streaming.core.event import Event

BURST = 60
LARGE = 400
"""Enough for a sale that has begun in one burst to end in the next one, in each of four shards."""


def seconds(count: float) -> int:
    """An instant, counted from when the first burst of a stream started at noon is due."""
    return NOON + LEAD_US + round(count * MICROSECONDS)


def due_us(event: Event) -> int:
    """When the event was due, about: its timestamp."""
    stamped = datetime.fromisoformat(orjson.loads(event.body)["ingest_timestamp"])
    return round(stamped.timestamp() * MICROSECONDS)


@pytest.mark.parametrize("processes", [1, 2, 5])
async def test_a_stream_of_four_shards_has_exactly_its_events(processes: int) -> None:
    fleet = Fleet(processes)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=4, duration_minutes=1)
    await fleet.run_until(seconds(75))

    view = await fleet.view()
    assert view.status is Status.STOPPED
    assert view.session.end_reason == "duration reached"
    assert view.tally.generated == 120 * BURST
    assert view.bursts_planned == 120
    assert {cursor.shard for cursor in view.cursors if cursor.closed} == {0, 1, 2, 3}
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


async def test_shards_change_while_the_stream_runs() -> None:
    fleet = Fleet(3)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=4, duration_minutes=2)
    await fleet.run_until(seconds(20))
    for at, shards in ((40, 2), (60, 3), (80, 1), (100, 5)):
        await fleet.operator.control.configure({"shards": shards})
        await fleet.run_until(seconds(at))
        session = await fleet.session()
        assert (session.shards, session.reshard) == (shards, None)
    await fleet.run_until(seconds(140))

    view = await fleet.view()
    assert view.status is Status.STOPPED
    assert view.tally.generated == 240 * BURST
    assert (view.bursts_planned, view.bursts_skipped) == (240, 0)
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


async def test_a_change_of_pace_and_one_of_shards_at_once_lose_nothing() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=1_000, burst=BURST, shards=3)
    await fleet.run_until(seconds(10))
    await fleet.operator.control.configure({"shards": 2, "emit_interval_ms": 200})
    await fleet.run_until(seconds(30))
    await fleet.operator.control.configure({"emit_interval_ms": 3_600_000})
    await fleet.run_until(seconds(40))
    await fleet.operator.control.configure({"shards": 6})
    await fleet.run_until(seconds(60))
    await fleet.operator.control.configure({"emit_interval_ms": 500})
    await fleet.run_until(seconds(80))
    assert (await fleet.session()).shards == 6
    await fleet.beside(fleet.operator.control.stop(), 20)
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST, whole=False, to_one_end=False)


async def _nothing(fleet: Fleet) -> None:
    pass


async def _replace(fleet: Fleet) -> None:
    await fleet.operator.control.configure({"shards": 4})


async def _pause_and_resume(fleet: Fleet) -> None:
    await fleet.operator.control.pause()
    await fleet.run(3)
    await fleet.operator.control.resume()


async def _stop(fleet: Fleet) -> None:
    await fleet.beside(fleet.operator.control.stop(), 20)


COMMANDS: dict[str, Callable[[Fleet], Awaitable[None]]] = {
    "nothing": _nothing,
    "another number": _replace,
    "pause": _pause_and_resume,
    "stop": _stop,
}


@pytest.mark.parametrize(
    ("command", "victim", "takes_effect"),
    [
        ("nothing", "timer", False),
        ("nothing", "timer", True),
        ("nothing", "runner", True),
        ("another number", "timer", True),
        ("pause", "timer", True),
        ("stop", "timer", True),
    ],
)
async def test_a_crash_at_any_write_of_a_change_of_shards_loses_nothing(
    command: str, victim: str, takes_effect: bool
) -> None:
    place = ["timer", "runner"].index(victim)
    number, crashed = 0, True
    while crashed:
        number += 1
        fleet = Fleet(2)
        writes = fleet.writes[place] = Writes(takes_effect=takes_effect)
        lasts = 20 if command == "pause" else 13
        await fleet.start(emit_interval_ms=1_000, burst=LARGE, shards=2, duration_minutes=lasts / 60)
        await fleet.run_until(seconds(1))
        await fleet.operator.control.configure({"shards": 3})
        writes.end_at(number)
        await fleet.run_until(seconds(3))
        await COMMANDS[command](fleet)
        await fleet.run(60)
        crashed = writes.dead
        assert (await fleet.view()).status is Status.STOPPED
        if command != "stop":
            assert (await fleet.session()).shards == (4 if command == "another number" else 3)
        await fleet.assert_nothing_lost_doubled_or_reordered(
            burst=LARGE, whole=command in {"nothing", "another number"}, to_one_end=command != "stop"
        )
    assert number > 7, "the stream was too short to crash in the middle of it"


async def _lost(fleet: Fleet) -> None:
    fleet.post = lambda _message: ()


async def _doubled(fleet: Fleet) -> None:
    fleet.post = lambda _message: (0, 0, 3 * MICROSECONDS)


async def _late(fleet: Fleet) -> None:
    fleet.post = lambda _message: (17 * MICROSECONDS,)


@pytest.mark.parametrize("trouble", [_lost, _doubled, _late], ids=["lost", "doubled", "late"])
async def test_messages_change_nothing_but_timing(trouble: Callable[[Fleet], Awaitable[None]]) -> None:
    fleet = Fleet(3)
    await trouble(fleet)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=4, duration_minutes=90 / 60)
    await fleet.run_until(seconds(30))
    await fleet.operator.control.configure({"shards": 3})
    await fleet.run_until(seconds(110))
    view = await fleet.view()
    assert view.tally.generated == 180 * BURST
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


async def test_no_shard_waits_for_an_instance() -> None:
    """Nobody listens to the queue: the timer's own process runs all shards, and asks again only now and then."""
    fleet = Fleet(1, listeners=False)
    await fleet.start(emit_interval_ms=100, burst=BURST, shards=6)
    await fleet.run_until(seconds(60))
    view = await fleet.view()
    assert view.rate_last_minute == pytest.approx(10 * BURST, rel=0.02)
    assert view.tick_staleness_seconds < 5
    assert len(fleet.asked) <= 6 * 5


async def test_runners_take_over_from_each_other_without_a_gap() -> None:
    fleet = Fleet(4)
    late: list[int] = []
    send = fleet.hub.send

    async def timed(events, *, partition, timeout_seconds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the port's shape
        now_us = fleet.clock.now_us()
        late.extend(now_us - due_us(event) for event in events if now_us > seconds(20))
        return await send(events, partition=partition, timeout_seconds=timeout_seconds)

    fleet.hub.send = timed  # type: ignore[method-assign]  # observed, not replaced
    await fleet.start(emit_interval_ms=100, burst=BURST, shards=4)
    await fleet.run_until(seconds(200))

    view = await fleet.view()
    assert len({cursor.owner for cursor in view.current}) == 4, "the shards are spread over the processes"
    assert len({when for when, _ in fleet.asked}) >= 4
    assert max(late) < MICROSECONDS
    assert view.tally.generated == pytest.approx(2_000 * BURST, abs=20 * BURST)


async def test_a_session_that_stops_while_its_shards_change_does_not_change_them() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2)
    await fleet.run_until(seconds(5))
    await fleet.operator.control.configure({"shards": 4})
    stopped = await fleet.beside(fleet.operator.control.stop(), 20)
    assert isinstance(stopped, Stopped)
    assert stopped.complete
    view = await fleet.view()
    assert (view.session.shards, view.session.end_reason) == (2, "stopped")
    assert {cursor.generation for cursor in view.cursors} == {0}
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST, to_one_end=False, whole=False)


async def test_a_duration_that_ends_before_the_barrier_ends_the_stream() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2, duration_minutes=8 / 60)
    await fleet.run_until(seconds(5))
    await fleet.operator.control.configure({"shards": 4})
    await fleet.run_until(seconds(20))
    view = await fleet.view()
    assert (view.session.shards, view.session.end_reason) == (2, "duration reached")
    assert view.tally.generated == 16 * BURST
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


async def test_a_paused_stream_changes_its_shards_and_goes_on_with_them() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2, duration_minutes=1)
    await fleet.run_until(seconds(5))
    await fleet.operator.control.pause()
    await fleet.run_until(seconds(10))
    await fleet.operator.control.configure({"shards": 4})
    await fleet.run_until(seconds(15))
    assert (await fleet.view()).status is Status.PAUSED
    assert (await fleet.session()).shards == 4
    await fleet.operator.control.resume()
    await fleet.run_until(seconds(75))
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST, whole=False)


async def test_a_change_of_shards_waits_for_the_breaker_and_loses_nothing() -> None:
    fleet = Fleet(2)
    fleet.environment |= {"failure_threshold": "2", "timeout_seconds": "20", "retry_attempts": "0"}
    await fleet.start(emit_interval_ms=500, burst=BURST, shards=2)
    await fleet.run_until(seconds(5))
    failure = SendFailed(category=ErrorCategory.THROTTLING, detail="scripted")
    fleet.hub.inject(Fault(outcome=failure, remaining=None))
    await fleet.run_until(seconds(8))
    assert (await fleet.view()).status is Status.ERROR
    await fleet.operator.control.configure({"shards": 3})
    await fleet.run_until(seconds(20))
    assert (await fleet.session()).shards == 2
    fleet.hub.withdraw_faults()
    await fleet.run_until(seconds(60))
    view = await fleet.view()
    assert (view.status, view.session.shards) == (Status.RUNNING, 3)
    assert view.books.balanced
    assert view.tally.dead_lettered == view.books.in_dlq > 0
    assert view.bursts_skipped == 0
    due = (fleet.clock.now_us() - seconds(0)) // 500_000
    assert view.tally.generated == pytest.approx(due * BURST, abs=8 * BURST)


async def test_a_single_shard_becomes_several_and_one_again() -> None:
    fleet = Fleet(2)
    await fleet.start(emit_interval_ms=500, burst=BURST, duration_minutes=1)
    await fleet.run_until(seconds(5))
    assert fleet.asked == []
    await fleet.operator.control.configure({"shards": 6})
    await fleet.run_until(seconds(20))
    await fleet.operator.control.configure({"shards": 1})
    await fleet.run_until(seconds(35))
    assert (await fleet.session()).single
    asked = len(fleet.asked)
    await fleet.run_until(seconds(75))
    assert len(fleet.asked) == asked
    view = await fleet.view()
    assert view.tally.generated == 120 * BURST
    assert view.rate_last_minute == 0
    await fleet.assert_nothing_lost_doubled_or_reordered(burst=BURST)


async def test_requests_for_impossible_shards_are_refused_in_words() -> None:
    fleet = Fleet(1)
    with pytest.raises(ImpossibleWorldError, match=r"^7 shards are more than the world's 6 distribution centers"):
        await fleet.start(shards=7)
    await fleet.start(shards=6)
    with pytest.raises(ImpossibleWorldError, match=r"^7 shards are more than the world's 6 distribution centers"):
        await fleet.operator.control.configure({"shards": 7})
    assert (await fleet.control.read()).config is None


async def test_the_shards_of_a_session_change_so_often_and_no_more() -> None:
    fleet = Fleet(1)
    session = await fleet.start(shards=2)
    stored = (await fleet.control.read()).session
    assert stored is not None
    await fleet.control.save_session(replace(session, generation=99), version=stored.version)
    assert await fleet.operator.control.configure({"shards": 3}) is Refusal.CHANGED_TOO_OFTEN
