"""Disruptions visibly change the stream, only where and while they are in force, and always in the same way."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from streaming.retail.disruption import (
    Disruption,
    DisruptionType,
    Target,
    UnknownProductError,
    UnknownTargetError,
    require_products,
    resolve_target,
)
from streaming.retail.live import LiveGenerator
from tests.retail.checker import violations
from tests.retail.streams import SATURDAY_NOON_US, SPACING_US, read, reference, request, small_world, world

BURSTS = 120


def disruption(kind: DisruptionType, target: str, first: int = 0, last: int = BURSTS, **changes: Any) -> Disruption:
    """In force from burst ``first`` to before burst ``last``."""
    values: dict[str, Any] = {
        "id": "d1",
        "type": kind,
        "target_id": target,
        "severity": 1.0,
        "active_from_us": SATURDAY_NOON_US + first * SPACING_US,
        "active_until_us": SATURDAY_NOON_US + last * SPACING_US,
    }
    return Disruption(**(values | changes))


def stream(*disruptions: Disruption, bursts: int = BURSTS) -> list[dict[str, Any]]:
    generator = LiveGenerator(small_world(), session_id="s")
    events = [e for n in range(bursts) for e in generator.burst(request(n, 150, rate=200.0, disruptions=disruptions))]
    return read(events)


def count(events: list[dict[str, Any]], event_type: str, **payload: object) -> int:
    return sum(
        event["event_type"] == event_type and all(event["payload"][k] == v for k, v in payload.items())
        for event in events
    )


@pytest.mark.parametrize("kind", DisruptionType)
def test_whatever_happens_the_stream_keeps_its_contract(kind: DisruptionType) -> None:
    # A shortage gives suppliers something to be late with.
    short = disruption(DisruptionType.INVENTORY_SHORTAGE, "dc_1", 0, 100, id="short", severity=0.9)

    events = stream(short, disruption(kind, "dc_1", 20, 90, severity=0.7))

    assert violations([events], reference=reference(small_world())) == []
    assert events != stream(short)


@pytest.mark.parametrize("kind", DisruptionType)
def test_a_disruption_that_is_not_in_force_changes_nothing(kind: DisruptionType) -> None:
    later = disruption(kind, "dc_1", BURSTS, BURSTS + 1)

    assert stream(later, bursts=40) == stream(bursts=40)


def test_an_outage_stops_the_trucks_of_its_center_until_it_is_over() -> None:
    outage = disruption(DisruptionType.DC_OUTAGE, "dc_1", 0, BURSTS)
    hit, usual = stream(outage), stream()

    assert count(usual, "truck_arrived", dc_id=1) > 3
    assert count(hit, "truck_arrived", dc_id=1) == 0
    assert count(hit, "truck_arrived", dc_id=2) > 3
    over = stream(disruption(DisruptionType.DC_OUTAGE, "dc_1", 0, 60))
    assert count(over, "truck_arrived", dc_id=1) > 0


def test_an_outage_leaves_less_to_sell() -> None:
    hit, usual = stream(disruption(DisruptionType.DC_OUTAGE, "1")), stream()

    def sold(events: list[dict[str, Any]]) -> int:
        stores = small_world().distribution_centers[0].store_ids
        return sum(count(events, "inventory_updated", store_id=store_id, reason="SALE") for store_id in stores)

    assert sold(hit) < 0.8 * sold(usual)


def test_a_shortage_strikes_once_what_it_names() -> None:
    shortage = disruption(DisruptionType.INVENTORY_SHORTAGE, "store_2", 10, 60, product_ids=(3, 7))
    events = stream(shortage)
    lost = [
        e["payload"]
        for e in events
        if e["event_type"] == "inventory_updated" and e["payload"]["source"] == "shortage_d1"
    ]

    assert [(p["store_id"], p["product_id"], p["reason"]) for p in lost] == [(2, 3, "LOST"), (2, 7, "LOST")]
    assert count(events, "stockout_detected", store_id=2, product_id=3) >= 1
    assert count(events, "reorder_triggered", store_id=2, product_id=7) >= 1


def test_a_shortage_that_names_nothing_hits_the_best_sellers() -> None:
    half = disruption(DisruptionType.INVENTORY_SHORTAGE, "dc_2", 10, 60, severity=0.5)
    lost = [
        e["payload"]
        for e in stream(half)
        if e["event_type"] == "inventory_updated" and e["payload"]["reason"] == "LOST"
    ]

    assert len([p for p in lost if p["dc_id"] == 2]) == 20


def test_broken_trucks_arrive_late() -> None:
    breakdown = disruption(DisruptionType.TRUCK_BREAKDOWN, "dc_2", 0, BURSTS)
    assert count(stream(breakdown), "truck_arrived", dc_id=2) == 0

    place = small_world().stores[1]
    single = stream(disruption(DisruptionType.TRUCK_BREAKDOWN, place.truck_id))
    assert count(single, "truck_arrived", store_id=place.store_id) == 0
    assert count(single, "truck_arrived", dc_id=place.dc_id) > 0


def test_bad_weather_keeps_visitors_away() -> None:
    storm = disruption(DisruptionType.WEATHER_DELAY, "store_2")
    hit, usual = stream(storm), stream()

    assert count(hit, "customer_entered", store_id=2) < 0.5 * count(usual, "customer_entered", store_id=2)
    assert count(hit, "customer_entered", store_id=3) > 0.8 * count(usual, "customer_entered", store_id=3)


def test_late_suppliers_deliver_nothing() -> None:
    short = disruption(DisruptionType.INVENTORY_SHORTAGE, "dc_1", id="short")
    late = disruption(DisruptionType.SUPPLIER_DELAY, "dc_1", id="late")

    assert count(stream(short), "inventory_updated", dc_id=1, reason="SUPPLIER_DELIVERY") > 0
    assert count(stream(short, late), "inventory_updated", dc_id=1, reason="SUPPLIER_DELIVERY") == 0


def test_what_was_touched_is_counted_and_survives_a_restart() -> None:
    outage = disruption(DisruptionType.DC_OUTAGE, "dc_1", 0, 80)
    generator = LiveGenerator(small_world(), session_id="s")
    counts: list[int] = []
    for number in range(BURSTS):
        generator.burst(request(number, 150, rate=200.0, disruptions=(outage,)))
        counts.append(generator.events_affected.get("d1", 0))
        generator = LiveGenerator(small_world(), session_id="s", checkpoint=generator.snapshot())

    assert counts[79] > 0
    assert counts[:80] == sorted(counts[:80])
    assert counts[-1] == 0


def test_a_restart_strikes_no_shortage_twice() -> None:
    shortage = disruption(DisruptionType.INVENTORY_SHORTAGE, "store_2", product_ids=(3,), severity=0.5)
    generator = LiveGenerator(small_world(), session_id="s")
    events = []
    for number in range(20):
        events += generator.burst(request(number, 150, rate=200.0, disruptions=(shortage,)))
        generator = LiveGenerator(small_world(), session_id="s", checkpoint=generator.snapshot())

    struck = Counter(event["payload"].get("source") for event in read(events))
    assert struck["shortage_d1"] == 1


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        (DisruptionType.DC_OUTAGE, "3", Target(dc_id=3)),
        (DisruptionType.DC_OUTAGE, "DC_3", Target(dc_id=3)),
        (DisruptionType.SUPPLIER_DELAY, "dc_5", Target(dc_id=5)),
        (DisruptionType.INVENTORY_SHORTAGE, "7", Target(dc_id=2, store_id=7)),
        (DisruptionType.INVENTORY_SHORTAGE, "dc_4", Target(dc_id=4)),
        (DisruptionType.WEATHER_DELAY, "store_1", Target(dc_id=1, store_id=1)),
        (DisruptionType.TRUCK_BREAKDOWN, "truck_1007", Target(dc_id=2, store_id=7)),
        (DisruptionType.TRUCK_BREAKDOWN, "1007", Target(dc_id=2, store_id=7)),
        (DisruptionType.TRUCK_BREAKDOWN, "dc_2", Target(dc_id=2)),
    ],
)
def test_targets_are_found(kind: DisruptionType, target: str, expected: Target) -> None:
    assert resolve_target(world(), kind, target) == expected


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (DisruptionType.DC_OUTAGE, "store_1"),
        (DisruptionType.DC_OUTAGE, "dc_6"),
        (DisruptionType.DC_OUTAGE, "dc_0"),
        (DisruptionType.WEATHER_DELAY, "store_51"),
        (DisruptionType.WEATHER_DELAY, "truck_1001"),
        (DisruptionType.TRUCK_BREAKDOWN, "truck_1"),
        (DisruptionType.SUPPLIER_DELAY, ""),
        (DisruptionType.INVENTORY_SHORTAGE, "store_¹"),
    ],
)
def test_targets_that_are_not_there_are_refused_with_advice(kind: DisruptionType, target: str) -> None:
    with pytest.raises(UnknownTargetError, match="takes dc_1 to dc_5"):
        resolve_target(world(), kind, target)


def test_products_that_are_not_there_are_refused() -> None:
    require_products(world(), (1, 1_000))
    with pytest.raises(UnknownProductError, match="product 1001"):
        require_products(world(), (1, 1_001))


@pytest.mark.parametrize("changes", [{"id": 'a"b'}, {"severity": 0.0}, {"severity": 1.1}, {"active_until_us": 0}])
def test_a_disruption_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|severity|end after"):
        disruption(DisruptionType.DC_OUTAGE, "dc_1", **changes)
