"""No minute holds more calls than the limit; and whoever waits as told may go ahead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.clock import MICROSECONDS
from streaming.core.rate_limit import WINDOW_US, take

START_US = 1_780_000_000_000_000


@given(limit=st.integers(1, 6), gaps_us=st.lists(st.integers(0, 40 * MICROSECONDS), max_size=60))
def test_no_minute_holds_more_than_the_limit(limit: int, gaps_us: list[int]) -> None:
    calls: tuple[int, ...] = ()
    allowed: list[int] = []
    now_us = START_US
    for gap_us in gaps_us:
        now_us += gap_us
        calls, wait_seconds = take(calls, limit=limit, now_us=now_us)
        assert len(calls) <= limit
        if wait_seconds is None:
            allowed.append(now_us)
        else:
            assert 1 <= wait_seconds <= 60
            assert take(calls, limit=limit, now_us=now_us + wait_seconds * MICROSECONDS)[1] is None
    for begin_us in allowed:
        assert sum(begin_us <= call_us < begin_us + WINDOW_US for call_us in allowed) <= limit


def test_a_limit_that_was_lowered_counts_what_was_allowed_before() -> None:
    calls = tuple(START_US + second * MICROSECONDS for second in range(5))
    _, wait_seconds = take(calls, limit=2, now_us=START_US + 5 * MICROSECONDS)
    assert wait_seconds == 58  # until the fourth of the five is a minute old


def test_a_clock_that_was_put_back_locks_nobody_out() -> None:
    calls = tuple(START_US + second * MICROSECONDS for second in range(5))
    assert take(calls, limit=5, now_us=START_US - MICROSECONDS) == ((START_US - MICROSECONDS,), None)
