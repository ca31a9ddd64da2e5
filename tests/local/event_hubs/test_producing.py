"""The real SDK sends: every way it knows."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.aio import EventHubProducerClient as AsyncProducerClient
from azure.eventhub.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType
from azure.eventhub.exceptions import EventDataSendError

from local.event_hubs.partition_keys import partition_of
from tests.local.event_hubs.clients import HUB, SDK_LEAVES_SOCKETS, consumer, producer, reading, sync_producer

if TYPE_CHECKING:
    from local.event_hubs import EventHubsBroker
    from tests.local.event_hubs.conftest import StartBroker

pytestmark = SDK_LEAVES_SOCKETS


def _by_partition(broker: EventHubsBroker) -> list[int]:
    return [partition.messages for partition in broker.stats().hub(HUB).partitions]


async def test_batches_and_events_go_to_their_partition_their_key_s_or_round(broker: EventHubsBroker) -> None:
    async with producer(broker) as client:
        named = await client.create_batch(partition_id="2")
        for body in "abc":
            named.add(EventData(body))
        await client.send_batch(named)
        assert _by_partition(broker) == [0, 0, 3, 0]
        keyed = await client.create_batch(partition_key="store_42")
        keyed.add(EventData("d"))
        await client.send_batch(keyed)
        await client.send_event(EventData("e"), partition_key="store_42")
        await client.send_batch([EventData("f")], partition_key="store_42")
        assert partition_of("store_42", 4) == 3
        assert _by_partition(broker) == [0, 0, 3, 3]
        for _ in range(8):
            await client.send_batch([EventData("x"), EventData("y")])
    assert _by_partition(broker) == [4, 4, 7, 7]


async def test_a_full_batch_arrives_whole(broker: EventHubsBroker) -> None:
    """1 MiB in frames of 64 KiB; what the SDK says of its size is what the broker counts."""
    async with producer(broker) as client:
        batch = await client.create_batch(partition_id="0")
        sent = 0
        with contextlib.suppress(ValueError):  # full
            while True:
                batch.add(EventData(f"{sent}".ljust(500)))
                sent += 1
        await client.send_batch(batch)
    partition = broker.stats().hub(HUB).partitions[0]
    assert sent == 2032
    assert (partition.messages, partition.bytes, partition.batches) == (sent, batch.size_in_bytes, 1)
    async with reading(consumer(broker), partition_id="0") as seen:
        await seen.until(events=sent)
    assert [int(body) for body in seen.bodies] == list(range(sent))


async def test_a_message_above_the_limit_is_rejected_and_the_link_lives_on(start_broker: StartBroker) -> None:
    broker = await start_broker(max_message_bytes=200_000)
    async with producer(broker) as client:
        await client.send_event(EventData("fits"))
        batch = await client.create_batch()
        assert batch.max_size_in_bytes == 200_000
        large = AsyncProducerClient.from_connection_string(broker.connection_string(HUB), retry_total=0)
        async with large:
            message = await large.create_batch()
            message.add(EventData("x" * 100_000))
            message._message.data.append(b"y" * 150_000)  # what add() would refuse
            with pytest.raises(EventDataSendError) as raised:
                await large.send_batch(message)
            assert raised.value.error == "link:message-size-exceeded"
            await large.send_event(EventData("fits too"))
    assert broker.stats().hub(HUB).messages == 2


async def test_the_blocking_client_sends(broker: EventHubsBroker) -> None:
    def run() -> None:
        with sync_producer(broker) as client:
            batch = client.create_batch(partition_id="3")
            batch.add(EventData("one"))
            batch.add(EventData("two"))
            client.send_batch(batch)
            client.send_event(EventData("three"), partition_id="3")

    await asyncio.to_thread(run)
    assert _by_partition(broker) == [0, 0, 0, 3]


async def test_the_buffered_clients_send(broker: EventHubsBroker) -> None:
    confirmed: list[object] = []

    async def on_success(events: list[EventData | AmqpAnnotatedMessage], _partition: str | None) -> None:
        confirmed.extend(events)

    async def on_error(_events: object, _partition: str | None, error: Exception) -> None:
        raise error

    def blocking() -> None:
        client = EventHubProducerClient.from_connection_string(
            broker.connection_string(HUB),
            buffered_mode=True,
            on_success=lambda _events, _partition: None,
            on_error=lambda _events, _partition, error: pytest.fail(str(error)),
        )
        with client:
            for number in range(20):
                client.send_event(EventData(str(number)))
            client.flush()

    client = AsyncProducerClient.from_connection_string(
        broker.connection_string(HUB), buffered_mode=True, on_success=on_success, on_error=on_error
    )
    async with client:
        for number in range(30):
            await client.send_event(EventData(str(number)))
        await client.flush()
    assert len(confirmed) == 30
    await asyncio.to_thread(blocking)
    assert broker.stats().hub(HUB).messages == 50


async def test_everything_about_an_event_arrives(broker: EventHubsBroker) -> None:
    event = EventData(b'{"a": 1}')
    event.properties = {"Table": "receipt_created", "Format": "json", "number": 5, "yes": True}
    event.content_type = "application/json"
    event.message_id = "trace-1"
    event.correlation_id = "correlation-1"
    annotated = AmqpAnnotatedMessage(value_body={"key": [1, "two", None]}, annotations={"mine": "kept"})
    async with producer(broker) as client:
        batch = await client.create_batch(partition_id="0")
        batch.add(event)
        batch.add(annotated)
        await client.send_batch(batch)
    async with reading(consumer(broker), partition_id="0") as seen:
        await seen.until(events=2)
    (_, first), (_, second) = seen.events
    assert first.body_as_json() == {"a": 1}
    assert first.properties == {b"Table": b"receipt_created", b"Format": b"json", b"number": 5, b"yes": True}
    assert (first.content_type, first.message_id, first.correlation_id) == (
        "application/json",
        "trace-1",
        "correlation-1",
    )
    assert second.body_type == AmqpMessageBodyType.VALUE
    assert second.raw_amqp_message.body == {b"key": [1, b"two", None]}
    assert (second.raw_amqp_message.annotations or {})[b"mine"] == b"kept"


async def test_several_hubs_keep_apart(start_broker: StartBroker) -> None:
    broker = await start_broker(hubs={"retail-events": 1, "other": 2})
    for hub in ("retail-events", "other"):
        async with AsyncProducerClient.from_connection_string(broker.connection_string(hub)) as client:
            await client.send_event(EventData(hub))
            assert len(await client.get_partition_ids()) == broker.config.hubs[hub]
    assert [(hub.name, hub.messages) for hub in broker.stats().hubs] == [("retail-events", 1), ("other", 1)]
