"""The two hubs that the publisher's contract is held against, driven through one interface."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from azure.eventhub._pyamqp._decode import decode_payload

from local.event_hubs import DEFAULT_HUB, EventHubsBroker, FaultKind
from local.event_hubs import Fault as BrokerFault
from local.event_hubs.storage import Cursor
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.adapters.memory_publisher import Fault, MemoryPublisher
from streaming.core.outcome import ErrorCategory, SendFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.ports import Publisher

PATIENCE_SECONDS = 120.0
"""How long a test waits for what must come, before it fails."""


class Trouble(Enum):
    """What a hub can do to a batch."""

    THROTTLED = FaultKind.SERVER_BUSY
    LOST_BEFORE_STORING = FaultKind.DROP_BEFORE_STORING
    LOST_AFTER_STORING = FaultKind.DROP_AFTER_STORING
    NO_ANSWER = FaultKind.NO_DISPOSITION


class Hub(Protocol):
    """A hub of four partitions, and the publisher that sends to it."""

    @property
    def publisher(self) -> Publisher:
        """Under test."""

    def trouble(self, trouble: Trouble, *, times: int = 1, partition: int | None = None) -> None:
        """Let it happen to the next batches."""

    async def trace_ids(self, partition: int, count: int) -> list[str]:
        """What ``partition`` holds, once that is at least ``count`` events."""


class MemoryHub:
    def __init__(self) -> None:
        self.publisher = MemoryPublisher(partitions=4)

    def trouble(self, trouble: Trouble, *, times: int = 1, partition: int | None = None) -> None:
        lost = SendFailed(category=ErrorCategory.CONNECTION_ERROR, detail="lost")
        busy = SendFailed(category=ErrorCategory.THROTTLING, detail="busy", retry_after_seconds=4.0)
        outcomes = {Trouble.THROTTLED: busy, Trouble.NO_ANSWER: None}
        stored = trouble in {Trouble.LOST_AFTER_STORING, Trouble.NO_ANSWER}
        outcome = outcomes.get(trouble, lost)
        self.publisher.inject(Fault(outcome=outcome, partition=partition, remaining=times, stored=stored))

    async def trace_ids(self, partition: int, count: int) -> list[str]:
        found = [event.trace_id for event in self.publisher.events(partition)]
        assert len(found) >= count
        return found


class BrokerHub:
    def __init__(self, broker: EventHubsBroker) -> None:
        self.broker = broker
        self.publisher = EventHubsPublisher(connection_to(broker))

    def trouble(self, trouble: Trouble, *, times: int = 1, partition: int | None = None) -> None:
        where = None if partition is None else str(partition)
        self.broker.faults.add(BrokerFault(kind=trouble.value, count=times, partition=where))

    async def trace_ids(self, partition: int, count: int) -> list[str]:
        log = self.broker.namespace.hubs[0].partitions[partition]
        await until(lambda: log.next_sequence >= count)
        cursor = Cursor(log, 0)
        return [_message_id(event.encoded) for event in iter(cursor.take, None)]


def _message_id(encoded: bytes) -> str:
    properties = decode_payload(memoryview(encoded)).properties
    assert properties is not None
    assert isinstance(properties.message_id, bytes)
    return properties.message_id.decode()


def connection_to(broker: EventHubsBroker, **environment: str) -> HubConnection:
    """As the settings would give it."""
    if "AZURE_EVENTHUB_CONNECTION_STRING" not in environment:
        environment["AZURE_EVENTHUB_CONNECTION_STRING"] = broker.connection_string(DEFAULT_HUB)
    hub = read_hub_connection(environment)
    assert isinstance(hub, HubConnection), hub
    return hub


async def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
