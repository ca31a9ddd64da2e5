"""The real SDK receives: from every position, in groups, with owners, in batches."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.eventhub import EventHubConsumerClient
from azure.eventhub._utils import get_last_enqueued_event_properties
from azure.eventhub.exceptions import ConnectError, ConnectionLostError

from local.event_hubs import BrokerConfig, EventHubsBroker
from local.event_hubs.storage import Cursor
from tests.local.event_hubs.clients import HUB, SDK_LEAVES_SOCKETS, consumer, reading, store, until

if TYPE_CHECKING:
    from azure.eventhub import EventData

    from local.event_hubs.storage import Partition
    from tests.local.event_hubs.conftest import StartBroker

pytestmark = SDK_LEAVES_SOCKETS


async def test_reading_starts_where_it_is_asked_to(broker: EventHubsBroker) -> None:
    store(broker, *"abc")
    store(broker, *"def")
    third = _offset(broker, 2)
    cases: list[tuple[str | int, bool, str]] = [
        ("-1", False, "abcdef"),
        (2, False, "def"),
        (2, True, "cdef"),
        (third, False, "def"),
        (third, True, "cdef"),
        ("@latest", False, ""),
        ("@latest", True, "f"),
    ]
    everybody_listens = asyncio.Barrier(len(cases))

    async def check(number: int, position: str | int, inclusive: bool, expected: str) -> None:
        options: dict[str, Any] = {"starting_position": position, "starting_position_inclusive": inclusive}
        async with reading(consumer(broker, f"group-{number}"), partition_id="0", **options) as seen:
            await until(lambda: len(_partition(broker)._listeners) == len(cases))
            if await everybody_listens.wait() == 0:
                store(broker, *"ghi")
            await seen.until(events=len(expected) + 3)
            assert "".join(seen.bodies) == expected + "ghi"

    await asyncio.gather(*(check(number, *case) for number, case in enumerate(cases)))


def _partition(broker: EventHubsBroker) -> Partition:
    hub = broker.namespace.hub(HUB)
    assert hub is not None
    return hub.partitions[0]


def _offset(broker: EventHubsBroker, sequence: int) -> str:
    event = Cursor(_partition(broker), sequence).take()
    assert event is not None
    return event.system.offset


async def test_reading_starts_at_a_time() -> None:
    """The broker's clock is the test's: a minute passes between two batches."""
    start = datetime.now(tz=UTC).replace(microsecond=0)
    clock = [start.timestamp()]
    async with EventHubsBroker(BrokerConfig(), now=lambda: clock[0]) as broker:
        store(broker, "old")
        clock[0] += 60
        store(broker, "new")
        options: dict[str, Any] = {"starting_position": start + timedelta(seconds=30)}
        async with reading(consumer(broker), partition_id="0", **options) as seen:
            await seen.until(events=1)
        assert seen.bodies == ["new"]
        assert seen.events[0][1].enqueued_time == start + timedelta(seconds=60)


async def test_system_properties_are_those_of_the_hub(broker: EventHubsBroker) -> None:
    store(broker, "a", "b", partition="3", key="store_42")
    async with reading(consumer(broker)) as seen:
        await seen.until(events=2)
    events: list[EventData] = [event for _, event in seen.events]
    assert [event.sequence_number for event in events] == [0, 1]
    assert [event.partition_key for event in events] == [b"store_42", b"store_42"]
    offsets = [int(event.offset or "") for event in events]
    assert offsets[0] < offsets[1]
    system = events[0].system_properties
    assert set(system) == {b"x-opt-sequence-number", b"x-opt-offset", b"x-opt-enqueued-time", b"x-opt-partition-key"}


async def test_groups_read_all_of_it_each(broker: EventHubsBroker) -> None:
    store(broker, "a", "b", partition="1")
    async with (
        reading(consumer(broker)) as default,
        reading(consumer(broker, "dashboards")) as dashboards,
    ):
        await default.until(events=2)
        await dashboards.until(events=2)
    assert default.bodies == dashboards.bodies == ["a", "b"]


async def test_all_partitions_are_read_in_batches(broker: EventHubsBroker) -> None:
    for partition in range(4):
        store(broker, *(f"{partition}-{number}" for number in range(700)), partition=str(partition))
    async with reading(consumer(broker), in_batches=True, max_batch_size=300) as seen:
        await seen.until(events=2800)
    for partition in range(4):
        bodies = [event.body_as_str() for place, event in seen.events if place == str(partition)]
        assert bodies == [f"{partition}-{number}" for number in range(700)]


async def test_the_blocking_client_receives(broker: EventHubsBroker) -> None:
    store(broker, "a", "b")
    bodies: list[str] = []

    def run() -> None:
        client = EventHubConsumerClient.from_connection_string(broker.connection_string(HUB), consumer_group="$Default")

        def on_event(_context: object, event: EventData | None) -> None:
            assert event is not None
            bodies.append(event.body_as_str())
            if len(bodies) == 2:
                client.close()

        with client:
            client.receive(on_event, partition_id="0", starting_position="-1")

    await asyncio.to_thread(run)
    assert bodies == ["a", "b"]


async def test_the_last_event_is_tracked(broker: EventHubsBroker) -> None:
    store(broker, *"abc")
    options = {"track_last_enqueued_event_properties": True}
    async with reading(consumer(broker), partition_id="0", **options) as seen:
        await seen.until(events=3)
    tracked = get_last_enqueued_event_properties(seen.events[0][1]) or {}
    assert tracked["sequence_number"] == 2
    assert tracked["offset"] == seen.events[2][1].offset
    assert tracked["retrieval_time"] >= tracked["enqueued_time"]


async def test_a_higher_owner_takes_over_and_a_lower_one_is_refused(broker: EventHubsBroker) -> None:
    store(broker, "a")
    async with reading(consumer(broker), partition_id="0", owner_level=1) as first:
        await first.until(events=1)
        async with reading(consumer(broker), partition_id="0", owner_level=2) as second:
            await second.until(events=1)
            await first.until(errors=1)
            async with reading(consumer(broker), partition_id="0", owner_level=1) as lower:
                await lower.until(errors=1)
            async with reading(consumer(broker), partition_id="0") as without:
                await without.until(errors=1)
            store(broker, "b")
            await second.until(events=2)
            assert second.errors == []
    for stolen in (first, lower, without):
        assert isinstance(stolen.errors[0], (ConnectionLostError, ConnectError))
        assert "amqp:link:stolen" in str(stolen.errors[0])
    assert lower.events == without.events == []


async def test_what_retention_dropped_is_skipped_and_reading_goes_on(start_broker: StartBroker) -> None:
    broker = await start_broker(retention_messages=3)
    for number in range(5):
        store(broker, str(number))
    async with reading(consumer(broker), partition_id="0") as seen:
        await seen.until(events=3)
    assert [event.sequence_number for _, event in seen.events] == [2, 3, 4]
    assert broker.stats().hub(HUB).dropped == 2
