"""Whatever is asked of the planner, and whenever: no burst is doubled, none is missing, and time only moves forward."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streaming.core.plan import HORIZON_US, Directive, Frontier, WindowPlan, after, is_over, plan_next, share

MS = 1_000
SECOND = 1_000_000
START = 1_767_225_600 * SECOND

intervals = st.one_of(st.sampled_from([10, 11, 100, 500, 1_000, 1_500, 60_000, 3_600_000]), st.integers(10, 5_000))
instants = st.integers(START, START + 10 * SECOND)


@st.composite
def paces(draw: st.DrawFn) -> tuple[int, int]:
    """An interval in milliseconds and a burst that fits it: one microsecond an event."""
    interval_ms = draw(intervals)
    limit = min(100_000, interval_ms * MS)
    return interval_ms, draw(st.one_of(st.integers(1, limit), st.just(limit)))


@dataclass
class Span:
    """A planned burst's timestamps: its instant, and the first one after its last event."""

    number: int
    begin_us: int
    end_us: int


@dataclass
class Record:
    """What a reader of the recorded plans sees."""

    windows: int = 0
    next_number: int = 0
    spans: list[Span] = field(default_factory=list)
    skipped: int = 0

    def add(self, plan: WindowPlan) -> None:
        assert plan.window == self.windows
        assert plan.skipped >= 0
        assert plan.bursts >= 0
        assert plan.bursts + plan.skipped > 0, "a window that says nothing"
        # Every number is in exactly one plan or counted in exactly one ``skipped``.
        assert plan.first_burst == self.next_number + plan.skipped
        self.windows += 1
        self.next_number = plan.first_burst + plan.bursts
        self.skipped += plan.skipped
        for number in plan.numbers:
            begin_us = plan.pace.scheduled_us(number)
            assert begin_us % MS == 0
            assert not self.spans or begin_us >= self.spans[-1].end_us, "timestamps overlap"
            self.spans.append(Span(number, begin_us, begin_us + plan.pace.burst))


