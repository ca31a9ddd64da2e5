"""The real SDK's clients, set so that a test fails soon instead of retrying for minutes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData, EventDataBatch, EventHubProducerClient
from azure.eventhub import aio as sdk
from azure.eventhub._pyamqp._encode import encode_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local.event_hubs import EventHubsBroker

PATIENCE_SECONDS = 120

SDK_LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
"""When a connection breaks, the SDK drops its socket without closing it. (The broker's are counted after each test.)"""

HUB = "retail-events"
DEFAULT_GROUP = "$Default"


def producer(
    broker: EventHubsBroker, connection_string: str | None = None, *, hub: str = HUB, **options: Any
) -> sdk.EventHubProducerClient:
    """An asynchronous producer that does not retry."""
    return sdk.EventHubProducerClient.from_connection_string(
        connection_string or broker.connection_string(), eventhub_name=hub, **{"retry_total": 0, **options}
    )


def sync_producer(broker: EventHubsBroker, **options: Any) -> EventHubProducerClient:
    """A blocking producer that does not retry."""
    return EventHubProducerClient.from_connection_string(
        broker.connection_string(), eventhub_name=HUB, **{"retry_total": 0, **options}
    )


def consumer(
    broker: EventHubsBroker,
    group: str = DEFAULT_GROUP,
    connection_string: str | None = None,
    **options: Any,
) -> sdk.EventHubConsumerClient:
    """An asynchronous consumer that does not retry."""
    return sdk.EventHubConsumerClient.from_connection_string(
        connection_string or broker.connection_string(),
        consumer_group=group,
        eventhub_name=HUB,
        **{"retry_total": 0, **options},
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  a broker sets no events for its tests
            await asyncio.sleep(0.01)


class Reading:
    """What a consumer has received so far, and how it ended."""

    def __init__(self) -> None:
        self.events: list[tuple[str, EventData]] = []
        self.errors: list[Exception] = []
        self._changed = asyncio.Event()

    async def on_event(self, context: Any, event: EventData | None) -> None:
        assert event is not None
        self.events.append((context.partition_id, event))
        self._changed.set()

    async def on_event_batch(self, context: Any, events: list[EventData]) -> None:
        self.events += [(context.partition_id, event) for event in events]
        self._changed.set()

    async def on_error(self, _context: Any, error: Exception) -> None:
        self.errors.append(error)
        self._changed.set()

    async def until(self, *, events: int = 0, errors: int = 0) -> None:
        """Wait for so many events or errors, whichever is asked for."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.events) < events or len(self.errors) < errors:
                self._changed.clear()
                await self._changed.wait()

    @property
    def bodies(self) -> list[str]:
        return [event.body_as_str() for _, event in self.events]


@asynccontextmanager
async def reading(
    client: sdk.EventHubConsumerClient, *, in_batches: bool = False, **options: Any
) -> AsyncIterator[Reading]:
    """Receive in the background for as long as the block lasts, from the start unless told otherwise."""
    seen = Reading()
    options = {"starting_position": "-1", "on_error": seen.on_error, **options}
    receive = (
        client.receive_batch(seen.on_event_batch, **options) if in_batches else client.receive(seen.on_event, **options)
    )
    async with client:
        task = asyncio.create_task(receive)
        try:
            yield seen
        finally:
            await client.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def store(broker: EventHubsBroker, *bodies: str, partition: str = "0", key: str | None = None) -> None:
    """Put ``bodies`` into a partition as one batch, encoded by the SDK, without the seconds that its sending takes."""
    batch = EventDataBatch(2**20, partition_key=key)
    for body in bodies:
        batch.add(EventData(body))
    encoded = bytearray()
    encode_payload(encoded, batch._message)
    hub = broker.namespace.hub(HUB)
    place = hub.partition(partition) if hub is not None else None
    assert place is not None
    place.append(bytes(encoded), batched=True, partition_key=key)
