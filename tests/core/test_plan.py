"""Planning by hand: each case is one decision, with times that a person can check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streaming.core.plan import Directive, Frontier, Pace, WindowPlan, after, is_over, owes_nothing, plan_next, share

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z"""
HOUR_MS = 3_600_000


def directive(
    *,
    interval_ms: int = 500,
    burst: int = 100,
    not_before_us: int = START,
    ends_at_us: int | None = None,
    catch_up_seconds: int = 300,
    skip_before_us: int = 0,
) -> Directive:
    return Directive(
        interval_ms=interval_ms,
        burst=burst,
        not_before_us=not_before_us,
        ends_at_us=ends_at_us,
        max_catch_up_us=catch_up_seconds * SECOND,
        skip_before_us=skip_before_us,
    )


def planned(frontier: Frontier, wanted: Directive, now_us: int) -> WindowPlan:
    plan = plan_next(frontier, wanted, now_us)
    assert plan is not None
    return plan


def run_on(frontier: Frontier, wanted: Directive, now_us: int) -> tuple[Frontier, list[WindowPlan]]:
    """Plan all there is to plan now."""
    plans = []
    while (plan := plan_next(frontier, wanted, now_us)) is not None:
        plans.append(plan)
        frontier = after(frontier, plan)
    return frontier, plans


def instants(plan: WindowPlan) -> list[float]:
    """Seconds after the start at which the plan's bursts are due."""
    return [(plan.pace.scheduled_us(number) - START) / SECOND for number in plan.numbers]


def test_a_stream_begins_with_burst_0_at_its_start() -> None:
    plan = planned(Frontier(), directive(), START)
    assert plan == WindowPlan(
        window=0,
        first_burst=0,
        bursts=2,
        pace=Pace(anchor_burst=0, anchor_us=START, interval_ms=500, burst=100),
        skipped=0,
    )
    assert instants(plan) == [0.0, 0.5]
    assert list(plan.numbers) == [0, 1]


def test_a_start_between_milliseconds_is_rounded_up() -> None:
    plan = planned(Frontier(), directive(not_before_us=START + 1), START + 1)
    assert plan.pace.anchor_us == START + 1_000


@pytest.mark.parametrize(
    ("interval_ms", "bursts"),
    [(10, 100), (11, 90), (100, 10), (333, 3), (500, 2), (501, 1), (999, 1), (1_000, 1), (2_000, 1), (HOUR_MS, 1)],
)
def test_a_window_holds_a_second_of_bursts_and_at_least_one(interval_ms: int, bursts: int) -> None:
    assert planned(Frontier(), directive(interval_ms=interval_ms), START).bursts == bursts


def test_windows_follow_one_another() -> None:
    first = planned(Frontier(), directive(), START)
    frontier = after(Frontier(), first)
    assert frontier == Frontier(window=1, burst=2, pace=first.pace)
    second = planned(frontier, directive(), START)
    assert (second.window, second.first_burst, second.skipped, instants(second)) == (1, 2, 0, [1.0, 1.5])


def test_nothing_is_planned_beyond_the_horizon() -> None:
    frontier, plans = run_on(Frontier(), directive(), START)
    assert [instants(plan) for plan in plans] == [[0.0, 0.5], [1.0, 1.5]]
    assert plan_next(frontier, directive(), START) is None
    assert instants(planned(frontier, directive(), START + 1)) == [2.0, 2.5]


def test_a_plan_records_what_the_generator_depends_on() -> None:
    wanted = replace(directive(), chunk=100, event_types=("store_opened",), disruptions=('{"id":1}',))
    plan = planned(Frontier(), wanted, START)
    assert (plan.chunk, plan.event_types, plan.disruptions) == (100, ("store_opened",), ('{"id":1}',))


