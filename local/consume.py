"""Tail the event hub with the real SDK's consumer, one line an event."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TextIO

from azure.eventhub.aio import EventHubConsumerClient
from azure.eventhub.exceptions import EventHubError

from local.errors import LocalError
from local.live_view import describe_payload

if TYPE_CHECKING:
    from azure.eventhub import EventData
    from azure.eventhub.aio import PartitionContext

_CONNECT_SECONDS: Final = 10.0
_RECEIVE_SECONDS: Final = 0.2
_BATCH: Final = 1_000
_LINE_WIDTH: Final = 160


class Start(StrEnum):
    """Where reading begins."""

    EARLIEST = "earliest"
    LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumeOptions:
    """What to read, and how to print it."""

    connection_string: str
    hub_name: str
    group: str
    start: Start
    most: int | None
    """Stop after so many events. None: go on until interrupted."""
    as_json: bool


def describe(event: EventData, partition: str) -> str:
    """One readable line: time, partition, type, key, and the payload as far as it fits."""
    try:
        envelope = json.loads(event.body_as_str())
    except (ValueError, UnicodeDecodeError):
        envelope = None
    if not isinstance(envelope, dict):
        return f"{'':15}  {partition:>2}  (no JSON object)  {event.body_as_str(encoding='latin-1')}"[:_LINE_WIDTH]
    time = str(envelope.get("ingest_timestamp", "")).partition("T")[2].rstrip("Z")
    line = (
        f"{time:15}  {partition:>2}  {envelope.get('event_type', ''):22}  "
        f"{envelope.get('partition_key') or '':14}  {describe_payload(envelope.get('payload'))}"
    )
    return line if len(line) <= _LINE_WIDTH else line[: _LINE_WIDTH - 1] + "…"


class _Printer:
    """Prints events until there were enough."""

    def __init__(self, options: ConsumeOptions, output: TextIO) -> None:
        self._options = options
        self._output = output
        self._left = options.most
        self.enough = asyncio.Event()

    async def on_batch(self, partition: PartitionContext, events: list[EventData]) -> None:
        wanted = events if self._left is None else events[: self._left]
        lines = [self._line(event, partition.partition_id) for event in wanted]
        if self._left is not None:
            self._left -= len(wanted)
        try:
            self._output.writelines(lines)
            self._output.flush()
        except BrokenPipeError:
            self.enough.set()  # Whoever read has gone (`| head`).
        if self._left == 0:
            self.enough.set()

    def _line(self, event: EventData, partition: str) -> str:
        return (event.body_as_str() if self._options.as_json else describe(event, partition)) + "\n"


async def consume(options: ConsumeOptions, output: TextIO = sys.stdout) -> None:
    """Print events as they arrive, until there were ``most``, or SIGINT or SIGTERM. Raises LocalError."""
    printer = _Printer(options, output)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, printer.enough.set)
    client = _client(options)
    async with client:
        await _check(client, options)
        receiving = asyncio.create_task(
            client.receive_batch(
                on_event_batch=printer.on_batch,
                max_batch_size=_BATCH,
                max_wait_time=_RECEIVE_SECONDS,
                starting_position="-1" if options.start is Start.EARLIEST else "@latest",
            )
        )
        enough = asyncio.create_task(printer.enough.wait())
        await asyncio.wait({receiving, enough}, return_when=asyncio.FIRST_COMPLETED)
        for task in (receiving, enough):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _client(options: ConsumeOptions) -> EventHubConsumerClient:
    # A connection string with an EntityPath names the hub itself.
    named: dict[str, Any] = (
        {} if "entitypath=" in options.connection_string.lower() else {"eventhub_name": options.hub_name}
    )
    try:
        return EventHubConsumerClient.from_connection_string(
            options.connection_string, consumer_group=options.group, **named
        )
    except ValueError as problem:
        raise LocalError(f"the connection string can't be used: {problem}") from problem


async def _check(client: EventHubConsumerClient, options: ConsumeOptions) -> None:
    """The SDK tries for ever, in silence, to receive from a hub that is not there: ask first."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await client.get_partition_ids()
    except TimeoutError:
        raise LocalError(f"no answer from {_address(options)} within {_CONNECT_SECONDS:.0f} s: {_ADVICE}") from None
    except EventHubError as problem:
        first = str(problem).strip().splitlines()[0]
        raise LocalError(f"cannot read {_address(options)}: {first}. {_ADVICE}") from problem


_ADVICE: Final = "Is the stack running (make run), and are --connection-string and --hub-name right?"


def _address(options: ConsumeOptions) -> str:
    endpoint = options.connection_string.partition("Endpoint=")[2].partition(";")[0]
    return f"{endpoint.rstrip('/')}/{options.hub_name}"
