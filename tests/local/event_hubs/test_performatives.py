"""Performatives and frames: read back as they were, readable for the SDK, and refused when they are wrong."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from azure.eventhub._pyamqp._decode import decode_frame
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.amqp import encoding, framing, performatives
from local.event_hubs.amqp.errors import AmqpError, Condition, DecodeError, ProtocolViolation
from local.event_hubs.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
    error_value,
    rejected,
)
from local.event_hubs.amqp.values import Array, Described, Symbol, UByte, UInt, ULong, UShort

ERROR = AmqpError(Condition.NOT_FOUND, "gone")
SAMPLES: list[Performative] = [
    Open(container_id="c", hostname="h", max_frame_size=UInt(65536), idle_time_out=UInt(240000)),
    Begin(remote_channel=UShort(3), next_outgoing_id=UInt(0), incoming_window=UInt(10), outgoing_window=UInt(2**31)),
    Attach(
        name="l",
        handle=UInt(300),
        role=True,
        source=Described(ULong(0x28), ["hub/Partitions/0"]),
        target=Described(ULong(0x29), ["t"]),
        max_message_size=ULong(1048576),
        properties={Symbol("com.microsoft:epoch"): UInt(1)},
        desired_capabilities=Array(0xA3, (Symbol("one"),)),
    ),
    Flow(incoming_window=UInt(1), next_outgoing_id=UInt(2), outgoing_window=UInt(3), handle=UInt(0), drain=True),
    Transfer(handle=UInt(1), delivery_id=UInt(7), delivery_tag=b"tag", message_format=UInt(0x80013700), more=False),
    Disposition(role=True, first=UInt(0), last=UInt(300), settled=True, state=rejected(ERROR)),
    Detach(handle=UInt(1), closed=True, error=error_value(ERROR)),
    End(),
    Close(error=error_value(ERROR)),
    SaslMechanisms(sasl_server_mechanisms=Array(0xA3, (Symbol("ANONYMOUS"),))),
    SaslInit(mechanism=Symbol("ANONYMOUS"), initial_response=b""),
    SaslOutcome(outcome=UByte(0)),
]
by_name = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)


@by_name
def test_a_performative_is_read_back_and_its_payload_found(sample: Performative) -> None:
    body = performatives.encode(sample)
    assert performatives.decode(body + b"payload") == (sample, len(body))


@by_name
def test_the_sdk_reads_every_field_by_position(sample: Performative) -> None:
    code, fields = decode_frame(memoryview(performatives.encode(sample)))
    assert code == sample.code
    payload = 1 if isinstance(sample, Transfer) else 0  # the SDK appends a transfer's payload to its fields
    assert len(fields) == len(dataclasses.fields(sample)) + payload


@by_name
@given(data=st.data())
def test_a_damaged_performative_is_read_or_refused(sample: Performative, data: st.DataObject) -> None:
    damaged = bytearray(performatives.encode(sample))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        performatives.decode(bytes(damaged))


def _performative(code: int, *fields: object) -> bytes:
    return encoding.encode(Described(ULong(code), list(fields)))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_performative(0x11, None, UInt(0)), "begin lacks incoming_window"),
        (_performative(0x16, "one"), "detach has a str as handle"),
        (_performative(0x17, None, None), "end has too many fields"),
        (_performative(0x30), "no performative has the descriptor"),
        (encoding.encode([UInt(1)]), "no performative"),
        (encoding.encode(Described(ULong(0x10), {})), "no performative"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        performatives.decode(body)


def test_another_performative_than_expected_is_refused() -> None:
    with pytest.raises(DecodeError, match="expected Open, got End"):
        performatives.expect(Open, performatives.encode(End()))


@given(st.lists(st.sampled_from(SAMPLES), max_size=5), st.data())
def test_frames_are_cut_the_same_however_they_arrive(samples: list[Performative], data: st.DataObject) -> None:
    stream = b"".join(framing.frame(number, sample) for number, sample in enumerate(samples)) + framing.EMPTY_FRAME
    reader = framing.FrameReader(65536)
    seen: list[framing.Frame] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.feed(stream[:size])
        stream = stream[size:]
        seen += reader.frames()
    expected = [framing.Frame(0, number, performatives.encode(sample)) for number, sample in enumerate(samples)]
    assert [frame for frame in seen if frame.body] == expected
    assert seen[-1].body == b""
    assert reader.peek() == b""


@given(st.binary(min_size=8, max_size=64))
def test_garbage_frames_are_refused_or_awaited(garbage: bytes) -> None:
    reader = framing.FrameReader(512)
    reader.feed(garbage)
    with contextlib.suppress(ProtocolViolation):
        list(reader.frames())


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"\x00\x00\x00\x07\x02\x00\x00\x00", "no frame header"),
        (b"\x00\x00\x00\x10\x01\x00\x00\x00", "no frame header"),
        (b"\x00\x00\x00\x10\x05\x00\x00\x00", "no frame header"),
        (b"\x00\x00\x02\x01\x02\x00\x00\x00", "exceeds the agreed 512"),
    ],
)
def test_a_frame_that_can_not_be_is_refused_by_its_header(header: bytes, why: str) -> None:
    reader = framing.FrameReader(512)
    reader.feed(header)
    with pytest.raises(ProtocolViolation, match=why):
        list(reader.frames())


@given(st.integers(0, 65535), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(), st.booleans())
def test_a_packed_transfer_is_a_transfer(channel: int, handle: int, number: int, payload: bytes, more: bool) -> None:
    packed = framing.transfer_frame(channel, handle, number, payload, more=more)
    assert len(packed) == framing.TRANSFER_OVERHEAD + len(payload)
    reader = framing.FrameReader(2**20)
    reader.feed(packed)
    (frame,) = reader.frames()
    transfer, start = performatives.decode(frame.body)
    assert frame.channel == channel
    assert frame.body[start:] == payload
    assert transfer == Transfer(
        handle=UInt(handle),
        delivery_id=UInt(number),
        delivery_tag=number.to_bytes(4, "big"),
        message_format=UInt(0),
        settled=True,
        more=more,
    )
