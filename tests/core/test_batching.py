"""Batches keep order, lose nothing and respect their limits; lanes are the same on every machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.batching import batch_length, by_lane, lane_of
from streaming.core.event import Event


def event(size_bytes: int = 1, *, key: str = "store_1", trace_id: str = "t") -> Event:
    return Event("receipt_created", trace_id, key, b"x" * size_bytes)


def size_of(event: Event) -> int:
    return len(event.body)


def cut(events: list[Event], *, max_events: int, max_bytes: int) -> list[list[Event]]:
    batches = []
    while events:
        length = batch_length(events, max_events=max_events, max_bytes=max_bytes, size_of=size_of)
        assert length > 0, "no progress"
        batches.append(events[:length])
        events = events[length:]
    return batches


@pytest.mark.parametrize(
    ("sizes", "max_events", "max_bytes", "lengths"),
    [
        ([], 3, 100, []),
        ([1, 1, 1], 3, 100, [3]),
        ([1, 1, 1, 1], 3, 100, [3, 1]),
        ([50, 50, 1], 3, 100, [2, 1]),
        ([50, 51, 1], 3, 100, [1, 2]),
        ([101, 1, 1], 3, 100, [1, 2]),
        ([1, 101, 1], 3, 100, [1, 1, 1]),
        ([101, 102], 3, 100, [1, 1]),
        ([1, 1], 1, 100, [1, 1]),
    ],
)
def test_cuts(sizes: list[int], max_events: int, max_bytes: int, lengths: list[int]) -> None:
    batches = cut([event(size) for size in sizes], max_events=max_events, max_bytes=max_bytes)
    assert [len(batch) for batch in batches] == lengths


@given(sizes=st.lists(st.integers(1, 120), max_size=60), max_events=st.integers(1, 20), max_bytes=st.integers(1, 400))
def test_batches_are_the_input_in_order_and_as_full_as_they_may_be(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    events = [event(size, trace_id=str(number)) for number, size in enumerate(sizes)]
    batches = cut(events, max_events=max_events, max_bytes=max_bytes)
    assert [one for batch in batches for one in batch] == events
    for number, batch in enumerate(batches):
        total = sum(map(size_of, batch))
        assert len(batch) <= max_events
        assert total <= max_bytes or len(batch) == 1
        if number + 1 < len(batches):
            following = size_of(batches[number + 1][0])
            assert len(batch) == max_events or total + following > max_bytes


@pytest.mark.parametrize(
    ("key", "lanes", "lane"),
    # CRC-32 as in zip files: store_1 0x28EA9AFE, store_42 0x3D8F7FC9, dc_3 0x5D62EABC, campaign_7 0x03682364.
    [
        ("store_1", 1, 0),
        ("store_1", 4, 2),
        ("store_1", 32, 30),
        ("store_42", 4, 1),
        ("store_42", 32, 9),
        ("dc_3", 4, 0),
        ("dc_3", 32, 28),
        ("campaign_7", 4, 0),
        ("campaign_7", 32, 4),
    ],
)
def test_lanes_are_those_of_every_machine(key: str, lanes: int, lane: int) -> None:
    assert lane_of(key, lanes) == lane


@given(keys=st.lists(st.text(max_size=10), max_size=60), lanes=st.integers(1, 32))
def test_dealing_keeps_each_keys_events_together_and_in_order(keys: list[str], lanes: int) -> None:
    events = [event(key=key, trace_id=str(number)) for number, key in enumerate(keys)]
    dealt = by_lane(events, lanes)
    assert len(dealt) == lanes
    assert sorted((one for lane in dealt for one in lane), key=lambda one: int(one.trace_id)) == events
    for lane, lanes_events in enumerate(dealt):
        assert {lane_of(one.partition_key, lanes) for one in lanes_events} <= {lane}
        order = [int(one.trace_id) for one in lanes_events]
        assert order == sorted(order)
