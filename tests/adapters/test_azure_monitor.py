"""Telemetry through Microsoft's own exporter, to an endpoint that stands in for Application Insights."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.paths import ROOT
from shared.clock import SystemClock
from shared.exposition import Metric, Sample, counter, gauge
from shared.tracing import NO_TRACES
from streaming.adapters.azure_monitor import METRICS_US, MOST_FAILURES, AzureMonitor, connect
from streaming.wiring import Application
from tests.flows.virtual_clock import VirtualClock
from tests.ingestion import Ingestion
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.clock import Clock

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-00"
SECRET = "c2VjcmV0LXZhbHVl"  # noqa: S105 - made up
TEXT = f"refused: Endpoint=sb://x;SharedAccessKeyName=n;SharedAccessKey={SECRET}"


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    with Ingestion() as running:
        yield running


def monitor_of(ingestion: Ingestion, clock: Clock | None = None) -> AzureMonitor:
    return connect(ingestion.connection_string, role="an-app", instance="an-instance", clock=clock or SystemClock())


def test_a_run_and_what_it_noted_are_one_trace_below_the_platforms_request(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    with monitor.run("stream_tick", parent=PARENT) as attributes:
        attributes["windows"] = 3
        monitor.note("send", began_us=1_000_000, ended_us=1_250_000, failure=None, events=256, outcome="sent")
    monitor.close()
    (run,), (send,) = ingestion.spans("stream_tick"), ingestion.spans("send")
    assert run["tags"]["ai.operation.id"] == send["tags"]["ai.operation.id"] == TRACE
    assert run["tags"]["ai.operation.parentId"] == "b7ad6b7169203331"
    assert send["tags"]["ai.operation.parentId"] == run["id"]
    assert (send["duration"], send["success"], run["success"]) == ("0.00:00:00.250", True, True)
    assert (send["properties"], run["properties"]) == ({"events": "256", "outcome": "sent"}, {"windows": "3"})
    assert run["tags"]["ai.cloud.role"] == "an-app"
    assert run["tags"]["ai.cloud.roleInstance"] == "an-instance"
    # The platform records the request itself, and hands on what is logged: neither is told twice.
    assert ingestion.kinds() == {"RemoteDependencyData"}


def test_one_example_of_what_is_usual_and_all_that_is_not_up_to_a_bound(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    for _ in range(2):
        with monitor.run("stream_tick", parent=None):
            for number in range(MOST_FAILURES + 50):
                monitor.note("send", began_us=number, ended_us=number + 1, failure=None)
                monitor.note("send", began_us=number, ended_us=number + 1, failure="throttling: busy")
    monitor.close()
    sends = ingestion.spans("send")
    assert sum(not send["success"] for send in sends) == 2 * MOST_FAILURES
    assert sum(send["success"] for send in sends) == 2


def test_what_did_nothing_leaves_nothing(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    with monitor.run("stream_tick", parent=PARENT):
        pass
    monitor.note("send", began_us=0, ended_us=1, failure="outside of any run")
    monitor.close()
    assert ingestion.requests == []


async def test_the_usual_switch_leaves_it_out(ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monitor = monitor_of(ingestion)
    with monitor.run("stream_tick", parent=PARENT) as attributes:
        attributes["windows"] = 3
        monitor.note("send", began_us=0, ended_us=1, failure="throttling: busy")
    monitor.tell(METRICS)
    await asyncio.get_running_loop().shutdown_default_executor()
    monitor.close()
    assert ingestion.requests == []


def test_an_invocation_that_is_taken_away_has_not_failed(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    with pytest.raises(asyncio.CancelledError), monitor.run("stream_tick", parent=None):
        raise asyncio.CancelledError
    monitor.close()
    (run,) = ingestion.spans("stream_tick")
    assert (run["success"], run["properties"]["outcome"]) == (True, "cancelled")


def test_an_exception_passes_through_a_run_that_has_failed_then(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    with pytest.raises(RuntimeError), monitor.run("stream_tick", parent=None):
        raise RuntimeError(TEXT)
    monitor.close()
    (run,) = ingestion.spans("stream_tick")
    assert (run["success"], run["properties"]["outcome"]) == (False, "failed")
    assert SECRET not in ingestion.text


def test_no_secret_leaves_in_a_span(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    with monitor.run(TEXT, parent=None) as attributes:
        attributes["detail"] = TEXT
        monitor.note(TEXT, began_us=0, ended_us=1, failure=TEXT, detail=TEXT)
    monitor.close()
    assert ingestion.text.count("SharedAccessKey=***") >= 4
    assert SECRET not in ingestion.text


METRICS = [
    *counter("streaming_events_sent", "Events.", 1_200),
    gauge("streaming_active", "Whether.", 1),
    Metric(
        name="streaming_events_generated_by_type_total",
        kind="counter",
        text="By type.",
        samples=(
            Sample(value=7, labels={"event_type": "receipt_created"}),
            Sample(value=5, labels={"event_type": "truck_arrived"}),
        ),
    ),
    Metric(
        name="streaming_send_duration_seconds",
        kind="histogram",
        text="Durations.",
        samples=(
            Sample(value=3, labels={"le": "+Inf"}, suffix="_bucket"),
            Sample(value=0.75, suffix="_sum"),
            Sample(value=3, suffix="_count"),
        ),
    ),
]


async def test_metrics_have_the_names_that_prometheus_reads(ingestion: Ingestion) -> None:
    monitor = monitor_of(ingestion)
    monitor.tell(METRICS)
    wait_until(lambda: len(ingestion.metrics()) >= 5, "the metrics")
    monitor.close()
    told = {
        name: sorted((each["value"], *each["properties"].values()) for each in values)
        for name, values in ingestion.metrics().items()
    }
    assert told == {
        "streaming_events_sent": [(1_200,)],
        "streaming_active": [(1,)],
        "streaming_events_generated_by_type_total": [(5, "truck_arrived"), (7, "receipt_created")],
        "streaming_send_duration_seconds_sum": [(0.75,)],
        "streaming_send_duration_seconds_count": [(3,)],
    }


async def test_metrics_are_told_once_a_minute_at_most_and_then_as_they_are(ingestion: Ingestion) -> None:
    clock = VirtualClock()
    monitor = monitor_of(ingestion, clock)
    for seconds in (0, 30, 60, 90):
        until_us = clock.now_us() + (METRICS_US // 2 if seconds else 0)
        await clock.run(clock.sleep_until(until_us))
        monitor.tell([gauge("streaming_active", "Whether.", seconds)])
        told = 1 + seconds // 60
        wait_until(lambda told=told: len(ingestion.metrics().get("streaming_active", [])) >= told, "the metric")  # type: ignore[misc]  # mypy can't infer it
    monitor.close()
    assert [each["value"] for each in ingestion.metrics()["streaming_active"]] == [0, 60]


def test_an_address_that_the_exporter_refuses_costs_the_spans_and_nothing_else(ingestion: Ingestion) -> None:
    odd = f"{ingestion.connection_string};Authorization=somehow"
    application = Application({"APPLICATIONINSIGHTS_CONNECTION_STRING": odd})
    assert application.settings.application_insights == odd
    assert application.traces() is NO_TRACES


WHAT_IS_IMPORTED = """
import os, sys
import function_app
from streaming.wiring import application
os.environ["AZURE_EVENTHUB_CONNECTION_STRING"] = "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=a2V5"
os.environ["EVENTHUB_NAME"] = "h"
os.environ["AzureWebJobsStorage"] = "UseDevelopmentStorage=true"
print(any(name.startswith("opentelemetry.sdk") for name in sys.modules))
application().live()
print(any(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""


@pytest.mark.parametrize("configured", [False, True])
def test_only_who_has_an_application_insights_imports_it(configured: bool, ingestion: Ingestion) -> None:
    setting = {"APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string} if configured else {}
    done = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-c", WHAT_IS_IMPORTED], cwd=ROOT, env=setting, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", str(configured)]
