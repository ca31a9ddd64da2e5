from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions_host.schedule import is_monitored, parse_schedule

_INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the strategy adds the zone
_NOW = datetime(2026, 11, 23, 21, 10, 3, 500_000, UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("* * * * * *", datetime(2026, 11, 23, 21, 10, 4, tzinfo=UTC)),
        ("*/5 * * * * *", datetime(2026, 11, 23, 21, 10, 5, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 11, 23, 21, 15, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 11, 23, 21, 15, tzinfo=UTC)),
        ("0 0 0 * * 0", datetime(2026, 11, 29, tzinfo=UTC)),
        ("0 0 0 * * SUN", datetime(2026, 11, 29, tzinfo=UTC)),
        ("0 0 0 * * sunday", datetime(2026, 11, 29, tzinfo=UTC)),
        ("0 30 9-17 * Jan Mon-Fri", datetime(2027, 1, 1, 9, 30, tzinfo=UTC)),
        # Day of month *and* day of week, unlike cron.
        ("0 0 0 13 * 5", datetime(2027, 8, 13, tzinfo=UTC)),
        ("00:00:05", _NOW + timedelta(seconds=5)),
        ("00:00:00.250", _NOW + timedelta(milliseconds=250)),
        ("1.00:00:00", _NOW + timedelta(days=1)),
    ],
)
def test_the_next_occurrence(text: str, following: datetime) -> None:
    assert parse_schedule(text).next_after(_NOW) == following


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "* * * *", "* * * * * * *", "60 * * * * *", "* * * * * 7", "0 0 0 ? * *", "0 0 0 L * *",
     "@hourly", "00:00:00", "24:00:00", "* * * * * MOO"],
)  # fmt: skip
def test_what_the_platform_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(text)


@given(instant=_INSTANTS, step=st.integers(1, 59))
def test_occurrences_are_later_and_never_leave_one_out(instant: datetime, step: int) -> None:
    schedule = parse_schedule(f"*/{step} * * * * *")
    following = schedule.next_after(instant)
    assert following > instant
    assert following.second % step == 0
    assert following.microsecond == 0
    seconds = [instant.replace(microsecond=0) + timedelta(seconds=ahead) for ahead in range(1, 61)]
    assert following == next(second for second in seconds if second.second % step == 0)


@given(instant=_INSTANTS)
def test_a_chain_of_occurrences_has_no_gap(instant: datetime) -> None:
    schedule = parse_schedule("* * * * * *")
    chain = [schedule.next_after(instant)]
    for _ in range(5):
        chain.append(schedule.next_after(chain[-1]))
    assert {later - earlier for earlier, later in pairwise(chain)} == {timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("text", "monitored"),
    [
        ("* * * * * *", False),
        ("*/30 * * * * *", False),
        ("00:00:59", False),
        ("00:01:00", True),
        ("0 * * * * *", True),
        ("0 0 3 * * *", True),
        ("0,30 0 * * * *", False),
    ],
)
def test_schedules_below_one_minute_are_not_monitored(text: str, monitored: bool) -> None:
    assert is_monitored(parse_schedule(text), _NOW) is monitored
