"""Dead letters: what a filter means, and what a redrive leaves behind."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.dead_letter import (
    KEPT_FAILURES,
    DeadLetter,
    FailedRedrive,
    Failure,
    LetterFilter,
    after_redrive,
    outline_of,
)
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory

NOW_US = 1_780_000_000_000_000
EVENTS = tuple(
    Event("receipt_created" if number % 3 else "store_opened", f"trace-{number}", f"store_{number}", b"{}")
    for number in range(12)
)
LETTER = DeadLetter(
    letter_id="01780000000000000-6-1-0-0",
    events=EVENTS,
    category=ErrorCategory.THROTTLING,
    detail="server-busy",
    attempts=4,
    first_failure_us=NOW_US - 3_000_000,
    last_failure_us=NOW_US,
    session_id="session",
    shard=0,
    lane=1,
    window=6,
    first_burst=60,
    last_burst=69,
)
AGAIN = Failure(at_us=NOW_US + 9, attempts=2, category=ErrorCategory.NOT_FOUND, detail="no such hub")

trace_ids = st.sets(st.sampled_from([event.trace_id for event in (*EVENTS, Event("x", "gone", "k", b""))]))


def failed(*trace_ids: str, failure: Failure = AGAIN) -> FailedRedrive:
    return FailedRedrive(trace_ids=frozenset(trace_ids), failure=failure)


def test_a_filter_means_events_of_a_category_and_a_type() -> None:
    outline = outline_of(LETTER)
    opened = LetterFilter(event_type="store_opened")
    assert LetterFilter().count_in(outline) == 12
    assert opened.count_in(outline) == len(opened.events_of(LETTER)) == 4
    assert LetterFilter(event_type="ad_impression").count_in(outline) == 0
    other = LetterFilter(category=ErrorCategory.UNKNOWN, event_type="store_opened")
    assert other.count_in(outline) == len(other.events_of(LETTER)) == 0
    same = LetterFilter(category=ErrorCategory.THROTTLING)
    assert same.events_of(LETTER) == EVENTS


def test_a_letter_that_was_accepted_is_gone() -> None:
    assert after_redrive(LETTER, sent={event.trace_id for event in EVENTS}, failed=[]) == ()


def test_a_letter_that_nobody_tried_stays_as_it_is() -> None:
    assert after_redrive(LETTER, sent=set(), failed=[]) == (LETTER,)


def test_a_letter_that_failed_again_keeps_its_name_and_remembers() -> None:
    (again,) = after_redrive(LETTER, sent=set(), failed=[failed(*(event.trace_id for event in EVENTS))])

    assert again == replace(
        LETTER,
        category=ErrorCategory.NOT_FOUND,
        detail="no such hub",
        attempts=6,
        last_failure_us=NOW_US + 9,
        redrives=1,
        history=(Failure(at_us=NOW_US, attempts=4, category=ErrorCategory.THROTTLING, detail="server-busy"),),
    )
    assert again.retry_count == 5


def test_what_failed_parts_from_what_was_not_tried() -> None:
    rest, again = after_redrive(LETTER, sent={"trace-0"}, failed=[failed("trace-1", "trace-2")])

    assert [event.trace_id for event in rest.events] == [f"trace-{number}" for number in range(3, 12)]
    assert (rest.letter_id, rest.redrives, rest.history) == (LETTER.letter_id, 0, ())
    assert [event.trace_id for event in again.events] == ["trace-1", "trace-2"]
    assert again.letter_id.startswith(f"{LETTER.letter_id}-")
    assert again.redrives == 1


def test_a_letter_is_exhausted_after_five_redrives_in_vain_and_keeps_ten_failures() -> None:
    letter = LETTER
    states = []
    for number in range(12):
        states.append((letter.is_exhausted, outline_of(letter).is_exhausted))
        letter = letter.failed_again(replace(AGAIN, detail=str(number)))
    assert states == [(False, False)] * 5 + [(True, True)] * 7
    assert letter.redrives == 12
    assert [failure.detail for failure in letter.history] == [str(number) for number in range(1, 11)]
    assert len(letter.history) == KEPT_FAILURES


@given(sent=trace_ids, first=trace_ids, second=trace_ids)
def test_a_redrive_neither_loses_nor_doubles_an_event(sent: set[str], first: set[str], second: set[str]) -> None:
    first, second = first - sent, second - first - sent
    redrives = [failed(*first), failed(*second, failure=replace(AGAIN, at_us=NOW_US + 10))]

    stays = after_redrive(LETTER, sent=sent, failed=redrives)

    left = [event for letter in stays for event in letter.events]
    assert sorted(left) == sorted(event for event in EVENTS if event.trace_id not in sent)
    assert all(letter.events for letter in stays)
    assert len({letter.letter_id for letter in stays}) == len(stays)
    for letter in stays:
        assert list(letter.events) == [event for event in EVENTS if event in letter.events]
        tried = {event.trace_id for event in letter.events} <= first | second
        assert letter.redrives == tried
