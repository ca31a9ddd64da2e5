"""The world is a pure function of its spec, of any size, and its reference data fit together."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.retail.catalog import DEPARTMENTS, pick_table
from streaming.retail.people import Customers, ad_id, ble_id
from streaming.retail.places import FORMATS
from streaming.retail.reference import TABLES
from streaming.retail.stockroom import dc_shelf, order_quantity, store_shelf
from streaming.retail.world import World, WorldSpec
from tests.retail.streams import world


def test_the_same_spec_makes_the_same_world_and_another_seed_another() -> None:
    again = World.build(WorldSpec(seed=1))

    assert (again.stores, again.products, again.distribution_centers) == (
        world().stores,
        world().products,
        world().distribution_centers,
    )
    assert world(2).products != world().products


def test_a_larger_range_begins_with_the_smaller_one() -> None:
    larger = World.build(WorldSpec(seed=1, products=1_500))

    assert larger.products[:1_000] == world().products


@pytest.mark.parametrize(
    "sizes",
    [
        {"stores": 0},
        {"stores": 1_001},
        {"stores": 3, "distribution_centers": 4},
        {"distribution_centers": 0},
        {"products": 9},
        {"products": 10_001},
        {"customers": 49},
        {"customers": 1_000_001},
    ],
)
def test_sizes_that_make_no_world_are_refused_by_name(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=list(sizes)[-1]):
        WorldSpec(seed=1, **sizes)


def test_every_store_belongs_to_the_center_that_lists_it() -> None:
    for center in world().distribution_centers:
        for store_id in center.store_ids:
            assert world().stores[store_id - 1].dc_id == center.dc_id
    assert sorted(s for center in world().distribution_centers for s in center.store_ids) == list(range(1, 51))


def test_the_world_has_variety() -> None:
    assert {store.format for store in world().stores} == {kind.name for kind in FORMATS}
    assert {product.department for product in world().products} == {department.name for department in DEPARTMENTS}
    assert {product.taxability_percent for product in world().products} == {0, 50, 100}
    assert any(store.always_open for store in world().stores)
    assert len({product.name for product in world().products}) > 950
    prices = sorted(product.price_cents for product in world().products)
    assert prices[0] >= 9
    assert prices[-1] > 50 * prices[len(prices) // 2] / 10


@given(st.integers(1, 60), st.integers(0, 500), st.integers(0, 2**31))
def test_every_customer_has_one_home_and_every_store_customers(stores: int, spare: int, seed: int) -> None:
    places = World.build(WorldSpec(seed=1, stores=stores, distribution_centers=1, customers=stores)).stores
    customers = Customers(seed, stores + spare, places)

    seen = []
    for store in places:
        first, size = customers.pool(store.store_id)
        assert size >= 1
        for rank in range(first, first + size):
            assert customers.home_store_id(customers.at(rank)) == store.store_id
            seen.append(customers.at(rank))
    assert sorted(seen) == list(range(1, stores + spare + 1))


def test_no_two_customers_share_a_phone_or_an_ad_id() -> None:
    assert len({ble_id(n) for n in range(1, 20_001)}) == 20_000
    assert len({ad_id(n) for n in range(1, 20_001)}) == 20_000


def test_customers_differ_as_the_documentation_says() -> None:
    people = [world().customers.get(number) for number in range(1, 20_001)]
    segments, apps = Counter(person.segment for person in people), sum(person.has_app for person in people)

    assert [round(segments[name] / 1_000) for name in ("quick", "top_up", "family", "stock_up")] == [8, 7, 4, 1]
    assert 0.28 < apps / 20_000 < 0.32
    with pytest.raises(IndexError):
        world().customers.get(20_001)


def test_a_million_customers_take_no_memory() -> None:
    tracemalloc.start()
    try:
        large = World.build(WorldSpec(seed=1, stores=1_000, distribution_centers=100, customers=1_000_000))
        customers = TABLES["customers"]
        last = list(customers.rows(large, 999_998, 2_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [row["customer_id"] for row in last] == [999_999, 1_000_000]
    assert peak < 8_000_000


@pytest.mark.parametrize("name", TABLES)
def test_reference_rows_are_paged_and_have_the_columns_they_promise(name: str) -> None:
    table = TABLES[name]
    count = table.count(world())
    rows = list(table.rows(world(), 0, 30))

    assert all(tuple(row) == table.columns for row in rows)
    assert [row[table.columns[0]] for row in rows] == list(range(1, min(count, 30) + 1))
    assert list(table.rows(world(), 2, 4)) == rows[2:4]
    assert list(table.rows(world(), count, count + 5)) == []


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("volume_class", [25, 80, 250])
def test_small_stores_carry_less_and_best_sellers_sell(volume_class: int, month: int) -> None:
    table = pick_table(world().products, volume_class=volume_class, month=month)

    assert len(table) == 8_192
    share = len(set(table)) / 1_000
    assert share < 0.5 if volume_class < 30 else share > 0.6
    assert Counter(table).most_common(1)[0][1] > 8_192 / 200


def test_a_delivery_always_lifts_the_stock_above_its_reorder_point() -> None:
    for center in world().distribution_centers:
        depot = dc_shelf(world(), center)
        assert all(q > p for q, p in zip(depot.quantities, depot.points, strict=True))
        for store_id in center.store_ids:
            shelf = store_shelf(world(), world().stores[store_id - 1])
            for product, (point, first) in enumerate(zip(shelf.points, shelf.on_hand, strict=True)):
                assert first > point
                for scale in (1, 3, 1_000):
                    order = order_quantity(shelf, product, scale, depot)
                    assert point < order <= depot.points[product]
