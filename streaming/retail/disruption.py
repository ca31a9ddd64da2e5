"""Troubles that an operator causes on purpose, and what each does to the world.

Severity (0.1 to 1.0) is the share of what comes up that is hit while the disruption is in force.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from streaming.retail.names import require_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streaming.retail.world import World


LEAST_SEVERITY: Final = 0.1


class DisruptionType(StrEnum):
    """What can go wrong; the values are a public contract."""

    DC_OUTAGE = "dc_outage"
    """The distribution center loads no trucks and ships no online orders."""
    INVENTORY_SHORTAGE = "inventory_shortage"
    """Stock at a store or distribution center turns out to be missing, once, when it begins."""
    TRUCK_BREAKDOWN = "truck_breakdown"
    """Trucks of a distribution center, or one truck, arrive late."""
    WEATHER_DELAY = "weather_delay"
    """Fewer visitors at a store, or at all stores of a distribution center, and slower trucks."""
    SUPPLIER_DELAY = "supplier_delay"
    """The suppliers of a distribution center deliver late."""


class UnknownTargetError(ValueError):
    """The world has nothing of that name, or not of a kind that this disruption can hit."""


class UnknownProductError(ValueError):
    """The world has no product of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    """One disruption, as recorded in the plan of every burst that it is in force for."""

    id: str
    type: DisruptionType
    target_id: str
    """``dc_3``, ``store_12`` or ``truck_3007``; for the types that hit one kind of thing only, ``3`` will do."""
    severity: float
    active_from_us: int
    active_until_us: int
    product_ids: tuple[int, ...] = ()
    """What an inventory shortage hits; empty: the store's best sellers."""

    def __post_init__(self) -> None:
        """Raises ValueError for what no event may carry or no time can hold."""
        require_name("a disruption's id", self.id)
        if not LEAST_SEVERITY <= self.severity <= 1:
            raise ValueError(f"severity must be from {LEAST_SEVERITY} to 1, not {self.severity}")
        if self.active_until_us <= self.active_from_us:
            raise ValueError("a disruption must end after it began")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **document,
                "type": DisruptionType(document["type"]),
                "product_ids": tuple(document["product_ids"]),
            }
        )

    def in_force(self, now_us: int) -> bool:
        return self.active_from_us <= now_us < self.active_until_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a disruption hits: one distribution center, and perhaps only one of its stores."""

    dc_id: int
    store_id: int | None = None


_DEFAULT_KIND = {
    DisruptionType.DC_OUTAGE: "dc",
    DisruptionType.SUPPLIER_DELAY: "dc",
    DisruptionType.INVENTORY_SHORTAGE: "store",
    DisruptionType.WEATHER_DELAY: "store",
    DisruptionType.TRUCK_BREAKDOWN: "truck",
}
_DC_ONLY = {DisruptionType.DC_OUTAGE, DisruptionType.SUPPLIER_DELAY}


def resolve_target(world: World, disruption_type: DisruptionType, target_id: str) -> Target:
    """Find what ``target_id`` names. Raises UnknownTargetError, saying what would do."""
    kind, separator, digits = target_id.strip().lower().rpartition("_")
    kind = kind if separator else _DEFAULT_KIND[disruption_type]
    number = int(digits) if digits.isascii() and digits.isdigit() else 0
    if kind == "dc" and 1 <= number <= len(world.distribution_centers):
        return Target(dc_id=number)
    if kind == "store" and disruption_type not in _DC_ONLY and 1 <= number <= len(world.stores):
        return Target(dc_id=world.stores[number - 1].dc_id, store_id=number)
    if kind == "truck" and disruption_type is DisruptionType.TRUCK_BREAKDOWN:
        for store in world.stores:
            if store.truck_id == f"truck_{number}":
                return Target(dc_id=store.dc_id, store_id=store.store_id)
    expected = f"dc_1 to dc_{len(world.distribution_centers)}"
    if disruption_type not in _DC_ONLY:
        expected += f", or store_1 to store_{len(world.stores)}"
    if disruption_type is DisruptionType.TRUCK_BREAKDOWN:
        expected += f", or a truck such as {world.stores[0].truck_id}"
    raise UnknownTargetError(f"target_id {target_id!r} is not in this world; a {disruption_type} takes {expected}")


def require_products(world: World, product_ids: Iterable[int]) -> None:
    """Raises UnknownProductError for the first product that the world doesn't have."""
    for product_id in product_ids:
        if not 1 <= product_id <= len(world.products):
            raise UnknownProductError(f"product {product_id} is not in this world; it has 1 to {len(world.products)}")
