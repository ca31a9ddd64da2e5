"""Long streams, live and staged, keep every rule of the event contract."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streaming.retail.event_types import EVENT_TYPES
from streaming.retail.payloads import Envelope
from tests.retail.checker import violations
from tests.retail.streams import day, live, read, reference, small_world, world

if TYPE_CHECKING:
    from streaming.core.event import Event

AT_LEAST = 200_000
FRIDAY = date(2026, 11, 20)


def _held_to_contract(shards: list[list[Event]], seed: int) -> None:
    streams = [read(shard) for shard in shards]
    assert sum(map(len, streams)) >= AT_LEAST
    for stream in streams:
        assert all(a["ingest_timestamp"] < b["ingest_timestamp"] for a, b in pairwise(stream))
    assert violations(streams, reference=reference(world(seed))) == []


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_live_stream_keeps_the_contract(seed: int, shards: int) -> None:
    _held_to_contract([live(world(seed), 200, 1_000 // shards, shard=k, shards=shards) for k in range(shards)], seed)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_staged_day_keeps_the_contract(seed: int, shards: int) -> None:
    _held_to_contract([day(world(seed), FRIDAY, shard=k, shards=shards, scale=1.2) for k in range(shards)], seed)


def test_a_world_with_hardly_anybody_in_it_keeps_the_contract() -> None:
    stream = read(live(small_world(), 100, 200))

    assert len(stream) == 20_000
    assert violations([stream], reference=reference(small_world())) == []


def test_the_models_describe_all_types() -> None:
    schema = Envelope.model_json_schema()

    assert tuple(schema["properties"]["event_type"]["enum"]) == EVENT_TYPES
    assert len(schema["properties"]["payload"]["anyOf"]) == len(EVENT_TYPES)


def test_every_type_happens_and_fits_its_model() -> None:
    events = live(world(), 60, 1_000) + day(world(), FRIDAY, scale=0.1)

    for event in events[:20_000] + events[-10_000:]:
        envelope = Envelope.model_validate_json(event.body)
        assert (envelope.event_type, envelope.trace_id, envelope.partition_key) == event[:3]
    assert {event.event_type for event in events} == set(EVENT_TYPES)
