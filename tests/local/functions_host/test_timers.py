"""The rules of timers, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.functions_host.schedule import parse_schedule
from local.functions_host.timer_request import ScheduleStatus
from local.functions_host.timers import Timer
from tests.local.functions_host.functions import function_runner, timer_function
from tests.local.functions_host.virtual_time import EPOCH, elapsed, run_virtually, virtual_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import azure.functions as func


class AlwaysHeld:
    """A lease that nobody else wants."""

    @asynccontextmanager
    async def held(self, stopping: asyncio.Event) -> AsyncIterator[asyncio.Event | None]:
        yield stopping


@dataclass(kw_only=True)
class HeldInTurns:
    """A lease that is held for some seconds, lost, and held again after a second."""

    seconds: float
    periods: list[tuple[float, float]] = field(default_factory=list)

    @asynccontextmanager
    async def held(self, stopping: asyncio.Event) -> AsyncIterator[asyncio.Event | None]:
        await asyncio.sleep(1)
        if stopping.is_set():
            yield None
            return
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        losing = loop.call_later(self.seconds, over.set)
        stopped = asyncio.create_task(stopping.wait())
        stopped.add_done_callback(lambda _: over.set())
        since = elapsed()
        try:
            yield over
        finally:
            losing.cancel()
            stopped.cancel()
            self.periods.append((since, elapsed()))


@dataclass(kw_only=True)
class StatusInMemory:
    status: ScheduleStatus | None = None

    async def read(self) -> ScheduleStatus | None:
        return self.status

    async def write(self, status: ScheduleStatus) -> None:
        self.status = status


@dataclass(kw_only=True)
class Observed:
    starts: list[float] = field(default_factory=list)
    past_due: list[bool] = field(default_factory=list)
    running: int = 0
    overlapped: bool = False


async def _observe(
    schedule: str,
    *,
    runs: Sequence[float],
    right: AlwaysHeld | HeldInTurns | None = None,
    monitor: StatusInMemory | None = None,
    run_on_startup: bool = False,
    failing: bool = False,
) -> Observed:
    """Let a timer fire as often as there are ``runs``; each lasts as long as its number says."""
    observed, stopping = Observed(), asyncio.Event()

    async def tick(timer: func.TimerRequest) -> None:
        observed.overlapped |= observed.running > 0
        observed.running += 1
        try:
            observed.starts.append(elapsed())
            observed.past_due.append(timer.past_due)
            await asyncio.sleep(runs[len(observed.starts) - 1])
            if failing:
                raise ValueError("as asked for")
        finally:
            observed.running -= 1
            if len(observed.starts) == len(runs):
                stopping.set()

    async with function_runner() as runner:
        await Timer(
            function=timer_function(tick),
            schedule=parse_schedule(schedule),
            run_on_startup=run_on_startup,
            right=right or AlwaysHeld(),
            monitor=monitor,
            runner=runner,
            clock=virtual_clock,
        ).run(stopping)
    return observed


def test_an_overrun_is_caught_up_once_at_once_and_never_more() -> None:
    observed = run_virtually(_observe("* * * * * *", runs=[0, 2.5, 0, 0, 0]))
    assert observed.starts == [1, 2, 4.5, 5, 6]
    assert not any(observed.past_due)


def test_a_run_that_ends_in_time_changes_nothing() -> None:
    observed = run_virtually(_observe("* * * * * *", runs=[0.9, 0.2, 0.999, 0]))
    assert observed.starts == [1, 2, 3, 4]


def test_a_time_span_counts_from_the_start_of_the_last_run() -> None:
    observed = run_virtually(_observe("00:00:10", runs=[3, 25, 0, 0]))
    assert observed.starts == [10, 20, 45, 55]


def test_a_failing_run_does_not_end_the_timer() -> None:
    observed = run_virtually(_observe("*/5 * * * * *", runs=[0, 0, 0], failing=True))
    assert observed.starts == [5, 10, 15]


def test_run_on_startup() -> None:
    observed = run_virtually(_observe("*/5 * * * * *", runs=[0, 0], run_on_startup=True))
    assert observed.starts == [0, 5]


@settings(max_examples=50, deadline=None)
@given(milliseconds=st.lists(st.integers(0, 5_000), min_size=1, max_size=8))
def test_runs_never_overlap_and_never_start_before_their_time(milliseconds: list[int]) -> None:
    runs = [each / 1_000 for each in milliseconds]  # As fine as starts are told: rounding could move one past a tick.
    observed = run_virtually(_observe("* * * * * *", runs=runs))
    assert not observed.overlapped
    assert len(observed.starts) == len(runs)
    for start, following, lasted in zip(observed.starts, observed.starts[1:], runs, strict=False):
        on_time = float(int(start) + 1)
        assert following == pytest.approx(max(on_time, start + lasted), abs=0.002)


def test_only_the_holder_of_the_lease_fires() -> None:
    right = HeldInTurns(seconds=3.6)
    observed = run_virtually(_observe("* * * * * *", runs=[0] * 8, right=right))
    assert observed.starts == [2, 3, 4, 6, 7, 8, 9, 11]
    assert right.periods[0] == (1, 4.6)


def test_a_timer_of_a_minute_or_more_catches_up_what_was_missed_while_down() -> None:
    long_ago = EPOCH - timedelta(hours=1)
    monitor = StatusInMemory(status=ScheduleStatus(last=None, next=long_ago, last_updated=long_ago))
    observed = run_virtually(_observe("0 */5 * * * *", runs=[0, 0], monitor=monitor))
    assert observed.starts == [0, 300]
    assert observed.past_due == [True, False]
    assert monitor.status is not None
    assert monitor.status.last == EPOCH + timedelta(seconds=300)
    assert monitor.status.next == EPOCH + timedelta(seconds=600)


def test_a_timer_below_a_minute_knows_no_past() -> None:
    long_ago = EPOCH - timedelta(hours=1)
    monitor = StatusInMemory(status=ScheduleStatus(last=None, next=long_ago, last_updated=long_ago))
    observed = run_virtually(_observe("*/30 * * * * *", runs=[0, 0], monitor=monitor))
    assert observed.starts == [30, 60]
    assert observed.past_due == [False, False]


def test_a_first_start_waits_for_its_time_and_leaves_a_status() -> None:
    monitor = StatusInMemory()
    observed = run_virtually(_observe("0 */5 * * * *", runs=[0], monitor=monitor))
    assert observed.starts == [300]
    assert observed.past_due == [False]


@given(last=st.none() | st.datetimes(datetime(2000, 1, 1)), ahead=st.timedeltas(timedelta(0), timedelta(days=999)))  # noqa: DTZ001  the zone is added
def test_a_schedule_status_survives_storage(last: datetime | None, ahead: timedelta) -> None:
    status = ScheduleStatus(
        last=last.replace(tzinfo=EPOCH.tzinfo) if last else None, next=EPOCH + ahead, last_updated=EPOCH
    )
    assert ScheduleStatus.from_json(status.to_json()) == status
