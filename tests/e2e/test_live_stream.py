"""The live stream on the whole local stack: what a consumer reads is exactly what was promised."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from local.stack.services import hub_connection_string
from tests.e2e.delivered import ask, start, stop
from tests.hub_reader import read_all
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from azure.eventhub import EventData


class Delivered(NamedTuple):
    """A message as a consumer sees it."""

    body: bytes
    partition: str
    message: EventData

    @property
    def envelope(self) -> dict[str, Any]:
        envelope: dict[str, Any] = orjson.loads(self.body)
        return envelope


def consume(stack: StackProcess) -> list[Delivered]:
    by_partition = asyncio.run(read_all(hub_connection_string(stack.hub_port)))
    return [
        Delivered(body=message.body_as_str().encode(), partition=partition, message=message)
        for partition, messages in by_partition.items()
        for message in messages
    ]


@pytest.fixture(autouse=True)
def patient_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is sent again, or given up, because the machine is slow."""
    monkeypatch.setenv("REALTIME_BATCH_TIMEOUT_MS", "10000")


def statistics(stack: StackProcess) -> dict[str, Any]:
    return ask(stack, "GET", "/api/stream/statistics")


def positions(session_id: str, delivered: list[Delivered]) -> dict[int, list[int]]:
    """Burst to the sorted positions in it that were delivered, each once."""
    found: dict[int, set[int]] = defaultdict(set)
    for event in delivered:
        named = re.fullmatch(rf"{session_id}-0-([0-9a-f]+)-([0-9a-f]+)", event.envelope["trace_id"])
        assert named, event.envelope["trace_id"]
        found[int(named[1], 16)].add(int(named[2], 16))
    return {burst: sorted(places) for burst, places in sorted(found.items())}


def assert_identical_duplicates(delivered: list[Delivered]) -> dict[str, Delivered]:
    """Nothing that came twice differs; returns one of each."""
    copies: dict[str, set[bytes]] = defaultdict(set)
    for event in delivered:
        copies[event.envelope["trace_id"]].add(event.body)
    assert all(len(bodies) == 1 for bodies in copies.values())
    return {event.envelope["trace_id"]: event for event in delivered}


def test_a_consumer_reads_what_statistics_say(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        session_id = start(stack, emit_interval_ms=100, burst=40, duration_minutes=0.1)
        wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
        counted = statistics(stack)
        delivered = consume(stack)

    assert positions(session_id, delivered) == {burst: list(range(40)) for burst in range(60)}
    assert counted["events_generated"] == counted["events_sent_successfully"] == len(delivered) == 2_400
    assert counted["event_type_counts"] == Counter(event.envelope["event_type"] for event in delivered)
    assert counted["bytes_sent"] == sum(len(event.body) for event in delivered)
    for event in delivered:
        envelope, message = event.envelope, event.message
        assert message.message_id == envelope["trace_id"]
        assert message.content_type == "application/json"
        assert message.properties == {
            b"Table": envelope["event_type"].encode(),
            b"Format": b"json",
            b"IngestionMappingReference": b"EventMapping",
        }
    partitions = defaultdict(set)
    for event in delivered:
        partitions[event.envelope["partition_key"]].add(event.partition)
    assert all(len(found) == 1 for found in partitions.values())


@pytest.mark.parametrize("command", ["nothing", "configure", "pause", "stop"])
def test_a_killed_host_goes_on_by_itself(command: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - a moment, no secret
    with StackProcess(tmp_path, "--no-stream") as stack:
        session_id = start(stack, emit_interval_ms=50, burst=20)
        moment = chance.randint(200, 1_500)
        wait_until(lambda: stack.status().get("events_sent", 0) >= moment, f"{moment} events")
        ask_for(command, stack)
        stack.end_child("functions_host")
        stack.wait_for_line("the functions host is back")
        if command == "pause":
            wait_until(lambda: stack.status().get("status") == "paused", "the pause")
            wait_until(lambda: stack.ask("POST", "/api/stream/resume")[0] in {200, 409}, "the stream to be resumed")
        if command != "stop":
            sent = statistics(stack)["events_sent_successfully"]
            wait_until(lambda: statistics(stack)["events_sent_successfully"] > sent + 500, "the stream to go on")
            stop(stack)
        wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
        counted = statistics(stack)
        delivered = consume(stack)
        books = ask(stack, "GET", "/api/stream/books")

    distinct = assert_identical_duplicates(delivered)
    bursts = positions(session_id, list(distinct.values()))
    assert list(bursts) == list(range(len(bursts)))
    assert all(places == list(range(len(places))) and len(places) in {20, 40} for places in bursts.values())
    assert ({len(places) for places in bursts.values()} == {20, 40}) == (command == "configure")
    assert counted["events_generated"] == counted["events_sent_successfully"] == len(distinct)
    assert counted["event_type_counts"] == Counter(event.envelope["event_type"] for event in distinct.values())
    assert books["balanced"]
    assert books["pending"] == 0


def ask_for(command: str, stack: StackProcess) -> None:
    """Ask for a change, and don't wait for the stream to follow."""
    if command == "configure":
        ask(stack, "PUT", "/api/stream/config", {"burst": 40})
    if command == "pause":
        wait_until(lambda: stack.ask("POST", "/api/stream/pause")[0] in {200, 409}, "the stream to be paused")
    if command == "stop":
        # The answer would wait until the stream has stopped: it may never come.
        request_stop(stack)


def request_stop(stack: StackProcess) -> None:

    threading.Thread(target=lambda: stack.ask("POST", "/api/stream/stop"), daemon=True).start()
    wait_until(lambda: stack.status().get("status") in {"stopping", "stopped"}, "the request to arrive")
