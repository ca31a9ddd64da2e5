"""The breaker by hand: each case is one decision of the state machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.breaker import (
    KEPT_TRANSITIONS,
    BreakerSettings,
    BreakerState,
    BreakerStatus,
    Denied,
    Permit,
    acquire,
    failed,
    force_open,
    renewed,
    reset,
    succeeded,
)

SECOND = 1_000_000
T0 = 1_767_225_600 * SECOND
SETTINGS = BreakerSettings(
    enabled=True, failure_threshold=5, timeout_seconds=60, half_open_max_calls=3, permit_seconds=10.0
)
CLOSED, OPEN, HALF_OPEN = BreakerStatus.CLOSED, BreakerStatus.OPEN, BreakerStatus.HALF_OPEN


def fail(
    state: BreakerState,
    permit: Permit | None = None,
    *,
    now_us: int = T0,
    settings: BreakerSettings = SETTINGS,
    jitter: float = 0.5,
) -> BreakerState:
    permit = permit or Permit(epoch=state.epoch)
    return failed(state, permit, settings, category="throttling", now_us=now_us, jitter=jitter, by="one")


def succeed(state: BreakerState, permit: Permit | None = None, *, now_us: int = T0) -> BreakerState:
    return succeeded(state, permit or Permit(epoch=state.epoch), SETTINGS, now_us=now_us, by="one")


def ask(
    state: BreakerState, name: str = "p", *, now_us: int = T0, settings: BreakerSettings = SETTINGS
) -> tuple[BreakerState, Permit]:
    state, answer = acquire(state, settings, now_us=now_us, permit_id=name, by="one")
    assert isinstance(answer, Permit)
    return state, answer


def refused(state: BreakerState, *, now_us: int, settings: BreakerSettings = SETTINGS) -> int | None:
    same, answer = acquire(state, settings, now_us=now_us, permit_id="refused", by="one")
    assert isinstance(answer, Denied)
    assert same == state
    return answer.retry_at_us


def opened(settings: BreakerSettings = SETTINGS, *, at_us: int = T0) -> BreakerState:
    state = BreakerState()
    for _ in range(settings.failure_threshold):
        state = fail(state, now_us=at_us, settings=settings)
    assert state.status is OPEN
    return state


def half_open(permits: int) -> tuple[BreakerState, list[Permit]]:
    """At the end of the first wait, with so many permits out."""
    state, out = opened(), []
    for number in range(permits):
        state, permit = ask(state, f"p{number}", now_us=T0 + 60 * SECOND)
        out.append(permit)
    return state, out


class TestClosed:
    def test_it_permits_and_stays_as_it_is(self) -> None:
        assert ask(BreakerState()) == (BreakerState(), Permit(epoch=0))
        assert succeed(BreakerState()) == BreakerState()
        assert BreakerState().healthy

    def test_it_opens_with_exactly_the_threshold(self) -> None:
        state = BreakerState()
        for failures in range(1, 5):
            state = fail(state)
            assert (state.status, state.consecutive_failures, state.healthy) == (CLOSED, failures, False)
        state = fail(state)
        assert (state.status, state.consecutive_failures, state.trips, state.opened_at_us) == (OPEN, 5, 1, T0)
        assert state.last_category == "throttling"

    def test_a_success_in_between_begins_the_count_anew(self) -> None:
        state = BreakerState()
        for _ in range(4):
            state = fail(state)
        state = succeed(state)
        assert state.consecutive_failures == 0
        for _ in range(4):
            state = fail(state)
        assert state.status is CLOSED


class TestOpen:
    def test_the_first_wait_is_exactly_the_timeout(self) -> None:
        state = opened()
        assert refused(state, now_us=T0 + 60 * SECOND - 1) == T0 + 60 * SECOND
        state, permit = ask(state, now_us=T0 + 60 * SECOND)
        assert (state.status, permit.epoch) == (HALF_OPEN, state.epoch)

    def test_it_may_be_tried_once_the_wait_is_over_and_when_forced_open_never(self) -> None:
        state = opened()
        assert not state.may_be_tried(T0 + 60 * SECOND - 1)
        assert state.may_be_tried(T0 + 60 * SECOND)
        assert half_open(3)[0].may_be_tried(T0 + 60 * SECOND)
        assert not BreakerState().may_be_tried(T0 + 60 * SECOND)
        assert not force_open(state, now_us=T0, reason="a test", by="operator").may_be_tried(T0 + 600 * SECOND)

    def test_late_results_change_nothing(self) -> None:
        late = Permit(epoch=0)
        state = opened()
        assert fail(state, late) == state
        assert succeed(state, late) == state
        assert fail(state) == state  # not even with a permit of this very epoch: none was given
        assert succeed(state) == state


class TestHalfOpen:
    def test_it_lets_exactly_the_trials_through(self) -> None:
        state, _ = half_open(3)
        assert refused(state, now_us=T0 + 60 * SECOND) == T0 + 70 * SECOND
        assert len(state.trials) == 3

    def test_it_closes_when_all_have_succeeded(self) -> None:
        state, out = half_open(3)
        for permit in out[:2]:
            state = succeed(state, permit, now_us=T0 + 61 * SECOND)
            assert state.status is HALF_OPEN
            assert refused(state, now_us=T0 + 61 * SECOND) is not None
        state = succeed(state, out[2], now_us=T0 + 62 * SECOND)
        assert (state.status, state.consecutive_failures, state.opened_at_us) == (CLOSED, 0, None)
        assert (state.closed_at_us, state.outage_us, state.trips) == (T0 + 62 * SECOND, 62 * SECOND, 1)
        assert state.healthy

    def test_one_success_told_three_times_is_one(self) -> None:
        state, out = half_open(3)
        for _ in range(3):
            state = succeed(state, out[0])
        assert (state.status, state.trial_successes) == (HALF_OPEN, 1)

    def test_one_failure_opens_again_for_longer(self) -> None:
        state, out = half_open(3)
        state = succeed(state, out[0])
        state = fail(state, out[1], now_us=T0 + 61 * SECOND, jitter=0.0)
        assert (state.status, state.trips, state.opened_at_us) == (OPEN, 2, T0)
        assert state.retry_at_us == T0 + (61 + 120) * SECOND
        assert succeed(state, out[2]) == state
        assert fail(state, out[2]) == state

    def test_a_killed_workers_permit_is_given_to_another(self) -> None:
        state, out = half_open(3)
        for permit in out[:2]:
            state = succeed(state, permit)
        expired = T0 + 70 * SECOND
        assert refused(state, now_us=expired - 1) == expired
        state, heir = ask(state, "heir", now_us=expired)
        assert refused(state, now_us=expired) == expired + 10 * SECOND
        assert succeed(state, out[2], now_us=expired) == state
        assert fail(state, out[2], now_us=expired) == state
        assert succeed(state, heir, now_us=expired).status is CLOSED

    def test_fewer_trials_than_have_succeeded_do_not_jam_it(self) -> None:
        state, out = half_open(3)
        for permit in out[:2]:
            state = succeed(state, permit)
        fewer = replace(SETTINGS, half_open_max_calls=2)
        state, permit = ask(state, now_us=T0 + 61 * SECOND, settings=fewer)
        assert (state.status, permit) == (CLOSED, Permit(epoch=state.epoch))
        assert fail(state, out[2]) == state

    @pytest.mark.parametrize("status", ["closed", "open"])
    def test_a_permit_of_an_earlier_half_opening_is_late(self, status: str) -> None:
        state, out = half_open(3)
        state = fail(state, out[0], now_us=T0 + 61 * SECOND)
        assert state.retry_at_us is not None
        state, permit = ask(state, "p9", now_us=state.retry_at_us)
        late = Permit(epoch=out[1].epoch, permit_id="p9" if status == "open" else out[1].permit_id)
        assert fail(state, late) == state
        assert succeed(state, late) == state
        assert permit.epoch > late.epoch


class TestWaits:
    def waits(self, timeout_seconds: int, jitter: float, reopenings: int) -> list[float]:
        settings = replace(SETTINGS, timeout_seconds=timeout_seconds)
        state, now_us, found = opened(settings), T0, []
        for _ in range(reopenings + 1):
            assert state.retry_at_us is not None
            found.append((state.retry_at_us - now_us) / SECOND)
            now_us = state.retry_at_us
            state, permit = ask(state, now_us=now_us, settings=settings)
            state = fail(state, permit, now_us=now_us, settings=settings, jitter=jitter)
        return found

    def test_they_double_up_to_ten_minutes(self) -> None:
        assert self.waits(60, 0.0, 5) == [60, 120, 240, 480, 600, 600]

    def test_they_are_jittered_except_for_the_first(self) -> None:
        assert self.waits(60, 1.0, 5) == [60, 90, 180, 360, 450, 450]

    @given(timeout_seconds=st.integers(1, 3_600), jitter=st.floats(0, 1))
    def test_later_ones_are_longer_than_the_first_and_capped(self, timeout_seconds: int, jitter: float) -> None:
        first, *later = self.waits(timeout_seconds, jitter, 14)
        assert first == timeout_seconds
        assert all(first < wait <= max(600, 2 * timeout_seconds) for wait in later)
        assert later == sorted(later)

    def test_the_escalation_ends_with_the_outage(self) -> None:
        state, out = half_open(3)
        state = fail(state, out[0], now_us=T0 + 60 * SECOND)
        state = reset(state, now_us=T0 + 70 * SECOND, reason="fixed", by="operator")
        for _ in range(5):
            state = fail(state, now_us=T0 + 80 * SECOND)
        assert state.retry_at_us == T0 + 140 * SECOND
        assert state.opened_at_us == T0 + 80 * SECOND


class TestOperator:
    def test_forced_open_lasts_until_it_is_reset(self) -> None:
        state = force_open(BreakerState(), now_us=T0, reason="maintenance", by="operator")
        assert (state.status, state.trips, state.retry_at_us) == (OPEN, 1, None)
        assert refused(state, now_us=T0 + 10**15) is None
        state = reset(state, now_us=T0 + SECOND, reason="done", by="operator")
        assert (state.status, state.outage_us) == (CLOSED, SECOND)
        assert ask(state)[1] == Permit(epoch=state.epoch)

    def test_forcing_what_is_open_is_no_further_trip(self) -> None:
        state = force_open(opened(), now_us=T0 + SECOND, reason="leave it", by="operator")
        assert (state.trips, state.opened_at_us) == (1, T0)
        assert refused(state, now_us=T0 + 3_600 * SECOND) is None

    def test_forcing_while_half_open_voids_the_permits(self) -> None:
        state, out = half_open(2)
        state = force_open(state, now_us=T0 + 61 * SECOND, reason="leave it", by="operator")
        assert state.trips == 2
        for permit in out:
            assert succeed(state, permit) == state
            assert fail(state, permit) == state

    def test_a_reset_of_a_healthy_breaker_changes_nothing(self) -> None:
        assert reset(BreakerState(), now_us=T0, reason="why not", by="operator") == BreakerState()

    def test_a_reset_wipes_the_marks(self) -> None:
        state = reset(fail(BreakerState()), now_us=T0, reason="fixed", by="operator")
        assert state.healthy

    def test_a_new_session_begins_with_nothing_counted(self) -> None:
        for before in (BreakerState(), fail(BreakerState()), opened(), half_open(2)[0]):
            state = renewed(before, now_us=T0 + 90 * SECOND)
            assert state.healthy
            assert (state.trips, state.last_category, state.outage_us, state.opened_at_us) == (0, None, 0, None)
            assert state.transitions[: len(before.transitions)] == before.transitions
            for late in (Permit(epoch=before.epoch), *(Permit(epoch=before.epoch, permit_id=f"p{n}") for n in (0, 1))):
                assert fail(state, late) == state


class TestDisabled:
    OFF = replace(SETTINGS, enabled=False)

    @pytest.mark.parametrize("state", [BreakerState(), opened(), half_open(3)[0]], ids=["closed", "open", "half-open"])
    def test_it_always_permits_and_never_changes(self, state: BreakerState) -> None:
        same, permit = ask(state, settings=self.OFF)
        assert same == state
        for _ in range(20):
            assert fail(state, permit, settings=self.OFF) == state
        assert succeeded(state, permit, self.OFF, now_us=T0, by="one") == state

    def test_its_permits_count_for_nothing_once_it_is_enabled(self) -> None:
        for state in (opened(), half_open(1)[0]):
            _, permit = ask(state, settings=self.OFF)
            assert fail(state, permit) == state
            assert succeed(state, permit) == state


def test_every_transition_is_recorded() -> None:
    state, out = half_open(1)
    state = fail(state, out[0], now_us=T0 + 61 * SECOND)
    state = reset(state, now_us=T0 + 62 * SECOND, reason="fixed", by="operator")
    recorded = [
        ((change.at_us - T0) // SECOND, change.from_state, change.to_state, change.by) for change in state.transitions
    ]
    assert recorded == [
        (0, CLOSED, OPEN, "one"),
        (60, OPEN, HALF_OPEN, "one"),
        (61, HALF_OPEN, OPEN, "one"),
        (62, OPEN, CLOSED, "operator"),
    ]
    assert [change.reason for change in state.transitions] == [
        "5 consecutive failures, the last one throttling",
        "the wait is over",
        "a trial batch failed: throttling",
        "fixed",
    ]


def test_every_transition_begins_a_new_epoch() -> None:
    closed, open_, (trying, out) = BreakerState(), opened(), half_open(1)
    reopened = fail(trying, out[0])
    closed_again = reset(reopened, now_us=T0, reason="fixed", by="operator")
    assert [state.epoch for state in (closed, open_, trying, reopened, closed_again)] == [0, 1, 2, 3, 4]


def test_the_latest_transitions_are_kept() -> None:
    state = BreakerState()
    for number in range(60):
        state = force_open(state, now_us=T0 + number, reason="on", by="operator")
        state = reset(state, now_us=T0 + number, reason="off", by="operator")
    assert len(state.transitions) == KEPT_TRANSITIONS == 50
    assert state.transitions[-1].at_us == T0 + 59
    assert state.trips == 60
