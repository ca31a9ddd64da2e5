"""What a generation of shards hands over to the next one: nothing is owed twice, or by nobody, or out of order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.cursor import Cursor
from streaming.core.generation import after_closing, ends_at_us, first_cursor, next_cursors, whole_bursts
from streaming.core.plan import Directive, Frontier, Pace, after, is_over, plan_next
from streaming.core.session import BARRIER_LEAD_US, MOST_GENERATIONS, Mode, Reshard, Session, Wanted, WorldSize

NOON = 1_780_000_000_000_000
SESSION = Session(
    session_id="s",
    seed=1,
    mode=Mode.LIVE,
    world=WorldSize(stores=8, distribution_centers=8, products=10, customers=8),
    started_at_us=NOON,
    emit_interval_ms=500,
    burst=100,
    shards=2,
    not_before_us=NOON,
)


@st.composite
def frontiers(draw: st.DrawFn) -> Frontier:
    """Where a shard may have come to; its pace may have changed on the way."""
    burst = draw(st.integers(0, 10_000))
    interval_ms = draw(st.integers(10, 3_600_000))
    return Frontier(
        window=draw(st.integers(0, 10_000)),
        burst=burst,
        pace=draw(st.none())
        if draw(st.booleans())
        else Pace(
            anchor_burst=draw(st.integers(0, burst)),
            anchor_us=NOON + draw(st.integers(0, 60_000)) * 1_000,
            interval_ms=interval_ms,
            burst=draw(st.integers(1, min(100_000, interval_ms * 1_000))),
        ),
    )


def closed(shard: int, shards: int, frontier: Frontier, lanes: int = 4) -> Cursor:
    return replace(first_cursor(replace(SESSION, shards=shards), shard), lanes=lanes, frontier=frontier, closed=True)


@given(st.lists(frontiers(), min_size=1, max_size=6), st.integers(1, 8))
def test_the_next_generation_begins_behind_all_of_the_last(old: list[Frontier], shards: int) -> None:
    reshard = Reshard(shards=shards, generation=3, barrier_us=NOON)
    cursors = next_cursors([closed(i, len(old), frontier) for i, frontier in enumerate(old)], reshard)

    assert [(c.shard, c.shards, c.generation, c.slot) for c in cursors] == [
        (i, shards, 3, 300 + i) for i in range(shards)
    ]
    (frontier,) = {cursor.frontier for cursor in cursors}
    assert frontier.burst == max(each.burst for each in old)
    assert frontier.window == max(each.window for each in old)
    paces = [(each.pace, each.burst) for each in old if each.pace is not None]
    if not paces:
        assert frontier.pace is None
        return
    assert frontier.pace is not None
    assert frontier.pace.scheduled_us(frontier.burst) == max(pace.scheduled_us(burst) for pace, burst in paces)
    # The last burst that anybody may have planned had room for its events before anything that comes.
    assert frontier.pace.scheduled_us(frontier.burst - 1) >= max(pace.scheduled_us(burst - 1) for pace, burst in paces)
    assert all(not cursor.closed and not cursor.owner and cursor.lanes == 4 for cursor in cursors)


@given(st.lists(frontiers(), min_size=1, max_size=6), st.integers(10, 3_600_000), st.integers(0, 120_000))
def test_no_change_of_pace_brings_a_burst_before_what_was_planned(
    old: list[Frontier], interval_ms: int, later_ms: int
) -> None:
    (cursor, *_) = next_cursors(
        [closed(i, len(old), frontier) for i, frontier in enumerate(old)],
        Reshard(shards=1, generation=1, barrier_us=NOON),
    )
    planned_us = [
        each.pace.scheduled_us(each.burst - 1) + each.pace.burst for each in old if each.pace is not None and each.burst
    ]
    directive = Directive(interval_ms=interval_ms, burst=1, not_before_us=0, max_catch_up_us=10**15)
    # What was planned has been sent by now, so it was due.
    now_us = max([NOON, *planned_us]) + later_ms * 1_000
    plan = plan_next(cursor.frontier, directive, now_us)
    if plan is not None and plan.bursts and cursor.frontier.pace is not None:
        first_us = plan.pace.scheduled_us(plan.first_burst)
        assert all(first_us >= due_us for due_us in planned_us)


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=5),
    st.integers(10, 5_000),
    st.integers(0, 6_000),
)
def test_shards_that_plan_up_to_a_barrier_each_in_its_own_time_come_to_the_same_burst(
    looks_ms: list[int], interval_ms: int, started_ms: int
) -> None:
    """However seldom a shard looks: those of one pace all stop at the first burst due at the barrier or later."""
    barrier_us = NOON + 20_000_000
    directive = Directive(
        interval_ms=interval_ms,
        burst=1,
        not_before_us=NOON + started_ms * 1_000,
        ends_at_us=barrier_us,
        max_catch_up_us=300_000_000,
    )
    ends = set()
    for look_ms in looks_ms:
        frontier, now_us = Frontier(), NOON
        while not is_over(frontier, directive, now_us):
            while (plan := plan_next(frontier, directive, now_us)) is not None:
                frontier = after(frontier, plan)
            now_us += (look_ms + 1) * 1_000
        ends.add(frontier.burst)
    owed = -(-(barrier_us - directive.not_before_us) // (interval_ms * 1_000))
    assert ends == {owed}


def test_a_later_request_replaces_an_earlier_one_and_keeps_its_barrier() -> None:
    first = SESSION.resharded(4, NOON)
    assert first.reshard == Reshard(shards=4, generation=1, barrier_us=NOON + BARRIER_LEAD_US)
    second = first.resharded(3, NOON + 5_000_000)
    assert second.reshard == Reshard(shards=3, generation=2, barrier_us=NOON + BARRIER_LEAD_US)
    assert second.resharded(3, NOON + 6_000_000) == second
    back = second.resharded(2, NOON + 6_000_000)
    assert back.reshard == Reshard(shards=2, generation=3, barrier_us=NOON + BARRIER_LEAD_US)
    flipped = back.flipped()
    assert (flipped.shards, flipped.generation, flipped.reshard) == (2, 3, None)
    assert Session.from_json(second.to_json()) == second


def test_asking_for_what_there_is_changes_nothing() -> None:
    assert SESSION.resharded(2, NOON) is SESSION
    assert not SESSION.single
    assert replace(SESSION, shards=1).single
    assert not replace(SESSION, shards=1).resharded(2, NOON).single


def test_the_last_generation_is_the_last() -> None:
    last = replace(SESSION, generation=MOST_GENERATIONS - 1)
    with pytest.raises(ValueError, match="99 times"):
        last.resharded(3, NOON)
    assert replace(SESSION, generation=MOST_GENERATIONS - 2).resharded(3, NOON).reshard is not None


def test_a_session_of_before_generations_can_be_read() -> None:
    document = SESSION.to_json()
    del document["generation"], document["reshard"]
    assert Session.from_json(document) == SESSION
    cursor = first_cursor(SESSION, 0).to_json()
    for name in ("generation", "runs_until_us", "closed"):
        del cursor[name]
    assert Cursor.from_json(cursor) == first_cursor(SESSION, 0)


@pytest.mark.parametrize(
    ("changes", "follows"),
    [
        ({"wanted": Wanted.STOPPED}, "stopped"),
        ({"wanted": Wanted.STOPPED, "reshard": Reshard(shards=3, generation=1, barrier_us=NOON)}, "stopped"),
        ({"ends_at_us": NOON}, "duration reached"),
        ({"ends_at_us": NOON, "reshard": Reshard(shards=3, generation=1, barrier_us=NOON)}, "duration reached"),
        (
            {"ends_at_us": NOON + 1, "reshard": Reshard(shards=3, generation=1, barrier_us=NOON)},
            Reshard(shards=3, generation=1, barrier_us=NOON),
        ),
        (
            {"reshard": Reshard(shards=3, generation=1, barrier_us=NOON)},
            Reshard(shards=3, generation=1, barrier_us=NOON),
        ),
    ],
)
def test_what_follows_once_all_are_closed(changes: dict[str, object], follows: object) -> None:
    assert after_closing(replace(SESSION, **changes)) == follows  # type: ignore[arg-type]  # of all kinds


def test_a_generation_owes_what_is_due_before_the_first_end() -> None:
    reshard = Reshard(shards=3, generation=1, barrier_us=NOON + 5)
    assert ends_at_us(SESSION) is None
    assert ends_at_us(replace(SESSION, ends_at_us=NOON)) == NOON
    assert ends_at_us(replace(SESSION, reshard=reshard)) == NOON + 5
    assert ends_at_us(replace(SESSION, ends_at_us=NOON, reshard=reshard)) == NOON


def test_resuming_during_a_change_begins_behind_the_barrier() -> None:
    changing = replace(SESSION.resharded(3, NOON), wanted=Wanted.PAUSED, paused_at_us=NOON)
    resumed = changing.resumed(NOON + 1_000_000, not_before_us=NOON + 3_000_000)
    assert resumed.not_before_us == NOON + BARRIER_LEAD_US
    assert resumed.lead_total_us == BARRIER_LEAD_US - 1_000_000


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=100))
def test_parts_of_bursts_add_up_exactly(counts: list[int]) -> None:
    shards = len(counts)
    parts = [(closed(shard, shards, Frontier()), count) for shard, count in enumerate(counts)]
    assert whole_bursts(parts) == Fraction(sum(counts), shards)
    assert whole_bursts([(cursor, 7) for cursor, _ in parts]) == 7
