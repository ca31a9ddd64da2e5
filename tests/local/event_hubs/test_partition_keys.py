"""Keys go where the SDKs for .NET and JavaScript say they go."""

from __future__ import annotations

import math

import pytest
from azure.eventhub._buffered_producer._partition_resolver import generate_hash_code
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.partition_keys import partition_of


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=60), st.integers(1, 40))
def test_the_hash_is_the_sdk_s_and_its_magnitude_counts(key: str, partitions: int) -> None:
    """The SDK for Python has the same hash, but takes the remainder of negative ones differently than the others."""
    hashed = generate_hash_code(key)  # type: ignore[no-untyped-call]  # the SDK declares none
    assert partition_of(key, partitions) == abs(math.fmod(hashed, partitions))


@pytest.mark.parametrize(("key", "partition"), [("store_42", 3), ("store_1", 2)])
def test_a_key_always_goes_to_the_same_partition(key: str, partition: int) -> None:
    assert partition_of(key, 4) == partition
    assert partition_of(key, 1) == 0
