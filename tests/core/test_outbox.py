"""Pages, epochs, heads and pacing: what the outbox's flows rely on."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core import outbox as timelines
from streaming.core.batching import lane_of
from streaming.core.event import Event
from streaming.core.outbox import Day, Epoch, Timeline
from streaming.core.outbox_lane import DrainHead, LaneCounts, StageHead, first_cursor
from streaming.core.outbox_pacing import CATCH_UP_US, Debt, Rate, share
from streaming.core.outbox_page import PAGE_BYTES, cut, pack, timestamp_us, unpack
from streaming.core.session import WorldSize
from streaming.core.tally import Tally

LANES = 3
WORLD = WorldSize(stores=1, distribution_centers=1, products=100, customers=100)
DAY = Day(date="2026-01-31", event_types=None, disruptions=(), page_events=10, chunk_events=50, scale=1.0)
EMPTY = Timeline(name="t", seed=1, world=WORLD, operation_id="")


def event(number: int, size: int = 0) -> Event:
    body = orjson.dumps({"ingest_timestamp": "2026-01-31T00:00:00.000001Z", "n": number, "pad": "x" * size})
    return Event("receipt_created", f"t-{number}", f"store_{number % 7}", body)


events = st.lists(st.builds(event, st.integers(0, 10**6), st.integers(0, 2_000)), max_size=200)


@given(events, st.integers(1, 50), st.lists(st.integers(-20, 20), min_size=LANES, max_size=LANES))
def test_pages_hold_every_event_once_in_its_lane_and_in_order(
    chunk: list[Event], page_events: int, last_pages: list[int]
) -> None:
    made = cut(chunk, lanes=LANES, page_events=page_events, last_pages=last_pages)

    for lane, pages in enumerate(made):
        expected = [each for each in chunk if lane_of(each.partition_key, LANES) == lane]
        assert [each for page in pages for each in page.events] == expected
        assert [page.number for page in pages] == list(range(last_pages[lane] + 1, last_pages[lane] + 1 + len(pages)))
        assert all(1 <= len(page.events) <= page_events for page in pages)


def test_a_page_is_cut_by_bytes_too() -> None:
    chunk = [event(0, 100_000)] * 20
    pages = cut(chunk, lanes=1, page_events=1_000, last_pages=[0])[0]

    assert sum(len(page.events) for page in pages) == 20
    assert all(page.size_bytes <= PAGE_BYTES for page in pages)
    assert len(pages) == 4


@given(
    st.lists(
        st.builds(Event, st.text(), st.text(), st.text(), st.binary(max_size=300)),
        max_size=30,
    )
)
def test_packing_keeps_every_byte(chunk: list[Event]) -> None:
    assert unpack(pack(chunk)) == tuple(chunk)


def test_a_timestamp_keeps_its_microseconds() -> None:
    assert timestamp_us(event(1)) == 1_769_817_600_000_001


@pytest.mark.parametrize(
    ("generated", "expected"),
    [(None, "2026-01-01"), ("2026-01-31", "2026-02-01"), ("2028-02-28", "2028-02-29"), ("2026-12-31", "2027-01-01")],
)
def test_the_day_to_stage(generated: str | None, expected: str) -> None:
    assert timelines.next_date(generated, "2026-01-01") == expected


def test_a_sessions_days_share_an_epoch_until_the_hub_or_the_session_changes() -> None:
    first = timelines.with_day(EMPTY, DAY, session_id="a", lanes=2, last_pages=[0, 0])
    assert first.epochs == (Epoch(number=1, session_id="a", lanes=2),)
    second = timelines.with_day(first.day_staged(), DAY, session_id="a", lanes=2, last_pages=[4, 7])
    assert second.epochs == first.epochs
    assert second.staging is not None
    assert second.staging.pages == (4, 7)
    more_lanes = timelines.with_day(second.day_staged(), DAY, session_id="a", lanes=3, last_pages=[4, 7])
    other = timelines.with_day(more_lanes.day_staged(), DAY, session_id="b", lanes=3, last_pages=[1, 1, 1])
    assert [(epoch.number, epoch.session_id, epoch.lanes) for epoch in other.epochs] == [
        (1, "a", 2),
        (2, "a", 3),
        (3, "b", 3),
    ]
    assert other.staging is not None
    assert other.staging.pages == (0, 0, 0)
    assert [epoch.number for epoch in other.without_drained(frozenset({1, 3})).epochs] == [2, 3]


def test_a_clear_goes_on_with_the_day_behind_the_last_page_cleared() -> None:
    begun = timelines.with_day(EMPTY, DAY, session_id="a", lanes=2, last_pages=[0, 0]).staging_at([5, 6])
    leased = replace(begun, owner="me", lease_until_us=9, closing=True)

    moved = timelines.cleared(leased, last_pages=[8, 6])

    assert moved.epochs == (Epoch(number=2, session_id="a", lanes=2),)
    assert moved.purging == (Epoch(number=1, session_id="a", lanes=2),)
    assert (moved.closing, moved.owner, moved.lease_until_us, moved.last_epoch) == (False, "", 0, 2)
    assert moved.staging is not None
    # The replay's first three pages of lane 0 were cleared: it gets -2, -1, 0, and then 1.
    assert moved.staging.pages == (-3, 0)


def test_a_clear_between_two_days_leaves_no_epoch() -> None:
    staged = timelines.with_day(EMPTY, DAY, session_id="a", lanes=1, last_pages=[0]).day_staged()
    moved = timelines.cleared(staged, last_pages=[3])
    assert (moved.epochs, moved.generated_day) == ((), "2026-01-31")
    following = timelines.with_day(moved, DAY, session_id="a", lanes=1, last_pages=[0])
    assert following.epoch.number == 2


def test_the_timeline_survives_being_written_down() -> None:
    day = replace(DAY, event_types=("receipt_created",), disruptions=("{}",))
    timeline = timelines.with_day(EMPTY, day, session_id="a", lanes=2, last_pages=[0, 0])
    for each in (EMPTY, timeline, timelines.cleared(timeline, last_pages=[1, 1])):
        assert Timeline.from_json(orjson.loads(orjson.dumps(each.to_json()))) == each


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.booleans())
def test_what_is_staged_is_settled_pending_or_cleared(staged: int, settled: int, closed: bool) -> None:
    settled = min(staged, settled)
    epoch = Epoch(number=1, session_id="a", lanes=1)
    cursor = replace(first_cursor(epoch, 0), tally=Tally(sent_first=settled // 2, dead_lettered=settled - settled // 2))
    stage = StageHead(operation_id="", events=staged, by_type={"receipt_created": staged})
    counts = LaneCounts(epoch=epoch, lane=0, stage=stage, drain=DrainHead(cursor=cursor, closed=closed))

    assert staged == settled + counts.pending + counts.cleared
    assert 0 in {counts.pending, counts.cleared}
    assert (counts.cursor.tally.generated, counts.cursor.pending) == (staged, counts.pending)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_shares_add_up_to_the_streams_rate(pending: list[int]) -> None:
    total = sum(pending)
    shares = [share(each, total) for each in pending if each]
    assert not shares or sum(shares) == pytest.approx(1.0)
    assert all(0 < each <= 1 for each in shares)


def test_a_page_takes_its_part_of_the_streams_time() -> None:
    rate = Rate(interval_ms=500, burst=100)  # 5 ms an event
    paid = Debt(since_us=1_000_000)
    assert paid.after(20, now_us=1_000_000, rate=rate, share_of_rate=1.0).due_us(rate) == 1_100_000
    assert paid.after(20, now_us=1_050_000, rate=rate, share_of_rate=0.25).due_us(rate) == 1_400_000


def test_another_rate_takes_effect_in_the_middle_of_a_wait() -> None:
    slow, fast = Rate(interval_ms=1_000, burst=1), Rate(interval_ms=500, burst=100)
    debt = Debt(since_us=1_000_000).after(20, now_us=1_000_000, rate=slow, share_of_rate=0.25)
    assert debt.due_us(slow) == 81_000_000
    assert debt.due_us(fast) == 1_400_000


def test_lost_time_is_made_good_within_bounds() -> None:
    rate = Rate(interval_ms=1_000, burst=1)
    late = Debt().after(1, now_us=100_000_000, rate=rate, share_of_rate=1.0)
    assert late.due_us(rate) == 101_000_000 - CATCH_UP_US
