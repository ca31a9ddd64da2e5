"""Waits grow, are jittered downwards, capped, and never overflow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import delay_seconds

bases = st.floats(0.001, 3_600)
multipliers = st.floats(1, 10)
caps = st.floats(0.001, 100_000)
draws = st.floats(0, 1)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 10.0), (5_000, 10.0)]
)
def test_the_wait_doubles_up_to_the_cap(failures: int, seconds: float) -> None:
    assert delay_seconds(failures=failures, base_seconds=0.5, multiplier=2.0, cap_seconds=10.0) == seconds


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 8.0), (0.5, 7.0), (1.0, 6.0)])
def test_jitter_shortens_the_wait_by_up_to_a_quarter(jitter: float, seconds: float) -> None:
    assert delay_seconds(failures=4, base_seconds=1.0, multiplier=2.0, cap_seconds=60.0, jitter=jitter) == seconds


def test_no_failure_yet_counts_as_the_first() -> None:
    assert delay_seconds(failures=0, base_seconds=3.0, multiplier=2.0, cap_seconds=60.0) == 3.0


@given(failures=st.integers(1, 10**9), base=bases, multiplier=multipliers, cap=caps, jitter=draws)
def test_the_cap_and_the_spread_hold(failures: int, base: float, multiplier: float, cap: float, jitter: float) -> None:
    def wait(jitter: float) -> float:
        return delay_seconds(
            failures=failures, base_seconds=base, multiplier=multiplier, cap_seconds=cap, jitter=jitter
        )

    assert 0 < wait(jitter) <= cap
    assert 0.75 * wait(0.0) <= wait(jitter) * (1 + 1e-12)
    assert wait(jitter) <= wait(0.0)


@given(failures=st.integers(1, 2_000), base=bases, multiplier=multipliers, cap=caps)
def test_it_never_shrinks_with_further_failures(failures: int, base: float, multiplier: float, cap: float) -> None:
    def wait(failures: int) -> float:
        return delay_seconds(failures=failures, base_seconds=base, multiplier=multiplier, cap_seconds=cap)

    assert wait(failures) <= wait(failures + 1)