class TestEnd:
    def test_bursts_due_at_the_end_or_later_belong_to_nobody(self) -> None:
        wanted = directive(ends_at_us=START + 3 * SECOND // 2)
        frontier, plans = run_on(Frontier(), wanted, START)
        assert [instants(plan) for plan in plans] == [[0.0, 0.5], [1.0]]
        assert plan_next(frontier, wanted, START + 100 * SECOND) is None

    def test_a_stream_is_over_when_its_end_has_come_and_all_is_planned(self) -> None:
        end = START + SECOND
        wanted = directive(ends_at_us=end)
        frontier, _ = run_on(Frontier(), wanted, START)
        assert frontier.burst == 2
        assert not is_over(frontier, wanted, end - 1)
        assert is_over(frontier, wanted, end)
        assert not is_over(Frontier(), wanted, end)

    def test_a_stream_without_an_end_is_never_over(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        assert not is_over(frontier, directive(), START + 10**15)

    def test_it_is_over_after_all_that_remained_was_skipped(self) -> None:
        # One burst an hour; the second one is due, the process sleeps through it, and the end is before the third.
        wanted = directive(interval_ms=HOUR_MS, ends_at_us=START + 3_700 * SECOND)
        frontier, _ = run_on(Frontier(), wanted, START)
        late = START + 4_000 * SECOND
        frontier, plans = run_on(frontier, wanted, late)
        assert [(plan.first_burst, plan.bursts, plan.skipped) for plan in plans] == [(2, 0, 1)]
        assert is_over(frontier, wanted, late)

    def test_no_more_is_skipped_than_was_left_before_the_end(self) -> None:
        wanted = directive(ends_at_us=START + 10 * SECOND)
        frontier, _ = run_on(Frontier(), wanted, START)
        late = START + 1_000 * SECOND
        frontier, plans = run_on(frontier, wanted, late)
        assert [(plan.first_burst, plan.bursts, plan.skipped) for plan in plans] == [(20, 0, 16)]
        assert is_over(frontier, wanted, late)

    def test_nothing_is_owed_once_all_that_was_due_before_the_end_is_skipped(self) -> None:
        end = START + 10 * SECOND
        wanted = directive(ends_at_us=end)
        assert not owes_nothing(wanted, end + 300 * SECOND - 1)
        assert owes_nothing(wanted, end + 300 * SECOND)
        assert owes_nothing(directive(ends_at_us=end, skip_before_us=end), end)
        assert not owes_nothing(directive(), START + 10**15)

    def test_an_end_that_comes_while_paused_ends_the_stream_at_its_resumption(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        resumed = directive(not_before_us=START + 60 * SECOND, ends_at_us=START + 30 * SECOND)
        assert plan_next(frontier, resumed, START + 60 * SECOND) is None
        assert is_over(frontier, resumed, START + 60 * SECOND)


class TestCatchUp:
    def test_a_late_stream_plans_what_it_owes(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        frontier, plans = run_on(frontier, directive(), START + 100 * SECOND)
        assert [plan.skipped for plan in plans] == [0] * 100
        assert [instants(plan) for plan in plans] == [[2.0 + n, 2.5 + n] for n in range(100)]

    def test_what_is_due_exactly_at_the_bound_is_still_planned(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        plan = planned(frontier, directive(), START + 302 * SECOND)
        assert (plan.skipped, instants(plan)) == (0, [2.0, 2.5])

    def test_what_is_later_than_the_bound_is_skipped_and_counted(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        plan = planned(frontier, directive(), START + 302 * SECOND + 1)
        assert (plan.first_burst, plan.skipped, instants(plan)) == (5, 1, [2.5, 3.0])

    def test_an_outage_that_was_too_long_is_not_caught_up_at_all(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        closed = START + 400 * SECOND
        plan = planned(frontier, directive(skip_before_us=closed), closed + SECOND)
        assert (plan.first_burst, plan.skipped, instants(plan)) == (800, 796, [400.0, 400.5])

    def test_skipped_bursts_are_recorded_even_when_the_next_one_is_far_off(self) -> None:
        wanted = directive(interval_ms=HOUR_MS)
        frontier, _ = run_on(Frontier(), wanted, START)
        late = START + 4_000 * SECOND
        frontier, plans = run_on(frontier, wanted, late)
        assert [(plan.first_burst, plan.bursts, plan.skipped) for plan in plans] == [(2, 0, 1)]
        assert instants(planned(frontier, wanted, START + 7_199 * SECOND)) == [7_200.0]


class TestPause:
    def test_a_pause_is_neither_caught_up_nor_skipped(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        resumed_at = START + 100 * SECOND + 250_000
        plan = planned(frontier, directive(not_before_us=resumed_at), resumed_at)
        assert (plan.first_burst, plan.skipped, instants(plan)) == (4, 0, [100.25, 100.75])

    def test_a_pause_within_what_was_planned_changes_nothing(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        plan = planned(frontier, directive(not_before_us=START + SECOND), START + SECOND)
        assert instants(plan) == [2.0, 2.5]

    def test_a_resumption_leaves_the_burst_before_its_microseconds(self) -> None:
        # 10 000 events a burst fill their interval of 10 ms; the last one planned takes until 2 s.
        heavy = directive(interval_ms=10, burst=10_000)
        frontier, _ = run_on(Frontier(), heavy, START)
        resumed_at = START + 2 * SECOND + 3
        assert instants(planned(frontier, replace(heavy, not_before_us=resumed_at), resumed_at))[0] == 2.001

    def test_a_pause_before_anything_was_planned_moves_the_beginning(self) -> None:
        plan = planned(Frontier(), directive(not_before_us=START + 9 * SECOND), START + 9 * SECOND)
        assert (plan.first_burst, instants(plan)) == (0, [9.0, 9.5])


class TestPaceChange:
    def test_a_new_pace_begins_with_the_next_burst_due(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        plan = planned(frontier, directive(interval_ms=200, burst=7), START + 2 * SECOND)
        assert plan.pace == Pace(anchor_burst=4, anchor_us=START + 2 * SECOND, interval_ms=200, burst=7)
        assert (plan.first_burst, plan.bursts) == (4, 5)

    def test_a_shorter_interval_does_not_wait_for_the_rest_of_a_long_one(self) -> None:
        frontier, _ = run_on(Frontier(), directive(interval_ms=HOUR_MS), START)
        now = START + 600 * SECOND
        plan = planned(frontier, directive(interval_ms=1_000), now)
        assert (plan.first_burst, instants(plan)) == (1, [600.0])

    def test_a_shorter_interval_still_counts_from_the_burst_before(self) -> None:
        frontier, _ = run_on(Frontier(), directive(interval_ms=HOUR_MS), START)
        wanted = directive(interval_ms=600_000)
        assert plan_next(frontier, wanted, START + 300 * SECOND) is None
        assert instants(planned(frontier, wanted, START + 599 * SECOND)) == [600.0]

    def test_a_longer_interval_does_not_lose_the_burst_that_is_due(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        wanted = directive(interval_ms=HOUR_MS)
        for now in (START + SECOND, START + 5 * SECOND):
            assert instants(planned(frontier, wanted, now)) == [2.0]

    def test_a_new_burst_size_alone_keeps_the_rhythm(self) -> None:
        frontier, _ = run_on(Frontier(), directive(), START)
        plan = planned(frontier, directive(burst=1), START + SECOND)
        assert instants(plan) == [2.0, 2.5]
        assert plan.pace.burst == 1

    def test_what_is_planned_is_not_changed(self) -> None:
        plan = planned(Frontier(), directive(), START)
        frontier = after(Frontier(), plan)
        following = planned(frontier, directive(interval_ms=10, burst=10), START)
        assert plan.pace.scheduled_us(plan.numbers[-1]) + plan.pace.burst <= following.pace.anchor_us
        assert following.first_burst == 2


@pytest.mark.parametrize(
    ("burst", "shards", "parts"),
    [(100, 1, [100]), (100, 3, [34, 33, 33]), (2, 4, [1, 1, 0, 0]), (7, 7, [1] * 7), (9, 2, [5, 4])],
)
def test_shares_differ_by_at_most_one_and_add_up(burst: int, shards: int, parts: list[int]) -> None:
    assert [share(burst, shard, shards) for shard in range(shards)] == parts


def test_a_pace_knows_its_rate() -> None:
    assert Pace(anchor_burst=0, anchor_us=0, interval_ms=100, burst=500).events_per_second == 5_000
    assert Pace(anchor_burst=0, anchor_us=0, interval_ms=2_000, burst=50).events_per_second == 25
