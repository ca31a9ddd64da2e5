"""Instants are exact, written as every route writes them, and waited for in full."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import SystemClock, from_datetime, to_datetime, to_iso

moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1970)


@pytest.mark.parametrize(
    ("instant_us", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (999_999, "1970-01-01T00:00:00Z"),
        (1_772_366_400_000_000, "2026-03-01T12:00:00Z"),
        (1_772_366_459_999_999, "2026-03-01T12:00:59Z"),
        (1_709_208_000_123_456, "2024-02-29T12:00:00Z"),
    ],
)
def test_routes_write_whole_seconds(instant_us: int, text: str) -> None:
    assert to_iso(instant_us) == text


def test_microseconds_are_kept() -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC)
    assert to_datetime(1_772_366_400_123_457) == moment
    assert from_datetime(moment) == 1_772_366_400_123_457


def test_any_zone_is_understood() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    assert from_datetime(datetime(1970, 1, 1, 5, 30, 1, tzinfo=there)) == 1_000_000


@given(moment=moments)
def test_instants_and_datetimes_are_the_same(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment
    assert from_datetime(to_datetime(from_datetime(moment))) == from_datetime(moment)


def test_the_clock_is_the_machines() -> None:
    before = datetime.now(UTC)
    shown = to_datetime(SystemClock().now_us())
    assert before - timedelta(microseconds=1) <= shown <= datetime.now(UTC)


@pytest.mark.parametrize("ahead_us", [-10_000_000, 0, 1, 20_000])
async def test_waiting_ends_when_the_clock_shows_the_instant(ahead_us: int) -> None:
    clock = SystemClock()
    instant_us = clock.now_us() + ahead_us
    await clock.sleep_until(instant_us)
    assert clock.now_us() >= instant_us
