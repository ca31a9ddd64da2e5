"""Reads back everything that an event hub holds, with the real SDK's consumer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import EventHubConsumerClient

if TYPE_CHECKING:
    from azure.eventhub import EventData

PATIENCE_SECONDS = 120.0
"""How long nothing may arrive before what is missing counts as lost."""


async def read_all(connection_string: str, hub: str = "retail-events") -> dict[str, list[EventData]]:
    """Every event of every partition, in the partition's order, up to the last one there is now."""
    async with EventHubConsumerClient.from_connection_string(
        connection_string, consumer_group="$Default", eventhub_name=hub
    ) as client:
        received: dict[str, list[EventData]] = {}
        missing: set[str] = set()
        last: dict[str, int] = {}
        partitions = await client.get_partition_ids()
        # Each question takes a connection of its own.
        states: list[dict[str, Any]] = await asyncio.gather(*map(client.get_partition_properties, partitions))
        for partition, properties in zip(partitions, states, strict=True):
            received[partition] = []
            if not properties["is_empty"]:
                last[partition] = properties["last_enqueued_sequence_number"]
                missing.add(partition)
        arrived = asyncio.Event()
        if not missing:
            return received

        async def take(context: Any, events: list[EventData]) -> None:
            partition = context.partition_id
            received[partition] += events
            if not events:
                return  # Nothing came within the wait: no progress.
            if (events[-1].sequence_number or 0) >= last.get(partition, 0):
                missing.discard(partition)
            arrived.set()

        receiving = asyncio.ensure_future(
            client.receive_batch(on_event_batch=take, starting_position="-1", max_batch_size=5_000, max_wait_time=1)
        )
        try:
            while missing:
                arrived.clear()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await arrived.wait()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
    return received
