"""Faults as the real SDK meets them. What each one means for the caller is what the flows are built on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.eventhub import EventData
from azure.eventhub.exceptions import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    EventDataSendError,
    EventHubError,
)

from local.event_hubs import BrokerConfig, EventHubsBroker, Fault, FaultKind
from tests.local.event_hubs.clients import HUB, PATIENCE_SECONDS, SDK_LEAVES_SOCKETS, producer, until

if TYPE_CHECKING:
    from azure.eventhub.aio import EventHubProducerClient

pytestmark = SDK_LEAVES_SOCKETS

_HANG_SECONDS = 1.0
"""How long a send is watched that must not end by itself. It can only make a test pass that should fail."""


async def _send(client: EventHubProducerClient, body: str = "x") -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await client.send_event(EventData(body))


def _stored(broker: EventHubsBroker) -> int:
    return broker.stats().hub(HUB).messages


@pytest.mark.parametrize(
    ("fault", "condition"),
    [
        (Fault(kind=FaultKind.SERVER_BUSY, count=2), "server-busy"),
        (Fault(kind=FaultKind.REJECT, count=2, condition="amqp:internal-error"), "internal-error"),
        (Fault(kind=FaultKind.REJECT, count=2, condition="com.microsoft:timeout"), "timeout"),
    ],
    ids=lambda value: getattr(value, "condition", value),
)
async def test_a_rejected_message_is_an_error_and_not_stored(
    broker: EventHubsBroker, fault: Fault, condition: str
) -> None:
    """Twice, because the SDK sends a rejected message a second time on its own."""
    async with producer(broker) as client:
        await _send(client)
        broker.faults.add(fault)
        with pytest.raises(EventDataSendError) as raised:
            await _send(client)
        assert str(raised.value.error).endswith(condition)
        broker.faults.clear()
        await _send(client)
    assert _stored(broker) == 2
    assert broker.stats().hub(HUB).throttled == (2 if fault.kind is FaultKind.SERVER_BUSY else 0)


async def test_a_detached_link_is_an_error_with_its_condition(broker: EventHubsBroker) -> None:
    async with producer(broker) as client:
        await _send(client)
        broker.faults.add(Fault(kind=FaultKind.DETACH, condition="amqp:link:detach-forced", description="Maintenance."))
        with pytest.raises(EventHubError, match="Maintenance"):
            await _send(client)
        broker.faults.clear()
        await _send(client)
    assert _stored(broker) == 2


@pytest.mark.parametrize(
    ("kind", "stores"), [(FaultKind.DROP_BEFORE_STORING, False), (FaultKind.DROP_AFTER_STORING, True)]
)
async def test_a_dropped_connection_is_an_error_whether_stored_or_not(
    broker: EventHubsBroker, kind: FaultKind, stores: bool
) -> None:
    async with producer(broker) as client:
        await _send(client)
        struck = broker.faults.add(Fault(kind=kind))
        with pytest.raises((ConnectError, ConnectionLostError)):
            await _send(client)
        broker.faults.clear()
        assert struck.struck > 0
        assert _stored(broker) == 1 + (struck.struck if stores else 0)
        await _send(client)


@pytest.mark.parametrize(
    ("fault", "stores"),
    [
        (Fault(kind=FaultKind.NO_DISPOSITION, count=1), True),
        (Fault(kind=FaultKind.NO_DISPOSITION, count=1, stores=False), False),
        (Fault(kind=FaultKind.RELEASED, count=1), False),
        (Fault(kind=FaultKind.MODIFIED, count=1), False),
    ],
    ids=str,
)
async def test_an_answer_that_is_missing_or_unknown_to_the_sdk_makes_a_send_hang(
    broker: EventHubsBroker, fault: Fault, stores: bool
) -> None:
    """Without an outer timeout for ever. A client that was cancelled in the middle can't be used again."""
    async with producer(broker) as client:
        await _send(client)
        active = broker.faults.add(fault)
        sending = asyncio.create_task(client.send_event(EventData("hangs")))
        await until(lambda: active.struck == 1)
        done, _ = await asyncio.wait([sending], timeout=_HANG_SECONDS)
        assert not done
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert _stored(broker) == 1 + stores


