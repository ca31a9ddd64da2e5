"""Customers, computed from their number when they are needed: a million of them take no memory."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Final

from streaming.retail.draws import Draws

if TYPE_CHECKING:
    from streaming.retail.places import Store

SEGMENTS: Final = ("quick", "top_up", "family", "stock_up")
TIERS: Final = ("none", "silver", "gold")

_MASK = (1 << 44) - 1
# Odd multipliers permute the numbers below 2^44, so no two customers share an id.
_BLE_MULTIPLIER = 0x9E3_779B_97F5
_AD_MULTIPLIER = 0x5DE_ECE6_6D45


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    customer_id: int
    home_store_id: int
    segment: str
    """The usual size of the basket."""
    loyalty_tier: str
    has_app: bool
    """Whether the store's beacons know the customer's phone."""
    ble_id: str
    ad_id: str


def ble_id(customer_id: int) -> str:
    return f"ble_{customer_id * _BLE_MULTIPLIER & _MASK:011x}"


def ad_id(customer_id: int) -> str:
    return f"ad_{customer_id * _AD_MULTIPLIER & _MASK:011x}"


def has_app(customer_id: int) -> bool:
    """Three in ten have it."""
    return customer_id * 0x9E37_79B1 >> 7 & 0x3FF < 307


def segment(customer_id: int) -> int:
    """The index of the customer's segment: 40, 35, 20 and 5 %."""
    position = customer_id * 0x85EB_CA6B >> 9 & 0xFF
    return 0 if position < 102 else 1 if position < 192 else 2 if position < 243 else 3


class Customers:
    """All customers of a world. Each has a home store; a store's customers are its *pool*.

    A pool is a run of *ranks*; a customer's number is a permutation of the rank, so that neighbours differ.
    """

    __slots__ = ("_bounds", "_inverse", "_offset", "_step", "_tiers", "count")

    def __init__(self, seed: int, count: int, stores: tuple[Store, ...]) -> None:
        self.count = count
        volume = sum(store.volume_class for store in stores)
        spare = count - len(stores)
        bounds, running = [0], 0
        for index, store in enumerate(stores):
            running += store.volume_class
            bounds.append(index + 1 + spare * running // volume)
        self._bounds = bounds
        step = count * 618 // 1000 | 1
        while gcd(step, count) != 1:
            step += 2
        self._step = step
        self._inverse = pow(step, -1, count) if count > 1 else 0
        self._offset = Draws("customers", seed).block(0)[0] % count
        self._tiers = Draws("tier", seed)

    def pool(self, store_id: int) -> tuple[int, int]:
        """The first rank and the number of customers whose home is the store; at least one."""
        first = self._bounds[store_id - 1]
        return first, self._bounds[store_id] - first

    def at(self, rank: int) -> int:
        """The number of the customer of that rank."""
        return (rank * self._step + self._offset) % self.count + 1

    def home_store_id(self, customer_id: int) -> int:
        rank = (customer_id - 1 - self._offset) * self._inverse % self.count
        return bisect_right(self._bounds, rank)

    def get(self, customer_id: int) -> Customer:
        """Raises IndexError for a number that no customer has."""
        if not 1 <= customer_id <= self.count:
            raise IndexError(customer_id)
        tier = self._tiers.block(customer_id)[0]
        return Customer(
            customer_id=customer_id,
            home_store_id=self.home_store_id(customer_id),
            segment=SEGMENTS[segment(customer_id)],
            loyalty_tier=TIERS[(tier < 26_000) + (tier < 8_000)],
            has_app=has_app(customer_id),
            ble_id=ble_id(customer_id),
            ad_id=ad_id(customer_id),
        )
