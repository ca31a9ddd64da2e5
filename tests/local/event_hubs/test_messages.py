"""Messages: batches are cut into their events, and events get their system properties, as the SDK has them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from azure.eventhub import EventData, EventDataBatch
from azure.eventhub._pyamqp._decode import decode_payload as _decode_payload
from azure.eventhub._pyamqp._encode import encode_payload
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.amqp import encoding, messages
from local.event_hubs.amqp.errors import DecodeError
from local.event_hubs.amqp.messages import SystemProperties
from local.event_hubs.amqp.values import Described, Symbol, ULong

SYSTEM = SystemProperties(7, "123", 1_700_000_000_000, None)


def decode_payload(message: memoryview) -> Any:
    """The SDK's reading. What it declares optional is what these tests are about."""
    return _decode_payload(message)


def _batch(bodies: list[bytes], key: str | None = None) -> bytes:
    batch = EventDataBatch(2**20, partition_key=key)
    for body in bodies:
        event = EventData(body)
        event.properties = {"Table": "receipt_created"}
        batch.add(event)
    output = bytearray()
    encode_payload(output, batch._message)
    return bytes(output)


@given(st.lists(st.binary(max_size=600), min_size=1, max_size=20), st.sampled_from((None, "store_42")))
def test_a_batch_of_the_sdk_is_cut_into_its_events(bodies: list[bytes], key: str | None) -> None:
    batch = _batch(bodies, key)
    spans = list(messages.batch_events(batch))
    assert messages.batch_extent(batch) == (len(bodies), spans[-1].position)
    assert messages.partition_key(batch) == key
    assert [span.position for span in spans] == sorted({span.position for span in spans})
    for span, body in zip(spans, bodies, strict=True):
        assert decode_payload(memoryview(batch[span.start : span.end])).data == [body]


@given(st.binary(max_size=300), st.sampled_from((None, "store_42")))
def test_the_sdk_reads_an_event_with_its_system_properties(body: bytes, key: str | None) -> None:
    batch = _batch([body], key)
    (span,) = messages.batch_events(batch)
    message = decode_payload(memoryview(messages.delivered(batch[span.start : span.end], SYSTEM)))
    assert message.data == [body]
    assert message.application_properties == {b"Table": b"receipt_created"}
    expected: dict[bytes, object] = {
        b"x-opt-sequence-number": 7,
        b"x-opt-offset": b"123",
        b"x-opt-enqueued-time": 1_700_000_000_000,
    }
    assert message.message_annotations == expected | ({} if key is None else {b"x-opt-partition-key": key.encode()})


def _section(code: int, value: object) -> bytes:
    return encoding.encode(Described(ULong(code), value))


def test_a_batch_s_key_is_given_to_events_without_one() -> None:
    event = _section(messages.DATA, b"body")
    message = decode_payload(memoryview(messages.delivered(event, SYSTEM._replace(partition_key="store_1"))))
    assert message.message_annotations[b"x-opt-partition-key"] == b"store_1"


def test_what_a_producer_claims_of_the_system_is_overruled_and_its_own_annotations_stay() -> None:
    """An event that was received and is sent on carries another hub's sequence number."""
    annotations = {Symbol("x-opt-sequence-number"): ULong(99), Symbol("x-opt-mine"): "kept"}
    event = (
        _section(messages.HEADER, [True])
        + _section(messages.DELIVERY_ANNOTATIONS, {Symbol("for-the-hub"): True})
        + _section(messages.MESSAGE_ANNOTATIONS, annotations)
        + _section(messages.DATA, b"body")
    )
    extra = messages.last_enqueued(sequence_number=8, offset="200", enqueued_ms=1, now_ms=2)
    message = decode_payload(memoryview(messages.delivered(event, SYSTEM, extra)))
    assert message.header.durable is True
    assert message.delivery_annotations == {
        b"last_enqueued_sequence_number": 8,
        b"last_enqueued_offset": b"200",
        b"last_enqueued_time_utc": 1,
        b"runtime_info_retrieval_time_utc": 2,
    }
    assert message.message_annotations[b"x-opt-sequence-number"] == 7
    assert message.message_annotations[b"x-opt-mine"] == b"kept"
    assert message.data == [b"body"]


def test_what_is_no_message_is_delivered_as_a_body() -> None:
    message = decode_payload(memoryview(messages.delivered_as_data(b"\xffraw", SYSTEM)))
    assert message.data == [b"\xffraw"]
    assert message.message_annotations[b"x-opt-sequence-number"] == 7


@given(st.data(), st.lists(st.binary(max_size=100), min_size=1, max_size=5))
def test_a_batch_that_is_cut_off_or_damaged_is_counted_or_refused(data: st.DataObject, bodies: list[bytes]) -> None:
    batch = bytearray(_batch(bodies))
    if data.draw(st.booleans()):
        del batch[data.draw(st.integers(0, len(batch) - 1)) :]
    else:
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(batch)
    with contextlib.suppress(DecodeError):
        extent = messages.batch_extent(raw)
        assert extent.events == len(list(messages.batch_events(raw)))


@given(st.binary(max_size=100))
def test_garbage_is_no_request_or_an_empty_one(garbage: bytes) -> None:
    with contextlib.suppress(DecodeError):
        messages.parse_request(garbage)
    with contextlib.suppress(DecodeError):
        messages.single_extent(garbage)


@pytest.mark.parametrize(
    "body",
    [
        _section(messages.AMQP_VALUE, "text"),
        _section(messages.DATA, b"one") + _section(messages.PROPERTIES, []),
        _section(messages.DATA, b"one")[:-1],
        b"\x01",
    ],
)
def test_a_batch_holds_nothing_but_data(body: bytes) -> None:
    with pytest.raises(DecodeError):
        messages.batch_extent(body)


def test_a_wide_descriptor_is_a_data_section_too() -> None:
    wide = b"\x00\x80" + (messages.DATA).to_bytes(8, "big") + b"\xa0\x01x"
    assert messages.batch_extent(wide + wide) == (2, len(wide))
    assert [span.start for span in messages.batch_events(wide + wide)] == [12, 12 + len(wide)]
