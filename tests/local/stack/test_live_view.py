"""What is shown is what the stream says."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from local.live_view import LiveScreen, PlainScreen, RateMeter, breaker_state, sparkline, status_line
from local.stack.services import Services
from local.stack.stream import Snapshot

SERVICES = Services(
    in_order=(),
    url="http://localhost:8000",
    hub_address="localhost:5672",
    hub_name="retail-events",
    control_url="http://localhost:5300",
    host_log=Path("host.log"),
    keys_file=None,
)
RUNNING = Snapshot(
    status={
        "status": "running",
        "uptime_seconds": 3_723,
        "events_sent": 12_345,
        "events_per_second": 199.96,
        "configured_events_per_second": 200.0,
        "circuit_breaker": "closed",
    },
    statistics={"events_failed": 0, "batches_sent": 678, "bytes_sent": 5_400_000, "events_pending": 12},
    events=[
        {
            "timestamp": "2026-01-02T03:04:05Z",
            "event_type": "receipt_created",
            "payload": {"store_id": 7, "total": 12.3, "campaign_id": None},
        }
    ],
)


def test_plain_lines_say_where_it_is_ready_and_the_totals() -> None:
    output = io.StringIO()
    screen = PlainScreen(output)
    screen.ready(SERVICES)
    screen.show(RUNNING, monotonic_seconds=1.0)
    assert output.getvalue().splitlines() == [
        "ready: http://localhost:8000 (API and dashboard), hub at localhost:5672",
        "log: host.log",
        "status: running, 12345 events sent, 200.0/s, 0 failed, breaker closed",
    ]


def test_no_status_is_said_with_its_reason() -> None:
    assert status_line(Snapshot(problem="storage unreachable")) == "status: unknown, storage unreachable"


def test_the_panel_shows_addresses_rate_totals_and_events() -> None:
    shown = _shown(RUNNING)
    for expected in (
        "running for 1:02:03, breaker closed",
        "http://localhost:8000",
        "localhost:5672/retail-events",
        "http://localhost:5300/faults",
        "host.log",
        "of 200",
        "12,345 events, 678 batches, 5.4 MB, 0 failed, 12 pending",
        "03:04:05  receipt_created  store_id=7  total=12.3",
        "Ctrl-C stops everything",
    ):
        assert expected in shown
    assert "campaign_id" not in shown


def test_a_concern_is_in_the_panel_and_said_once_in_plain_lines() -> None:
    worried = replace(RUNNING, concerns={"streaming_task": "No sign of life for 9 s. Look at the timer."})
    still = replace(RUNNING, concerns={"streaming_task": "No sign of life for 14 s. Look at the timer."})
    shown = _shown(worried)
    assert "No sign of life for 9 s. Look at the timer." in shown
    output = io.StringIO()
    screen = PlainScreen(output)
    for second, snapshot in enumerate([RUNNING, worried, still, RUNNING, worried]):
        screen.show(snapshot, monotonic_seconds=float(second))
    assert [line.split(":")[0] for line in output.getvalue().splitlines()] == [
        *("status", "status", "health", "status", "status", "status", "health"),
    ]


def test_the_panel_says_why_there_is_nothing_to_say() -> None:
    assert "no status: storage unreachable" in _shown(Snapshot(problem="storage unreachable"))


def test_a_stream_without_events_is_shown_too() -> None:
    assert "no events yet" in _shown(Snapshot(status={"status": "stopped", "uptime_seconds": None}))


@pytest.mark.parametrize(
    ("breaker", "state"), [("open", "open"), ({"state": "half_open"}, "half_open"), (None, "-"), ({}, "-")]
)
def test_the_breaker_may_be_a_word_or_an_object(breaker: object, state: str) -> None:
    assert breaker_state({"circuit_breaker": breaker}) == state


def test_the_rate_is_what_was_counted_over_the_last_seconds() -> None:
    meter = RateMeter()
    for second, total in enumerate([0, 100, 300, 300, 300, 500, 500]):
        meter.read(total, monotonic_seconds=float(second))
    assert list(meter.rates) == [100.0, 150.0, 100.0, 75.0, 100.0, 80.0]
    assert meter.events_per_second == 80.0


def test_a_new_session_counts_from_zero() -> None:
    meter = RateMeter()
    for second, total in enumerate([1_000, 1_100, 0, 50]):
        meter.read(total, monotonic_seconds=float(second))
    assert list(meter.rates) == [100.0, 50.0]


@given(st.lists(st.floats(min_value=0, max_value=1e9)))
def test_a_sparkline_has_one_bar_a_value_and_the_tallest_for_the_largest(values: list[float]) -> None:
    bars = sparkline(values)
    assert len(bars) == len(values)
    if any(values):
        assert bars[values.index(max(values))] == "█"
    ordered = sorted(range(len(values)), key=lambda index: values[index])
    assert [bars[index] for index in ordered] == sorted(bars)


def _shown(snapshot: Snapshot) -> str:
    output = io.StringIO()
    with LiveScreen(Console(file=output, width=120, force_terminal=True, color_system=None)) as screen:
        screen.ready(SERVICES)
        screen.show(snapshot, monotonic_seconds=1.0)
    return output.getvalue()
