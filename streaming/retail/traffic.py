"""How much happens where and when: the curves of hours, weekdays, seasons, holidays and weather.

All in whole numbers (percent and billionths), so that every machine comes to the same result. docs/data.md shows
the curves and says where each number is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from streaming.retail.draws import Draws
from streaming.retail.local_time import holidays, local_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from streaming.retail.places import Region, Store

BUCKET_SECONDS: Final = 900
"""Traffic changes every quarter of an hour."""
LAST_ENTRY_MINUTES: Final = 30
"""Nobody new comes in so shortly before a store closes."""
RECEIPTS_PER_DAY: Final = 80
"""Of a store of volume class 100, on an average day."""

ORDERS_PERCENT: Final = 35
ADVERTS_PERCENT: Final = 200
"""Of a usual day's receipts: online orders, and impressions of advertisements."""
COUNTS_PERCENT: Final = 4
"""Of the receipts now: shelf counts that find something missing."""

HOURS_IN_STORES: Final = (6, 4, 3, 3, 4, 8, 18, 28, 38, 50, 66, 92, 108, 94, 66, 60, 70, 98, 112, 90, 58, 40, 24, 12)
"""Shoppers by local hour: peaks at lunch and in the early evening."""
HOURS_ONLINE: Final = (28, 16, 9, 6, 6, 9, 18, 30, 42, 50, 54, 56, 60, 58, 54, 52, 54, 58, 66, 82, 96, 100, 80, 50)
"""Orders and advertisements by local hour: they fill the evening and the night."""
WEEKDAYS: Final = (70, 80, 90, 100, 120, 140, 110)
"""Percent, Monday to Sunday."""
MONTHS: Final = (110, 100, 100, 100, 100, 90, 90, 95, 110, 115, 125, 145)
"""Percent, January to December."""


class Start(IntEnum):
    """What can begin at any moment."""

    PURCHASE = 0
    BROWSE = 1
    ORDER = 2
    ADVERT = 3
    COUNT = 4
    """Somebody counts a shelf and finds something damaged or missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    name: str
    percent: int
    """Of the visitors of a clear day."""


CLEAR: Final = Weather(name="clear", percent=100)
_RAIN: Final = Weather(name="rain", percent=92)
_HEAT: Final = Weather(name="heat", percent=90)
_STORM: Final = Weather(name="storm", percent=70)
_SNOW: Final = Weather(name="snow", percent=60)


_OTHER_MONTHS: Final = (_STORM,) * 1 + (_RAIN,) * 5 + (CLEAR,) * 14
_SUMMER: Final = (_STORM,) * 1 + (_RAIN,) * 4 + (_HEAT,) * 3 + (CLEAR,) * 12
_WINTER_WITH_SNOW: Final = (_SNOW,) * 3 + (_RAIN,) * 3 + (CLEAR,) * 14
"""Twentieths of all days."""


def weather(seed: int, region: Region, day: date) -> Weather:
    """The weather of a region on a day: the same for all who ask."""
    draw = Draws("weather", seed, region.name).block(day.toordinal())[0]
    season = (
        _WINTER_WITH_SNOW
        if region.snow and day.month in {12, 1, 2}
        else _SUMMER
        if day.month in {6, 7, 8}
        else _OTHER_MONTHS
    )
    return season[draw * len(season) >> 16]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHours:
    """When a store is open on one local day, in minutes of that day; nothing when ``opens`` is ``closes``."""

    opens: int
    closes: int


def store_hours(store: Store, *, closed_day: bool) -> StoreHours:
    if closed_day and not store.always_open:
        return StoreHours(opens=0, closes=0)
    return StoreHours(opens=store.opens_hour * 60, closes=store.closes_hour * 60)


def is_closed_day(day: date) -> bool:
    return holidays(day.year).get(day, ("", 100))[1] == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What begins in a district in one quarter of an hour."""

    starts: tuple[int, ...]
    """Cumulative over Start: billionths of a start per second, at scale 1."""
    stores: tuple[int, ...]
    """Cumulative over the district's stores: their shares of the visits."""
    month: int

    @property
    def total(self) -> int:
        return self.starts[-1]


def _quarter(hours: Sequence[int], minute: int) -> int:
    """The curve at a quarter of the day, straight between the middles of the hours, times 60."""
    shifted = minute - 30 + BUCKET_SECONDS // 120
    hour, rest = divmod(shifted, 60)
    return hours[hour % 24] * (60 - rest) + hours[(hour + 1) % 24] * rest


def _entry_allowed(hours: StoreHours, minute: int, always_open: bool) -> bool:
    if always_open:
        return True
    return hours.opens <= minute and minute + BUCKET_SECONDS // 60 <= hours.closes - LAST_ENTRY_MINUTES


def traffic(
    *, seed: int, region: Region, stores: Sequence[Store], second: int, visitors_permille: Mapping[int, int]
) -> Traffic:
    """The traffic of the quarter of an hour that ``second`` is in.

    ``visitors_permille`` lowers the visits of single stores, by store id (disruptions).
    """
    clock = local_time(region, second // BUCKET_SECONDS * BUCKET_SECONDS)
    day = clock.day
    _, holiday = holidays(day.year).get(day, ("", 100))
    closed_day = holiday == 0
    calendar = WEEKDAYS[day.weekday()] * MONTHS[day.month - 1] * (holiday or 40)
    sky = weather(seed, region, day).percent
    shares = []
    for store in stores:
        hours = store_hours(store, closed_day=closed_day)
        if not _entry_allowed(hours, clock.minute, store.always_open):
            shares.append(0)
            continue
        # The curve's points are 60 per hour value: a day's open hours together make the store's receipts.
        open_hours = sum(HOURS_IN_STORES[store.opens_hour : store.closes_hour]) * 60 * 3_600
        daily = RECEIPTS_PER_DAY * store.volume_class * calendar * sky  # in 10^-10 receipts
        share = daily * _quarter(HOURS_IN_STORES, clock.minute) // (10 * open_hours)
        shares.append(share * visitors_permille.get(store.store_id, 1_000) // 1_000)
    visits = sum(shares)
    volume = RECEIPTS_PER_DAY * sum(store.volume_class for store in stores)  # in hundredths of receipts a day
    online = volume * MONTHS[day.month - 1] * _quarter(HOURS_ONLINE, clock.minute) * 100_000
    online //= sum(HOURS_ONLINE) * 60 * 3_600  # billionths per second, were there one order per receipt
    starts = {
        Start.PURCHASE: visits,
        Start.BROWSE: visits,
        Start.ORDER: online * ORDERS_PERCENT // 100,
        Start.ADVERT: online * ADVERTS_PERCENT // 100,
        Start.COUNT: visits * COUNTS_PERCENT // 100,
    }
    return Traffic(
        starts=tuple(accumulate(starts[kind] for kind in Start)),
        stores=tuple(accumulate(shares)),
        month=day.month,
    )
