"""The guide of the system before this one: its routes, fields, ``jq`` paths, probes and scripts, as printed."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e import delivered
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BASE: Final = "/api/stream"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REALTIME_BATCH_TIMEOUT_MS", "10000")  # Nothing fails because the machine is slow.
        with StackProcess(tmp_path_factory.mktemp("stack")) as running:
            wait_until(lambda: running.status().get("events_per_second", 0) > 0, "a rate")
            yield running


def ask(stack: StackProcess, path: str, method: str = "GET", body: object = None) -> Any:
    return delivered.ask(stack, method, path, body)


def ask_until(stack: StackProcess, path: str, enough: Callable[[Any], bool], method: str = "GET") -> Any:
    """The first answer that is as it should be."""
    answers: list[Any] = []

    def is_enough() -> bool:
        answers.append(ask(stack, path, method))
        return enough(answers[-1])

    wait_until(is_enough, f"what is wanted of {path}")
    return answers[-1]


NUMBER, TEXT, COUNT = (int, float), (str,), (int,)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            f"{BASE}/status",
            {
                "is_streaming": (bool,),
                "status": TEXT,
                "uptime_seconds": COUNT,
                "events_sent": COUNT,
                "events_per_second": NUMBER,
                "last_event_time": TEXT,
            },
        ),
        (
            f"{BASE}/statistics",
            {
                "events_generated": COUNT,
                "events_sent_successfully": COUNT,
                "events_failed": COUNT,
                "batches_sent": COUNT,
                "total_streaming_time": COUNT,
                "events_per_second": NUMBER,
                "bytes_sent": COUNT,
                "event_type_counts": (dict,),
                "error_counts": (dict,),
                "connection_failures": COUNT,
                "circuit_breaker_trips": COUNT,
            },
        ),
    ],
)
def test_the_printed_responses(path: str, fields: Mapping[str, tuple[type, ...]], stack: StackProcess) -> None:
    answer = ask(stack, path)
    for name, kinds in fields.items():
        assert isinstance(answer[name], kinds), name


def test_times_are_what_jqs_fromdateiso8601_takes(stack: StackProcess) -> None:
    status, health = ask(stack, f"{BASE}/status"), ask(stack, f"{BASE}/health")
    for text in (status["last_event_time"], health["timestamp"]):
        assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def test_the_printed_health(stack: StackProcess) -> None:
    checks = ask_until(stack, f"{BASE}/health", lambda seen: seen["status"] == "healthy")["checks"]
    assert checks["streaming_task"].items() >= {"status": "active", "task_status": "running"}.items()
    assert checks["streaming_task"]["uptime_seconds"] >= 0
    assert checks["azure_config"] == {"status": "configured", "hub_name": "retail-events"}
    assert checks["statistics"]["status"] == "healthy"
    assert checks["statistics"].keys() >= {"events_generated", "events_per_second", "failure_rate"}


def test_the_calculations(stack: StackProcess) -> None:
    """``(.events_sent_successfully / .events_generated) * 100`` and its like."""
    # What is on its way to the hub is generated, and not sent yet.
    statistics = ask_until(stack, f"{BASE}/statistics", lambda seen: seen["events_pending"] == 0)
    assert 99 < statistics["events_sent_successfully"] / statistics["events_generated"] * 100 <= 100
    assert statistics["events_failed"] / statistics["events_generated"] * 100 == 0
    assert 0.1 < statistics["bytes_sent"] / statistics["events_sent_successfully"] / 1_024 < 5


def test_the_configuration_paths(stack: StackProcess) -> None:
    """``.realtime.azure_connection_string``, ``.realtime.emit_interval_ms, .realtime.burst``, ``.stream.hub``."""
    config = ask(stack, f"{BASE}/config")
    assert config["realtime"]["azure_connection_string"] == "***"
    assert config["realtime"]["emit_interval_ms"] > 0
    assert config["realtime"]["burst"] > 0
    assert config["stream"]["hub"] == "retail-events"


def test_the_dead_letter_paths(stack: StackProcess) -> None:
    """``.count``, and ``.events | group_by(.error) | map({error: .[0].error, count: length})``."""
    queue = ask(stack, f"{BASE}/dlq")
    assert queue["count"] == len(queue["events"]) == 0
    retried = ask(stack, f"{BASE}/dlq/retry", "POST")
    assert retried.keys() >= {"total_attempted", "succeeded", "failed", "still_in_dlq"}
    assert ask(stack, f"{BASE}/dlq", "DELETE")["success"]


def test_testing_the_connection(stack: StackProcess) -> None:
    tested = ask_until(stack, f"{BASE}/test", lambda seen: seen["reason"] != "no_answer", "POST")
    assert tested["success"], tested
    assert tested["details"].keys() == {"namespace", "event_hub", "partition_count"}


def test_recent_events(stack: StackProcess) -> None:
    recent = ask(stack, f"{BASE}/events/recent?limit=5")
    assert recent["count"] == len(recent["events"]) == 5
    assert recent["events"][0].keys() == {"timestamp", "event_type", "trace_id", "payload"}


@pytest.mark.parametrize(
    "change",
    [
        {"burst": 50},
        {"emit_interval_ms": 1_000},
        {"burst": 200},
        {"emit_interval_ms": 250},
        {"realtime": {"failure_threshold": 10, "circuit_breaker_enabled": True}},
        {"realtime": {"timeout_seconds": 120}},
        {
            "realtime": {
                "circuit_breaker_enabled": True,
                "failure_threshold": 5,
                "timeout_seconds": 60,
                "half_open_max_calls": 3,
            }
        },
        {"realtime": {"emit_interval_ms": 2_000, "burst": 50, "max_batch_size": 128}},
        {
            "realtime": {
                "emit_interval_ms": 1_000,
                "burst": 100,
                "max_batch_size": 256,
                "batch_timeout_ms": 1_000,
                "retry_attempts": 3,
                "backoff_multiplier": 2.0,
                "circuit_breaker_enabled": True,
                "monitoring_interval": 30,
                "max_buffer_size": 10_000,
                "enable_dead_letter_queue": True,
            }
        },
    ],
)
def test_every_printed_configuration_is_taken(change: dict[str, Any], stack: StackProcess) -> None:
    answer = ask(stack, f"{BASE}/config", "PUT", change)
    assert answer["success"]
    wanted = change.get("realtime", change)
    assert answer["config"]["realtime"].items() >= wanted.items()


def test_the_manual_reset(stack: StackProcess) -> None:
    delivered.stop(stack)
    delivered.start(stack, emit_interval_ms=1_000, burst=50)
    assert ask(stack, f"{BASE}/statistics")["circuit_breaker_trips"] == 0


@pytest.mark.parametrize("path", ["/health", f"{BASE}/health"])
def test_the_probes(path: str, stack: StackProcess) -> None:
    ask_until(stack, path, lambda seen: seen["status"] == "healthy")


def test_the_scrape_config_finds_what_the_rules_read(stack: StackProcess) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    request = urllib.request.Request(f"{stack.url}{BASE}/health", headers={"Accept": accept})  # noqa: S310 - http

    def said() -> set[str]:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - http
            assert answer.headers["content-type"].startswith("text/plain")
            return set(re.findall(r"^(\w+) \d", answer.read().decode(), re.MULTILINE))

    names = {
        "streaming_events_failed",
        "streaming_events_generated",
        "streaming_circuit_breaker_trips",
        "streaming_events_per_second",
    }
    wait_until(lambda: names <= said(), f"{names}")  # What is in storage isn't said while that is slow.


def test_the_body_may_be_of_any_content_type(stack: StackProcess) -> None:
    """``curl -d`` says that it sends a form."""
    request = urllib.request.Request(  # noqa: S310 - http
        f"{stack.url}{BASE}/config",
        method="PUT",
        data=json.dumps({"burst": 60}).encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - http
        assert answer.status == 200
