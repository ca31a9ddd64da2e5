"""A live stream makes exactly what its plan says, whatever happened to the process in between."""

from __future__ import annotations

import time
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.retail.checkpoint import CheckpointError, WorldTooLargeError, resplit
from streaming.retail.event_types import EVENT_TYPES
from streaming.retail.live import MOST_RUN_FORWARD, LiveGenerator
from streaming.retail.local_time import iso_second
from streaming.retail.world import World, WorldSpec
from tests.retail.checker import violations
from tests.retail.streams import SATURDAY_NOON_US, SPACING_US, live, read, reference, request, small_world, world

if TYPE_CHECKING:
    from streaming.core.event import Event

A_DAY_BURSTS = 86_400_000_000 // SPACING_US


@given(sizes=st.lists(st.integers(0, 120), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_burst_has_exactly_its_size_and_its_microseconds(sizes: list[int]) -> None:
    generator = LiveGenerator(small_world(), session_id="s")

    for number, size in enumerate(sizes):
        events = generator.burst(request(number, size))

        assert len(events) == size
        for index, envelope in enumerate(read(events)):
            second, micros = divmod(SATURDAY_NOON_US + number * SPACING_US + index, 1_000_000)
            assert envelope["ingest_timestamp"] == f"{iso_second(second)}.{micros:06d}Z"
            assert envelope["trace_id"] == f"s-0-{number:x}-{index:x}"


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_a_restart_from_a_checkpoint_changes_nothing(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - chooses where to crash
    requests = [
        request(number, random.randrange(200), rate=random.choice([1.0, 50.0, 5_000.0])) for number in range(30)
    ]
    uninterrupted = LiveGenerator(small_world(), session_id="s", shard=1, shards=2)
    expected = [uninterrupted.burst(one) for one in requests]

    generator = LiveGenerator(small_world(), session_id="s", shard=1, shards=2)
    for one, events in zip(requests, expected, strict=True):
        if random.random() < 0.4:
            checkpoint = generator.snapshot()
            generator.burst(one)  # lost with the process
            generator = LiveGenerator(small_world(), session_id="s", shard=1, shards=2, checkpoint=checkpoint)
        assert generator.burst(one) == events


@given(cuts=st.lists(st.integers(1, 399), max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_burst_asked_for_in_chunks_is_the_same_burst(cuts: list[int]) -> None:
    whole = LiveGenerator(small_world(), session_id="s").burst(request(0, 400))
    generator = LiveGenerator(small_world(), session_id="s")
    edges = [0, *sorted(set(cuts)), 400]

    chunks: list[Event] = []
    for start, stop in pairwise(edges):
        chunks += generator.burst(request(0, stop - start, first_index=start))

    assert chunks == whole


def test_an_empty_burst_changes_nothing() -> None:
    generator = LiveGenerator(small_world(), session_id="s")
    before = generator.snapshot()

    assert generator.burst(request(0, 0)) == []
    assert generator.snapshot() == before


def test_opening_and_closing_over_two_days_keeps_the_contract() -> None:
    generator = LiveGenerator(small_world(), session_id="s")
    quarter_hours = [request(number * A_DAY_BURSTS // 96, 100, rate=0.1) for number in range(192)]

    stream = read([event for one in quarter_hours for event in generator.burst(one)])

    assert violations([stream], reference=reference(small_world())) == []
    closed = [event["payload"]["store_id"] for event in stream if event["event_type"] == "store_closed"]
    opened = [event["payload"]["store_id"] for event in stream if event["event_type"] == "store_opened"]
    by_hours = [store.store_id for store in small_world().stores if not store.always_open]
    for store_id in by_hours:
        assert closed.count(store_id) == 2
        assert opened.count(store_id) in {2, 3}


@pytest.mark.parametrize("wanted", [{"receipt_created", "payment_processed"}, {"ble_ping_detected"}])
def test_a_common_subset_fills_its_bursts(wanted: set[str]) -> None:
    generator = LiveGenerator(world(), session_id="s")
    asked = frozenset(wanted)

    bursts = [generator.burst(request(number, 100, event_types=asked)) for number in range(60)]

    assert {len(burst) for burst in bursts[20:]} == {100}
    assert violations([read([event for burst in bursts for event in burst])], event_types=asked) == []
    assert {event.event_type for burst in bursts for event in burst} == wanted


def test_rare_types_make_small_bursts_from_at_most_ten_times_their_size() -> None:
    size = 100
    asked = frozenset({"truck_arrived", "store_closed"})
    generator = LiveGenerator(world(), session_id="s")

    bursts = [generator.burst(request(number, size, event_types=asked, rate=200.0)) for number in range(60)]

    assert all(len(burst) < size for burst in bursts)
    assert {event.event_type for burst in bursts for event in burst} == {"truck_arrived"}
    # Every journey that begins makes an event at least.
    begun = sum(life.district.number for life in generator._lives)
    assert begun <= 60 * (size * MOST_RUN_FORWARD + 1)


def test_what_nobody_wants_any_more_is_left_out() -> None:
    generator = LiveGenerator(small_world(), session_id="s")
    generator.burst(request(0, 51))
    asked = frozenset({"ad_impression"})

    assert {event.event_type for event in generator.burst(request(1, 50, event_types=asked))} == asked


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1), (2, 3), (3, 2)])
def test_a_stream_divided_anew_keeps_the_contract(old: int, new: int) -> None:
    before = [LiveGenerator(small_world(), session_id="s", shard=k, shards=old) for k in range(old)]
    first = [read([event for n in range(40) for event in one.burst(request(n, 97))]) for one in before]

    checkpoints = resplit([one.snapshot() for one in before], old, new)
    after = [
        LiveGenerator(small_world(), session_id="s", shard=k, shards=new, checkpoint=checkpoint)
        for k, checkpoint in enumerate(checkpoints)
    ]
    second = [read([event for n in range(40, 80) for event in one.burst(request(n, 97))]) for one in after]

    assert violations([*first, *second], reference=reference(small_world())) == []
    traces = [event["trace_id"] for stream in (*first, *second) for event in stream]
    assert len(traces) == len(set(traces))


def test_dividing_there_and_back_changes_nothing() -> None:
    generator = LiveGenerator(small_world(), session_id="s")
    for number in range(10):
        generator.burst(request(number, 83))
    checkpoint = generator.snapshot()

    assert resplit(resplit([checkpoint], 1, 3), 3, 1) == [checkpoint]


def test_checkpoints_that_do_not_belong_together_are_refused() -> None:
    one, other = (
        LiveGenerator(small_world(), session_id=name, shard=k, shards=2).snapshot() for k, name in enumerate("ab")
    )
    same = LiveGenerator(small_world(), session_id="a", shard=1, shards=2).snapshot()

    for checkpoints, old in (([one, other], 2), ([one], 1), ([one, one], 2), ([], 0), ([one, same], 1)):
        with pytest.raises(CheckpointError):
            resplit(checkpoints, old, 2)
    with pytest.raises(ValueError, match="shards must be from 1 to 3"):
        resplit([one, same], 2, 4)


def test_a_checkpoint_of_something_else_is_refused() -> None:
    generator = LiveGenerator(small_world(), session_id="s")
    generator.burst(request(0))
    checkpoint = generator.snapshot()
    damaged = checkpoint[:-1] + bytes([checkpoint[-1] ^ 1])

    for raw, session, shards in (
        (damaged, "s", 1),
        (checkpoint[:6], "s", 1),
        (b"XXXX" + checkpoint[4:], "s", 1),
        (checkpoint, "other", 1),
        (checkpoint, "s", 2),
    ):
        with pytest.raises(CheckpointError):
            LiveGenerator(small_world(), session_id=session, shards=shards, checkpoint=raw)
    with pytest.raises(CheckpointError):
        LiveGenerator(world(), session_id="s", checkpoint=checkpoint)


@pytest.mark.parametrize(("shard", "shards"), [(-1, 1), (1, 1), (0, 0), (0, 4)])
def test_there_are_no_more_shards_than_distribution_centers(shard: int, shards: int) -> None:
    with pytest.raises(ValueError, match="distribution centers to share"):
        LiveGenerator(small_world(), session_id="s", shard=shard, shards=shards)


def test_a_session_name_that_ids_cannot_carry_is_refused() -> None:
    for name in ("", "a.b", 'a"', "a@b", "x" * 81):
        with pytest.raises(ValueError, match="a session has"):
            LiveGenerator(small_world(), session_id=name)


def test_a_world_too_large_for_its_shards_names_the_shards_it_needs() -> None:
    large = World.build(WorldSpec(seed=1, stores=1_000, distribution_centers=100, products=5_000))

    with pytest.raises(WorldTooLargeError) as refused:
        LiveGenerator(large, session_id="s")

    needed = refused.value.shards_needed
    assert needed is not None
    assert needed <= 10
    generator = LiveGenerator(large, session_id="s", shards=needed)
    assert len(generator.burst(request(0, 500))) == 500
    assert len(generator.snapshot()) <= 2 * 1024 * 1024


def test_a_world_too_large_for_any_number_of_shards_says_so() -> None:
    with pytest.raises(WorldTooLargeError, match="more distribution centers") as refused:
        LiveGenerator(
            World.build(WorldSpec(seed=1, stores=1_000, distribution_centers=1, products=2_000)), session_id="s"
        )

    assert refused.value.shards_needed is None


@pytest.mark.parametrize("rate", [1.0, 200.0, 5_000.0, 1_000_000.0])
def test_checkpoints_of_the_default_world_stay_small(rate: float) -> None:
    shards = [LiveGenerator(world(), session_id="s", shard=k, shards=4) for k in range(4)]
    for one in shards:
        for number in range(20):
            one.burst(request(number, 1_499, rate=rate))

    assert sum(len(one.snapshot()) for one in shards) <= 256 * 1024


def test_sessions_and_shards_share_no_ids() -> None:
    fields = ("receipt_id", "order_id", "transaction_id", "impression_id", "shipment_id")
    seen: dict[str, tuple[str, int]] = {}

    for session, shards in (("s", 3), ("s-1", 1), ("s2", 2)):
        for shard in range(shards):
            own = (session, shard)
            for envelope in read(live(small_world(), 10, 300, shard=shard, shards=shards, session=session)):
                for name in (envelope["trace_id"], *(envelope["payload"].get(field) for field in fields)):
                    if name is not None:
                        assert seen.setdefault(name, own) == own


def test_the_world_still_makes_sense_after_minutes_at_a_high_rate() -> None:
    generator = LiveGenerator(world(), session_id="s")
    rate = 5_000.0
    counts = dict.fromkeys(EVENT_TYPES, 0)
    sizes = []

    for number in range(400):
        counts = dict.fromkeys(EVENT_TYPES, 0) if number == 200 else counts
        for event in generator.burst(request(number, 1_000, rate=rate)):
            counts[event.event_type] += 1
        sizes.append(len(generator.snapshot()))

    # Shelves are refilled as fast as they empty, and few are bare.
    assert counts["stockout_detected"] < counts["receipt_line_added"] / 100
    assert abs(counts["truck_arrived"] - counts["truck_departed"]) <= 50
    assert counts["truck_arrived"] > 10
    assert counts["receipt_created"] > 5_000
    # Nothing piles up.
    assert max(sizes[300:]) < max(sizes[100:200]) * 1.1


def test_it_takes_no_clock_and_no_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> float:
        raise AssertionError("the world must not look at the clock")

    monkeypatch.setattr(time, "time", forbidden)

    assert live(small_world(), 3, 100) == live(small_world(), 3, 100)
