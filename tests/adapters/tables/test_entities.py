"""Whatever is cut into properties and rows is put together again, whatever its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.adapters.tables import dead_letters
from streaming.adapters.tables.entities import Row, data_entities, entity, read_data, read_text, text_properties
from streaming.adapters.tables.limits import check_transaction
from streaming.core.dead_letter import DeadLetter
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.adapters.tables.entities import Entity

ROW_BYTES = 11 * 64 * 1024
UNTIMED = settings(deadline=None)
"""The machine may be busy with something else."""


def stored(entities: Sequence[Entity]) -> list[Row]:
    """What a reader gets of ``entities``."""
    check_transaction(entities)
    return [
        Row(
            key=each["RowKey"],
            version="v",
            properties={name: value[0] if isinstance(value, tuple) else value for name, value in each.items()},
        )
        for each in entities
    ]


@UNTIMED
@given(
    unit=st.text(min_size=1, max_size=3),
    length=st.one_of(
        st.integers(0, 100),
        st.integers(16 * 1024 - 2, 16 * 1024 + 2),
        st.integers(32 * 1024 - 2, 32 * 1024 + 2),
        st.integers(64 * 1024 - 2, 64 * 1024 + 2),
    ),
)
def test_text_of_any_length_and_script(unit: str, length: int) -> None:
    text = (unit * length)[:length]
    (row,) = stored([entity("p", "r", text_properties("json", text))])
    assert read_text(row, "json") == text


@UNTIMED
@given(
    length=st.one_of(
        st.integers(0, 100),
        st.integers(64 * 1024 - 2, 64 * 1024 + 2),
        st.integers(ROW_BYTES - 2, ROW_BYTES + 2),
        st.integers(2 * ROW_BYTES - 2, 2 * ROW_BYTES + 2),
    ),
    seed=st.binary(min_size=1, max_size=7),
)
def test_bytes_of_any_length(length: int, seed: bytes) -> None:
    data = (seed * (length // len(seed) + 1))[:length]
    rows = stored(data_entities("p", "live|x", data, {}))
    assert read_data({row.key: row for row in rows}, "live|x") == data


def test_rows_that_a_longer_value_left_behind_are_not_read() -> None:
    longer = stored(data_entities("p", "live|x", b"l" * (ROW_BYTES + 1), {}))
    shorter = stored(data_entities("p", "live|x", b"short", {}))
    rows = {row.key: row for row in (*longer, *shorter)}
    assert sorted(rows) == ["live|x|000", "live|x|001"]
    assert read_data(rows, "live|x") == b"short"


def test_data_that_was_never_written_is_none() -> None:
    assert read_data({}, "live|x") is None


unencodable = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"])
any_text = st.text(st.one_of(st.characters(codec="utf-8"), unencodable))
any_event = st.builds(Event, any_text, any_text, any_text, st.binary())


@UNTIMED
@given(
    letter=st.builds(
        DeadLetter,
        letter_id=st.text("0123456789abcdef-", min_size=1, max_size=40),
        events=st.lists(any_event, max_size=5).map(tuple),
        category=st.sampled_from(ErrorCategory),
        detail=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        attempts=st.integers(1, 21),
        first_failure_us=st.integers(0, 2**62),
        last_failure_us=st.integers(0, 2**62),
        session_id=st.just("session"),
        shard=st.integers(0, 99),
        lane=st.integers(0, 31),
        window=st.integers(0, 2**40),
        first_burst=st.integers(0, 2**40),
        last_burst=st.integers(0, 2**40),
    )
)
def test_a_dead_letter_whatever_is_in_it(letter: DeadLetter) -> None:
    rows = stored(dead_letters.letter_entities("shard|session|000", letter))
    assert dead_letters.read_letters(rows) == [letter]


def test_a_summary_needs_the_first_row_alone_and_none_of_the_events() -> None:
    event = Event("ad_impression", "t", "campaign_7", b"{}")
    letter = DeadLetter(
        letter_id="1",
        events=(event, event, Event("store_opened", "t", "store_1", b"{}")),
        category=ErrorCategory.NOT_FOUND,
        detail="no such hub",
        attempts=2,
        first_failure_us=5_000_000_000,
        last_failure_us=6_000_000_000,
        session_id="session",
        shard=3,
        lane=1,
        window=10,
        first_burst=100,
        last_burst=109,
    )
    (row,) = stored(dead_letters.letter_entities("shard|session|003", letter))
    told = {name: value for name, value in row.properties.items() if not name.startswith("data")}
    assert told == {
        "PartitionKey": "shard|session|003",
        "RowKey": "dlq|1|000",
        "parts": 1,
        "category": "not_found",
        "count": 3,
        "attempts": 2,
        "redrives": 0,
        "first_failure_us": 5_000_000_000,
        "last_failure_us": 6_000_000_000,
        "session_id": "session",
        "shard": 3,
        "lane": 1,
        "window": 10,
        "first_burst": 100,
        "last_burst": 109,
        "event_types00": '{"ad_impression": 2, "store_opened": 1}',
        "detail": "no such hub",
    }
    (outline,) = dead_letters.read_outlines([row])
    assert (outline.category, outline.count) == (ErrorCategory.NOT_FOUND, 3)
    assert outline.event_types == {"ad_impression": 2, "store_opened": 1}
