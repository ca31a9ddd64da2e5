"""Tail the event hub with the real SDK's consumer, one line an event."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from azure.eventhub.aio import EventHubConsumerClient
from azure.eventhub.amqp import AmqpMessageBodyType
from azure.eventhub.exceptions import EventHubError

from local.errors import LocalError
from local.live_view import describe_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azure.eventhub import EventData
    from azure.eventhub.aio import PartitionContext

_CONNECT_SECONDS: Final = 10.0
_RECEIVE_SECONDS: Final = 0.2
_BATCH: Final = 1_000
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


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


def hub_named_in(connection_string: str) -> str | None:
    """The hub of a connection string that names one itself."""
    parts = (part.partition("=") for part in connection_string.split(";"))
    return next((value for name, _, value in parts if name.strip().lower() == "entitypath" and value), None)


def describe(body: bytes, partition: str) -> str:
    """One readable line: time, partition, type, key and payload."""
    try:
        envelope = json.loads(body)
    except ValueError:
        envelope = None
    if isinstance(envelope, dict):
        time = str(envelope.get("ingest_timestamp", "")).partition("T")[2].rstrip("Z")
        return (
            f"{time:15}  {partition:>2}  {envelope.get('event_type', ''):22}  "
            f"{envelope.get('partition_key') or '':14}  {describe_payload(envelope.get('payload'))}"
        )
    return f"{'':15}  {partition:>2}  (no JSON object)  {body.decode(errors='backslashreplace')}"


class _Printer:
    """Prints events until there were enough."""

    def __init__(self, options: ConsumeOptions, output: TextIO) -> None:
        self._options = options
        self._output = output
        self._left = options.most
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Set when there were enough, with the reason when it can't go on."""

    async def on_batch(self, partition: PartitionContext, events: list[EventData]) -> None:
        if self.done.done():
            return
        try:
            self._print(events if self._left is None else events[: self._left], partition.partition_id)
        except Exception as problem:  # noqa: BLE001  (the SDK would swallow it, and call again for ever)
            self.done.set_exception(problem)

    async def on_error(self, partition: PartitionContext | None, problem: Exception) -> None:
        """The SDK connects again by itself: say only why nothing comes."""
        where = f" of partition {partition.partition_id}" if partition else ""
        print(f"reading{where} again: {_first_line(problem)}", file=sys.stderr, flush=True)

    def _print(self, events: list[EventData], partition: str) -> None:
        for event in events:
            body = _body(event)
            line = body.decode(errors="backslashreplace") if self._options.as_json else describe(body, partition)
            self._output.write(self._fitted(line) + "\n")
        self._output.flush()
        if self._left is not None:
            self._left -= len(events)
            if self._left == 0:
                self.stop()

    def _fitted(self, line: str) -> str:
        """On a terminal a readable event is one line, whatever it says; elsewhere, and as JSON, nothing is cut."""
        if self._options.as_json or not self._output.isatty():
            return line
        width = shutil.get_terminal_size().columns
        return line if len(line) <= width else line[: width - 1] + "…"

    def stop(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def consume(options: ConsumeOptions, output: TextIO = sys.stdout) -> None:
    """Print events as they arrive, until there were ``most``, or SIGINT or SIGTERM. Raises LocalError."""
    printer = _Printer(options, output)
    loop = asyncio.get_running_loop()
    await _check(options)
    async with _client(options) as client:
        for number in _STOPPING:
            loop.add_signal_handler(number, printer.stop)
        receiving = asyncio.create_task(
            client.receive_batch(
                on_event_batch=printer.on_batch,
                on_error=printer.on_error,
                max_batch_size=_BATCH,
                max_wait_time=_RECEIVE_SECONDS,
                starting_position="-1" if options.start is Start.EARLIEST else "@latest",
            )
        )
        try:
            await asyncio.wait({receiving, printer.done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)
            receiving.cancel()
            await asyncio.wait({receiving})
        if not receiving.cancelled():
            receiving.result()
    await printer.done


def _client(options: ConsumeOptions, **more: Any) -> EventHubConsumerClient:
    try:
        return EventHubConsumerClient.from_connection_string(
            options.connection_string, consumer_group=options.group, eventhub_name=options.hub_name, **more
        )
    except ValueError as problem:
        raise LocalError(f"the connection string can't be used: {problem}") from problem


async def _check(options: ConsumeOptions) -> None:
    """The SDK tries for ever, in silence, to receive from a hub that is not there: ask first."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS), _client(options, retry_total=0) as client:
            await client.get_partition_ids()
    except TimeoutError:
        raise LocalError(f"no answer from {_address(options)} within {_CONNECT_SECONDS:.0f} s: {_ADVICE}") from None
    except EventHubError as problem:
        raise LocalError(f"cannot read {_address(options)}: {_first_line(problem)}. {_ADVICE}") from problem


_ADVICE: Final = "Is the stack running (make run), and are --connection-string and --hub-name right?"


def _address(options: ConsumeOptions) -> str:
    endpoint = options.connection_string.partition("Endpoint=")[2].partition(";")[0]
    return f"{endpoint.rstrip('/')}/{options.hub_name}"


def _body(event: EventData) -> bytes:
    if event.body_type is AmqpMessageBodyType.DATA:
        return b"".join(cast("Iterable[bytes]", event.body))
    return str(event.body).encode()


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(". ")
