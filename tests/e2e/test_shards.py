"""Several shards on the whole local stack, with several worker processes: changed while they run, and killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from local.stack.services import hub_connection_string
from streaming.core.plan import share
from streaming.retail.world import World, WorldSpec
from tests.e2e.delivered import account_of, ask, start, stop
from tests.hub_reader import read_all
from tests.processes import process_runs
from tests.retail.checker import violations
from tests.retail.streams import reference
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BURST = 200


def shards_now(stack: StackProcess) -> int | None:
    return stack.status().get("shards")


def sent(stack: StackProcess) -> int:
    return int(ask(stack, "GET", "/api/stream/status")["events_sent"])


def least_generated(stack: StackProcess, *, generation: int) -> int:
    """The events of the shard that has made the fewest in this generation."""
    cursors = [shard["cursor"] for shard in ask(stack, "GET", "/api/state/export")["shards"]]
    return min(int(cursor["tally"]["generated"]) for cursor in cursors if cursor["generation"] == generation)


def change_to(stack: StackProcess, shards: int) -> None:
    answer = ask(stack, "PUT", "/api/stream/config", {"shards": shards})
    assert answer["config"]["realtime"]["shards"] == shards


def kill_a_worker(stack: StackProcess) -> None:
    """kill -9 of one of the processes that run functions; another one takes its place."""
    victim = stack.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not process_runs(victim), f"the end of worker {victim}")


def test_shards_change_and_workers_die_and_nothing_is_lost_doubled_or_reordered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIME_BATCH_TIMEOUT_MS", "10000")  # No batch becomes a dead letter: the machine is slow.
    with StackProcess(tmp_path, "--no-stream", "--workers", "2") as stack:
        session_id = start(stack, emit_interval_ms=200, burst=BURST, shards=4)
        wait_until(lambda: sent(stack) > 2_000, "four shards to stream")
        change_to(stack, 2)
        wait_until(lambda: shards_now(stack) == 2, "two shards")
        kill_a_worker(stack)
        before = sent(stack)
        wait_until(lambda: sent(stack) > before + 2_000, "the stream to go on")
        change_to(stack, 3)
        kill_a_worker(stack)
        wait_until(lambda: shards_now(stack) == 3, "three shards")
        # Their sum would not do: a stop that comes before a shard has planned anything leaves it with nothing to send.
        wait_until(lambda: least_generated(stack, generation=2) > 500, "each of the three shards to stream")
        stop(stack)
        account = account_of(stack, session_id)
        partitions = asyncio.run(read_all(hub_connection_string(stack.hub_port)))

    assert account.books["sent_first"] == account.books["generated"] == len(account.in_hub)
    envelopes = [[orjson.loads(message.body_as_str()) for message in each] for each in partitions.values()]
    assert_in_order(envelopes)
    whole = up_to_the_last_whole_burst(envelopes)
    assert_whole_bursts(whole, session_id)
    assert violations(whole, reference=reference(World.build(WorldSpec(seed=42)))) == []


def test_what_can_not_be_is_refused_naming_both_numbers(tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack:
        for method, path in (("POST", "/api/stream/start"), ("PUT", "/api/stream/config")):
            code, problem = stack.ask(method, path, {"shards": 6})
            assert code == 400
            assert problem["detail"].startswith("6 shards are more than the world's 5 distribution centers")
        code, verdict = stack.ask("POST", "/api/config/validate", {"shards": 6})
        assert (code, verdict["valid"]) == (200, False)
        assert verdict["errors"] == [{"field": "shards", "message": problem["detail"]}]


def first_deliveries(partition: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({envelope["trace_id"]: envelope for envelope in partition}.values())


def assert_in_order(partitions: list[list[dict[str, Any]]]) -> None:
    """Per store, and whatever else a shard has for itself."""
    last: dict[str, str] = {}
    for partition in partitions:
        for envelope in first_deliveries(partition):
            key = envelope["partition_key"]
            if not key.startswith("campaign_"):
                assert last.get(key, "") < envelope["ingest_timestamp"], key
                last[key] = envelope["ingest_timestamp"]


def place_of(envelope: dict[str, Any]) -> tuple[int, int, int]:
    """Burst, shard, position."""
    shard, number, index = (int(part, 16) for part in envelope["trace_id"].split("-")[-3:])
    return number, shard, index


def up_to_the_last_whole_burst(partitions: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """A stop comes to each shard with its own next window: what only some of them have sent is left out."""
    counts = Counter(place_of(envelope)[0] for partition in partitions for envelope in first_deliveries(partition))
    last = max(number for number, count in counts.items() if count == BURST)
    return [[envelope for envelope in partition if place_of(envelope)[0] <= last] for partition in partitions]


def assert_whole_bursts(partitions: list[list[dict[str, Any]]], session_id: str) -> None:
    """Each burst has all its events, from the shards of one generation, the generations one after the other."""
    places = {place_of(envelope) for partition in partitions for envelope in partition}
    assert all(e["trace_id"].startswith(f"{session_id}-") for partition in partitions for e in partition)
    last = max(number for number, _, _ in places)
    generations: list[int] = []
    for number in range(last + 1):
        found = {(shard, index) for burst, shard, index in places if burst == number}
        shards = 1 + max(shard for shard, _ in found)
        assert found == {(shard, index) for shard in range(shards) for index in range(share(BURST, shard, shards))}
        if generations[-1:] != [shards]:
            generations.append(shards)
    assert generations == [4, 2, 3]
