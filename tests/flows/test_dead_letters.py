"""The dead-letter queue: what is shown, sent again, cleared and evicted, and that the books balance meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import Fault
from streaming.core.dead_letter import LetterFilter
from streaming.core.outcome import ErrorCategory, SendFailed
from streaming.core.tally import Books
from streaming.flows import health, letter_reports
from streaming.flows.control import LEAD_US
from streaming.flows.dead_letters import Position, QueueBusyError
from streaming.flows.redrive import RUN_SECONDS, RedriveReport, RedriveRequest
from streaming.ports import StorageUnavailableError
from tests.flows.killing import Killed, Writes
from tests.flows.test_live import Stage, start

if TYPE_CHECKING:
    from streaming.adapters.memory_stores import MemoryShardStore
    from streaming.core.event import Event
    from streaming.ports import Shelf
    from tests.flows.process import Process
    from tests.flows.virtual_clock import VirtualClock

ONE_ATTEMPT = {"retry_attempts": "0", "failure_threshold": "1000"}
ALL = LetterFilter()


def failing(category: ErrorCategory, *, remaining: int | None = None) -> Fault:
    return Fault(outcome=SendFailed(category=category, detail=f"scripted: {category}"), remaining=remaining)


async def stream_with_dead_letters(stage: Stage, *categories: ErrorCategory, **environment: str) -> Process:
    """A stream that has ended, and in which two bursts of 11 events failed in each of these ways, one after another."""
    process = stage.process(None, **{**ONE_ATTEMPT, **environment})
    await start(process, emit_interval_ms=500, burst=11)
    first_us = stage.clock.now_us() + LEAD_US

    async def live_through() -> None:
        ticking = asyncio.ensure_future(process.tick_until(first_us + 3_600 * MICROSECONDS))
        for number, category in enumerate(categories):
            fails_us = first_us + 2_250_000 + number * 2 * MICROSECONDS
            await stage.clock.sleep_until(fails_us)
            stage.hub.inject(failing(category))
            await stage.clock.sleep_until(fails_us + MICROSECONDS)
            stage.hub.withdraw_faults()
        await process.control.stop()
        ticking.cancel()

    await stage.clock.run(live_through())
    return process


async def books(process: Process) -> Books:
    """Counted letter by letter, and the same by the counts."""
    audited = await process.observer.audit()
    assert audited is not None
    assert audited.balanced, audited
    assert audited == (await process.observer.view()).books
    return audited


async def redrive(stage: Stage, process: Process, **request: object) -> RedriveReport:
    report = await stage.clock.run(process.redriver.redrive(RedriveRequest(**request)))  # type: ignore[arg-type]  # values of all kinds
    assert report is not None
    return report


def assert_everything_arrived(stage: Stage, expected: Books) -> list[Event]:
    """Every event that was generated is in the hub; what is there twice is identical."""
    events = stage.hub.events()
    bodies = {event.trace_id: event for event in events}
    assert all(bodies[event.trace_id] == event for event in events)
    assert len(bodies) == expected.generated
    return events


async def test_without_a_stream_there_is_nothing() -> None:
    process = Stage().process()
    page = await process.dead_letters.page(ALL, limit=None)
    assert letter_reports.page(page) == {"events": [], "count": 0, "continuation": None}
    summary = await process.dead_letters.summary(max_size=10)
    assert (summary.size, summary.by_category, summary.oldest_entry, summary.newest_entry) == (0, {}, None, None)
    assert await process.dead_letters.clear() == 0
    assert await process.observer.audit() == Books()
    assert await process.observer.audit("unknown") is None


async def test_entries_say_what_happened() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    counted = await books(process)
    page = letter_reports.page(await process.dead_letters.page(ALL, limit=None))

    assert len(page["events"]) == page["count"] == counted.in_dlq == 22
    entry = page["events"][0]
    assert entry["event"]["trace_id"].startswith(entry["session_id"])
    assert entry["error"] == "Throttled by the hub"
    assert entry["error_category"] == "throttling"
    assert entry["error_detail"] == "scripted: throttling"
    assert entry["timestamp"] == entry["first_failure"] == entry["last_failure"]
    assert (entry["retry_count"], entry["redrives"], entry["exhausted"], entry["history"]) == (0, 0, False, [])
    assert entry["first_burst"] == entry["last_burst"]
    lines = letter_reports.json_lines((await process.dead_letters.page(ALL, limit=None)).entries).splitlines()
    assert [orjson.loads(line)["event"] for line in lines] == [each["event"] for each in page["events"]]


async def test_a_summary_counts_events() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, ErrorCategory.NOT_FOUND)
    await stage.clock.run(process.dead_letters.evict(40))

    summary = await process.dead_letters.summary(max_size=77)

    assert (summary.size, summary.max_size, summary.evicted, summary.exhausted) == (40, 77, 4, 0)
    assert summary.by_category == {"not_found": 22, "throttling": 18}
    assert summary.by_error == {"Event hub not found": 22, "Throttled by the hub": 18}
    assert sum(summary.by_event_type.values()) == 40
    assert set(summary.by_event_type) == {"customer_entered", "receipt_created"}
    assert summary.oldest_entry is not None
    assert summary.newest_entry is not None
    assert summary.oldest_entry < summary.newest_entry


@pytest.mark.parametrize("limit", [1, 3, 7, 44, 100])
async def test_pages_are_parts_of_the_whole(limit: int) -> None:
    stage = Stage()
    await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    process = await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
    for wanted in (ALL, LetterFilter(event_type="receipt_created"), LetterFilter(category=ErrorCategory.NOT_FOUND)):
        whole = await process.dead_letters.page(wanted, limit=None)
        collected = []
        after: Position | None = None
        while True:
            page = await process.dead_letters.page(wanted, limit=limit, after=after)
            assert page.count == 44
            collected += page.entries
            if page.next is None:
                break
            assert len(page.entries) == limit
            after = letter_reports.read_continuation(letter_reports.continuation(page.next))
        assert collected == whole.entries
        assert whole.entries == sorted(
            whole.entries, key=lambda entry: (entry.letter.session_id, entry.letter.letter_id)
        )
    assert len(whole.entries) == 22


async def test_a_page_goes_on_behind_letters_that_have_gone() -> None:
    stage = Stage()
    await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    process = await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
    first = await process.dead_letters.page(ALL, limit=20)
    await process.dead_letters.clear(ErrorCategory.THROTTLING)

    rest = await process.dead_letters.page(ALL, limit=None, after=first.next)

    assert {entry.letter.category for entry in rest.entries} == {ErrorCategory.NOT_FOUND}
    assert len(rest.entries) == 22


@pytest.mark.parametrize("text", ["", "!", "e30", "WzEsMl0", "bm8gSlNPTg"])
def test_a_continuation_that_nobody_gave_out_is_recognized(text: str) -> None:
    assert letter_reports.read_continuation(text) is None


def test_a_body_that_is_no_json_is_shown_as_text() -> None:
    assert letter_reports._envelope(b"\xff no JSON") == "\ufffd no JSON"


async def test_a_redrive_sends_everything_once_and_in_lane_order() -> None:
    stage = Stage()
    await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    process = await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND, ErrorCategory.THROTTLING)
    sent_before = {lane: len(stage.hub.events(lane)) for lane in range(4)}

    report = await redrive(stage, process)

    assert (report.total_attempted, report.succeeded, report.failed, report.still_in_dlq) == (66, 66, 0, 0)
    assert report.complete
    counted = await books(process)
    assert (counted.redriven, counted.in_dlq, counted.dead_lettered) == (44, 0, 44)
    trace_ids = Counter(event.trace_id for event in stage.hub.events())
    assert set(trace_ids.values()) == {1}
    assert len(trace_ids) == counted.generated + 22 + (await first_session(stage)).sent_first
    for lane, before in sent_before.items():
        again = [event.trace_id for event in stage.hub.events(lane)[before:]]
        positions = [(session, int(number), int(index)) for session, number, index in (i.rsplit("-", 2) for i in again)]
        assert positions == sorted(positions)


async def first_session(stage: Stage) -> Books:
    ids = await stage.control.session_ids()
    counted = await stage.process().observer.audit(ids[0])
    assert counted is not None
    assert counted.balanced
    return counted


async def test_what_fails_again_stays_and_remembers_until_it_is_exhausted() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    stage.hub.inject(failing(ErrorCategory.CONNECTION_TIMEOUT))
    for number in range(1, 6):
        report = await redrive(stage, process)
        assert (report.total_attempted, report.succeeded, report.failed, report.still_in_dlq) == (22, 0, 22, 22)
        page = letter_reports.page(await process.dead_letters.page(ALL, limit=None))
        assert {entry["redrives"] for entry in page["events"]} == {number}
        assert {entry["retry_count"] for entry in page["events"]} == {number}
        assert {entry["error_category"] for entry in page["events"]} == {"connection_timeout"}
        assert page["events"][0]["history"][0]["error_category"] == "throttling"
        assert (await books(process)).redriven == 0
    stage.hub.withdraw_faults()

    passed_over = await redrive(stage, process)
    assert (passed_over.total_attempted, passed_over.skipped_exhausted, passed_over.still_in_dlq) == (0, 22, 22)
    assert "include_exhausted" in passed_over.message
    assert (await process.dead_letters.summary(max_size=1)).exhausted == 22
    asked_for = await redrive(stage, process, include_exhausted=True)

    assert (asked_for.succeeded, asked_for.still_in_dlq) == (22, 0)
    assert_everything_arrived(stage, await books(process))


async def test_a_letter_too_large_for_ever_holds_up_no_other() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    stage.hub.inject(failing(ErrorCategory.SERIALIZATION, remaining=1))

    report = await redrive(stage, process)

    assert (report.succeeded + report.failed, report.still_in_dlq) == (22, report.failed)
    assert report.complete
    assert (await books(process)).in_dlq == report.failed


async def test_a_redrive_of_one_type_leaves_the_others_untouched() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    before = letter_reports.page(await process.dead_letters.page(ALL, limit=None))["events"]
    receipts = LetterFilter(event_type="receipt_created")
    stage.hub.inject(failing(ErrorCategory.UNKNOWN, remaining=1))

    failed_once = await redrive(stage, process, wanted=receipts)

    assert failed_once.failed > 0
    assert (await books(process)).redriven == failed_once.succeeded
    report = await redrive(stage, process, wanted=receipts)
    assert (report.succeeded, report.failed) == (failed_once.failed, 0)
    left = letter_reports.page(await process.dead_letters.page(ALL, limit=None))["events"]
    assert left == [entry for entry in before if entry["event"]["event_type"] != "receipt_created"]
    assert (await redrive(stage, process, wanted=receipts)).total_attempted == 0
    assert (await redrive(stage, process)).still_in_dlq == 0
    assert_everything_arrived(stage, await books(process))


async def test_no_more_than_asked_for_is_tried() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    for done in (5, 10, 15, 20):
        report = await redrive(stage, process, max_events=5)
        assert (report.total_attempted, report.succeeded, report.still_in_dlq) == (5, 5, 22 - done)
    assert (await redrive(stage, process, max_events=5)).succeeded == 2
    assert_everything_arrived(stage, await books(process))


async def test_a_dry_run_changes_nothing() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    before, attempts = await books(process), stage.hub.attempts

    report = await redrive(stage, process, dry_run=True, wanted=LetterFilter(event_type="receipt_created"))
    bounded = await redrive(stage, process, dry_run=True, max_events=3)

    assert (report.total_attempted, report.succeeded, report.failed, report.still_in_dlq) == (10, 0, 0, 22)
    assert bounded.total_attempted == 3
    assert (await books(process), stage.hub.attempts) == (before, attempts)


async def test_a_redrive_keeps_to_its_rate() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    began_us = stage.clock.now_us()

    report = await redrive(stage, process, max_per_second=2.0)

    assert report.succeeded == 22
    assert stage.clock.now_us() - began_us >= 10_000_000  # 22 events at 2 a second, the last of them not waited for


async def test_a_redrive_ends_when_its_time_is_up_and_the_next_goes_on() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    rate = 10 / RUN_SECONDS

    report = await redrive(stage, process, max_per_second=rate)

    assert not report.complete
    assert 0 < report.succeeded < 22
    assert report.still_in_dlq == 22 - report.succeeded
    assert (await redrive(stage, process)).still_in_dlq == 0
    assert_everything_arrived(stage, await books(process))


async def test_an_open_breaker_stops_a_redrive_and_nothing_is_lost() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, failure_threshold="30")
    await process.breaker.force_open(reason="a test", by="operator")

    report = await redrive(stage, process)

    assert (report.total_attempted, report.succeeded, report.still_in_dlq, report.complete) == (0, 0, 22, False)
    assert "circuit breaker" in report.message
    assert not (await process.dead_letters.page(ALL, limit=1)).entries[0].letter.history
    await process.breaker.reset(reason="a test", by="operator")
    assert (await redrive(stage, process)).still_in_dlq == 0


async def test_redrives_at_once_count_each_event_once() -> None:
    stage = Stage()
    first = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, ErrorCategory.NOT_FOUND)
    others = [stage.process(None, **ONE_ATTEMPT) for _ in range(3)]

    async def all_at_once() -> list[RedriveReport]:
        return await asyncio.gather(*(each.redriver.redrive(RedriveRequest()) for each in [first, *others]))

    reports = await stage.clock.run(all_at_once())

    assert reports is not None
    assert sum(report.succeeded for report in reports) == 44
    counted = await books(first)
    assert (counted.redriven, counted.in_dlq) == (44, 0)
    assert_everything_arrived(stage, counted)


async def test_a_redrive_and_a_clear_at_once_count_each_event_once() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, ErrorCategory.NOT_FOUND)
    other = stage.process(None, **ONE_ATTEMPT)

    async def both() -> tuple[RedriveReport, int]:
        return await asyncio.gather(process.redriver.redrive(RedriveRequest()), other.dead_letters.clear())

    both_done = await stage.clock.run(both())

    assert both_done is not None
    counted = await books(process)
    assert counted.redriven + counted.cleared == 44
    assert (counted.redriven, counted.cleared) == (both_done[0].succeeded, both_done[1])


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_crash_at_any_write_of_a_redrive_loses_nothing(takes_effect: bool) -> None:
    fatal, crashed = 0, True
    while crashed:
        fatal += 1
        stage = Stage()
        await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
        await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
        stage.hub.inject(failing(ErrorCategory.UNKNOWN, remaining=2))
        doomed = stage.process(Writes(fatal=fatal, takes_effect=takes_effect), **ONE_ATTEMPT)
        crashed = False
        for wanted in (LetterFilter(event_type="receipt_created"), ALL):
            try:
                await redrive(stage, doomed, wanted=wanted)
            except Killed:
                crashed = True
                break
        survivor = stage.process(None, **ONE_ATTEMPT)
        await books(survivor)
        assert (await redrive(stage, survivor)).still_in_dlq == 0
        await books(survivor)
        earlier = await first_session(stage)
        assert_everything_arrived(stage, Books(generated=earlier.generated + (await books(survivor)).generated))
    assert fatal > 4, "the redrive wrote too little to crash in the middle of it"


async def test_clear_takes_one_category_or_all() -> None:
    stage = Stage()
    await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, ErrorCategory.NOT_FOUND)

    assert await process.dead_letters.clear(ErrorCategory.NOT_FOUND) == 44
    assert (await process.dead_letters.summary(max_size=1)).by_category == {"throttling": 22}
    counted = await books(process)
    assert (counted.cleared, counted.in_dlq) == (22, 22)
    assert await process.dead_letters.clear() == 22
    assert await process.dead_letters.size() == 0
    assert (await process.observer.view()).dlq_size == 0
    assert (await first_session(stage)).cleared == 22
    assert (await books(process)).cleared == 44


class Overtaking:
    """Somebody else is always quicker."""

    def plan(self, name: str, _number: int) -> object:
        from streaming.adapters.memory_stores import Fault as StorageFault  # noqa: PLC0415 - two kinds of Fault here

        return StorageFault.OVERTAKEN if name == "change_letters" else None


async def test_whoever_is_overtaken_for_ever_says_so() -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING)
    stage.shards.faults.plan = Overtaking().plan  # type: ignore[assignment]  # its answers are Faults

    with pytest.raises(QueueBusyError):
        await process.dead_letters.clear()
    with pytest.raises(QueueBusyError):
        await redrive(stage, process)
    assert await process.dead_letters.evict(1) == 0
    assert (await process.dead_letters.page(ALL, limit=None)).count == 22


async def test_the_owner_evicts_the_oldest_beyond_the_size(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    with caplog.at_level(logging.ERROR):
        process = await stream_with_dead_letters(
            stage, ErrorCategory.THROTTLING, ErrorCategory.NOT_FOUND, dlq_max_size="30"
        )

    counted = await books(process)
    assert (counted.dead_lettered, counted.in_dlq, counted.evicted) == (44, 30, 14)
    assert (await process.dead_letters.summary(max_size=30)).by_category == {"not_found": 22, "throttling": 8}
    assert any("dead_letters_evicted" in record.message for record in caplog.records)
    kept = [entry.event for entry in (await process.dead_letters.page(ALL, limit=None)).entries]
    assert (await redrive(stage, process)).succeeded == 30
    assert {event.trace_id for event in kept} <= {event.trace_id for event in stage.hub.events()}


class SlowLetters(MemoryDeadLetterStore):
    """A storage that takes its time."""

    def __init__(self, shards: MemoryShardStore, clock: VirtualClock) -> None:
        super().__init__(shards)
        self._clock = clock

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        await self._clock.sleep_until(self._clock.now_us() + 2 * MICROSECONDS)
        return await super().shelves(session_id)


async def test_the_last_letters_of_a_stream_are_bounded_too() -> None:
    stage = Stage()
    stage.letters = SlowLetters(stage.shards, stage.clock)
    process = stage.process(None, **ONE_ATTEMPT, dlq_max_size="30")
    await start(process, emit_interval_ms=500, burst=11, duration_minutes=0.1)
    stage.hub.inject(failing(ErrorCategory.THROTTLING))

    await stage.clock.run(process.tick_until(stage.clock.now_us() + 20 * MICROSECONDS))

    stage.letters = MemoryDeadLetterStore(stage.shards)
    counted = await books(stage.process())
    assert (counted.dead_lettered, counted.in_dlq) == (12 * 11, 30)


class FlakyLetters(MemoryDeadLetterStore):
    """A storage that fails once."""

    has_failed = False

    async def shelves(self, session_id: str) -> tuple[Shelf, ...]:
        if not self.has_failed:
            self.has_failed = True
            raise StorageUnavailableError("The storage is busy.")
        return await super().shelves(session_id)


async def test_the_last_letters_are_bounded_though_storage_fails_just_then() -> None:
    stage = Stage()
    stage.letters = FlakyLetters(stage.shards)
    process = stage.process(None, **ONE_ATTEMPT, dlq_max_size="5")
    await start(process, emit_interval_ms=500, burst=11, duration_minutes=1 / 120)
    stage.hub.inject(failing(ErrorCategory.THROTTLING))

    await stage.clock.run(process.tick_until(stage.clock.now_us() + 20 * MICROSECONDS))

    assert stage.letters.has_failed
    counted = await books(stage.process())
    assert (counted.dead_lettered, counted.in_dlq) == (11, 5)


async def test_eviction_begins_with_the_oldest_session() -> None:
    stage = Stage()
    await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, dlq_max_size="25")

    assert (await process.dead_letters.summary(max_size=25)).by_category == {"not_found": 3, "throttling": 22}
    assert (await first_session(stage)).evicted == 19
    view = await process.observer.view()
    assert (view.books.in_dlq, view.dlq_size) == (22, 25)


async def test_a_disabled_queue_counts_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    with caplog.at_level(logging.ERROR):
        process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, enable_dead_letter_queue="false")

    counted = await books(process)
    assert (counted.dead_lettered, counted.discarded, counted.in_dlq) == (22, 22, 0)
    records = [record.message for record in caplog.records if record.message.startswith("dead_letter_discarded")]
    assert sum(orjson.loads(record.partition(" ")[2])["events"] for record in records) == 22
    assert await process.dead_letters.size() == 0


async def test_earlier_sessions_cost_nothing_once_their_letters_have_gone() -> None:
    stage = Stage()
    for _ in range(3):
        process = await stream_with_dead_letters(stage, ErrorCategory.NOT_FOUND)
    await process.dead_letters.clear()
    assert (await process.observer.view()).dlq_size == 0
    before = stage.shards.round_trips + stage.control.round_trips

    view = await process.observer.view()

    assert stage.shards.round_trips + stage.control.round_trips - before == 2
    assert view.dlq_size == 0
    assert view.books.cleared == 22


@pytest.mark.parametrize(("max_size", "status"), [("28", "healthy"), ("27", "filling"), ("22", "filling")])
async def test_health_warns_from_80_percent(max_size: str, status: str) -> None:
    stage = Stage()
    process = await stream_with_dead_letters(stage, ErrorCategory.THROTTLING, dlq_max_size=max_size)

    report = health.report(
        now_us=stage.clock.now_us(),
        view=await process.observer.view(),
        storage_error=None,
        hub_name="hub",
        problems=(),
    )

    check = report.checks["dead_letter_queue"]
    assert (check["status"], check["size"], check["max_size"]) == (status, 22, int(max_size))
