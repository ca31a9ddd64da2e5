"""Who is asked for, and when the timer's own process steps in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.cursor import LEASE_US, Cursor
from streaming.core.staffing import (
    AHEAD_US,
    ARRIVAL_US,
    ASK_AGAIN_US,
    GRACE_US,
    PATIENCE_US,
    RUN_HERE_US,
    RUNNERS_GRACE_US,
    may_wait_for,
    staff,
)

NOW = 1_780_000_000_000_000
FREE = Cursor(
    session_id="s",
    shard=1,
    shards=4,
    lanes=4,
    owner="",
    lease_until_us=0,
    heartbeat_us=NOW,
    operation_id="opened",
)
HELD = replace(FREE, owner="somebody", lease_until_us=NOW + LEASE_US, runs_until_us=NOW + 60_000_000)


def ask(*cursors: Cursor, asked_us: dict[int, int] | None = None) -> tuple[int, ...]:
    return staff(cursors, asked_us=asked_us or {}, here_until_us={}, now_us=NOW).ask


def here(
    *cursors: Cursor, asked_us: dict[int, int] | None = None, until: dict[int, int] | None = None
) -> dict[int, int]:
    return dict(staff(cursors, asked_us=asked_us or {}, here_until_us=until or {}, now_us=NOW).here)


def test_a_free_shard_is_asked_for_once_in_a_while() -> None:
    assert ask(FREE) == (1,)
    assert ask(FREE, asked_us={1: NOW - ASK_AGAIN_US + 1}) == ()
    assert ask(FREE, asked_us={1: NOW - ASK_AGAIN_US}) == (1,)


def test_a_held_shard_is_asked_for_ahead_of_its_runs_end_and_once() -> None:
    assert ask(HELD) == ()
    ending = replace(HELD, runs_until_us=NOW + AHEAD_US)
    assert ask(ending) == (1,)
    assert ask(ending, asked_us={1: NOW - 60_000_000}) == (1,)
    assert ask(ending, asked_us={1: NOW}) == ()
    assert ask(replace(ending, runs_until_us=NOW), asked_us={1: NOW - AHEAD_US}) == ()
    assert here(ending) == {}


def test_a_shard_that_stays_free_is_run_here_until_a_runner_may_have_come() -> None:
    given_back = replace(FREE, owner="somebody", lease_until_us=NOW - RUNNERS_GRACE_US)
    assert here(replace(given_back, lease_until_us=NOW - RUNNERS_GRACE_US + 1), asked_us={1: NOW - 1}) == {}
    assert here(given_back, asked_us={1: NOW - 1_000_000}) == {1: NOW - 1_000_000 + ARRIVAL_US}
    assert here(given_back, asked_us={1: NOW - ARRIVAL_US}) == {1: NOW + RUN_HERE_US}
    assert here(given_back) == {}, "it is asked for first"


def test_a_shard_that_was_run_here_is_offered_for_a_moment_only() -> None:
    given_back = replace(FREE, owner="timer", lease_until_us=NOW - GRACE_US)
    asked_us, until = {1: NOW - ARRIVAL_US}, {1: NOW - GRACE_US - 900_000}
    assert here(given_back, asked_us=asked_us, until=until) == {1: NOW + RUN_HERE_US}
    assert here(replace(given_back, lease_until_us=NOW - GRACE_US + 1), asked_us=asked_us, until=until) == {}
    assert here(given_back, asked_us=asked_us, until={1: NOW - 70_000_000}) == {}, "somebody else has run it since"


def test_a_run_that_was_cut_short_goes_on_at_once() -> None:
    given_back = replace(FREE, lease_until_us=NOW)
    assert here(given_back, asked_us={1: NOW - 1}, until={1: NOW + 9}) == {1: NOW + 9}
    assert here(given_back, asked_us={1: NOW - 1}, until={1: NOW}) == {}


def test_one_shard_is_run_here_and_nobody_is_asked() -> None:
    alone = replace(FREE, shard=0, shards=1)
    assert here(alone) == {0: NOW + RUN_HERE_US}
    assert ask(alone, replace(HELD, shard=0, shards=1, runs_until_us=NOW)) == ()


def test_closed_shards_are_left_alone() -> None:
    closed = replace(FREE, closed=True)
    assert (ask(closed), here(closed)) == ((), {})


def test_a_runner_waits_for_a_run_that_ends_soon() -> None:
    assert may_wait_for(replace(HELD, runs_until_us=NOW + PATIENCE_US), NOW)
    assert not may_wait_for(replace(HELD, runs_until_us=NOW + PATIENCE_US + 1), NOW)


@given(st.integers(2, 5), st.lists(st.integers(0, 4_000), max_size=40))
def test_no_shard_is_free_for_long_though_nobody_ever_comes(shards: int, pauses_ms: list[int]) -> None:
    """The timer alone, looking now and then: what it is to run it runs until then."""
    cursors = [replace(FREE, shard=shard, shards=shards) for shard in range(shards)]
    asked_us: dict[int, int] = {}
    here_until_us: dict[int, int] = {}
    free_since = dict.fromkeys(range(shards), NOW)
    now_us = NOW
    for pause_ms in [*pauses_ms, 1_000, 1_000]:
        looked = staff(cursors, asked_us=asked_us, here_until_us=here_until_us, now_us=now_us)
        asked_us |= dict.fromkeys(looked.ask, now_us)
        if not looked.ask:
            for shard, until_us in looked.here.items():
                assert until_us > now_us
                here_until_us[shard] = until_us
                cursors[shard] = replace(cursors[shard], owner="timer", lease_until_us=until_us, runs_until_us=until_us)
        now_us += pause_ms * 1_000 + 1
        for shard, cursor in enumerate(cursors):
            free_us = 0 if cursor.leased(now_us) else now_us - max(cursor.lease_until_us, free_since[shard])
            # Two looks, an ask that came between them, and the grace.
            assert free_us <= 3 * (max([*pauses_ms, 1_000]) * 1_000 + 1) + RUNNERS_GRACE_US
