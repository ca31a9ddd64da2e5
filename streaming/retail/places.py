"""Stores and distribution centers. Regions are invented; their clocks follow the zones that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.retail.draws import Draws, share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    name: str
    time_zone: str
    utc_offset_minutes: int
    """Of standard time."""
    daylight_saving: bool
    """Whether clocks follow the United States' rule."""
    tax_basis_points: tuple[int, int]
    snow: bool


REGIONS: Final = (
    Region(name="Northeast", time_zone="America/New_York", utc_offset_minutes=-300, daylight_saving=True,
           tax_basis_points=(600, 890), snow=True),
    Region(name="Midwest", time_zone="America/Chicago", utc_offset_minutes=-360, daylight_saving=True,
           tax_basis_points=(550, 1_025), snow=True),
    Region(name="Southwest", time_zone="America/Phoenix", utc_offset_minutes=-420, daylight_saving=False,
           tax_basis_points=(560, 910), snow=False),
    Region(name="West", time_zone="America/Los_Angeles", utc_offset_minutes=-480, daylight_saving=True,
           tax_basis_points=(725, 1_025), snow=False),
    Region(name="Southeast", time_zone="America/New_York", utc_offset_minutes=-300, daylight_saving=True,
           tax_basis_points=(400, 750), snow=False),
    Region(name="Mountain", time_zone="America/Denver", utc_offset_minutes=-420, daylight_saving=True,
           tax_basis_points=(290, 880), snow=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    name: str
    share: int
    """Of all stores, in hundredths."""
    volume_class: tuple[int, int]
    """Sales relative to an average store, in percent."""
    hours: tuple[tuple[int, int], ...]
    """Opening and closing hours that stores of the format have, local time."""


FORMATS: Final = (
    Format(name="kiosk", share=10, volume_class=(25, 35), hours=((9, 18), (9, 21))),
    Format(name="convenience", share=25, volume_class=(50, 70), hours=((0, 24), (6, 24))),
    Format(name="neighborhood", share=35, volume_class=(80, 110), hours=((8, 22), (9, 21))),
    Format(name="supermarket", share=20, volume_class=(140, 190), hours=((8, 22), (6, 24))),
    Format(name="flagship", share=10, volume_class=(250, 300), hours=((9, 21), (8, 22), (0, 24))),
)

_NAMES = (
    "Ash",
    "Birch",
    "Cedar",
    "Dover",
    "Elm",
    "Fair",
    "Glen",
    "Harbor",
    "Iron",
    "Jasper",
    "Kings",
    "Lake",
    "Maple",
    "North",
    "Oak",
    "Pine",
)
_ENDINGS = ("ford", "ton", "field", "view", "port", "dale", "wood", "bridge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    store_id: int
    name: str
    format: str
    region: str
    time_zone: str
    volume_class: int
    tax_basis_points: int
    """The sales tax, in hundredths of a percent."""
    opens_hour: int
    closes_hour: int
    """24 is midnight; with an opening hour of 0 the store never closes."""
    dc_id: int
    truck_id: str
    """The truck that supplies it: one at a time, so that no truck is in two places."""

    @property
    def always_open(self) -> bool:
        return self.opens_hour == 0 and self.closes_hour == 24


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionCenter:
    dc_id: int
    name: str
    region: str
    time_zone: str
    store_ids: tuple[int, ...]


def region_of(dc_id: int) -> Region:
    return REGIONS[(dc_id - 1) % len(REGIONS)]


def build_stores(seed: int, count: int, distribution_centers: int) -> tuple[Store, ...]:
    draws = Draws("store", seed)
    return tuple(_store(index, index % distribution_centers + 1, draws.block(index)) for index in range(count))


def _store(index: int, dc_id: int, draw: tuple[int, ...]) -> Store:
    region = region_of(dc_id)
    # By rank and not by chance, so that a small world has every format too.
    position = index * 37 % 100
    kind = FORMATS[-1]
    for candidate in FORMATS:
        position -= candidate.share
        if position < 0:
            kind = candidate
            break
    low, high = kind.volume_class
    opens, closes = kind.hours[share_of(draw[0], len(kind.hours))]
    tax_low, tax_high = region.tax_basis_points
    return Store(
        store_id=index + 1,
        name=f"{_town(draw)} {kind.name.title()}",
        format=kind.name,
        region=region.name,
        time_zone=region.time_zone,
        volume_class=low + share_of(draw[1], high - low + 1),
        tax_basis_points=(tax_low + share_of(draw[2], tax_high - tax_low + 1)) // 5 * 5,
        opens_hour=opens,
        closes_hour=closes,
        dc_id=dc_id,
        truck_id=f"truck_{1000 + index + 1}",
    )


def _town(draw: tuple[int, ...]) -> str:
    return _NAMES[draw[3] & 15] + _ENDINGS[draw[4] & 7]


def build_distribution_centers(seed: int, count: int, stores: tuple[Store, ...]) -> tuple[DistributionCenter, ...]:
    draws = Draws("dc", seed)
    return tuple(
        DistributionCenter(
            dc_id=dc_id,
            name=f"{_town(draws.block(dc_id))} Distribution Center",
            region=region_of(dc_id).name,
            time_zone=region_of(dc_id).time_zone,
            store_ids=tuple(store.store_id for store in stores[dc_id - 1 :: count]),
        )
        for dc_id in range(1, count + 1)
    )
