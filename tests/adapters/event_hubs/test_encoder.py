"""The encoder writes what the SDK writes, to the byte, for every value that an event can hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.adapters.event_hubs import sdk
from streaming.adapters.event_hubs.encoder import EncodedBatch, encode_batch, encoded_size
from streaming.core.event import Event

PARTITION = "0"
NO_LIMIT = 1 << 32

around_the_width_changes = st.sampled_from([0, 1, 220, 221, 222, 223, 224, 225, 250, 254, 255, 256, 257, 300])
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)
ids = texts | around_the_width_changes.map(lambda length: "i" * max(length, 1)) | st.integers(60, 130).map("é".__mul__)
event_types = st.sampled_from(["receipt_created", "ble_ping_detected", "store_opened"]) | texts
event_types |= st.integers(150, 260).map("t".__mul__)
bodies = st.binary(max_size=400) | around_the_width_changes.map(lambda length: b"{" * length)
bodies |= st.sampled_from([65_535, 65_536, 70_000]).map(b"x".__mul__)
events = st.builds(Event, event_types, ids, st.just("store_1"), bodies)


def wire(batch: EncodedBatch) -> bytes:
    return sdk.wire_bytes(sdk.PrebuiltBatch(batch, partition_id=PARTITION))


@given(st.lists(events, min_size=1, max_size=6))
def test_a_batch_is_byte_for_byte_what_the_sdk_makes_of_the_same_events(batch: list[Event]) -> None:
    documented = sdk.wire_bytes(sdk.public_batch(batch, partition_id=PARTITION, max_bytes=NO_LIMIT))
    assert encode_batch(batch).sections == documented
    assert wire(encode_batch(batch)) == documented


@given(st.lists(events, min_size=1, max_size=6))
def test_the_size_of_a_batch_is_the_sum_of_its_events_sizes(batch: list[Event]) -> None:
    public = sdk.public_batch(batch, partition_id=PARTITION, max_bytes=NO_LIMIT)
    prebuilt = sdk.PrebuiltBatch(encode_batch(batch), partition_id=PARTITION)
    assert sum(map(encoded_size, batch)) == len(wire(encode_batch(batch)))
    assert prebuilt.size_in_bytes == public.size_in_bytes == len(wire(encode_batch(batch)))
    assert len(prebuilt) == len(public) == len(batch)


@pytest.mark.parametrize("id_bytes", [1, 223, 224, 255, 256])
@pytest.mark.parametrize("content_bytes", [255, 256])
def test_the_narrow_encodings_end_where_the_sdks_do(id_bytes: int, content_bytes: int) -> None:
    """The section's own width changes where its content reaches 256 bytes, whatever the content is made of."""
    filler = next(
        length
        for length in range(1, 1_000)
        if id_bytes > content_bytes or _content_bytes(id_bytes, length) >= content_bytes
    )
    for body_bytes in (filler - 1, filler, filler + 1):
        event = Event("receipt_created", "i" * id_bytes, "store_1", b"b" * max(body_bytes, 0))
        documented = sdk.wire_bytes(sdk.public_batch([event], partition_id=PARTITION, max_bytes=NO_LIMIT))
        assert wire(encode_batch([event])) == documented


def _content_bytes(id_bytes: int, body_bytes: int) -> int:
    event = Event("receipt_created", "i" * id_bytes, "store_1", b"b" * body_bytes)
    return encode_batch([event]).first_content_bytes


def test_one_event_written_out_by_hand() -> None:
    event = Event("store_opened", "t-1", "store_1", b"{}")
    content = (
        b"\x00\x53\x73\xc0\x23\x0d"  # properties: a list of 13
        b"\xa1\x03t-1" + b"\x40" * 5 + b"\xa3\x10application/json" + b"\x40" * 6 + b"\x00\x53\x74\xc1\x4d\x06"
        b"\xa1\x05Table\xa1\x0cstore_opened"
        b"\xa1\x06Format\xa1\x04json"
        b"\xa1\x19IngestionMappingReference\xa1\x0cEventMapping"
        b"\x00\x53\x75\xa0\x02{}"
    )
    assert encode_batch([event]).sections == b"\x00\x53\x75\xa0" + bytes([len(content)]) + content


def test_the_partition_key_stays_in_the_envelope() -> None:
    """A batch goes to a partition by its id; the service takes no key beside that."""
    here = Event("store_opened", "t-1", "store_1", b"{}")
    there = here._replace(partition_key="store_2")
    assert encode_batch([here]) == encode_batch([there])


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        encode_batch([])


def test_text_that_has_no_utf8_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_batch([Event("store_opened", "\ud800", "store_1", b"{}")])


def test_what_follows_the_first_event_goes_over_the_wire() -> None:
    """Though the content that the SDK is handed claims to end with the first event."""
    batch = [Event("store_opened", f"t-{number}", "store_1", b"{}") for number in range(3)]
    encoded = encode_batch(batch)
    assert encoded.first_opening_bytes + encoded.first_content_bytes == encoded_size(batch[0])
    assert len(wire(encoded)) == 3 * encoded_size(batch[0])
