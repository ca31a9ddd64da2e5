"""The world that all events happen in: reference data, a pure function of its spec, never changing."""

from __future__ import annotations

from dataclasses import dataclass

from streaming.retail.catalog import Product, build_products
from streaming.retail.marketing import Campaign, build_campaigns
from streaming.retail.people import Customers
from streaming.retail.places import DistributionCenter, Store, build_distribution_centers, build_stores


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """What a world is made from. Raises ValueError for sizes that make no world."""

    seed: int
    stores: int = 50
    distribution_centers: int = 5
    products: int = 1000
    customers: int = 20_000

    def __post_init__(self) -> None:
        bounds = {
            "stores": (1, 1_000),
            "distribution_centers": (1, self.stores),
            "products": (10, 10_000),
            "customers": (self.stores, 1_000_000),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most}, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Immutable reference data; numbers start at 1, so that store ``n`` is ``stores[n - 1]``."""

    spec: WorldSpec
    stores: tuple[Store, ...]
    distribution_centers: tuple[DistributionCenter, ...]
    products: tuple[Product, ...]
    customers: Customers
    campaigns: tuple[Campaign, ...]

    @classmethod
    def build(cls, spec: WorldSpec) -> World:
        stores = build_stores(spec.seed, spec.stores, spec.distribution_centers)
        return cls(
            spec=spec,
            stores=stores,
            distribution_centers=build_distribution_centers(spec.seed, spec.distribution_centers, stores),
            products=build_products(spec.seed, spec.products),
            customers=Customers(spec.seed, spec.customers, stores),
            campaigns=build_campaigns(spec.seed),
        )
