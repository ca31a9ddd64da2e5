"""A world dealt out to another number of shards: every district once, as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.retail.checkpoint import Checkpoint, WorldTooLargeError
from streaming.retail.live import LiveGenerator
from streaming.retail.shards import deal, require_shards
from streaming.retail.world import WorldSpec
from tests.retail.streams import request, small_world

CENTERS = 3


def checkpoints_of(shards: int, bursts: list[int]) -> list[bytes | None]:
    """Of shards that have each made so many bursts; None of one that has made none."""
    found: list[bytes | None] = []
    for shard in range(shards):
        generator = LiveGenerator(small_world(), session_id="s", shard=shard, shards=shards)
        for number in range(bursts[shard]):
            generator.burst(request(number, 40))
        found.append(generator.snapshot() if bursts[shard] else None)
    return found


def districts(checkpoints: list[bytes | None]) -> dict[int, object]:
    """By distribution center; each is there once."""
    pieces = [piece for each in checkpoints if each for piece in Checkpoint.decode(each).districts]
    found: dict[int, object] = {state["dc"]: (state, stock) for state, stock in pieces}
    assert len(found) == len(pieces)
    return found


@settings(max_examples=25)
@given(st.integers(1, CENTERS), st.integers(1, CENTERS), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_every_district_goes_on_as_it_was(old: int, new: int, bursts: list[int]) -> None:
    before = checkpoints_of(old, bursts)
    dealt = list(deal(small_world(), "s", before, new))

    assert len(dealt) == new
    if not any(before):
        assert dealt == [None] * new
        return
    assert dealt == list(deal(small_world(), "s", before, new)), "a pure function"
    after = districts(dealt)
    assert sorted(after) == [1, 2, 3]
    assert {dc: after[dc] for dc in districts(before)} == districts(before)
    # What has not begun yet begins as it would have without the change.
    untouched = districts([LiveGenerator(small_world(), session_id="s").snapshot()])
    assert all(after[dc] == untouched[dc] for dc in after.keys() - districts(before).keys())
    for shard, checkpoint in enumerate(dealt):
        generator = LiveGenerator(small_world(), session_id="s", shard=shard, shards=new, checkpoint=checkpoint)
        assert len(generator.burst(request(9, 40))) == 40


def test_more_shards_than_distribution_centers_are_refused_naming_both() -> None:
    spec = WorldSpec(seed=1, stores=10, distribution_centers=4, products=100, customers=100)
    require_shards(spec, 4)
    with pytest.raises(ValueError, match=r"^5 shards .* 4 distribution centers"):
        require_shards(spec, 5)


def test_too_few_shards_for_a_large_world_are_refused_naming_what_it_needs() -> None:
    spec = WorldSpec(seed=1, stores=1_000, distribution_centers=100, products=5_000)
    with pytest.raises(WorldTooLargeError, match="at least") as refused:
        require_shards(spec, 1)
    needed = refused.value.shards_needed
    assert needed is not None
    require_shards(spec, needed)
    with pytest.raises(WorldTooLargeError):
        require_shards(spec, needed - 1)
