"""What the tests of the retail world share: worlds, and streams of them as consumers read them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.reference import TABLES
from streaming.retail.staged import DayGenerator
from streaming.retail.world import World, WorldSpec
from tests.retail.checker_report import Reference

if TYPE_CHECKING:
    from datetime import date

    from streaming.core.event import Event
    from streaming.retail.disruption import Disruption

SATURDAY_NOON_US = 1_795_888_800_000_000
"""2026-11-28, 18:00 UTC: noon in Chicago, all stores of the default world are open."""
SPACING_US = 500_000


@cache
def world(seed: int = 1) -> World:
    return World.build(WorldSpec(seed=seed))


@cache
def small_world() -> World:
    """Few enough stores, products and customers that everything runs into its limits."""
    return World.build(WorldSpec(seed=5, stores=6, distribution_centers=3, products=20, customers=40))


@cache
def reference(of: World) -> Reference:
    rows = {name: list(table.rows(of, 0, table.count(of))) for name, table in TABLES.items()}
    return Reference(
        stores={int(row["store_id"]): dict(row) for row in rows["stores"]},
        products={int(row["product_id"]): dict(row) for row in rows["products"]},
        customers={int(row["customer_id"]): dict(row) for row in rows["customers"]},
    )


def request(
    number: int,
    size: int = 200,
    *,
    rate: float = 2_000.0,
    event_types: frozenset[str] | None = None,
    disruptions: tuple[Disruption, ...] = (),
    first_index: int = 0,
) -> BurstRequest:
    """The burst that is due ``number`` intervals after a Saturday noon."""
    return BurstRequest(
        number=number,
        scheduled_at_us=SATURDAY_NOON_US + number * SPACING_US,
        size=size,
        rate_per_second=rate,
        event_types=event_types,
        disruptions=disruptions,
        first_index=first_index,
    )


def read(events: list[Event]) -> list[dict[str, Any]]:
    """Events as a consumer reads them."""
    return [orjson.loads(event.body) for event in events]


def live(
    of: World, bursts: int, size: int, *, shard: int = 0, shards: int = 1, session: str = "s", rate: float = 2_000.0
) -> list[Event]:
    generator = LiveGenerator(of, session_id=session, shard=shard, shards=shards)
    return [event for number in range(bursts) for event in generator.burst(request(number, size, rate=rate))]


def rest_of_day(generator: DayGenerator, page: int = 1_000) -> list[Event]:
    events: list[Event] = []
    while more := generator.next_events(page):
        events += more
    return events


def day(
    of: World, when: date, *, shard: int = 0, shards: int = 1, scale: float = 1.0, timeline: str = "t"
) -> list[Event]:
    generator = DayGenerator(of, timeline=timeline, day=when, shard=shard, shards=shards, events_per_day_scale=scale)
    return rest_of_day(generator)
