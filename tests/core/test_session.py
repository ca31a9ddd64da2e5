"""What a session remembers of its commands, and the status that follows from it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.session import Mode, Session, Status, Wanted, WorldSize, status_of

SECOND = 1_000_000
START = 1_767_225_600 * SECOND
SESSION = Session(
    session_id="20260101T000000-0a1b",
    seed=7,
    mode=Mode.LIVE,
    world=WorldSize(stores=50, distribution_centers=5, products=1_000, customers=20_000),
    started_at_us=START,
    emit_interval_ms=500,
    burst=100,
    shards=1,
    not_before_us=START,
)

counts = st.integers(0, 2**62)
texts = st.text(max_size=20)
maybe = st.none() | counts
sessions = st.builds(
    Session,
    session_id=texts,
    seed=st.integers(-(2**63), 2**63 - 1),
    mode=st.sampled_from(Mode),
    world=st.builds(WorldSize, stores=counts, distribution_centers=counts, products=counts, customers=counts),
    started_at_us=counts,
    emit_interval_ms=counts,
    burst=counts,
    shards=counts,
    event_types=st.none() | st.lists(texts, max_size=3).map(tuple),
    ends_at_us=maybe,
    wanted=st.sampled_from(Wanted),
    not_before_us=counts,
    ended_at_us=maybe,
    end_reason=st.none() | texts,
    paused_at_us=maybe,
    resumed_at_us=maybe,
    events_sent_before_pause=counts,
    pause_count=counts,
    paused_total_us=counts,
)


@given(session=sessions)
def test_a_session_survives_storage(session: Session) -> None:
    restored = Session.from_json(orjson.loads(orjson.dumps(session.to_json())))
    assert restored == session
    assert isinstance(restored.mode, Mode)
    assert isinstance(restored.wanted, Wanted)


def test_pausing_and_resuming_counts_the_time_between() -> None:
    paused = SESSION.paused(START + 10 * SECOND, events_sent=2_000)
    assert (paused.wanted, paused.pause_count, paused.events_sent_before_pause) == (Wanted.PAUSED, 1, 2_000)
    assert paused.paused_us(START + 13 * SECOND) == 3 * SECOND
    resumed = paused.resumed(START + 15 * SECOND, not_before_us=START + 16 * SECOND)
    assert (resumed.wanted, resumed.paused_at_us, resumed.resumed_at_us) == (
        Wanted.RUNNING,
        None,
        START + 15 * SECOND,
    )
    assert resumed.not_before_us == START + 16 * SECOND
    assert resumed.streaming_us(START + 20 * SECOND) == 14 * SECOND
    assert resumed.paused_us(START + 99 * SECOND) == 5 * SECOND
    again = resumed.paused(START + 20 * SECOND, events_sent=3_000).resumed(
        START + 21 * SECOND, not_before_us=START + 21 * SECOND
    )
    assert (again.pause_count, again.paused_us(START + 99 * SECOND)) == (2, 6 * SECOND)


@pytest.mark.parametrize("ending", ["stopping", "ended"])
def test_a_pause_ends_with_the_stop(ending: str) -> None:
    paused = SESSION.paused(START + 10 * SECOND, events_sent=0)
    now = START + 12 * SECOND
    stopped = paused.stopping(now) if ending == "stopping" else paused.ended(now, reason="stopped")
    assert (stopped.wanted, stopped.paused_at_us) == (Wanted.STOPPED, None)
    assert stopped.paused_us(START + 60 * SECOND) == 2 * SECOND
    assert stopped.ended(START + 30 * SECOND, reason="stopped").paused_us(START + 60 * SECOND) == 2 * SECOND


def test_time_stands_still_once_a_session_has_ended() -> None:
    assert SESSION.elapsed_us(START + 7 * SECOND) == 7 * SECOND
    assert SESSION.elapsed_us(START - 1) == 0
    ended = SESSION.ended(START + 9 * SECOND, reason="duration reached")
    assert not ended.active
    assert ended.end_reason == "duration reached"
    assert ended.elapsed_us(START + 60 * SECOND) == 9 * SECOND


def test_a_new_pace_changes_nothing_else() -> None:
    changed = SESSION.at_pace(emit_interval_ms=100, burst=500)
    assert (SESSION.events_per_second, changed.events_per_second) == (200, 5_000)
    assert replace(changed, emit_interval_ms=500, burst=100) == SESSION


RUNNING, PAUSED, STOPPED = SESSION, replace(SESSION, wanted=Wanted.PAUSED), replace(SESSION, wanted=Wanted.STOPPED)


@pytest.mark.parametrize(
    ("session", "alive", "faulty", "status"),
    [
        (None, False, False, Status.STOPPED),
        (None, True, True, Status.STOPPED),
        (SESSION.ended(START, reason="stopped"), True, False, Status.STOPPED),
        (SESSION.ended(START, reason="stopped"), True, True, Status.STOPPED),
        (STOPPED, True, False, Status.STOPPING),
        (STOPPED, True, True, Status.STOPPING),
        (PAUSED, True, False, Status.PAUSED),
        (PAUSED, True, True, Status.PAUSED),
        (RUNNING, False, False, Status.STARTING),
        (RUNNING, False, True, Status.ERROR),
        (RUNNING, True, True, Status.ERROR),
        (RUNNING, True, False, Status.RUNNING),
    ],
)
def test_status(session: Session | None, alive: bool, faulty: bool, status: Status) -> None:
    assert status_of(session, alive=alive, faulty=faulty) is status


def test_the_words_are_the_contracts() -> None:
    assert [status.value for status in Status] == ["stopped", "starting", "running", "paused", "stopping", "error"]
    assert [mode.value for mode in Mode] == ["live", "outbox"]
