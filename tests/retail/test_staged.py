"""A staged day happens on that day, in order, with the day's curves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.retail.checkpoint import CheckpointError, resplit
from streaming.retail.disruption import Disruption, DisruptionType
from streaming.retail.staged import DayGenerator
from tests.retail.checker import violations
from tests.retail.streams import day, read, reference, rest_of_day, small_world, world

MONDAY = date(2026, 6, 8)


_LOOKED_AT = {"receipt_created", "online_order_created", "store_opened", "store_closed"}


@cache
def _week() -> list[list[dict[str, Any]]]:
    """Seven days of the default world, one after the other."""
    days, checkpoint = [], None
    for offset in range(7):
        when = MONDAY + timedelta(days=offset)
        generator = DayGenerator(world(), timeline="t", day=when, checkpoint=checkpoint, events_per_day_scale=0.5)
        days.append(read([event for event in rest_of_day(generator) if event.event_type in _LOOKED_AT]))
        checkpoint = generator.snapshot()
    return days


def test_events_happen_on_their_day() -> None:
    for events, when in zip(_week(), (MONDAY + timedelta(days=n) for n in range(7)), strict=True):
        assert {event["ingest_timestamp"][:10] for event in events} == {when.isoformat()}


def test_shoppers_come_at_lunch_and_in_the_early_evening() -> None:
    zones = {store.store_id: ZoneInfo(store.time_zone) for store in world().stores}
    hours: Counter[int] = Counter()
    for events in _week():
        for event in events:
            if event["event_type"] == "receipt_created":
                when = datetime.fromisoformat(event["ingest_timestamp"])
                hours[when.astimezone(zones[event["payload"]["store_id"]]).hour] += 1

    assert hours[12] > hours[10] > hours[8] > hours[4]
    assert hours[12] > hours[15] < hours[18]
    assert hours[18] > hours[20] > hours[22]


def test_weekends_are_busier_and_online_fills_the_night() -> None:
    receipts = [sum(event["event_type"] == "receipt_created" for event in events) for events in _week()]
    assert receipts[5] > 1.5 * receipts[0]
    assert receipts[4] > receipts[1]
    assert receipts[6] > receipts[2]

    # From 3 to 6 UTC it is evening on the west coast and night in the east.
    night = Counter(
        event["event_type"] for events in _week() for event in events if "03" <= event["ingest_timestamp"][11:13] < "06"
    )
    noon = Counter(
        event["event_type"] for events in _week() for event in events if "17" <= event["ingest_timestamp"][11:13] < "20"
    )
    assert night["online_order_created"] / night["receipt_created"] > 2 * (
        noon["online_order_created"] / noon["receipt_created"]
    )


def test_stores_open_and_close_at_their_hours() -> None:
    by_id = {store.store_id: store for store in world().stores}
    for event in _week()[3]:
        if event["event_type"] in {"store_opened", "store_closed"}:
            store = by_id[event["payload"]["store_id"]]
            local = datetime.fromisoformat(event["ingest_timestamp"]).astimezone(ZoneInfo(store.time_zone))
            hour = store.opens_hour if event["event_type"] == "store_opened" else store.closes_hour % 24
            assert (local.hour, local.minute) == (hour, 0)


def test_an_average_day_is_about_as_large_as_documented() -> None:
    assert 110_000 < len(day(world(), date(2026, 5, 7))) < 140_000


def test_the_scale_scales() -> None:
    full, half = (len(day(small_world(), MONDAY, scale=scale)) for scale in (1.0, 0.5))

    assert 1.7 < full / half < 2.3


@pytest.mark.parametrize("scale", [0, -1, 21, float("nan")])
def test_a_scale_out_of_bounds_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="events_per_day_scale"):
        DayGenerator(small_world(), timeline="t", day=MONDAY, events_per_day_scale=scale)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_a_restart_from_a_checkpoint_changes_nothing(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - chooses where to crash
    expected = day(small_world(), MONDAY, scale=0.5)
    generator = DayGenerator(small_world(), timeline="t", day=MONDAY, events_per_day_scale=0.5)
    events = []

    while True:
        if random.random() < 0.3:
            checkpoint = generator.snapshot()
            generator.next_events(500)  # lost with the process
            generator = DayGenerator(
                small_world(), timeline="t", day=MONDAY, events_per_day_scale=0.5, checkpoint=checkpoint
            )
        more = generator.next_events(random.randrange(1, 700))
        events += more
        if not more:
            break

    assert events == expected


def test_days_follow_one_another_and_may_be_divided_anew_between() -> None:
    checkpoints: list[bytes | None] = [None, None]
    streams, shards = [], 2
    for offset in range(3):
        generators = [
            DayGenerator(
                small_world(),
                timeline="t",
                day=MONDAY + timedelta(days=offset),
                shard=k,
                shards=shards,
                checkpoint=checkpoints[k],
            )
            for k in range(shards)
        ]
        streams += [read(rest_of_day(one)) for one in generators]
        finished = [one.snapshot() for one in generators]
        checkpoints, shards = list(resplit(finished, shards, offset + 1)), offset + 1

    assert violations(streams, reference=reference(small_world())) == []


def test_a_day_that_is_not_over_can_neither_be_left_nor_divided() -> None:
    generator = DayGenerator(small_world(), timeline="t", day=MONDAY)
    generator.next_events(100)
    checkpoint = generator.snapshot()

    with pytest.raises(CheckpointError, match="not over"):
        DayGenerator(small_world(), timeline="t", day=MONDAY + timedelta(days=1), checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="later day"):
        DayGenerator(small_world(), timeline="t", day=MONDAY - timedelta(days=1), checkpoint=checkpoint)
    other = DayGenerator(small_world(), timeline="t", day=MONDAY, shard=1, shards=3).snapshot()
    with pytest.raises(CheckpointError):
        resplit([checkpoint, other], 2, 1)


def test_a_day_staged_without_the_day_before_repeats_no_id() -> None:
    first = day(small_world(), MONDAY)
    second = day(small_world(), MONDAY + timedelta(days=1))

    def receipts(events: list[Any]) -> set[str]:
        return {e["payload"]["receipt_id"] for e in read(events) if e["event_type"] == "receipt_created"}

    assert not receipts(first) & receipts(second)


def test_on_christmas_only_stores_that_never_close_are_open() -> None:
    events = read(day(world(), date(2026, 12, 25), scale=0.3))
    # Christmas begins five to eight hours later in the stores' time zones.
    late = [event for event in events if event["ingest_timestamp"][11:13] >= "09"]
    always = {store.store_id for store in world().stores if store.always_open}

    assert {event["payload"]["store_id"] for event in late if event["event_type"] == "receipt_created"} <= always


def test_bad_weather_all_day_keeps_people_at_home() -> None:
    storm = Disruption(
        id="storm",
        type=DisruptionType.WEATHER_DELAY,
        target_id="dc_1",
        severity=1.0,
        active_from_us=int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000,
        active_until_us=int(datetime(2020, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000,
    )
    generator = DayGenerator(small_world(), timeline="t", day=MONDAY, shard=0, shards=3, disruptions=(storm,))
    stormy = rest_of_day(generator)
    usual = day(small_world(), MONDAY, shard=0, shards=3)

    def entered(events: list[Any]) -> int:
        return sum(event.event_type == "customer_entered" for event in events)

    assert entered(stormy) < 0.4 * entered(usual)
    assert read(usual)[0]["ingest_timestamp"] < f"{MONDAY}T00:00:01"
