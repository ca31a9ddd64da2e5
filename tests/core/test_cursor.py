"""A shard's position survives storage, whatever it holds, and a lease keeps others out for exactly its time."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.cursor import Cursor, Progress, hour_from_json, hour_to_json
from streaming.core.history import Hour, Slot
from streaming.core.plan import Frontier, Pace, WindowPlan
from streaming.core.tally import Tally

counts = st.integers(0, 2**62)
slots = st.builds(Slot, counts, counts, counts, counts)
paces = st.builds(
    Pace, anchor_burst=counts, anchor_us=counts, interval_ms=st.integers(10, 3_600_000), burst=st.integers(1, 100_000)
)
texts = st.text(max_size=20)
types = st.none() | st.lists(texts, max_size=3).map(tuple)
plans = st.builds(
    WindowPlan,
    window=counts,
    first_burst=counts,
    bursts=st.integers(0, 100),
    pace=paces,
    skipped=counts,
    chunk=counts,
    event_types=types,
    disruptions=st.lists(texts, max_size=3).map(tuple),
)
hours = st.builds(Hour, hour=counts, minutes=st.dictionaries(st.integers(0, 59), slots, max_size=5))
cursors = st.builds(
    Cursor,
    session_id=texts,
    shard=counts,
    shards=counts,
    lanes=counts,
    owner=texts,
    lease_until_us=counts,
    heartbeat_us=counts,
    operation_id=texts,
    frontier=st.builds(Frontier, window=counts, burst=counts, pace=st.none() | paces),
    plans=st.lists(plans, max_size=2).map(tuple),
    progress=st.builds(Progress, generated=counts, settled=st.lists(counts, max_size=4).map(tuple)),
    tally=st.builds(Tally, generated=counts, by_type=st.dictionaries(texts, counts, max_size=3).map(Counter)),
    seconds=st.dictionaries(counts, slots, max_size=5),
    hour=hours,
    fault=st.none() | texts,
)


def cursor(*, owner: str = "a", lease_until_us: int = 1_000, progress: Progress | None = None) -> Cursor:
    return Cursor(
        session_id="s",
        shard=0,
        shards=1,
        lanes=4,
        owner=owner,
        lease_until_us=lease_until_us,
        heartbeat_us=0,
        operation_id="o",
        progress=progress or Progress(),
    )


@given(cursor=cursors)
def test_a_cursor_survives_storage(cursor: Cursor) -> None:
    restored = Cursor.from_json(orjson.loads(orjson.dumps(cursor.to_json())))
    assert restored == cursor
    assert all(isinstance(slot, Slot) for slot in restored.seconds.values())


@given(hour=hours)
def test_an_hour_survives_storage(hour: Hour) -> None:
    assert hour_from_json(orjson.loads(orjson.dumps(hour_to_json(hour)))) == hour


def test_a_new_cursor_stands_at_the_beginning() -> None:
    new = cursor()
    assert (new.frontier, new.plans, new.pending) == (Frontier(window=0, burst=0, pace=None), (), 0)


@pytest.mark.parametrize(
    ("asker", "now_us", "kept_out"),
    [("b", 999, True), ("b", 1_000, False), ("b", 1_001, False), ("a", 0, False), ("a", 2_000, False)],
)
def test_a_lease_keeps_others_out_until_it_ends(asker: str, now_us: int, kept_out: bool) -> None:
    assert cursor(owner="a", lease_until_us=1_000).leased_by_other(asker, now_us) is kept_out


@pytest.mark.parametrize(
    ("generated", "settled", "pending"), [(0, (), 0), (100, (), 100), (100, (30, 0, 20, 0), 50), (100, (60, 40), 0)]
)
def test_pending_is_what_was_generated_and_not_settled(generated: int, settled: tuple[int, ...], pending: int) -> None:
    progress = Progress(generated=generated, settled=settled)
    assert progress.pending == pending
    assert cursor(progress=progress).pending == pending
