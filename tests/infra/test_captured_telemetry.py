"""What a real stream logs, captured: every field that alerts and graphs read is there, and they read it right."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.delivered import ask, start, stop
from tests.hub_faults import HubFaults
from tests.infra.telemetry import CONTRACT, Row, Rows, evaluate, log_rules
from tests.infra.test_workbook import QUERIES
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from pathlib import Path

LINE: Final = re.compile(
    r"(?P<time>\S+Z) +(?P<level>\w+) +(\[\w+\] )?[\w.]+: (?P<message>(?P<record>\w+) (?P<fields>\{.*\}))"
)
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "real": (int, float),
    "long": (int,),
    "bool": (bool,),
    "dynamic": (dict,),
}
SETTINGS: Final = {
    "monitoring_interval": 1,
    "batch_timeout_ms": 5_000,  # What fails fails by the hub's refusal, not because this machine is slow.
    "retry_attempts": 0,
    "failure_threshold": 2,
    "timeout_seconds": 1,
    "half_open_max_calls": 1,
}


class Capture:
    """The records of a host's log, as rows of ``traces``."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def rows(self) -> list[Row]:
        return [
            {
                "timestamp": datetime.fromisoformat(found["time"]).replace(tzinfo=None).isoformat(sep=" "),
                "message": found["message"],
                "cloud_RoleInstance": "local",
            }
            for found in map(LINE.fullmatch, self._log.read_text(encoding="utf-8").splitlines())
            if found and found["record"] in CONTRACT["records"]
        ]

    def records(self, name: str) -> list[dict[str, Any]]:
        messages = [str(row["message"]) for row in self.rows()]
        return [json.loads(message.partition(" ")[2]) for message in messages if message.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, dict[str, Any]]:
    """A stream that runs well, meets a hub that refuses everything, and recovers; and its statistics afterwards."""
    data = tmp_path_factory.mktemp("stack")
    with StackProcess(data, "--no-stream") as stack:
        capture = Capture(data / "logs" / "host.log")
        ask(stack, "PUT", "/api/stream/config", SETTINGS)
        start(stack, emit_interval_ms=100, burst=20)
        wait_until(lambda: len(capture.records("stream_summary")) >= 2, "two summaries")
        for watcher in ("stream_watch", "connection_check"):
            stack.ask("POST", f"/admin/functions/{watcher}", {})
        stack.ask("POST", "/admin/functions/outbox_drain_poison", {"input": "{}"})
        for record in ("stream_watch", "connection_check", "poison_message"):
            wait_until(lambda record=record: capture.records(record), record)  # type: ignore[misc]  # mypy can't infer it

        hub = HubFaults(stack)
        hub.put({"kind": "reject"})
        wait_until(lambda: any(each["dlq_size"] > 0 for each in capture.records("stream_summary")), "dead letters")
        wait_until(lambda: capture.records("breaker_transition"), "a breaker that opens")
        hub.clear()
        wait_until(lambda: capture.records("breaker_transition")[-1]["to_state"] == "closed", "a breaker that closes")
        ask(stack, "POST", "/api/stream/pause")
        seen = len(capture.records("stream_summary"))
        wait_until(lambda: len(capture.records("stream_summary")) >= seen + 2, "two summaries of a stream at rest")
        statistics = ask(stack, "GET", "/api/stream/statistics")
        stop(stack)
    return capture, statistics  # The stack has ended: its timers write no more into what is compared.


@pytest.mark.parametrize("record", CONTRACT["records"])
def test_every_record_has_every_field(record: str, captured: tuple[Capture, dict[str, Any]]) -> None:
    contract, records = CONTRACT["records"][record], captured[0].records(record)
    assert records
    for fields in records:
        for name, kind in contract["fields"].items():
            value = fields[name]
            assert isinstance(value, KINDS[kind]) or (value is None and name in contract["nullable"]), (name, value)


@pytest.fixture(scope="module")
def read(captured: tuple[Capture, dict[str, Any]]) -> dict[str, list[Row]]:
    """What each alert's query makes of the capture."""
    rows: Rows = {"traces": captured[0].rows()}
    return evaluate({rule["key"]: (rule["query"], rows) for rule in log_rules()})


def value(found: list[Row]) -> float:
    (row,) = found
    return float(row["value"])


def test_alerts_read_what_the_routes_say(read: dict[str, list[Row]], captured: tuple[Capture, dict[str, Any]]) -> None:
    capture, statistics = captured
    assert value(read["dlq-size"]) == statistics["dlq_size"] > 0
    assert value(read["dlq-growth"]) == statistics["dlq_size"]
    assert value(read["breaker-trips"]) == statistics["circuit_breaker_trips"] > 0
    assert value(read["failure-rate"]) > 0
    assert value(read["success-rate"]) < 100
    assert value(read["breaker-open"]) > 0
    assert value(read["poison-messages"]) == len(capture.records("poison_message"))
    assert value(read["tick-staleness"]) >= 0
    assert value(read["connection-latency"]) > 0
    assert len(read["watch-silent"]) == len(capture.records("stream_watch"))


def test_alerts_without_cause_stay_silent(read: dict[str, list[Row]]) -> None:
    """Nothing to read, or a value of nothing: a young stream, no failed test, no request that broke."""
    for key in (
        "low-throughput",
        "achieved-rate",
        "connection-test",
        "outbox-age",
        "http-errors",
        "storage-unreachable",
    ):
        assert all(row["value"] in {None, 0} for row in read[key]), key


def test_every_graph_has_something_to_show(captured: tuple[Capture, dict[str, Any]]) -> None:
    rows: Rows = {"traces": captured[0].rows()}
    other_tables = {"functions", "exceptions", "reconciliation"}
    found = evaluate({name: (query, rows) for name, query in QUERIES.items() if name not in other_tables})
    assert {name for name, shown in found.items() if not shown} == set()
