"""What the real publisher does beyond the contract: links that die unnoticed, every fault, both ways to send."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub.aio import EventHubConsumerClient

from local.event_hubs import (
    DEFAULT_HUB,
    BrokerConfig,
    Claim,
    EventHubsBroker,
    Fault,
    FaultKind,
    SharedAccessPolicy,
)
from streaming.adapters.event_hubs import lanes
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
from streaming.adapters.event_hubs.lanes import FALLBACK_EVENT
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.core.event import Event
from streaming.core.outcome import ErrorCategory, SendFailed, Sent
from tests.contract.publisher.hubs import PATIENCE_SECONDS, connection_to, until

if TYPE_CHECKING:
    from azure.eventhub import EventData

LONG = PATIENCE_SECONDS
EVENTS = [
    Event("receipt_created", "t-1", "store_1", b'{"event_type":"receipt_created"}'),
    Event("ble_ping_detected", "t\u00e9-2" + "i" * 300, "store_2", b'{"padding":"' + b"x" * 70_000 + b'"}'),
]


async def warm(publisher: EventHubsPublisher, *partitions: int) -> None:
    for partition in partitions or (0,):
        assert await publisher.send(EVENTS, partition=partition, timeout_seconds=LONG) == Sent()


async def drop_all_connections(broker: EventHubsBroker) -> None:
    """As the service does with idle ones; the port is open again afterwards."""
    broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
    await until(lambda: broker.stats().connections_open == 0)
    broker.faults.clear()
    await until(lambda: broker.accepts_connections)


def let_all_links_seem_idle(publisher: EventHubsPublisher) -> None:
    for lane in publisher._lanes._lanes.values():
        lane.used_at = float("-inf")


def bound_opening(publisher: EventHubsPublisher, seconds: float) -> None:
    """Of links that are begun to be opened from now on."""
    publisher._lanes._open_timeout_seconds = seconds


def stored(broker: EventHubsBroker) -> int:
    return sum(partition.next_sequence for partition in broker.namespace.hubs[0].partitions)


A_FAILURE = {
    FaultKind.SERVER_BUSY: (ErrorCategory.THROTTLING, True),
    FaultKind.REJECT: (ErrorCategory.UNKNOWN, True),
    FaultKind.RELEASED: (ErrorCategory.CONNECTION_TIMEOUT, True),
    FaultKind.MODIFIED: (ErrorCategory.CONNECTION_TIMEOUT, True),
    FaultKind.NO_DISPOSITION: (ErrorCategory.CONNECTION_TIMEOUT, True),
    FaultKind.DETACH: (ErrorCategory.CONNECTION_ERROR, True),
    FaultKind.DROP_BEFORE_STORING: (ErrorCategory.CONNECTION_ERROR, True),
    FaultKind.DROP_AFTER_STORING: (ErrorCategory.CONNECTION_ERROR, True),
    FaultKind.DELAY: (ErrorCategory.CONNECTION_TIMEOUT, True),
}
"""What a batch meets on a link that is open."""

NO_CONNECTION = {
    FaultKind.UNKNOWN_HUB: (ErrorCategory.NOT_FOUND, True),
    FaultKind.NO_ATTACH_REPLY: (ErrorCategory.CONNECTION_TIMEOUT, False),
    FaultKind.REFUSE_TOKEN: (ErrorCategory.AUTHENTICATION, True),
    FaultKind.NO_TOKEN_REPLY: (ErrorCategory.CONNECTION_TIMEOUT, False),
    FaultKind.SILENT: (ErrorCategory.CONNECTION_TIMEOUT, False),
    FaultKind.REFUSE_CONNECTIONS: (ErrorCategory.CONNECTION_ERROR, False),
}
"""What happens before a link is open."""


def test_every_fault_of_the_broker_is_tried_here() -> None:
    assert set(A_FAILURE) | set(NO_CONNECTION) == set(FaultKind)


@pytest.mark.parametrize("kind", A_FAILURE)
async def test_each_way_to_lose_a_batch_is_told_and_the_next_attempt_succeeds(
    broker: EventHubsBroker, publisher: EventHubsPublisher, kind: FaultKind
) -> None:
    await warm(publisher)
    broker.faults.add(Fault(kind=kind, count=1, milliseconds=int(LONG * 1000)))
    hangs = A_FAILURE[kind][0] is ErrorCategory.CONNECTION_TIMEOUT
    result = await publisher.send(EVENTS, partition=0, timeout_seconds=0.2 if hangs else LONG)
    assert isinstance(result, SendFailed)
    assert (result.category, result.reached_hub) == A_FAILURE[kind]
    broker.faults.clear()
    await warm(publisher)


@pytest.mark.parametrize("kind", NO_CONNECTION)
async def test_each_way_not_to_connect_is_told_and_the_next_attempt_succeeds(
    broker: EventHubsBroker, publisher: EventHubsPublisher, kind: FaultKind
) -> None:
    broker.faults.add(Fault(kind=kind))
    hangs = NO_CONNECTION[kind][0] is ErrorCategory.CONNECTION_TIMEOUT
    bound_opening(publisher, 2.0 if hangs else LONG)
    result = await publisher.send(EVENTS, partition=0, timeout_seconds=0.8 if hangs else LONG)
    assert isinstance(result, SendFailed)
    assert (result.category, result.reached_hub) == NO_CONNECTION[kind]
    assert stored(broker) == 0
    broker.faults.clear()
    bound_opening(publisher, LONG)
    await until(lambda: broker.accepts_connections)
    await warm(publisher)


async def test_connecting_may_take_longer_than_a_send_may(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    """Else a far hub, half a second away, could never be reached by sends that are given less."""
    for _ in range(3):  # Each is over before anything that it waits for can have happened.
        result = await publisher.send(EVENTS, partition=0, timeout_seconds=0.0)
        assert isinstance(result, SendFailed)
        assert not result.reached_hub
    assert await publisher.send(EVENTS, partition=0, timeout_seconds=LONG) == Sent()
    assert broker.stats().connections == 1


async def test_closing_ends_a_link_that_is_being_opened(broker: EventHubsBroker, publisher: EventHubsPublisher) -> None:
    broker.faults.add(Fault(kind=FaultKind.NO_ATTACH_REPLY))
    assert isinstance(await publisher.send(EVENTS, partition=0, timeout_seconds=0.3), SendFailed)
    await publisher.close()
    await until(lambda: broker.stats().connections_open == 0)


async def test_closing_fails_the_send_that_waits_for_a_link(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    broker.faults.add(Fault(kind=FaultKind.NO_ATTACH_REPLY))
    sending = asyncio.create_task(publisher.send(EVENTS, partition=0, timeout_seconds=LONG))
    await until(lambda: any(lane.opening for lane in publisher._lanes._lanes.values()))
    await publisher.close()
    result = await sending
    assert isinstance(result, SendFailed)
    assert (result.category, result.reached_hub) == (ErrorCategory.CONNECTION_ERROR, False)


async def test_a_link_that_was_dropped_while_idle_costs_no_attempt(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    await warm(publisher, 0, 1)
    await drop_all_connections(broker)
    let_all_links_seem_idle(publisher)
    assert await publisher.send(EVENTS, partition=0, timeout_seconds=LONG) == Sent()
    assert await publisher.send(EVENTS, partition=1, timeout_seconds=LONG) == Sent()
    assert stored(broker) == 4 * len(EVENTS)


async def test_an_idle_link_that_is_well_is_used_again(broker: EventHubsBroker, publisher: EventHubsPublisher) -> None:
    await warm(publisher)
    let_all_links_seem_idle(publisher)
    await warm(publisher)
    assert broker.stats().connections == 1


async def test_idle_links_are_looked_after_and_dead_ones_are_given_up(broker: EventHubsBroker) -> None:
    publisher = EventHubsPublisher(connection_to(broker), keep_warm_seconds=0.01)
    await warm(publisher, 0, 1)
    let_all_links_seem_idle(publisher)
    await until(lambda: all(lane.used_at > 0 for lane in publisher._lanes._lanes.values()))
    assert len(publisher._lanes._lanes) == 2
    await drop_all_connections(broker)
    await until(lambda: not publisher._lanes._lanes)
    await publisher.close()


async def test_nothing_stays_open_after_closing(broker: EventHubsBroker, publisher: EventHubsPublisher) -> None:
    await warm(publisher, 0, 1, 2, 3)
    for kind in (FaultKind.NO_DISPOSITION, FaultKind.SILENT):
        broker.faults.add(Fault(kind=kind, count=1))
        bound_opening(publisher, 2.0)
        while broker.faults.in_force():  # until a send has met it
            await publisher.send(EVENTS, partition=0, timeout_seconds=0.1)
    bound_opening(publisher, LONG)
    assert await publisher.partition_count(timeout_seconds=LONG) == 4
    await publisher.close()
    await until(lambda: broker.stats().connections_open == 0)


async def test_links_are_opened_beforehand_once_and_without_a_message(
    broker: EventHubsBroker, publisher: EventHubsPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_WARMING_SECONDS", LONG)
    await publisher.warm(range(4))
    links = broker.stats().links
    assert (broker.stats().connections, stored(broker)) == (4, 0)
    await publisher.warm(range(4))
    await warm(publisher, 0, 1, 2, 3)
    assert (broker.stats().connections, broker.stats().links) == (4, links)


async def test_links_that_died_unnoticed_are_opened_again_beforehand(
    broker: EventHubsBroker, publisher: EventHubsPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_WARMING_SECONDS", LONG)
    await publisher.warm(range(2))
    await drop_all_connections(broker)
    let_all_links_seem_idle(publisher)
    await publisher.warm(range(2))
    assert (broker.stats().connections_open, stored(broker)) == (2, 0)
    await warm(publisher, 0, 1)
    assert broker.stats().connections_open == 2


async def test_a_send_joins_in_when_its_link_is_being_opened(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    warming = asyncio.create_task(publisher.warm([0]))
    await until(lambda: 0 in publisher._lanes._lanes)
    await warm(publisher)
    await warming
    assert broker.stats().connections == 1


@pytest.mark.parametrize("kind", [FaultKind.REFUSE_CONNECTIONS, FaultKind.SILENT, FaultKind.UNKNOWN_HUB])
async def test_links_that_can_not_be_opened_are_left_to_the_sends(
    broker: EventHubsBroker, publisher: EventHubsPublisher, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_WARMING_SECONDS", 0.2)
    bound_opening(publisher, 2.0)
    broker.faults.add(Fault(kind=kind))
    await publisher.warm(range(2))
    failed = await publisher.send(EVENTS, partition=0, timeout_seconds=0.2)
    assert isinstance(failed, SendFailed)
    broker.faults.clear()
    bound_opening(publisher, LONG)
    await until(lambda: broker.accepts_connections)
    await warm(publisher, 0, 1)
    await publisher.close()
    await until(lambda: broker.stats().connections_open == 0)


async def test_a_send_that_waits_for_another_times_out_without_disturbing_it(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    await warm(publisher)
    broker.faults.add(Fault(kind=FaultKind.DELAY, count=1, milliseconds=500))
    first = asyncio.create_task(publisher.send(EVENTS, partition=0, timeout_seconds=LONG))
    while not publisher._lanes._lanes[0].turn.locked():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0)  # It has not left yet: the delay has not begun.
    second = await publisher.send(EVENTS, partition=0, timeout_seconds=0.0)
    assert isinstance(second, SendFailed)
    assert "another send is under way" in second.detail
    assert await first == Sent()
    assert stored(broker) == 2 * len(EVENTS)


async def test_those_who_wait_behind_a_send_that_hangs_get_a_new_link(
    broker: EventHubsBroker, publisher: EventHubsPublisher
) -> None:
    await warm(publisher)
    fault = broker.faults.add(Fault(kind=FaultKind.NO_DISPOSITION, count=1, stores=False))
    sends = [asyncio.create_task(publisher.send(EVENTS, partition=0, timeout_seconds=LONG)) for _ in range(3)]
    await until(lambda: fault.struck == 1)
    sends[0].cancel()  # As its timeout would, which might come before the hub has the batch.
    assert await asyncio.gather(*sends[1:]) == [Sent(), Sent()]
    assert stored(broker) == 3 * len(EVENTS)


async def test_the_link_says_how_large_a_batch_may_be() -> None:
    async with EventHubsBroker(BrokerConfig(max_message_bytes=256 * 1024)) as broker:
        publisher = EventHubsPublisher(connection_to(broker))
        assert publisher.max_batch_bytes == (1 << 20) - 4096
        assert await publisher.partition_count() == 4
        assert publisher.max_batch_bytes == 256 * 1024
        result = await publisher.send(EVENTS * 4, partition=0, timeout_seconds=LONG)
        assert isinstance(result, SendFailed)
        assert result.category is ErrorCategory.MESSAGE_TOO_LARGE
        await publisher.close()


async def test_a_policy_that_may_only_listen_is_not_authorized() -> None:
    policy = SharedAccessPolicy(key="a2V5", claims=frozenset({Claim.LISTEN}))
    async with EventHubsBroker(BrokerConfig(policies={"listener": policy})) as broker:
        connection_string = broker.connection_string(DEFAULT_HUB, policy="listener")
        publisher = EventHubsPublisher(connection_to(broker, AZURE_EVENTHUB_CONNECTION_STRING=connection_string))
        result = await publisher.send(EVENTS, partition=0, timeout_seconds=LONG)
        assert isinstance(result, SendFailed)
        assert result.category is ErrorCategory.AUTHORIZATION
        await publisher.close()


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # the SDK's, without TLS
async def test_the_way_over_websockets(broker: EventHubsBroker) -> None:
    publisher = EventHubsPublisher(connection_to(broker, EVENTHUB_TRANSPORT="websocket"))
    await warm(publisher, 0, 1)
    let_all_links_seem_idle(publisher)
    await warm(publisher, 0, 1)
    assert broker.stats().connections == 2
    broker.faults.add(Fault(kind=FaultKind.NO_DISPOSITION, count=1))
    result = await publisher.send(EVENTS, partition=0, timeout_seconds=0.2)
    assert isinstance(result, SendFailed)
    await warm(publisher)
    await publisher.close()
    await until(lambda: broker.stats().connections_open == 0)


@pytest.mark.parametrize("kind", [FaultKind.SILENT, FaultKind.NO_TOKEN_REPLY])
async def test_a_hub_that_does_not_tell_its_partitions_times_out(
    broker: EventHubsBroker, publisher: EventHubsPublisher, kind: FaultKind
) -> None:
    await warm(publisher)
    broker.faults.add(Fault(kind=kind))
    result = await publisher.partition_count(timeout_seconds=0.5)
    assert isinstance(result, SendFailed)
    assert (result.category, result.reached_hub) == (ErrorCategory.CONNECTION_TIMEOUT, True)
    await warm(publisher)
    await publisher.close()
    gc.collect()  # an abandoned socket would complain


@pytest.mark.parametrize(
    ("connection_string", "request_line"),
    [
        (
            "Endpoint=sb://emulator.invalid;SharedAccessKeyName=p;SharedAccessKey=k;UseDevelopmentEmulator=true",
            b"GET ws://emulator.invalid:443/$servicebus/websocket HTTP/1.1",
        ),
        (
            "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=p;SharedAccessKey=k",
            b"CONNECT ns.servicebus.windows.net:443 HTTP/1.1",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # the SDK's, without TLS
@pytest.mark.filterwarnings("ignore:.*(BasicAuth|proxy_auth).* is deprecated:DeprecationWarning")  # the SDK's
async def test_the_way_through_a_proxy(connection_string: str, request_line: bytes) -> None:
    asked: list[list[bytes]] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://me:pw@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {
        "AZURE_EVENTHUB_CONNECTION_STRING": f"{connection_string};EntityPath=hub",
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
    }
    hub = read_hub_connection(settings)
    assert isinstance(hub, HubConnection)
    publisher = EventHubsPublisher(hub)
    result = await publisher.send(EVENTS, partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert (result.category, result.reached_hub) == (ErrorCategory.CONNECTION_ERROR, False)
    await publisher.close()
    server.close()
    await server.wait_closed()
    assert asked[0][0] == request_line
    assert any(line.startswith(b"Proxy-Authorization: Basic ") for line in asked[0])


@pytest.mark.parametrize("fast", [True, False])
async def test_a_real_consumer_reads_the_same_whichever_way_it_was_sent(
    broker: EventHubsBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fast: bool
) -> None:
    if not fast:
        monkeypatch.setattr(lanes, "fast_path_problem", lambda: "it is no longer what it was")
    with caplog.at_level(logging.WARNING, lanes.__name__):
        publisher = EventHubsPublisher(connection_to(broker))
        await warm(publisher, 2)
        await publisher.close()
    warnings = [record.getMessage() for record in caplog.records if FALLBACK_EVENT in record.getMessage()]
    assert warnings == ([] if fast else [f"{FALLBACK_EVENT}: it is no longer what it was"])

    for sent, read in zip(EVENTS, await consume(broker, 2, len(EVENTS)), strict=True):
        assert read.body_as_str().encode() == sent.body
        assert read.content_type == "application/json"
        assert read.message_id == sent.trace_id
        assert read.properties == {
            b"Table": sent.event_type.encode(),
            b"Format": b"json",
            b"IngestionMappingReference": b"EventMapping",
        }
        assert read.partition_key is None
        assert read.correlation_id is None


async def consume(broker: EventHubsBroker, partition: int, count: int) -> list[EventData]:
    """The first ``count`` events that the SDK's consumer reads from ``partition``."""
    found: list[EventData] = []
    complete = asyncio.Event()

    async def keep(_: Any, event: EventData | None) -> None:
        assert event is not None
        found.append(event)
        if len(found) == count:
            complete.set()

    consumer = EventHubConsumerClient.from_connection_string(broker.connection_string(DEFAULT_HUB), "$Default")
    async with consumer, asyncio.timeout(PATIENCE_SECONDS):
        receiving = asyncio.create_task(
            consumer.receive(on_event=keep, partition_id=str(partition), starting_position="-1")
        )
        await complete.wait()
        receiving.cancel()
        await asyncio.wait((receiving,))
    return found


async def test_the_public_way_meets_failure_the_same(broker: EventHubsBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "fast_path_problem", lambda: "it is no longer what it was")
    publisher = EventHubsPublisher(connection_to(broker))
    await warm(publisher)
    broker.faults.add(Fault(kind=FaultKind.SERVER_BUSY, count=2))  # send_batch tries twice, always
    result = await publisher.send(EVENTS, partition=0, timeout_seconds=LONG)
    assert isinstance(result, SendFailed)
    assert result.category is ErrorCategory.THROTTLING
    await warm(publisher)
    await publisher.close()
