"""Local clocks and the days that matter to shops, computed.

Not from a zone database: versions of it differ between machines, and the same inputs must give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streaming.retail.places import Region

_EPOCH: Final = date(1970, 1, 1)
_NEVER_OPEN: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    day: date
    minute: int
    """Of the local day."""


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    """The ``nth`` (1 is the first; -1 the last) Monday (0) to Sunday (6) of a month."""
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def local_time(region: Region, second: int) -> LocalTime:
    """What a clock in ``region`` shows at ``second`` since the epoch, UTC."""
    standard = second + region.utc_offset_minutes * 60
    day, rest = divmod(standard, 86_400)
    if region.daylight_saving and _daylight_saving(_EPOCH + timedelta(days=day), rest):
        day, rest = divmod(standard + 3_600, 86_400)
    return LocalTime(day=_EPOCH + timedelta(days=day), minute=rest // 60)


def _daylight_saving(day: date, standard_second: int) -> bool:
    """From 2 o'clock on the second Sunday of March to 1 o'clock (standard) on the first Sunday of November."""
    begins = nth_weekday(day.year, 3, 6, 2)
    ends = nth_weekday(day.year, 11, 6, 1)
    if day == begins:
        return standard_second >= 2 * 3_600
    if day == ends:
        return standard_second < 3_600
    return begins < day < ends


def easter(year: int) -> date:
    """Easter Sunday, Gregorian (the anonymous algorithm)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    h = (19 * a + b - d - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    month, day = divmod(h + weekday - 7 * ((a + 11 * h + 22 * weekday) // 451) + 114, 31)
    return date(year, month, day + 1)


def holidays(year: int) -> dict[date, tuple[str, int]]:
    """Days that change how many shop: name and percent of a usual day. 0: only stores that never close are open."""
    thanksgiving = nth_weekday(year, 11, 3, 4)
    return {
        date(year, 1, 1): ("New Year's Day", 60),
        date(year, 2, 14): ("Valentine's Day", 115),
        easter(year) - timedelta(days=1): ("Easter Saturday", 130),
        easter(year): ("Easter Sunday", 55),
        nth_weekday(year, 5, 6, 2): ("Mother's Day", 120),
        nth_weekday(year, 5, 0, -1): ("Memorial Day", 120),
        date(year, 7, 4): ("Independence Day", 85),
        nth_weekday(year, 9, 0, 1): ("Labor Day", 115),
        date(year, 10, 31): ("Halloween", 115),
        thanksgiving - timedelta(days=1): ("Thanksgiving Eve", 150),
        thanksgiving: ("Thanksgiving", _NEVER_OPEN),
        thanksgiving + timedelta(days=1): ("Black Friday", 190),
        date(year, 12, 23): ("Last days before Christmas", 170),
        date(year, 12, 24): ("Christmas Eve", 120),
        date(year, 12, 25): ("Christmas Day", _NEVER_OPEN),
        date(year, 12, 31): ("New Year's Eve", 125),
    }


def iso_second(second: int) -> str:
    """``2026-11-23T21:05:09``: the part of a timestamp that a whole second of events shares."""
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]