class Planner(RuleBasedStateMachine):
    """A shard's planner under every order of requests, called at any time, with any number of windows outstanding."""

    @initialize(pace=paces(), start_us=instants, bound_seconds=st.integers(1, 600))
    def begin(self, pace: tuple[int, int], start_us: int, bound_seconds: int) -> None:
        self.now_us = start_us
        self.paused = False
        self.frontier = Frontier()
        self.record = Record()
        self.last_due_us: int | None = None  # Of the last burst planned or skipped, with
        self.last_interval_us = 0  # the interval and
        self.last_burst = 0  # the burst it was planned with.
        self.directive = Directive(
            interval_ms=pace[0],
            burst=pace[1],
            not_before_us=start_us,
            max_catch_up_us=bound_seconds * SECOND,
        )

    @rule(
        step_us=st.one_of(
            st.integers(0, 3 * SECOND),
            st.integers(0, 900 * SECOND),
            st.just(2_000 * SECOND),
            st.integers(-2 * SECOND, 0),
            st.just(SECOND),
        )
    )
    def time_passes(self, step_us: int) -> None:
        """Also backwards: a clock may be set."""
        self.now_us = max(self.directive.not_before_us, self.now_us + step_us)

    @rule(pace=paces())
    def pace_changes(self, pace: tuple[int, int]) -> None:
        self.directive = replace(self.directive, interval_ms=pace[0], burst=pace[1])

    @precondition(lambda self: not self.paused)
    @rule()
    def pause(self) -> None:
        self.paused = True

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self) -> None:
        self.paused = False
        self.directive = replace(self.directive, not_before_us=self.now_us)

    @rule()
    def outage_ends(self) -> None:
        self.directive = replace(self.directive, skip_before_us=self.now_us)

    @rule(bound_seconds=st.integers(1, 600))
    def bound_changes(self, bound_seconds: int) -> None:
        self.directive = replace(self.directive, max_catch_up_us=bound_seconds * SECOND)

    @rule(ends_in_us=st.one_of(st.none(), st.integers(-10 * SECOND, 100 * SECOND)))
    def end_changes(self, ends_in_us: int | None) -> None:
        self.directive = replace(self.directive, ends_at_us=None if ends_in_us is None else self.now_us + ends_in_us)

    @precondition(lambda self: self.last_due_us is not None)
    @rule(bursts=st.integers(0, 5), nudge_us=st.integers(-1, 1))
    def end_is_at_a_burst(self, bursts: int, nudge_us: int) -> None:
        assert self.last_due_us is not None
        due_us = self.last_due_us + bursts * self.last_interval_us
        self.directive = replace(self.directive, ends_at_us=due_us + nudge_us)

    @rule(types=st.sampled_from([None, ("receipt_created",)]))
    def filter_changes(self, types: tuple[str, ...] | None) -> None:
        self.directive = replace(self.directive, event_types=types)

    @precondition(lambda self: not self.paused)
    @rule(windows=st.integers(1, 3))
    def plan(self, windows: int) -> None:
        for _ in range(windows):
            plan = plan_next(self.frontier, self.directive, self.now_us)
            if plan is None:
                self._nothing_was_due()
                return
            self._check(plan)
            self.record.add(plan)
            self.frontier = after(self.frontier, plan)
            self.last_due_us = plan.pace.scheduled_us(self.record.next_number - 1)
            self.last_interval_us, self.last_burst = plan.pace.interval_us, plan.pace.burst

    def _check(self, plan: WindowPlan) -> None:
        wanted = self.directive
        assert (plan.pace.interval_ms, plan.pace.burst) == (wanted.interval_ms, wanted.burst)
        assert plan.event_types == wanted.event_types
        assert plan.bursts <= max(1, 1_000 // wanted.interval_ms)
        bound_us = max(self.now_us - wanted.max_catch_up_us, wanted.skip_before_us)
        dues = [plan.pace.scheduled_us(number) for number in plan.numbers]
        assert not dues or dues[0] < self.now_us + HORIZON_US
        for due_us in dues:
            assert due_us >= wanted.not_before_us
            assert due_us >= bound_us
            assert wanted.ends_at_us is None or due_us < wanted.ends_at_us
        for number in {plan.first_burst - 1, plan.first_burst - plan.skipped} if plan.skipped else ():
            due_us = plan.pace.scheduled_us(number)
            assert wanted.not_before_us <= due_us < bound_us
            assert wanted.ends_at_us is None or due_us < wanted.ends_at_us

    def _nothing_was_due(self) -> None:
        """None is right only if the next burst is beyond the horizon or after the end."""
        wanted, last_us = self.directive, self.last_due_us
        if last_us is None:  # The very first burst is due at the start, which is not in the future.
            assert wanted.ends_at_us is not None
            assert wanted.ends_at_us <= wanted.not_before_us + MS
            return
        # A new interval counts from the last burst, but leaves it the microseconds of its events.
        new_us = max(wanted.interval_ms * MS, self.last_burst)
        beyond = last_us + min(self.last_interval_us, new_us) >= self.now_us + HORIZON_US - MS
        # Rounding to milliseconds and a burst's microseconds may put a resumption off by so much.
        latest_us = max(last_us + self.last_interval_us, wanted.not_before_us + MS)
        ended = wanted.ends_at_us is not None and latest_us >= wanted.ends_at_us
        assert beyond or ended

    @invariant()
    def it_is_over_exactly_when_nothing_before_the_end_is_left(self) -> None:
        if not hasattr(self, "directive"):
            return
        over = is_over(self.frontier, self.directive, self.now_us)
        ends_at_us = self.directive.ends_at_us
        if ends_at_us is None or self.now_us < ends_at_us:
            assert not over
        else:
            assert over is (plan_next(self.frontier, self.directive, self.now_us) is None)


TestPlanner = Planner.TestCase
TestPlanner.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def run(wanted: Directive, nows: list[int], *, windows: int = 2) -> list[WindowPlan]:
    """Plan at each of the instants, up to so many windows at once, as the flow does."""
    frontier, plans = Frontier(), []
    for now_us in nows:
        for _ in range(windows):
            plan = plan_next(frontier, wanted, now_us)
            if plan is None:
                break
            plans.append(plan)
            frontier = after(frontier, plan)
    return plans


@settings(deadline=None)
@given(
    pace=paces(),
    start_us=instants,
    duration_ms=st.integers(1, 120_000),
    steps_ms=st.lists(st.integers(1, 4_000), min_size=1, max_size=8),
)
def test_the_long_run_rate_is_exact(
    pace: tuple[int, int], start_us: int, duration_ms: int, steps_ms: list[int]
) -> None:
    interval_ms, burst = pace
    end_us = start_us + duration_ms * MS
    wanted = Directive(
        interval_ms=interval_ms, burst=burst, not_before_us=start_us, ends_at_us=end_us, max_catch_up_us=300 * SECOND
    )
    nows, now_us = [], start_us
    while now_us <= end_us + SECOND:
        nows.append(now_us)
        now_us += steps_ms[len(nows) % len(steps_ms)] * MS
    record = Record()
    for plan in run(wanted, [*nows, now_us], windows=1_000):
        record.add(plan)
    assert record.skipped == 0
    assert len(record.spans) == -(-duration_ms // interval_ms)  # ceil(duration / interval)
    first_us = record.spans[0].begin_us
    assert 0 <= first_us - start_us < MS
    assert {later.begin_us - earlier.begin_us for earlier, later in pairwise(record.spans)} <= {interval_ms * MS}


@settings(deadline=None)
@given(
    interval_ms=st.sampled_from([10, 70, 500, 1_000, 2_500, 60_000]),
    bursts=st.integers(-1, 200),
    nudge_us=st.sampled_from([-1, 0, 1, 4_999]),
    bound_seconds=st.integers(1, 600),
)
def test_the_catch_up_bound_is_exact(interval_ms: int, bursts: int, nudge_us: int, bound_seconds: int) -> None:
    interval_us = interval_ms * MS
    outage_us = max(0, bound_seconds * SECOND + bursts * interval_us + nudge_us)
    wanted = Directive(interval_ms=interval_ms, burst=1, not_before_us=START, max_catch_up_us=bound_seconds * SECOND)
    before = run(wanted, [START], windows=2)
    come_back_us = START + outage_us
    frontier = after(Frontier(), before[-1])
    expected_skips, due_us = 0, frontier.burst * interval_us
    while due_us < outage_us - bound_seconds * SECOND:
        expected_skips += 1
        due_us += interval_us
    plan = plan_next(frontier, wanted, come_back_us)
    if plan is None:
        assert expected_skips == 0
        assert due_us >= outage_us + HORIZON_US
    else:
        assert plan.skipped == expected_skips
        assert plan.bursts == 0 or plan.pace.scheduled_us(plan.first_burst) == START + due_us


@given(
    interval_ms=st.integers(10, 5_000),
    paused_ms=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=4),
)
def test_pauses_cost_nothing_but_their_time(interval_ms: int, paused_ms: list[int]) -> None:
    wanted = Directive(interval_ms=interval_ms, burst=10, not_before_us=START, max_catch_up_us=SECOND)
    frontier, record, now_us = Frontier(), Record(), START
    for pause_ms in paused_ms:
        while (plan := plan_next(frontier, wanted, now_us)) is not None:
            record.add(plan)
            frontier = after(frontier, plan)
        now_us += pause_ms * MS
        wanted = replace(wanted, not_before_us=now_us)
        plan = plan_next(frontier, wanted, now_us)
        due_us = record.spans[-1].begin_us + interval_ms * MS
        if plan is None:
            assert due_us >= now_us + HORIZON_US
        else:
            assert plan.pace.scheduled_us(plan.first_burst) == max(due_us, now_us)
    assert record.skipped == 0


def test_ten_millisecond_bursts_keep_their_pace_for_an_hour() -> None:
    wanted = Directive(interval_ms=10, burst=10, not_before_us=START, max_catch_up_us=300 * SECOND)
    plans = run(wanted, [START + second * SECOND for second in range(3_600)], windows=1_000)
    assert {plan.bursts for plan in plans} == {100}
    assert {plan.skipped for plan in plans} == {0}
    assert len(plans) == 3_601  # two ahead, all the time
    assert plans[-1].pace.scheduled_us(plans[-1].first_burst) == START + 3_600 * SECOND


@pytest.mark.parametrize("outstanding", [1, 2])
def test_two_windows_outstanding_are_enough_to_never_be_late(outstanding: int) -> None:
    wanted = Directive(interval_ms=500, burst=1, not_before_us=START, max_catch_up_us=300 * SECOND)
    plans = run(wanted, [START + second * SECOND for second in range(60)], windows=outstanding)
    starts = [plan.pace.scheduled_us(plan.first_burst) for plan in plans]
    assert starts == [START + second * SECOND for second in range(60 + outstanding - 1)]


@given(burst=st.integers(0, 100_000), shards=st.integers(1, 100))
def test_shares_add_up(burst: int, shards: int) -> None:
    parts = [share(burst, shard, shards) for shard in range(shards)]
    assert sum(parts) == burst
    assert max(parts) - min(parts) <= 1
