"""The retail world as consumers get it: through the real publisher and the hub, read back, held to the contract.

``WORLD_EVENTS`` sets how many events each run has; by hand it is worth letting a long one run.
"""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING

import orjson
import pytest

from local.event_hubs import BrokerConfig, EventHubsBroker
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.core.batching import batch_length, by_lane
from streaming.core.outcome import Sent
from tests.hub_reader import read_all
from tests.retail.checker import violations
from tests.retail.streams import day, live, reference, world

if TYPE_CHECKING:
    from streaming.core.event import Event

EVENTS = int(os.environ.get("WORLD_EVENTS", "20000"))
BURST = 1_000
PARTITIONS = 4
FRIDAY = date(2026, 11, 20)
EVENTS_PER_DAY = 150_000
"""About what a default world's day has at scale 1."""


def made(kind: str, seed: int, shards: int) -> list[list[Event]]:
    """Each shard's events, in order."""
    if kind == "live":
        return [
            live(world(seed), EVENTS // BURST, BURST // shards, shard=shard, shards=shards) for shard in range(shards)
        ]
    scale = EVENTS / EVENTS_PER_DAY
    return [day(world(seed), FRIDAY, shard=shard, shards=shards, scale=scale) for shard in range(shards)]


@pytest.mark.parametrize("kind", ["live", "staged"])
@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_a_consumer_reads_keeps_the_contract(kind: str, shards: int, seed: int) -> None:
    events = made(kind, seed, shards)
    async with EventHubsBroker(BrokerConfig(hubs={"retail-events": PARTITIONS}, retention_bytes=1 << 30)) as broker:
        connection_string = broker.connection_string()
        for shard in events:
            await publish(connection_string, shard)
        received = await read_all(connection_string)

    streams = [[orjson.loads(message.body_as_str()) for message in partition] for partition in received.values()]
    assert sum(map(len, streams)) == sum(map(len, events)) >= EVENTS * 0.9
    assert violations(streams, reference=reference(world(seed))) == []


async def publish(connection_string: str, events: list[Event]) -> None:
    """Send a shard's events, each to its lane, in order."""
    hub = read_hub_connection({"AZURE_EVENTHUB_CONNECTION_STRING": connection_string, "EVENTHUB_NAME": "retail-events"})
    assert isinstance(hub, HubConnection)
    publisher = EventHubsPublisher(hub)
    try:
        for lane, dealt in enumerate(by_lane(events, PARTITIONS)):
            rest = dealt
            while rest:
                length = batch_length(
                    rest,
                    max_events=BURST,
                    max_bytes=publisher.max_batch_bytes,
                    size_of=publisher.encoded_size,
                )
                assert await publisher.send(rest[:length], partition=lane, timeout_seconds=10) == Sent()
                rest = rest[length:]
    finally:
        await publisher.close()
