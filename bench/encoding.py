"""How fast events become batches and reach a hub, beside the SDK's own ways with the same events in the same run.

The hub is the local broker in a process of its own, over loopback without TLS. Every way sends the same events, in
batches of the same size, to the same partition, one batch in flight; the rounds alternate, so that a busy machine is
busy for all. The ratios are what counts.
"""

from __future__ import annotations

import asyncio
import sys
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from bench.services import running_hub
from streaming.adapters.event_hubs.connection import CONNECTION_STRING_SETTING, HubConnection, read_hub_connection
from streaming.adapters.event_hubs.encoder import encode_batch
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from streaming.adapters.event_hubs.sdk import PrebuiltBatch, public_batch, public_event, wire_bytes
from streaming.core.event import Event
from streaming.core.outcome import Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_ROUNDS: Final = 5
_BATCH_EVENTS: Final = 1_000
_BATCHES: Final = 8
_BODY_BYTES: Final = 500
_NO_LIMIT: Final = 1 << 32


def _events() -> list[Event]:
    types = ("receipt_created", "receipt_line_added", "payment_processed", "inventory_updated", "ble_ping_detected")
    return [
        Event(
            types[number % len(types)],
            f"3f6c1a9e-{number:08d}-5b1d",
            f"store_{number % 50}",
            b'{"padding":"' + b"x" * (_BODY_BYTES - 60 + number % 93) + b'"}',
        )
        for number in range(_BATCH_EVENTS)
    ]


def _rate(work: Callable[[], object]) -> float:
    """Events per second, when ``work`` handles one batch of them."""
    started = perf_counter()
    for _ in range(_BATCHES):
        work()
    return _BATCHES * _BATCH_EVENTS / (perf_counter() - started)


async def _sending_rate(send: Callable[[], Awaitable[object]]) -> float:
    started = perf_counter()
    for _ in range(_BATCHES):
        await send()
    return _BATCHES * _BATCH_EVENTS / (perf_counter() - started)


def _encoding(events: Sequence[Event]) -> dict[str, float]:
    """Up to the bytes that the SDK's sender link cuts into frames."""
    ways: dict[str, Callable[[], object]] = {
        "encoder": lambda: encode_batch(events),
        "encoder, to the wire": lambda: wire_bytes(PrebuiltBatch(encode_batch(events), partition_id="0")),
        "SDK, to the wire": lambda: wire_bytes(public_batch(events, partition_id="0", max_bytes=_NO_LIMIT)),
    }
    rounds = [{name: _rate(way) for name, way in ways.items()} for _ in range(_ROUNDS)]
    return {name: median(rates[name] for rates in rounds) for name in ways}


async def _sending(hub: HubConnection, connection_string: str, events: Sequence[Event]) -> dict[str, float]:
    """Until the hub has accepted."""
    publisher = EventHubsPublisher(hub)
    client = EventHubProducerClient.from_connection_string(connection_string)
    prebuilt = public_batch(events, partition_id="0", max_bytes=_NO_LIMIT)

    async def publish() -> None:
        assert await publisher.send(events, partition=0, timeout_seconds=30) == Sent()  # noqa: S101 - a bench that fails is void

    async def documented(make: Callable[[Event], EventData]) -> None:
        batch = await client.create_batch(partition_id="0")
        for event in events:
            batch.add(make(event))
        await client.send_batch(batch)

    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "publisher": publish,
        "SDK, same content": lambda: documented(public_event),
        "SDK, bare body": lambda: documented(lambda event: EventData(event.body)),
        "SDK, built beforehand": lambda: client.send_batch(prebuilt),
    }
    try:
        for way in ways.values():
            await way()
        rounds = [{name: await _sending_rate(way) for name, way in ways.items()} for _ in range(_ROUNDS)]
    finally:
        await client.close()
        await publisher.close()
    return {name: median(rates[name] for rates in rounds) for name in ways}


def main() -> dict[str, float]:
    """Print all rates and return the ratios."""
    events = _events()
    encoding = _encoding(events)
    with running_hub() as running:
        hub = read_hub_connection({CONNECTION_STRING_SETTING: running.connection_string})
        if not isinstance(hub, HubConnection):
            raise TypeError(f"The broker's own connection string was refused: {hub}")
        sending = asyncio.run(_sending(hub, running.connection_string, events))
    for title, rates in (("encoding", encoding), ("sending", sending)):
        for name, rate in rates.items():
            print(f"{title + ', ' + name:<34}{rate:>12,.0f} events/s")
    ratios = {
        "encoding_vs_sdk_add": encoding["encoder, to the wire"] / encoding["SDK, to the wire"],
        "sending_vs_sdk_same_content": sending["publisher"] / sending["SDK, same content"],
        "sending_vs_sdk_bare": sending["publisher"] / sending["SDK, bare body"],
        "sending_vs_sdk_built_beforehand": sending["publisher"] / sending["SDK, built beforehand"],
    }
    for name, ratio in ratios.items():
        print(f"{name:<34}{ratio:>12.2f}")
    return ratios


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
