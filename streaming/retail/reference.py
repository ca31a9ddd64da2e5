"""The world's reference data as rows, for consumers to join: stores, distribution centers, products, customers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streaming.retail.world import World

Value = str | int | float | bool
Row = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of reference data. Rows have ids from 1, in order."""

    columns: tuple[str, ...]
    count: Callable[[World], int]
    row: Callable[[World, int], Row]
    """The row of an id."""

    def rows(self, world: World, start: int, stop: int) -> Iterator[Row]:
        """The rows at positions ``start`` to before ``stop`` (from 0), as far as there are any; made one by one."""
        for index in range(max(0, start), min(stop, self.count(world))):
            yield self.row(world, index + 1)


def _store(world: World, store_id: int) -> Row:
    store = world.stores[store_id - 1]
    return {
        "store_id": store.store_id,
        "name": store.name,
        "format": store.format,
        "volume_class": store.volume_class,
        "region": store.region,
        "time_zone": store.time_zone,
        "opens": f"{store.opens_hour:02d}:00",
        "closes": f"{store.closes_hour:02d}:00",
        "tax_rate_percent": store.tax_basis_points / 100,
        "dc_id": store.dc_id,
        "truck_id": store.truck_id,
    }


def _center(world: World, dc_id: int) -> Row:
    center = world.distribution_centers[dc_id - 1]
    return {
        "dc_id": center.dc_id,
        "name": center.name,
        "region": center.region,
        "time_zone": center.time_zone,
        "store_count": len(center.store_ids),
    }


def _product(world: World, product_id: int) -> Row:
    product = world.products[product_id - 1]
    return {
        "product_id": product.product_id,
        "name": product.name,
        "department": product.department,
        "category": product.category,
        "brand": product.brand,
        "price": product.price_cents / 100,
        "cost": product.cost_cents / 100,
        "taxability_percent": product.taxability_percent,
        "season": product.season,
    }


def _customer(world: World, customer_id: int) -> Row:
    customer = world.customers.get(customer_id)
    return {
        "customer_id": customer.customer_id,
        "home_store_id": customer.home_store_id,
        "segment": customer.segment,
        "loyalty_tier": customer.loyalty_tier,
        "has_app": customer.has_app,
        "ble_id": customer.ble_id,
        "ad_id": customer.ad_id,
    }


TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "stores": Table(
            columns=(
                "store_id", "name", "format", "volume_class", "region", "time_zone", "opens", "closes",
                "tax_rate_percent", "dc_id", "truck_id",
            ),
            count=lambda world: len(world.stores),
            row=_store,
        ),
        "distribution-centers": Table(
            columns=("dc_id", "name", "region", "time_zone", "store_count"),
            count=lambda world: len(world.distribution_centers),
            row=_center,
        ),
        "products": Table(
            columns=(
                "product_id", "name", "department", "category", "brand", "price", "cost", "taxability_percent",
                "season",
            ),
            count=lambda world: len(world.products),
            row=_product,
        ),
        "customers": Table(
            columns=("customer_id", "home_store_id", "segment", "loyalty_tier", "has_app", "ble_id", "ad_id"),
            count=lambda world: world.customers.count,
            row=_customer,
        ),
    }
)  # fmt: skip
"""By the name that the route has."""
