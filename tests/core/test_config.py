"""The configuration is the contract's: every key, its default and its bounds, written down by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streaming.core.config import PROFILES, RealtimeConfig, effective, from_environment

DEFAULTS: dict[str, Any] = {
    "emit_interval_ms": 500,
    "burst": 100,
    "max_batch_size": 256,
    "batch_timeout_ms": 1_000,
    "retry_attempts": 3,
    "backoff_multiplier": 2.0,
    "circuit_breaker_enabled": True,
    "failure_threshold": 5,
    "timeout_seconds": 60,
    "half_open_max_calls": 3,
    "monitoring_interval": 30,
    "max_buffer_size": 10_000,
    "enable_dead_letter_queue": True,
    "dlq_max_size": 10_000,
    "max_catch_up_seconds": 300,
    "lanes": 0,
    "shards": 1,
}
BOUNDS: dict[str, tuple[float, float]] = {
    "emit_interval_ms": (10, 3_600_000),
    "burst": (1, 100_000),
    "max_batch_size": (1, 10_000),
    "batch_timeout_ms": (100, 10_000),
    "retry_attempts": (0, 20),
    "backoff_multiplier": (1.0, 10.0),
    "failure_threshold": (1, 1_000),
    "timeout_seconds": (1, 3_600),
    "half_open_max_calls": (1, 100),
    "monitoring_interval": (1, 3_600),
    "max_buffer_size": (100, 1_000_000),
    "dlq_max_size": (1, 1_000_000),
    "max_catch_up_seconds": (1, 86_400),
    "lanes": (0, 2_000),
    "shards": (1, 100),
}
WHOLE = sorted(BOUNDS.keys() - {"backoff_multiplier"})
SWITCHES = ["circuit_breaker_enabled", "enable_dead_letter_queue"]


def refused(update: dict[str, object]) -> set[str]:
    """The keys that an update is refused for."""
    with pytest.raises(ValidationError) as caught:
        effective({}, {}, update)
    return {str(error["loc"][0]) if error["loc"] else "" for error in caught.value.errors()}


def test_defaults() -> None:
    assert effective({}, {}).model_dump() == DEFAULTS


@pytest.mark.parametrize("key", BOUNDS)
def test_bounds(key: str) -> None:
    low, high = BOUNDS[key]
    for value in (low, high):
        assert getattr(effective({}, {}, {key: value}), key) == value
    for value in (low - 1, high + 1):
        assert refused({key: value}) == {key}


@pytest.mark.parametrize("key", DEFAULTS)
@pytest.mark.parametrize("value", ["1", None, [], {}, float("nan"), float("inf"), 1.5])
def test_wrong_types_are_refused_by_name(key: str, value: object) -> None:
    if (key, value) != ("backoff_multiplier", 1.5):
        assert refused({key: value}) == {key}


@pytest.mark.parametrize("key", BOUNDS)
def test_a_switch_is_no_number(key: str) -> None:
    assert refused({key: True}) == {key}


@pytest.mark.parametrize("key", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, "true", "off"])
def test_a_number_or_text_is_no_switch(key: str, value: object) -> None:
    assert refused({key: value}) == {key}


def test_every_wrong_key_is_named() -> None:
    assert refused({"burst": 0, "lanes": -1, "azure_connection_string": "secret", "Burst": 1}) == {
        "burst",
        "lanes",
        "azure_connection_string",
        "Burst",
    }


@pytest.mark.parametrize(
    ("interval_ms", "burst", "accepted"), [(10, 10_000, True), (10, 10_001, False), (100, 100_000, True)]
)
def test_a_burst_fits_its_interval_in_microseconds(interval_ms: int, burst: int, accepted: bool) -> None:
    update: dict[str, object] = {"emit_interval_ms": interval_ms, "burst": burst}
    if accepted:
        assert effective({}, {}, update).burst == burst
    else:
        with pytest.raises(ValidationError, match="burst may not exceed emit_interval_ms x 1000"):
            effective({}, {}, update)


def test_what_is_stored_and_what_is_asked_for_must_fit_together() -> None:
    with pytest.raises(ValidationError, match="burst may not exceed"):
        effective({}, {"burst": 50_000}, {"emit_interval_ms": 10})


def test_the_later_word_wins() -> None:
    config = effective({"burst": 1, "lanes": 1, "timeout_seconds": 7}, {"burst": 2, "lanes": 2}, {"burst": 3})
    assert (config.burst, config.lanes, config.timeout_seconds, config.emit_interval_ms) == (3, 2, 7, 500)


def test_it_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        effective({}, {}).burst = 1


def test_profiles_are_the_guides() -> None:
    assert PROFILES == {
        "low": {"emit_interval_ms": 2000, "burst": 50, "max_batch_size": 128},
        "medium": {"emit_interval_ms": 500, "burst": 100, "max_batch_size": 256},
        "high": {"emit_interval_ms": 100, "burst": 500, "max_batch_size": 1000},
        "production": {
            "emit_interval_ms": 1000,
            "burst": 100,
            "max_batch_size": 256,
            "batch_timeout_ms": 1000,
            "retry_attempts": 3,
            "backoff_multiplier": 2.0,
            "circuit_breaker_enabled": True,
            "monitoring_interval": 30,
            "max_buffer_size": 10000,
            "enable_dead_letter_queue": True,
        },
    }


@pytest.mark.parametrize(("profile", "rate"), [("low", 25), ("medium", 200), ("high", 5_000), ("production", 100)])
def test_profiles_hold_by_themselves(profile: str, rate: int) -> None:
    config = effective({}, {}, PROFILES[profile])
    assert config.burst * 1_000 / config.emit_interval_ms == rate


class TestEnvironment:
    def test_texts_become_values(self) -> None:
        values, wrong = from_environment(
            {
                "burst": "50",
                "emit_interval_ms": " 100 ",
                "backoff_multiplier": "1.5",
                "circuit_breaker_enabled": "false",
                "enable_dead_letter_queue": "1",
            }
        )
        assert wrong == {}
        assert values == {
            "burst": 50,
            "emit_interval_ms": 100,
            "backoff_multiplier": 1.5,
            "circuit_breaker_enabled": False,
            "enable_dead_letter_queue": True,
        }

    def test_what_is_wrong_is_named_and_left_out(self) -> None:
        values, wrong = from_environment({"burst": "many", "lanes": "-1", "speed": "9", "timeout_seconds": "2"})
        assert values == {"timeout_seconds": 2}
        assert wrong.keys() == {"burst", "lanes", "speed"}

    def test_a_burst_that_does_not_fit_its_interval_is_named(self) -> None:
        values, wrong = from_environment({"burst": "50000", "emit_interval_ms": "10"})
        assert values == {"emit_interval_ms": 10}
        assert wrong.keys() == {"burst"}

    @given(
        texts=st.dictionaries(
            st.one_of(st.sampled_from(sorted(DEFAULTS)), st.text(st.characters(), max_size=10)),
            st.one_of(st.text(st.characters(), max_size=10), st.integers().map(str), st.floats().map(str)),
        )
    )
    def test_nothing_raises_and_what_is_taken_holds(self, texts: dict[str, str]) -> None:
        values, wrong = from_environment(texts)
        assert values.keys() | wrong.keys() == texts.keys()
        assert not values.keys() & wrong.keys()
        effective(values, {})


@given(update=st.fixed_dictionaries({}, optional={key: st.integers(-(10**7), 10**7) for key in WHOLE}))
def test_an_update_holds_or_is_refused(update: dict[str, int]) -> None:
    outside = {key for key, value in update.items() if not BOUNDS[key][0] <= value <= BOUNDS[key][1]}
    burst, interval_ms = update.get("burst", 100), update.get("emit_interval_ms", 500)
    if outside:
        assert refused(dict(update)) == outside
    elif burst > interval_ms * 1_000:
        assert refused(dict(update)) == {""}
    else:
        assert effective({}, {}, update) == RealtimeConfig(**(DEFAULTS | update))
