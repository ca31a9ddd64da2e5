"""Draws the pictures of docs/data.md from a real run: ``python -m bench.data_pictures``.

A week of the default world (seed 1), staged, and a minute of a live stream. The same code draws the same pictures.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from bench.charts import Chart, Series
from streaming.retail.event_types import EVENT_TYPES
from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.staged import DayGenerator
from streaming.retail.world import World, WorldSpec

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
MONDAY: Final = date(2026, 6, 8)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SATURDAY: Final = 5
_LIVE_FROM_US: Final = 1_780_768_800_000_000  # Saturday, 2026-06-06, 18:00 UTC
_LOOKED_AT: Final = {
    "receipt_created", "online_order_created", "payment_processed", "inventory_updated", "reorder_triggered",
}  # fmt: skip

Envelope = dict[str, Any]


def _week(world: World) -> list[list[Envelope]]:
    days, checkpoint = [], None
    for offset in range(7):
        generator = DayGenerator(world, timeline="docs", day=MONDAY + timedelta(days=offset), checkpoint=checkpoint)
        events: list[Envelope] = []
        while more := generator.next_events(5_000):
            events += [json.loads(event.body) for event in more if event.event_type in _LOOKED_AT]
        days.append(events)
        checkpoint = generator.snapshot()
    return days


def _of(events: list[Envelope], event_type: str) -> list[Envelope]:
    return [event for event in events if event["event_type"] == event_type]


def receipts_per_hour(world: World, week: list[list[Envelope]]) -> str:
    zones = [ZoneInfo(store.time_zone) for store in world.stores]
    hours: dict[str, Counter[int]] = {"Monday": Counter(), "Saturday": Counter()}
    for event in _of([event for events in week for event in events], "receipt_created"):
        zone = zones[event["payload"]["store_id"] - 1]
        local = datetime.fromisoformat(event["ingest_timestamp"]).astimezone(zone)
        name = f"{local:%A}"
        if name in hours:
            hours[name][local.hour] += 1
    chart = Chart(
        "Receipts per hour", most=max(max(counts.values()) for counts in hours.values()), x_label="hour, store's clock"
    )
    for name, counts in hours.items():
        chart.line(Series(name=name, points=[(hour + 0.5, counts[hour]) for hour in range(24)]), x_most=24)
    for hour in range(0, 25, 3):
        chart.label(hour / 24, f"{hour}")
    return chart.svg()


def receipts_per_weekday(week: list[list[Envelope]]) -> str:
    counts = [len(_of(events, "receipt_created")) for events in week]
    chart = Chart("Receipts per day", most=max(counts), x_label="day (UTC)")
    chart.bars(_DAYS, counts)
    return chart.svg()


def basket_sizes(week: list[list[Envelope]]) -> str:
    receipts = [event for events in week for event in _of(events, "receipt_created")]
    sizes = Counter(min(30, event["payload"]["item_count"]) for event in receipts)
    shares = [100 * sizes[size] / len(receipts) for size in range(1, 31)]
    chart = Chart(
        "Items on a receipt", most=max(shares), x_label="items (the last bar: 30 and more); percent of receipts"
    )
    chart.bars([str(size) if size % 5 == 0 else "" for size in range(1, 31)], shares)
    return chart.svg()


def tender_mix(week: list[list[Envelope]]) -> str:
    sales = [event for events in week for event in events if "tender_type" in event["payload"]]
    tenders = Counter((event["event_type"] == "receipt_created", event["payload"]["tender_type"]) for event in sales)
    totals = {in_store: sum(n for (where, _), n in tenders.items() if where == in_store) for in_store in (True, False)}
    ranked = sorted(tenders.items(), key=lambda item: (not item[0][0], -item[1]))
    labels = [tender.replace("_", " ").lower() for (_, tender), _ in ranked]
    shares = [100 * count / totals[where] for (where, _), count in ranked]
    chart = Chart("Tenders, percent of sales", most=max(shares), x_label="the first four in stores, the others online")
    chart.bars(labels, shares)
    return chart.svg()


def stock_over_a_day(world: World, saturday: list[Envelope]) -> str:
    """The shelf that sold most on Saturday among those that were refilled."""
    cells: defaultdict[tuple[int, int], list[Envelope]] = defaultdict(list)
    for event in saturday:
        payload = event["payload"]
        if payload.get("store_id") and "product_id" in payload:
            cells[payload["store_id"], payload["product_id"]].append(event)
    refilled = {
        cell: events
        for cell, events in cells.items()
        if _of(events, "reorder_triggered") and any(e["payload"].get("reason") == "INBOUND_SHIPMENT" for e in events)
    }
    (store_id, product_id), events = max(refilled.items(), key=lambda item: (len(item[1]), item[0]))
    reorder = _of(events, "reorder_triggered")[0]
    before = sum(
        event["payload"]["quantity_delta"]
        for event in events[: events.index(reorder)]
        if event["event_type"] == "inventory_updated"
    )
    stock = reorder["payload"]["current_quantity"] - before
    points = [(0.0, float(stock))]
    for event in _of(events, "inventory_updated"):
        stock += event["payload"]["quantity_delta"]
        when = event["ingest_timestamp"]
        points.append((int(when[11:13]) + int(when[14:16]) / 60, float(stock)))
    points.append((24.0, float(stock)))
    product = world.products[product_id - 1]
    chart = Chart(
        f"Stock of {product.category.lower()} ({product.product_id}) in store {store_id}",
        most=max(value for _, value in points),
        x_label="hour of a Saturday, UTC",
    )
    chart.line(Series(name="on the shelf", points=points), x_most=24, steps=True)
    point = reorder["payload"]["reorder_point"]
    chart.line(Series(name="reorder point", points=[(0, point), (24, point)]), x_most=24)
    for hour in range(0, 25, 3):
        chart.label(hour / 24, f"{hour}")
    return chart.svg()


def live_mix(world: World) -> tuple[str, Counter[str]]:
    generator = LiveGenerator(world, session_id="docs")
    counts: Counter[str] = Counter()
    for number in range(1_200):
        events = generator.burst(
            BurstRequest(
                number=number, scheduled_at_us=_LIVE_FROM_US + number * 500_000, size=100, rate_per_second=200.0
            )
        )
        counts.update(event.event_type for event in events)
    shares = {event_type: 100 * counts[event_type] / counts.total() for event_type in EVENT_TYPES}
    ranked = sorted(EVENT_TYPES, key=lambda event_type: -shares[event_type])
    chart = Chart("A live stream's events, percent", most=max(shares.values()), x_label="the numbers are the table's")
    chart.bars([str(index) for index in range(1, 19)], [shares[event_type] for event_type in ranked])
    return chart.svg(), counts


def main() -> None:
    """Write all pictures and print the numbers that the page quotes."""
    world = World.build(WorldSpec(seed=1))
    week = _week(world)
    mix, counts = live_mix(world)
    pictures = {
        "receipts-per-hour": receipts_per_hour(world, week),
        "receipts-per-weekday": receipts_per_weekday(week),
        "basket-sizes": basket_sizes(week),
        "tenders": tender_mix(week),
        "stock": stock_over_a_day(world, week[_SATURDAY]),
        "live-mix": mix,
    }
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures.items():
        (IMAGES / f"data-{name}.svg").write_text(svg, encoding="utf-8")
        print(f"docs/images/data-{name}.svg")
    for event_type, count in counts.most_common():
        print(f"{event_type:24} {100 * count / counts.total():6.2f} %")
    receipts = [event["payload"] for events in week for event in _of(events, "receipt_created")]
    print(f"receipts a day {len(receipts) / 7:,.0f}")
    print(f"items a receipt {sum(p['item_count'] for p in receipts) / len(receipts):.1f}")
    print(f"average total {sum(p['total_cents'] for p in receipts) / len(receipts) / 100:.2f}")
    print(f"with a promotion {100 * sum(p['discount_cents'] > 0 for p in receipts) / len(receipts):.1f} %")
    print(f"attributed {100 * sum(p['impression_id'] is not None for p in receipts) / len(receipts):.1f} %")


if __name__ == "__main__":
    main()
