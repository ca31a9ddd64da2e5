"""What a rate asks of a hub: the guide's rules of thumb, and the service's published limits."""

from __future__ import annotations

import pytest

from streaming.core.capacity import capacity_of, recommendations, warnings
from streaming.core.config import PROFILES, RealtimeConfig


@pytest.mark.parametrize(
    ("interval_ms", "burst", "event_bytes", "units"),
    [
        (500, 100, 500, 1),  # 200 events/s
        (1_000, 1_000, 500, 1),
        (1_000, 1_001, 500, 2),
        (100, 500, 500, 5),  # 5 000 events/s
        (1_000, 1_000, 5_000, 5),  # by bytes
        (1_000, 50_000, 500, 50),
    ],
)
def test_throughput_units(interval_ms: int, burst: int, event_bytes: int, units: int) -> None:
    config = RealtimeConfig(emit_interval_ms=interval_ms, burst=burst)
    capacity = capacity_of(config, events_sent=10, bytes_sent=10 * event_bytes)
    assert capacity.throughput_units == units
    assert capacity.bytes_per_second == burst * 1_000 * event_bytes // interval_ms


@pytest.mark.parametrize(
    ("event_bytes", "sizes"),
    [(100, (500, 1_000)), (999, (500, 1_000)), (1_000, (100, 500)), (10_000, (100, 500)), (10_001, (50, 100))],
)
def test_batch_sizes_are_the_guides(event_bytes: int, sizes: tuple[int, int]) -> None:
    capacity = capacity_of(RealtimeConfig(), events_sent=1, bytes_sent=event_bytes)
    assert capacity.recommended_max_batch_size == sizes


def test_nothing_sent_yet_is_said_and_a_typical_size_taken() -> None:
    capacity = capacity_of(RealtimeConfig(), events_sent=0, bytes_sent=0)
    assert not capacity.measured
    assert capacity.average_event_bytes == 500


@pytest.mark.parametrize("profile", PROFILES)
def test_the_named_profiles_give_no_warning(profile: str) -> None:
    config = RealtimeConfig.model_validate(PROFILES[profile])
    assert warnings(config, capacity_of(config, events_sent=0, bytes_sent=0)) == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"circuit_breaker_enabled": False}, "circuit_breaker_enabled"),
        ({"enable_dead_letter_queue": False}, "enable_dead_letter_queue"),
        ({"retry_attempts": 0}, "retry_attempts"),
        ({"burst": 20_000}, "chunks"),
        ({"burst": 1}, "under the 10"),
        ({"batch_timeout_ms": 10_000, "retry_attempts": 20}, "a minute"),
        ({"dlq_max_size": 10}, "dlq_max_size"),
    ],
)
def test_what_is_probably_not_meant_is_said(settings: dict[str, object], word: str) -> None:
    config = RealtimeConfig.model_validate(settings)
    (warning,) = warnings(config, capacity_of(config, events_sent=0, bytes_sent=0))
    assert word in warning


def test_recommendations() -> None:
    def of(event_bytes: int, **settings: int) -> str:
        config = RealtimeConfig.model_validate(settings)
        return " ".join(recommendations(config, capacity_of(config, events_sent=1, bytes_sent=event_bytes)))

    assert not of(500)
    assert "max_batch_size 500 to 1000" in of(500, burst=1_000)
    assert "fills a batch's 1 MB" in of(20_000, max_batch_size=1_000)
    assert "2 throughput units" in of(500, emit_interval_ms=1_000, burst=1_500, max_batch_size=500)
    assert "Premium" in of(500, emit_interval_ms=1_000, burst=50_000, max_batch_size=500)
