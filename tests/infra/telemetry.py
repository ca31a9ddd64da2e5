"""Telemetry as Application Insights would show it, made from the contract, and KQL run over it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tests.infra.bicep import INFRA
from tests.infra.checkers.installing import HERE, run_node, run_python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, Any]
Rows = dict[str, list[Row]]

CONTRACT: Final[dict[str, Any]] = json.loads((INFRA / "telemetry-contract.json").read_text(encoding="utf-8"))
TABLES: Final[dict[str, dict[str, str]]] = json.loads(
    (HERE.parent / "azure_monitor_tables.json").read_text(encoding="utf-8")
)
NOW: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)

_CALM: Final[Mapping[str, Row]] = {
    "stream_summary": {
        "session_id": "20260701-0900-ab12",
        "mode": "live",
        "status": "running",
        "uptime_seconds": 7200.0,
        "events_generated": 1_440_000,
        "events_sent": 1_439_800,
        "events_redriven": 0,
        "events_failed": 0,
        "events_pending": 200,
        "event_type_counts": {"receipt_created": 400_000, "ble_ping_detected": 1_040_000},
        "error_counts": {},
        "batches_sent": 14_400,
        "bytes_sent": 720_000_000,
        "events_per_second": 200.0,
        "configured_events_per_second": 200.0,
        "achieved_rate_ratio": 1.0,
        "failure_rate": 0.0,
        "circuit_breaker_state": "closed",
        "circuit_breaker_trips": 0,
        "circuit_breaker_open_seconds": 0.0,
        "connection_failures": 0,
        "dlq_size": 0,
        "outbox_pending": 0,
        "outbox_oldest_pending_seconds": None,
        "tick_staleness_seconds": 0.4,
    },
    "stream_watch": {"tick_staleness_seconds": 0.6, "status": "running"},
    "connection_check": {"success": True, "reason": None, "response_time_ms": 420.0},
    "poison_message": {"queue": "retail-outbox-drain"},
    "breaker_transition": {"from_state": "closed", "to_state": "open", "trips": 1, "epoch": 7},
}


def record(name: str, minutes_ago: float, **changes: Any) -> Row:
    """A row of ``traces`` as the app would have written it: calm, but for ``changes``."""
    fields = _CALM[name] | changes
    assert fields.keys() == CONTRACT["records"][name]["fields"].keys(), name
    return trace(f"{name} {json.dumps(fields, separators=(',', ':'))}", minutes_ago)


def trace(message: str, minutes_ago: float) -> Row:
    return {
        "timestamp": _at(minutes_ago),
        "message": message,
        "severityLevel": 1,
        "cloud_RoleName": "func-retail-stream",
        "cloud_RoleInstance": "0--abc",
    }


def request(minutes_ago: float, *, name: str = "stream_status", code: str = "200", success: bool = True) -> Row:
    """A row of ``requests``. Timers and queue functions have the result code 0."""
    return {"timestamp": _at(minutes_ago), "name": name, "resultCode": code, "success": success, "duration": 12.5}


def calm(minutes: int = 60) -> Rows:
    """What a healthy stream leaves behind in so many minutes, twelve thousand events each."""
    summaries = [
        record(
            "stream_summary",
            ago / 2,
            uptime_seconds=7200.0 - ago * 30,
            events_generated=1_440_000 - ago * 6_000,
            events_sent=1_439_800 - ago * 6_000,
        )
        for ago in range(minutes * 2)
    ]
    watches = [record("stream_watch", ago) for ago in range(minutes)]
    checks = [record("connection_check", ago) for ago in range(0, minutes, 5)]
    return {
        "traces": [*summaries, *watches, *checks, trace("stream_summary_of_something_else {}", 1)],
        "requests": [request(ago) for ago in range(minutes)],
    }


def within(rows: Rows, window: str) -> Rows:
    """The rows that a rule with this window (``PT15M``, ``PT1H``) sees."""
    unit = timedelta(hours=1) if window.endswith("H") else timedelta(minutes=1)
    since = (NOW - int(window[2:-1]) * unit).replace(tzinfo=None).isoformat(sep=" ")
    return {table: [row for row in found if row["timestamp"] > since] for table, found in rows.items()}


def bind(queries: Mapping[str, str]) -> dict[str, Any]:
    """What Microsoft's language service says of each query: its problems, and the columns of its result."""
    asked = json.dumps({"tables": TABLES, "queries": queries})
    return dict(json.loads(run_node("bind_kql.cjs", standard_input=asked)))


def evaluate(runs: Mapping[str, tuple[str, Rows]]) -> dict[str, list[Row]]:
    """The rows that each query finds in its telemetry."""
    described = {name: {"query": query, "rows": rows} for name, (query, rows) in runs.items()}
    asked = json.dumps({"tables": TABLES, "runs": described})
    return dict(json.loads(run_python("tools", "evaluate_kql.py", standard_input=asked)))


@cache
def log_rules() -> Sequence[dict[str, Any]]:
    rules: list[dict[str, Any]] = json.loads((INFRA / "alerts" / "log-alerts.json").read_text(encoding="utf-8"))
    return [rule | {"query": query_of(rule["key"])} for rule in rules]


def query_of(key: str) -> str:
    return (INFRA / "alerts" / "kql" / f"{key}.kql").read_text(encoding="utf-8")


def _at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).replace(tzinfo=None).isoformat(sep=" ")
