"""What `consume` prints is what the hub holds, read with the real SDK from the real broker."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from local.consume import ConsumeOptions, Start, consume, hub_named_in
from local.errors import LocalError
from local.event_hubs import BrokerConfig, EventHubsBroker
from local.paths import ROOT
from local.stack.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENVELOPE = {
    "event_type": "receipt_created",
    "payload": {"store_id": 7, "total": 12.3, "campaign_id": None},
    "trace_id": "t-1",
    "ingest_timestamp": "2026-01-02T03:04:05.678901Z",
    "partition_key": "store_7",
}


@pytest.fixture
async def broker() -> AsyncIterator[EventHubsBroker]:
    async with EventHubsBroker() as running:
        yield running


async def _send(broker: EventHubsBroker, *bodies: bytes) -> None:
    async with EventHubProducerClient.from_connection_string(broker.connection_string("retail-events")) as producer:
        await producer.send_batch([EventData(body) for body in bodies], partition_id="1")


def _options(
    connection_string: str,
    *,
    most: int | None = None,
    as_json: bool = False,
    hub_name: str = "retail-events",
    start: Start = Start.EARLIEST,
) -> ConsumeOptions:
    return ConsumeOptions(
        connection_string=connection_string,
        hub_name=hub_name,
        group="$Default",
        start=start,
        most=most,
        as_json=as_json,
    )


async def test_a_readable_line_an_event(broker: EventHubsBroker) -> None:
    await _send(broker, json.dumps(ENVELOPE).encode())
    output = io.StringIO()
    await consume(_options(broker.connection_string(), most=1), output)
    assert output.getvalue() == (
        "03:04:05.678901   1  receipt_created         store_7         store_id=7  total=12.3\n"
    )


async def test_json_lines_are_the_events_as_they_were_sent_and_no_more_than_asked_for(
    broker: EventHubsBroker,
) -> None:
    bodies = [f'{{"number": {number}}}' for number in range(10)]
    await _send(broker, *(body.encode() for body in bodies))
    output = io.StringIO()
    await consume(_options(broker.connection_string(), most=7, as_json=True), output)
    assert output.getvalue().splitlines() == bodies[:7]


async def test_what_is_no_json_is_printed_all_the_same(broker: EventHubsBroker) -> None:
    await _send(broker, b"\xff\xfe", b"[]")
    output = io.StringIO()
    await consume(_options(broker.connection_string(), most=2), output)
    assert output.getvalue().count("(no JSON object)") == 2


async def test_the_latest_are_those_that_come_while_it_reads(broker: EventHubsBroker) -> None:
    await _send(broker, b'{"number": 0}')
    output = io.StringIO()
    reading = asyncio.create_task(
        consume(_options(broker.connection_string(), most=1, as_json=True, start=Start.LATEST), output)
    )
    number = 0
    while not reading.done():  # It says nothing until an event comes, so send until one does.
        number += 1
        await _send(broker, f'{{"number": {number}}}'.encode())
    await reading
    assert json.loads(output.getvalue())["number"] > 0


@pytest.mark.parametrize("named", [[], ["--hub-name", "retail-events"]])
async def test_the_hub_is_the_one_that_was_typed_or_else_the_connection_strings(
    named: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTHUB_NAME", "a-third")
    async with EventHubsBroker(BrokerConfig(hubs={"retail-events": 4, "other": 4})) as broker:
        await _send(broker, b"{}")
        connection_string = broker.connection_string("other" if named else "retail-events")
        arguments = ["consume", "--connection-string", connection_string, "--from", "earliest", "--max", "1", "--json"]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "local", *arguments, *named, cwd=ROOT)
        assert await process.wait() == 0
    assert capfd.readouterr().out == "{}\n"


@pytest.mark.parametrize(
    ("connection_string", "hub"),
    [
        ("Endpoint=sb://a;EntityPath=b", "b"),
        ("entitypath=b;Endpoint=x", "b"),
        ("Endpoint=sb://a;EntityPath=", None),
        ("nonsense", None),
    ],
)
def test_a_connection_string_may_name_the_hub(connection_string: str, hub: str | None) -> None:
    assert hub_named_in(connection_string) == hub


async def test_no_hub_of_that_name_is_said_in_one_line(broker: EventHubsBroker) -> None:
    with pytest.raises(LocalError, match=r"cannot read sb://localhost:.*/nothing"):
        await consume(_options(broker.connection_string(), hub_name="nothing"))


async def test_nothing_there_is_said_in_one_line() -> None:
    (port,) = free_ports(1)
    nowhere = f"Endpoint=sb://localhost:{port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
    with pytest.raises(LocalError, match="make run") as raised:
        await consume(_options(nowhere))
    assert len(str(raised.value).splitlines()) == 1


async def test_a_malformed_connection_string_is_said_in_one_line() -> None:
    with pytest.raises(LocalError, match="connection string can't be used"):
        await consume(_options("nonsense"))