async def test_a_delayed_message_is_late_but_sent(broker: EventHubsBroker) -> None:
    async with producer(broker) as client:
        await _send(client)
        active = broker.faults.add(Fault(kind=FaultKind.DELAY, count=1, milliseconds=100))
        await _send(client)
    assert active.struck == 1
    assert _stored(broker) == 2


async def test_a_fault_on_one_partition_leaves_the_others_alone(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.SERVER_BUSY, partition="1"))
    async with producer(broker) as client:
        await client.send_event(EventData("x"), partition_id="0")
        with pytest.raises(EventDataSendError):
            await client.send_event(EventData("x"), partition_id="1")
    assert [partition.messages for partition in broker.stats().hub(HUB).partitions] == [1, 0, 0, 0]


async def test_a_refused_token_fails_to_authenticate(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.REFUSE_TOKEN))
    async with producer(broker) as client:
        with pytest.raises(AuthenticationError, match="401"):
            await _send(client)
        broker.faults.clear()
        await _send(client)


async def test_an_unknown_hub_is_not_found_while_the_fault_lasts(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.UNKNOWN_HUB, hub=HUB))
    async with producer(broker) as client:
        for attempt in (_send, type(client).get_eventhub_properties):
            with pytest.raises((ConnectError, ConnectionLostError)) as raised:
                await attempt(client)
            assert raised.value.error == "not-found"
        broker.faults.clear()
        await _send(client)


@pytest.mark.parametrize("kind", [FaultKind.NO_ATTACH_REPLY, FaultKind.NO_TOKEN_REPLY, FaultKind.SILENT])
async def test_silence_while_connecting_makes_a_send_hang(broker: EventHubsBroker, kind: FaultKind) -> None:
    active = broker.faults.add(Fault(kind=kind))
    client = producer(broker)
    sending = asyncio.create_task(client.send_event(EventData("x")))
    await until(lambda: active.struck > 0)
    done, _ = await asyncio.wait([sending], timeout=_HANG_SECONDS)
    assert not done
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await broker.stop()
    await client.close()


async def test_connections_are_refused_for_a_while_and_then_taken_on_the_same_port(broker: EventHubsBroker) -> None:
    port = broker.port
    async with producer(broker) as client:
        await _send(client)
        broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((ConnectError, ConnectionLostError)):
            await _send(client)
        assert not broker.accepts_connections
        broker.faults.clear()
        await broker.settled()
        assert broker.accepts_connections
        assert broker.port == port
        await _send(client)
    assert _stored(broker) == 2


async def test_refusal_can_end_by_itself_and_what_was_stored_stays(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS, seconds=0.05))
    assert not broker.accepts_connections
    await until(lambda: broker.accepts_connections)
    async with producer(broker) as client:
        await _send(client)


async def test_a_port_that_somebody_took_meanwhile_is_tried_again(broker: EventHubsBroker) -> None:
    fault = broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
    squatter = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", broker.port)
    broker.faults.clear(fault.id)
    await asyncio.sleep(0)
    assert not broker.accepts_connections
    squatter.close()
    await broker.settled()
    assert broker.accepts_connections


async def test_a_broker_stops_and_starts_while_connections_are_refused() -> None:
    broker = EventHubsBroker(BrokerConfig())
    await broker.stop()
    broker.faults.add(Fault(kind=FaultKind.REFUSE_CONNECTIONS))
    await broker.start()
    assert not broker.accepts_connections
    await broker.stop()
    await broker.stop()
    broker.faults.clear()
    await broker.start()
    assert broker.accepts_connections
    await broker.stop()
    assert not broker.accepts_connections


async def test_dropped_connections_come_back_by_the_sdk_s_own_retries(broker: EventHubsBroker) -> None:
    broker.faults.add(Fault(kind=FaultKind.DROP_BEFORE_STORING, count=2))
    async with producer(broker, retry_total=3, retry_backoff_factor=0.01) as client:
        await _send(client)
    assert _stored(broker) == 1
