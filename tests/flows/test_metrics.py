"""Metrics: the names that rules were written for, the numbers that statistics show, and an answer in any case."""

from __future__ import annotations

import re

import pytest

from shared.clock import MICROSECONDS
from shared.tracing import NO_TRACES
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_publisher import MemoryPublisher
from streaming.adapters.memory_stores import Faults, MemoryControlStore, MemoryShardStore
from streaming.core.event import Event
from streaming.flows import reports
from streaming.flows.control import LEAD_US, StartRequest
from streaming.flows.metrics import Metrics
from streaming.flows.outbox import OutboxReport
from streaming.flows.send_latency import BOUNDS_SECONDS, LatencyHistogram, TimedPublisher
from tests.flows.process import Process
from tests.flows.virtual_clock import VirtualClock

SAMPLE = re.compile(r"^(?P<name>[a-z_]+(?:\{[^}]*\})?) (?P<value>\S+)$")


def outbox_report(*, pending: int = 0, processing: int = 0, oldest_seconds: float | None = None) -> OutboxReport:
    return OutboxReport(
        pending=pending,
        processing=processing,
        sent=0,
        failed=0,
        cleared=0,
        oldest_pending_ts=None,
        oldest_pending_seconds=oldest_seconds,
        latest_sent_ts=None,
        generated_day=None,
        staging_day=None,
        poison_messages=0,
    )


class Stage:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        self.histogram = LatencyHistogram()
        control = MemoryControlStore(self.faults)
        shards = MemoryShardStore(self.faults)
        self.process = Process(
            control=control,
            shards=shards,
            letters=MemoryDeadLetterStore(shards),
            publisher=MemoryPublisher(partitions=2),
            clock=self.clock,
        )
        self.outbox = outbox_report()
        self.metrics = Metrics(
            view=self.process.observer.view,
            outbox=self.outbox_report,
            clock=self.clock,
            send_latency=self.histogram,
        )

    async def outbox_report(self) -> OutboxReport:
        return self.outbox

    async def samples(self) -> dict[str, float]:
        lines = (await self.metrics.text()).splitlines()
        matched = [SAMPLE.match(line) for line in lines if not line.startswith("#")]
        assert all(matched)
        return {match["name"]: float(match["value"]) for match in matched if match}


async def test_the_numbers_are_those_of_statistics() -> None:
    stage = Stage()
    await stage.process.control.start(StartRequest(emit_interval_ms=1_000, burst=20))
    await stage.clock.run(stage.process.tick_until(stage.clock.now_us() + LEAD_US + 90 * MICROSECONDS))
    statistics = reports.statistics(await stage.process.observer.view())
    samples = await stage.samples()
    assert statistics.events_generated > 1_000
    for name, expected in {
        "streaming_events_generated": statistics.events_generated,
        "streaming_events_sent": statistics.events_sent_successfully,
        "streaming_events_failed": 0,
        "streaming_batches_sent": statistics.batches_sent,
        "streaming_bytes_sent": statistics.bytes_sent,
        "streaming_connection_failures": 0,
        "streaming_circuit_breaker_trips": 0,
    }.items():
        assert samples[name] == samples[f"{name}_total"] == expected, name
    assert samples["streaming_events_per_second"] == pytest.approx(20)
    assert samples["streaming_configured_events_per_second"] == 20
    assert samples["streaming_active"] == samples["streaming_storage_up"] == 1
    by_type = 'streaming_events_generated_by_type_total{event_type="receipt_created"}'
    assert samples[by_type] == statistics.event_type_counts["receipt_created"]


async def test_the_outbox_shows_what_waits_and_for_how_long() -> None:
    stage = Stage()
    assert (await stage.samples())["streaming_outbox_oldest_pending_seconds"] == 0
    stage.outbox = outbox_report(pending=500, processing=256, oldest_seconds=12.5)
    await stage.clock.run(stage.clock.sleep_until(stage.clock.now_us() + MICROSECONDS))
    samples = await stage.samples()
    assert samples["streaming_outbox_pending"] == 756
    assert samples["streaming_outbox_oldest_pending_seconds"] == 12.5


async def test_every_metric_has_a_help_and_a_type_once() -> None:
    lines = (await Stage().metrics.text()).splitlines()
    helps = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert helps == types
    assert len(set(helps)) == len(helps)
    for line in lines:
        if not line.startswith("#"):
            name = re.split(r"[{ ]", line)[0]
            assert name in types or re.sub(r"_(bucket|sum|count)$", "", name) in types


async def test_storage_away_is_a_metric_and_no_failure() -> None:
    stage = Stage()
    stage.faults.is_away = True
    samples = await stage.samples()
    assert samples["streaming_storage_up"] == 0
    assert "streaming_events_generated" not in samples
    assert "process_cpu_seconds_total" in samples
    stage.faults.is_away = False
    assert (await stage.samples())["streaming_storage_up"] == 0  # for a second, like any answer
    await stage.clock.run(stage.clock.sleep_until(stage.clock.now_us() + MICROSECONDS))
    assert (await stage.samples())["streaming_storage_up"] == 1


async def test_many_scrapes_cost_storage_one_look() -> None:
    stage = Stage()
    await stage.samples()
    round_trips = stage.faults.round_trips
    for _ in range(10):
        await stage.samples()
    assert stage.faults.round_trips == round_trips


async def test_sends_are_timed_whatever_comes_of_them() -> None:
    stage = Stage()
    hub = MemoryPublisher(partitions=1)
    timed = TimedPublisher(hub, clock=stage.clock, histogram=stage.histogram, traces=NO_TRACES)
    await timed.send([Event("receipt_created", "t", "k", b"{}")], partition=0, timeout_seconds=1)
    samples = await stage.samples()
    assert samples["streaming_send_duration_seconds_count"] == 1
    assert samples['streaming_send_duration_seconds_bucket{le="+Inf"}'] == 1
    assert (await timed.partition_count(), timed.max_batch_bytes) == (1, hub.max_batch_bytes)


def test_a_histogram_is_cumulative() -> None:
    histogram = LatencyHistogram()
    for seconds in (0.005, 0.006, 3.0, 60.0):
        histogram.observe(seconds)
    metric = histogram.metric("m", "M.")
    values = [sample.value for sample in metric.samples]
    assert values == [1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4, 63.011, 4]
    assert len(values) == len(BOUNDS_SECONDS) + 3
