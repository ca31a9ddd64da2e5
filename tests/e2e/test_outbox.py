"""The outbox on the whole local stack: a staged day, read back by a consumer, whatever is killed in between."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from local.stack.services import hub_connection_string
from tests.e2e.delivered import ask, start, stop
from tests.hub_faults import HubFaults
from tests.hub_reader import read_all
from tests.retail.checker import violations
from tests.retail.streams import reference
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path

from streaming.retail.world import World, WorldSpec

SEED = 42


@pytest.fixture(autouse=True)
def short_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_DAY_SCALE", "0.02")
    monkeypatch.setenv("OUTBOX_FIRST_DAY", "2026-03-02")
    # With time enough for every batch: what comes twice, or fails, does so for the reason that a test gives it.
    monkeypatch.setenv("REALTIME_BATCH_TIMEOUT_MS", "10000")


def outbox(stack: StackProcess) -> dict[str, Any]:
    return ask(stack, "GET", "/api/stream/outbox/status")


def received(stack: StackProcess) -> dict[str, list[bytes]]:
    """By partition, every body in its order."""
    found = asyncio.run(read_all(hub_connection_string(stack.hub_port)))
    return {
        partition: [message.body_as_str().encode() for message in messages] for partition, messages in found.items()
    }


def first_copies(partitions: dict[str, list[bytes]]) -> list[list[dict[str, Any]]]:
    """The events of each partition without what came again, which must be identical."""
    bodies: dict[str, bytes] = {}
    streams: list[list[dict[str, Any]]] = []
    for partition in partitions.values():
        stream = []
        for body in partition:
            envelope = orjson.loads(body)
            if envelope["trace_id"] not in bodies:
                stream.append(envelope)
            assert bodies.setdefault(envelope["trace_id"], body) == body
        streams.append(stream)
    return streams


def stop_after_days(stack: StackProcess, days: int) -> None:
    """Stop once so many days are staged, and have sent what is pending then."""
    wait_until(lambda: (outbox(stack)["generated_day"] or "") >= f"2026-03-{days + 1:02d}", f"{days} staged days")
    wait_until(lambda: stack.ask("POST", "/api/stream/stop")[0] in {200, 400}, "an answer to the stop")
    wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
    pace = {"emit_interval_ms": 10, "burst": 1_000}
    wait_until(lambda: stack.ask("POST", "/api/stream/outbox/drain", pace)[0] == 202, "the order to drain")
    wait_until(lambda: outbox(stack)["pending"] + outbox(stack)["processing"] == 0, "an empty outbox")
    wait_until(lambda: ask(stack, "GET", "/api/stream/books")["pending"] == 0, "settled lanes")


def assert_every_event_once(stack: StackProcess, partitions: dict[str, list[bytes]]) -> None:
    streams = first_copies(partitions)
    events = [event for stream in streams for event in stream]
    books = ask(stack, "GET", "/api/stream/books")
    assert books["balanced"]
    assert books["generated"] == books["sent_first"] == len(events)
    by_day: dict[str, set[int]] = defaultdict(set)
    for event in events:
        name, _, number = event["trace_id"].rpartition("-")
        by_day[name].add(int(number, 16))
    assert all(numbers == set(range(len(numbers))) for numbers in by_day.values())
    world = World.build(WorldSpec(seed=SEED))
    assert violations(streams, reference=reference(world)) == []


def test_a_consumer_reads_every_event_of_the_staged_days_once(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        start(stack, mode="outbox", emit_interval_ms=10, burst=100, seed=SEED)
        stop_after_days(stack, 2)
        partitions = received(stack)
        assert_every_event_once(stack, partitions)
        statistics = ask(stack, "GET", "/api/stream/statistics")
        report = outbox(stack)

    assert sum(map(len, partitions.values())) == statistics["events_sent_successfully"] == report["sent"]
    assert report["failed"] == report["pending"] == 0


def test_a_host_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - a moment, no secret
    with StackProcess(tmp_path, "--no-stream") as stack:
        start(stack, mode="outbox", emit_interval_ms=100, burst=100, seed=SEED)
        for kill in (1, 2):
            beyond = stack.status().get("events_sent", 0) + chance.randint(0, 1_500)
            wait_until(lambda beyond=beyond: stack.status().get("events_sent", 0) >= beyond, f"{beyond} events")  # type: ignore[misc]  # bound for the loop
            stack.end_child("functions_host")
            stack.wait_for_line("the functions host is back", times=kill)
        stop_after_days(stack, 2)
        assert_every_event_once(stack, received(stack))


def test_what_the_hub_refuses_becomes_dead_letters_that_can_be_sent_again(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        config = {"circuit_breaker_enabled": False, "max_batch_size": 100, "retry_attempts": 0}
        ask(stack, "PUT", "/api/stream/config", config)
        HubFaults(stack).put({"kind": "server-busy", "count": 3})
        start(stack, mode="outbox", emit_interval_ms=10, burst=100, seed=SEED)
        stop_after_days(stack, 1)

        books = ask(stack, "GET", "/api/stream/books")
        assert books["balanced"]
        assert 0 < books["dead_lettered"] == books["in_dlq"] <= 300
        assert outbox(stack)["failed"] == books["in_dlq"]
        assert ask(stack, "GET", "/api/stream/dlq/summary")["by_category"] == {"throttling": books["in_dlq"]}
        preview = ask(stack, "GET", "/api/stream/outbox/preview?status=failed&limit=1000")
        assert preview["row_count"] == len(preview["preview_rows"]) == books["in_dlq"]
        retried = ask(stack, "POST", "/api/stream/dlq/retry")
        assert (retried["succeeded"], retried["still_in_dlq"]) == (books["in_dlq"], 0)
        after = ask(stack, "GET", "/api/stream/books")
        delivered = [event for stream in first_copies(received(stack)) for event in stream]

    assert (after["redriven"], after["in_dlq"], after["balanced"]) == (books["in_dlq"], 0, True)
    assert len(delivered) == after["generated"]


def test_a_clear_while_draining_leaves_every_event_accounted_for(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        start(stack, mode="outbox", emit_interval_ms=1_000, burst=20, seed=SEED)
        wait_until(lambda: outbox(stack)["generated_day"] == "2026-03-02", "a staged day")
        wait_until(lambda: outbox(stack)["sent"] > 0, "events that are sent")
        cleared = ask(stack, "DELETE", "/api/stream/outbox/clear")["cleared"]
        books = ask(stack, "GET", "/api/stream/books")
        assert books["balanced"]
        # What is on its way while it is cleared counts as sent after all, once the hub has said so.
        assert 0 < books["outbox_cleared"] <= cleared
        wait_until(lambda: (outbox(stack)["generated_day"] or "") > "2026-03-02", "the next day")
        stop(stack)
        wait_until(lambda: outbox(stack)["staging_day"] is None, "the day to be staged")
        before = ask(stack, "GET", "/api/stream/books")["outbox_cleared"]
        at_rest = ask(stack, "DELETE", "/api/stream/outbox/clear")["cleared"]
        books = ask(stack, "GET", "/api/stream/books")
        delivered = [event for stream in first_copies(received(stack)) for event in stream]

    assert books["balanced"]
    assert (books["outbox_cleared"], books["pending"]) == (before + at_rest, 0)
    assert before <= cleared
    assert at_rest > 0
    assert books["sent_first"] == len(delivered)
