"""The records that alerts read: their fields, their rhythm, and that they come from whoever runs the stream."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from local.paths import ROOT
from shared.clock import MICROSECONDS
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import Faults, MemoryControlStore, MemoryShardStore
from streaming.flows.control import StartRequest
from streaming.flows.summary import Summaries, watch
from tests.flows.process import TICK_US, Process
from tests.flows.test_metrics import outbox_report
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.flows.outbox import OutboxReport

CONTRACT = json.loads((ROOT / "infra" / "telemetry-contract.json").read_text())["records"]
KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "real": (int, float),
    "long": (int,),
    "bool": (bool,),
    "dynamic": (dict,),
}


def assert_as_promised(record: str, fields: Mapping[str, Any]) -> None:
    contract = CONTRACT[record]
    for name, kind in contract["fields"].items():
        value = fields[name]
        assert isinstance(value, KINDS[kind]) or (value is None and name in contract["nullable"]), (name, value)


async def nothing_staged() -> OutboxReport:
    return outbox_report()


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        shards = MemoryShardStore(self.faults)
        self.process = Process(
            control=MemoryControlStore(self.faults),
            shards=shards,
            letters=MemoryDeadLetterStore(shards),
            publisher=MemoryPublisher(partitions=2),
            clock=self.clock,
        )
        self.summaries = Summaries(view=self.process.observer.view, outbox=nothing_staged, clock=self.clock, tell=None)

    async def tick_for(self, seconds: int) -> None:
        until_us = self.clock.now_us() + seconds * MICROSECONDS

        async def ticks() -> None:
            while self.clock.now_us() < until_us:
                began_us = self.clock.now_us()
                await self.summaries.beside(self.process.live.run(until_us=min(began_us + TICK_US, until_us)))
                await self.clock.sleep_until(min(until_us, began_us + MICROSECONDS))

        await self.clock.run(ticks())


def records(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    texts = [record.getMessage() for record in caplog.records]
    return [orjson.loads(text.removeprefix(event)) for text in texts if text.startswith(f"{event} ")]


@pytest.mark.parametrize(("interval", "minutes", "expected"), [(30, 10, 20), (7, 7, 60), (90, 9, 6)])
async def test_a_record_every_monitoring_interval(
    interval: int, minutes: int, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage()
    await stage.process.control.configure({"monitoring_interval": interval})
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=10))
    await stage.tick_for(minutes * 60)
    found = records(caplog, "stream_summary")
    assert len(found) in {expected, expected + 1}  # the first one comes at once
    for fields in found:
        assert_as_promised("stream_summary", fields)
    assert found[-1]["status"] == "running"
    assert found[-1]["events_sent"] > found[0]["events_sent"]


async def test_no_record_without_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await Stage().tick_for(100)
    assert not records(caplog, "stream_summary")


async def test_a_changed_interval_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage()
    await stage.process.control.configure({"monitoring_interval": 3_600})
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=10))
    await stage.tick_for(60)
    await stage.process.control.configure({"monitoring_interval": 10})
    await stage.tick_for(30)
    caplog.clear()
    await stage.tick_for(100)
    assert len(records(caplog, "stream_summary")) in {10, 11}


async def test_storage_away_ends_no_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage()
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=10))
    await stage.tick_for(5)
    stage.faults.is_away = True
    await stage.tick_for(60)
    caplog.clear()
    stage.faults.is_away = False
    await stage.tick_for(60)
    assert records(caplog, "stream_summary")


@pytest.mark.parametrize("turns", range(12))
async def test_a_run_ends_though_a_look_fails_in_that_very_moment(turns: int) -> None:
    stage = Stage()
    await stage.process.control.configure({"monitoring_interval": 1})
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=10))
    await stage.tick_for(5)
    await stage.clock.run(stage.clock.sleep_until(stage.clock.now_us() + MICROSECONDS))  # A look is due.
    stage.faults.is_away = True

    async def run() -> bool:
        for _ in range(turns):
            await asyncio.sleep(0)
        return True

    a_minute_later_us = stage.clock.now_us() + 60 * MICROSECONDS
    assert await stage.clock.run(stage.summaries.beside(run()), until_us=a_minute_later_us)


async def test_the_watch_tells_of_a_timer_that_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage()
    await watch(stage.process.observer.view)
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=10))
    await stage.tick_for(5)
    await stage.clock.run(stage.clock.sleep_until(stage.clock.now_us() + 90 * MICROSECONDS))
    await watch(stage.process.observer.view)
    stage.faults.is_away = True
    await watch(stage.process.observer.view)
    found = records(caplog, "stream_watch")
    for fields in found:
        assert_as_promised("stream_watch", fields)
    assert [fields["status"] for fields in found] == ["stopped", "running", "storage_unavailable"]
    assert found[0]["tick_staleness_seconds"] == 0
    assert found[1]["tick_staleness_seconds"] >= 90
