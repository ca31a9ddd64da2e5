"""The workbook: its queries bind, read what the app logs, and come to the right numbers."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.infra.bicep import INFRA, bicep_files
from tests.infra.telemetry import NOW, Row, bind, calm, evaluate, record
from tests.infra.test_log_alerts import assert_reads_the_contract
from tests.infra.test_metric_alerts import METRICS

WORKBOOK: Final[dict[str, Any]] = json.loads((INFRA / "workbook" / "workbook.json").read_text(encoding="utf-8"))
ITEMS: Final[dict[str, dict[str, Any]]] = {item["name"]: item for item in WORKBOOK["items"]}
QUERIES: Final = {
    name: item["content"]["query"].replace("{TimeRange:grain}", "1m")
    for name, item in ITEMS.items()
    if "query" in item["content"]
}


def test_every_item_has_a_name_of_its_own() -> None:
    assert len(ITEMS) == len(WORKBOOK["items"])


def test_every_query_binds() -> None:
    bound = bind(QUERIES)
    assert {name: answer["problems"] for name, answer in bound.items() if answer["problems"]} == {}


@pytest.mark.parametrize("name", QUERIES)
def test_reads_only_what_the_contract_promises(name: str) -> None:
    assert_reads_the_contract(QUERIES[name])


def test_every_query_runs_on_the_telemetry_of_a_healthy_stream() -> None:
    with_rows = {
        "now", "event-rate", "event-types", "outcomes", "failure-rate", "volume", "dead-letters", "outbox",
        "connections", "connection-test", "staleness", "reconciliation",
    }  # fmt: skip
    workspace = [{"TimeGenerated": row["timestamp"], "Message": row["message"]} for row in calm()["traces"]]
    found = evaluate({name: (query, calm() | {"AppTraces": workspace}) for name, query in QUERIES.items()})
    assert {name for name, rows in found.items() if rows} == with_rows


def test_volume_is_what_was_added_in_each_minute() -> None:
    (found,) = evaluate({"outcomes": (QUERIES["outcomes"], calm(10))}).values()
    assert {row["events_generated"] for row in found[1:-1]} == {12_000}
    assert sum(row["events_generated"] for row in found) == 19 * 6_000, "from the first of twenty records to the last"
    assert {row["events_failed"] for row in found} == {0}


def test_event_types_are_told_apart() -> None:
    (found,) = evaluate({"types": (QUERIES["event-types"], calm(5))}).values()
    assert found == [
        {"event_type": "ble_ping_detected", "events": 1_040_000},
        {"event_type": "receipt_created", "events": 400_000},
    ]


def test_reconciliation_counts_redrives_and_repeats() -> None:
    """Two sessions: one that runs on from before, one that begins. The hub stored 50 events twice in the last hour."""
    started = _summary(170, "first", 100_000, 0, 90_000.0)
    traces = [
        started,
        _summary(130, "first", 130_000, 500, 92_400.0),
        _summary(70, "first", 170_000, 800, 96_000.0),
        _summary(20, "second", 1_000, 0, 30.0),
        _summary(5, "second", 9_000, 40, 930.0),
    ]
    incoming = {150: 30_000.0, 90: 40_000.0, 10: 9_050.0}
    metrics = [
        {
            "TimeGenerated": _hours_ago(minutes),
            "ResourceProvider": "MICROSOFT.EVENTHUB",
            "MetricName": name,
            "Total": total,
        }
        for minutes, total in incoming.items()
        for name in ("IncomingMessages", "IncomingBytes")
    ]
    rows = {"AppTraces": traces, "AzureMetrics": metrics}
    (found,) = evaluate({"reconciliation": (QUERIES["reconciliation"], rows)}).values()
    assert [{name: value for name, value in row.items() if name != "hour"} for row in found] == [
        {"first_deliveries": 8_960, "redriven": 40, "sent": 9_000, "incoming": 9_050, "hub_surplus": 50},
        {"first_deliveries": 39_700, "redriven": 300, "sent": 40_000, "incoming": 40_000, "hub_surplus": 0},
        {"first_deliveries": 29_500, "redriven": 500, "sent": 30_000, "incoming": 30_000, "hub_surplus": 0},
    ]


def _summary(minutes_ago: float, session: str, sent: int, redriven: int, uptime: float) -> Row:
    row = record(
        "stream_summary",
        minutes_ago,
        session_id=session,
        events_sent=sent,
        events_redriven=redriven,
        uptime_seconds=uptime,
    )
    return {"TimeGenerated": row["timestamp"], "Message": row["message"]}


def _hours_ago(minutes: float) -> str:
    return str(record("stream_watch", minutes)["timestamp"])


def test_metrics_are_ones_of_the_hub() -> None:
    assert NOW.minute == 0, "the hours of the reconciliation begin here"
    for name, item in ITEMS.items():
        for metric in item["content"].get("metrics", ()):
            namespace, _, metric_name = metric["metric"].partition("--")
            assert namespace == metric["namespace"] == "microsoft.eventhub/namespaces", name
            assert metric_name in METRICS["Microsoft.EventHub/namespaces"], name


def test_placeholders_are_those_that_the_module_fills_in() -> None:
    text = json.dumps(WORKBOOK)
    module = bicep_files()["modules/workbook.bicep"].text
    for placeholder in ("__APPLICATION_INSIGHTS_ID__", "__WORKSPACE_ID__", "__EVENT_HUB_NAMESPACE_ID__"):
        assert placeholder in text
        assert placeholder in module
    assert text.count("__") == 2 * sum(
        text.count(name) for name in ("__APPLICATION_INSIGHTS_ID__", "__WORKSPACE_ID__", "__EVENT_HUB_NAMESPACE_ID__")
    )
