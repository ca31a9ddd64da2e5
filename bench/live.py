"""How fast a live stream is, from its world to its commit, beside the SDK's own way of only sending such events.

The stream is the whole application, less its host: it generates, encodes, sends, waits for the hub to accept, and
commits each window to table storage, flat out because far more is asked of it than it can do. The SDK is given events
that are made already, and commits nothing: once with the same content (message id, content type, properties), once with
the bare body. All three in this process, alternating; the hub and Azurite have processes of their own, whose CPU is
printed. An event of the stream counts once it is committed.
"""

from __future__ import annotations

import asyncio
import os
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from bench.services import Services, cpu_seconds, running_services
from shared.clock import MICROSECONDS
from streaming.adapters.event_hubs.sdk import public_event
from streaming.core.session import Session
from streaming.flows.control import StartRequest
from streaming.retail.live import BurstRequest, LiveGenerator
from streaming.retail.world import World, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.core.event import Event
    from streaming.wiring import Application

_ROUNDS: Final = 5
_STREAM_SECONDS: Final = 5
_SDK_EVENTS: Final = 25_000
_PARTITIONS: Final = 4
_HIGH_PROFILE: Final = {"max_batch_size": 1_000}
_INTERVAL_MS, _BURST = 100, 20_000
"""200 000 events/s are asked for: more than one process makes, so that it never waits for the clock."""


class _Rates(NamedTuple):
    """Events per second of one round."""

    live: float
    same_content: float
    bare: float


class _Stream:
    """One application with a session under way, run for a while at a time."""

    def __init__(self, application: Application, services: Services) -> None:
        self._application = application
        self._processes = {"this process": os.getpid(), "hub": services.hub.pid, "Azurite": services.azurite.pid or 0}
        self.cpu = dict.fromkeys(self._processes, 0.0)
        self.seconds = 0.0

    async def start(self) -> None:
        started = await self._application.control().start(StartRequest(emit_interval_ms=_INTERVAL_MS, burst=_BURST))
        if not isinstance(started, Session):
            raise TypeError(f"The stream did not start: {started}")

    async def run(self) -> float:
        """Stream on, and return the rate at which events were committed."""
        before = await self._committed()
        cpu_before = {name: cpu_seconds(pid) for name, pid in self._processes.items()}
        started = perf_counter()
        await self._application.live().run(self._application.clock.now_us() + _STREAM_SECONDS * MICROSECONDS)
        seconds = perf_counter() - started
        self.seconds += seconds
        for name, pid in self._processes.items():
            self.cpu[name] += cpu_seconds(pid) - cpu_before[name]
        return (await self._committed() - before) / seconds

    async def _committed(self) -> int:
        return (await self._application.view()).tally.sent_first


class _Sdk:
    """The documented path: create a batch, add until it is full, send it."""

    def __init__(self, connection_string: str) -> None:
        self._client = EventHubProducerClient.from_connection_string(connection_string)
        generator = LiveGenerator(World.build(WorldSpec(seed=1)), session_id="bench")
        request = BurstRequest(
            number=0, scheduled_at_us=1_795_000_000_000_000, size=_SDK_EVENTS, rate_per_second=200_000.0
        )
        self._events = generator.burst(request)

    async def send(self, make: Callable[[Event], EventData]) -> float:
        started = perf_counter()
        batches = 0
        batch = await self._client.create_batch(partition_id="0")
        for event in self._events:
            try:
                batch.add(make(event))
            except ValueError:  # full
                await self._client.send_batch(batch)
                batches += 1
                batch = await self._client.create_batch(partition_id=str(batches % _PARTITIONS))
                batch.add(make(event))
        await self._client.send_batch(batch)
        return _SDK_EVENTS / (perf_counter() - started)

    async def close(self) -> None:
        await self._client.close()


async def _measure(services: Services) -> tuple[list[_Rates], _Stream]:
    sdk = _Sdk(services.hub.connection_string)
    async with services.application(_HIGH_PROFILE, name="benchlive") as application:
        stream = _Stream(application, services)
        try:
            await stream.start()
            rounds = [
                _Rates(
                    live=await stream.run(),
                    same_content=await sdk.send(public_event),
                    bare=await sdk.send(lambda event: EventData(event.body)),
                )
                for _ in range(_ROUNDS + 1)
            ]
        finally:
            await sdk.close()
    return rounds[1:], stream  # The first one connected and filled caches.


def main() -> dict[str, float]:
    """Print the rates and return their ratios."""
    with running_services() as services:
        rounds, stream = asyncio.run(_measure(services))
    for name, rates in zip(_Rates._fields, zip(*rounds, strict=True), strict=True):
        print(f"{name:<24}{median(rates):>9,.0f} events/s  (from {min(rates):,.0f} to {max(rates):,.0f})")
    shares = "  ".join(f"{name} {used / stream.seconds:.0%}" for name, used in stream.cpu.items())
    print(f"CPU while streaming, of a core:  {shares}")
    return {
        "live_vs_sdk_same_content": median(rates.live / rates.same_content for rates in rounds),
        "live_vs_sdk_bare": median(rates.live / rates.bare for rates in rounds),
    }
