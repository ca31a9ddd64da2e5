"""Counts add up in any order, survive storage, and the books say whether they balance."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.tally import Books, Tally, sum_books

counts = st.integers(0, 10**12)
counters = st.dictionaries(st.text(max_size=12), st.integers(1, 10**9), max_size=5).map(Counter)


def tallies() -> st.SearchStrategy[Tally]:
    return st.builds(
        Tally,
        generated=counts,
        sent_first=counts,
        dead_lettered=counts,
        discarded=counts,
        batches_sent=counts,
        bytes_sent=counts,
        connection_failures=counts,
        bursts_planned=counts,
        bursts_skipped=counts,
        last_event_us=counts,
        by_type=counters,
        by_error=counters,
    )


balanced_books = st.builds(
    lambda sent, pending, outbox_cleared, buried: Books(
        generated=sent + pending + outbox_cleared + sum(buried),
        sent_first=sent,
        pending=pending,
        outbox_cleared=outbox_cleared,
        dead_lettered=sum(buried),
        in_dlq=buried[0],
        redriven=buried[1],
        cleared=buried[2],
        evicted=buried[3],
        discarded=buried[4],
    ),
    counts,
    counts,
    counts,
    st.tuples(counts, counts, counts, counts, counts),
)


def test_adding_adds_every_count() -> None:
    one = Tally(
        generated=10,
        sent_first=7,
        dead_lettered=2,
        discarded=1,
        batches_sent=3,
        bytes_sent=700,
        connection_failures=4,
        bursts_planned=5,
        bursts_skipped=6,
        last_event_us=900,
        by_type=Counter(receipt_created=6, store_opened=4),
        by_error=Counter(throttling=2),
    )
    two = Tally(
        generated=100,
        sent_first=80,
        dead_lettered=20,
        discarded=20,
        batches_sent=30,
        bytes_sent=8_000,
        connection_failures=40,
        bursts_planned=50,
        bursts_skipped=60,
        last_event_us=800,
        by_type=Counter(receipt_created=100),
        by_error=Counter(unknown=20),
    )
    assert one.plus(two) == Tally(
        generated=110,
        sent_first=87,
        dead_lettered=22,
        discarded=21,
        batches_sent=33,
        bytes_sent=8_700,
        connection_failures=44,
        bursts_planned=55,
        bursts_skipped=66,
        last_event_us=900,
        by_type=Counter(receipt_created=106, store_opened=4),
        by_error=Counter(throttling=2, unknown=20),
    )
    assert (one.generated, two.generated) == (10, 100)
    assert one.by_type == Counter(receipt_created=6, store_opened=4)


@given(one=tallies(), two=tallies(), three=tallies())
def test_the_order_of_adding_does_not_matter(one: Tally, two: Tally, three: Tally) -> None:
    assert one.plus(two) == two.plus(one)
    assert one.plus(two).plus(three) == one.plus(two.plus(three))
    assert one.plus(Tally()) == one
    total = Tally()
    for tally in (three, one, two):
        total.add(tally)
    assert total == one.plus(two).plus(three)


@given(tally=tallies())
def test_a_tally_survives_storage(tally: Tally) -> None:
    assert Tally.from_json(orjson.loads(orjson.dumps(tally.to_json()))) == tally


def test_a_stored_tally_reads_as_plain_numbers() -> None:
    stored = orjson.loads(orjson.dumps(Tally(generated=3, by_type=Counter(store_opened=3)).to_json()))
    assert (stored["generated"], stored["by_type"], stored["by_error"]) == (3, {"store_opened": 3}, {})


@pytest.mark.parametrize(
    ("books", "balanced"),
    [
        (Books(), True),
        (Books(generated=10, sent_first=10), True),
        (Books(generated=10, sent_first=6, pending=4), True),
        (Books(generated=10, sent_first=6, outbox_cleared=4), True),
        (Books(generated=10, sent_first=6, dead_lettered=4, in_dlq=4), True),
        (Books(generated=10, sent_first=6, dead_lettered=4, in_dlq=1, redriven=1, cleared=1, evicted=1), True),
        (Books(generated=10, sent_first=6, dead_lettered=4, discarded=4), True),
        (Books(generated=10, sent_first=9), False),
        (Books(generated=10, sent_first=10, pending=1), False),
        (Books(generated=10, sent_first=6, dead_lettered=4), False),
        (Books(generated=10, sent_first=6, dead_lettered=4, in_dlq=4, redriven=1), False),
        (Books(generated=10, sent_first=10, in_dlq=1), False),
    ],
)
def test_books_balance_when_both_equations_hold(books: Books, balanced: bool) -> None:
    assert books.balanced is balanced


@given(books=balanced_books, term=st.sampled_from(sorted(asdict(Books()))), error=st.sampled_from([-1, 1, 1_000]))
def test_one_wrong_term_upsets_the_books(books: Books, term: str, error: int) -> None:
    assert books.balanced
    assert not replace(books, **{term: getattr(books, term) + error}).balanced


@given(partitions=st.lists(balanced_books, max_size=5))
def test_balanced_partitions_have_a_balanced_sum(partitions: list[Books]) -> None:
    total = sum_books(partitions)
    assert total.balanced
    assert total.generated == sum(books.generated for books in partitions)
    assert total.evicted == sum(books.evicted for books in partitions)


def test_the_sum_of_no_books_is_empty() -> None:
    assert sum_books([]) == Books()
