"""The codec: what is written can be read, and whatever arrives gives a value or a DecodeError."""

from __future__ import annotations

import contextlib
import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.amqp.decoding import decode, skip
from local.event_hubs.amqp.encoding import encode
from local.event_hubs.amqp.errors import DecodeError
from local.event_hubs.amqp.values import (
    Array,
    Byte,
    Char,
    Decimal,
    Described,
    Int,
    Long,
    Short,
    Single,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

_ascii = st.text(st.characters(max_codepoint=127))


def _unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


def _signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_hashable = st.one_of(
    st.none(),
    st.booleans(),
    _unsigned(8).map(UByte),
    _unsigned(16).map(UShort),
    _unsigned(32).map(UInt),
    _unsigned(64).map(ULong),
    _signed(8).map(Byte),
    _signed(16).map(Short),
    _signed(32).map(Int),
    _signed(64).map(Long),
    _signed(64).map(Timestamp),
    _unsigned(32).map(Char),
    st.floats(width=32).map(Single),
    st.floats(),
    st.uuids(),
    st.sampled_from((4, 8, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size)).map(Decimal),
    st.binary(max_size=300),
    st.text(max_size=300),
    _ascii.map(Symbol),
)
_arrays = st.one_of(
    st.lists(_ascii.map(Symbol)).map(lambda items: Array(0xB3, tuple(items))),
    st.lists(st.text()).map(lambda items: Array(0xB1, tuple(items))),
    st.lists(_unsigned(32).map(UInt)).map(lambda items: Array(0x70, tuple(items))),
    st.lists(_signed(64).map(Long), max_size=100).map(lambda items: Array(0x81, tuple(items))),
    st.lists(st.booleans()).map(lambda items: Array(0x56, tuple(items))),
    st.lists(st.binary()).map(lambda items: Array(0xB0, tuple(items))),
)
_values = st.recursive(
    _hashable | _arrays,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(_hashable, inner, max_size=4),
        st.builds(Described, _unsigned(64).map(ULong) | _ascii.map(Symbol), inner),
    ),
    max_leaves=20,
)


def _same(one: object, other: object) -> bool:
    """Equal, also in type, and NaN equals NaN. Keys of a map may meet in Python: 1 and True are one."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


@given(_values)
def test_what_is_written_is_read_back_with_its_type(value: object) -> None:
    encoded = encode(value)
    decoded, end = decode(encoded)
    assert _same(decoded, value)
    assert end == len(encoded)


@given(_values)
def test_skipping_ends_where_decoding_ends(value: object) -> None:
    encoded = encode(value)
    assert skip(encoded + b"rest", 0) == len(encoded)


@given(st.data(), _values)
def test_a_value_that_is_cut_off_is_refused(data: st.DataObject, value: object) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(DecodeError):
        decode(encoded[:cut])


@given(st.binary(max_size=200))
def test_garbage_gives_a_value_or_a_decode_error(garbage: bytes) -> None:
    with contextlib.suppress(DecodeError):
        _, end = decode(garbage)
        assert end <= len(garbage)
    with contextlib.suppress(DecodeError):
        assert skip(garbage, 0) <= len(garbage)


@given(st.data(), _values)
def test_damaged_values_give_a_value_or_a_decode_error(data: st.DataObject, value: object) -> None:
    damaged = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(_unsigned(8))
    with contextlib.suppress(DecodeError):
        decode(bytes(damaged))


def test_forms_that_others_write_are_read() -> None:
    """The forms that this encoder never chooses: list0, wide integers, booleans with a byte, list32."""
    assert decode(b"\x45") == ([], 1)
    assert decode(b"\x70\x00\x00\x00\x05") == (5, 5)
    assert decode(b"\x56\x01") == (True, 2)
    assert decode(b"\xd0\x00\x00\x00\x05\x00\x00\x00\x01\x41") == ([True], 10)
    assert decode(b"\xe0\x06\x02\xa3\x01a\x01b") == (Array(0xA3, (Symbol("a"), Symbol("b"))), 8)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (b"\x00" * 100, "nested too deep"),
        (b"\xc0\x02\x01" * 50, "nested too deep|cut off"),
        (b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff", "more items than it has bytes"),
        (b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40", "more items than it has bytes"),
        (b"\xc1\x02\x01\x40", "a key without a value"),
        (b"\xc1\x05\x02\xc0\x01\x00\x40", "key is a list"),
        (b"\xc0\x03\x01\x40\x40", "size does not match"),
        (b"\x56\x02", "neither 0 nor 1"),
        (b"\xa1\x01\xff", "encoding forbids"),
        (b"\xa3\x01\xff", "encoding forbids"),
        (b"\xe0\x03\x01\x00\x40", "described values"),
        (b"\x3f", "no AMQP type"),
        (b"", "cut off"),
    ],
)
def test_what_is_wrong_is_named(wrong: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode(wrong)


def test_what_amqp_has_no_type_for_is_not_written() -> None:
    with pytest.raises(TypeError, match="no type for int"):
        encode(5)
    with pytest.raises(TypeError, match="can't hold"):
        encode(Array(0x50, (Byte(1),)))
    with pytest.raises(TypeError, match="4, 8 or 16 bytes"):
        encode(Decimal(b"1"))


def test_uuids_keep_their_bytes() -> None:
    assert encode(UUID(int=1)) == b"\x98" + b"\x00" * 15 + b"\x01"
