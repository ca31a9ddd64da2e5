"""Local clocks agree with the zone database, and holidays fall on their days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.retail.local_time import easter, holidays, iso_second, local_time
from streaming.retail.places import REGIONS, Region

FIRST = int(datetime(2008, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


def _agrees(region: Region, second: int) -> bool:
    expected = datetime.fromtimestamp(second, ZoneInfo(region.time_zone))
    clock = local_time(region, second)
    return (clock.day, clock.minute) == (expected.date(), expected.hour * 60 + expected.minute)


@given(second=st.integers(FIRST, LAST), region=st.sampled_from(REGIONS))
def test_clocks_agree_with_the_zone_database(second: int, region: Region) -> None:
    assert _agrees(region, second)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_clocks_agree_around_every_change(region: Region) -> None:
    for year in range(2008, 2026):
        for month, days in ((3, range(7, 16)), (11, range(1, 9))):
            for day in days:
                for hour in range(24):
                    for minute in (0, 59):
                        assert _agrees(region, int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()))


def test_easter_is_when_it_was() -> None:
    known = [
        date(2000, 4, 23),
        date(2008, 3, 23),
        date(2011, 4, 24),
        date(2024, 3, 31),
        date(2026, 4, 5),
        date(2038, 4, 25),
    ]

    assert [easter(day.year) for day in known] == known


def test_holidays_of_a_year() -> None:
    names = {name: day for day, (name, _) in holidays(2026).items()}

    assert names["Thanksgiving"] == date(2026, 11, 26)
    assert names["Black Friday"] == date(2026, 11, 27)
    assert names["Memorial Day"] == date(2026, 5, 25)
    assert names["Labor Day"] == date(2026, 9, 7)
    assert names["Mother's Day"] == date(2026, 5, 10)
    assert {name for name, percent in holidays(2026).values() if percent == 0} == {"Thanksgiving", "Christmas Day"}


def test_seconds_are_written_alike_everywhere() -> None:
    assert iso_second(0) == "1970-01-01T00:00:00"
    assert iso_second(1_795_888_800) == "2026-11-28T18:00:00"
