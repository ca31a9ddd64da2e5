"""Partitions: nothing is lost but the oldest, and every position finds its event."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.amqp import encoding, messages
from local.event_hubs.amqp.errors import AmqpError, DecodeError
from local.event_hubs.amqp.values import Described, ULong
from local.event_hubs.positions import Measure, Position, parse_selector, position_of
from local.event_hubs.storage import Cursor, Hub, Partition, StoredEvent


def _data(body: bytes) -> bytes:
    return encoding.encode(Described(ULong(messages.DATA), body))


def _partition(*, max_bytes: int = 2**20, max_messages: int | None = None) -> Partition:
    """A partition whose clock goes on by a second with every message."""
    ticks = count(1)
    return Partition("0", max_bytes=max_bytes, max_messages=max_messages, now_ms=lambda: next(ticks) * 1000)


def _append(partition: Partition, *bodies: bytes, batched: bool = True) -> None:
    raw = b"".join(_data(_data(body)) for body in bodies) if batched else _data(bodies[0])
    assert partition.append(raw, batched=batched, partition_key=None) == len(bodies)


def _drain(partition: Partition, start: int = 0) -> list[StoredEvent]:
    cursor = Cursor(partition, start)
    return list(iter(cursor.take, None))


_batches = st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), min_size=1, max_size=12)


@given(_batches)
def test_everything_is_read_once_and_in_order(batches: list[list[bytes]]) -> None:
    partition = _partition()
    for bodies in batches:
        _append(partition, *bodies, batched=len(bodies) > 1)
    events = _drain(partition)
    assert [event.encoded for event in events] == [_data(body) for bodies in batches for body in bodies]
    assert [event.system.sequence_number for event in events] == list(range(len(events)))
    offsets = [int(event.system.offset) for event in events]
    assert offsets == sorted(set(offsets))
    assert partition.last_offset == events[-1].system.offset
    assert partition.last_enqueued_ms == events[-1].system.enqueued_ms


@given(_batches, st.data())
def test_every_measure_of_a_position_finds_its_event(batches: list[list[bytes]], data: st.DataObject) -> None:
    partition = _partition()
    for bodies in batches:
        _append(partition, *bodies)
    events = _drain(partition)
    chosen = data.draw(st.sampled_from(events)).system
    for measure, value in (
        (Measure.OFFSET, int(chosen.offset)),
        (Measure.SEQUENCE_NUMBER, chosen.sequence_number),
    ):
        at = partition.seek(Position(measure=measure, value=value, inclusive=True))
        behind = partition.seek(Position(measure=measure, value=value))
        assert (at, behind) == (chosen.sequence_number, chosen.sequence_number + 1)
    at = partition.seek(Position(measure=Measure.ENQUEUED_TIME, value=chosen.enqueued_ms, inclusive=True))
    assert at == min(e.system.sequence_number for e in events if e.system.enqueued_ms >= chosen.enqueued_ms)
    behind = partition.seek(Position(measure=Measure.ENQUEUED_TIME, value=chosen.enqueued_ms))
    assert behind == 1 + max(e.system.sequence_number for e in events if e.system.enqueued_ms <= chosen.enqueued_ms)


@given(_batches, st.integers(300, 2000))
def test_memory_is_bounded_and_what_is_dropped_is_counted(batches: list[list[bytes]], max_bytes: int) -> None:
    partition = _partition(max_bytes=max_bytes)
    sent: list[bytes] = []
    for bodies in batches:
        _append(partition, *bodies)
        sent += [_data(body) for body in bodies]
        newest = sum(len(_data(_data(body))) for body in bodies) + 256
        assert partition.retained_bytes <= max(max_bytes, newest)
    kept = [event.encoded for event in _drain(partition)]
    assert kept == sent[partition.stats.dropped :]
    assert partition.first_sequence == partition.stats.dropped
    assert partition.stats.messages == partition.next_sequence == len(sent)
    assert partition.stats.batches == len(batches)


@given(_batches, st.integers(1, 10))
def test_a_number_of_events_can_be_the_bound(batches: list[list[bytes]], max_messages: int) -> None:
    partition = _partition(max_messages=max_messages)
    for bodies in batches:
        _append(partition, *bodies)
        kept = partition.next_sequence - partition.first_sequence
        assert kept <= max(max_messages, len(bodies))


def test_a_reader_that_was_overtaken_goes_on_with_the_oldest_event() -> None:
    partition = _partition(max_messages=2)
    cursor = Cursor(partition, 0)
    for number in range(5):
        _append(partition, b"%d" % number)
    taken = list(iter(cursor.take, None))
    assert [event.system.sequence_number for event in taken] == [3, 4]
    assert cursor.take() is None
    _append(partition, b"5")
    event = cursor.take()
    assert event is not None
    assert event.system.sequence_number == 5


def test_time_never_goes_back_within_a_partition() -> None:
    times = iter((5000, 3000, 9000))
    partition = Partition("0", max_bytes=1000, max_messages=None, now_ms=lambda: next(times))
    for _ in range(3):
        _append(partition, b"")
    assert [event.system.enqueued_ms for event in _drain(partition)] == [5000, 5000, 9000]


def test_listeners_hear_of_every_append_until_they_leave() -> None:
    partition, heard = _partition(), []

    def wake() -> None:
        heard.append(partition.next_sequence)

    partition.listen(wake)
    _append(partition, b"a", b"b")
    partition.unlisten(wake)
    _append(partition, b"c")
    assert heard == [2]


def test_an_empty_batch_stores_nothing_and_a_broken_one_is_refused() -> None:
    partition = _partition()
    assert partition.append(b"", batched=True, partition_key=None) == 0
    for batched in (True, False):
        with pytest.raises(DecodeError):
            partition.append(b"\x00\x53\x75\xa0\x05x", batched=batched, partition_key=None)
    assert (partition.next_sequence, partition.last_offset, partition.last_enqueued_ms) == (0, "-1", None)
    assert Cursor(partition, 0).take() is None


def test_positions_before_the_first_and_at_the_end() -> None:
    partition = _partition(max_messages=2)
    latest, inclusive = Position(value=None), Position(value=None, inclusive=True)
    assert (partition.seek(latest), partition.seek(inclusive), partition.seek(Position())) == (0, 0, 0)
    for number in range(4):
        _append(partition, b"%d" % number)
    assert (partition.seek(latest), partition.seek(inclusive), partition.seek(Position())) == (4, 3, 2)
    assert partition.seek(Position(value=10**9)) == 4
    assert partition.seek(Position(measure=Measure.SEQUENCE_NUMBER, value=0)) == 2
    assert partition.seek(Position(measure=Measure.ENQUEUED_TIME, value=10**9)) == 4


@pytest.mark.parametrize(
    ("selector", "position"),
    [
        ("amqp.annotation.x-opt-offset > '-1'", Position()),
        ("amqp.annotation.x-opt-offset > '@latest'", Position(value=None)),
        ("amqp.annotation.x-opt-offset >= '12'", Position(value=12, inclusive=True)),
        ("amqp.annotation.x-opt-sequence-number > '7'", Position(measure=Measure.SEQUENCE_NUMBER, value=7)),
        ("amqp.annotation.x-opt-enqueued-time >'99'", Position(measure=Measure.ENQUEUED_TIME, value=99)),
    ],
)
def test_selectors_are_understood(selector: str, position: Position) -> None:
    assert parse_selector(selector) == position


@pytest.mark.parametrize("selector", ["", "x > '1'", "amqp.annotation.x-opt-offset > 'x'", "x-opt-offset < '1'"])
def test_other_selectors_are_refused(selector: str) -> None:
    with pytest.raises(AmqpError):
        parse_selector(selector)


def test_without_a_filter_the_start_is_meant() -> None:
    for source in (None, Described(ULong(0x28), ["a"]), Described(ULong(0x28), ["a", *(None,) * 6, {"other": "x"}])):
        assert position_of(source) == Position()


def test_messages_without_a_key_go_round() -> None:
    hub = Hub("h", tuple(_partition() for _ in range(3)), created_ms=0)
    routed = [hub.partitions.index(hub.route(None)) for _ in range(6)]
    assert routed == [0, 1, 2, 0, 1, 2]
    assert hub.route("store_42") is hub.route("store_42")
