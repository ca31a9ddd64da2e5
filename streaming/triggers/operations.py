"""Every route as the API's description shows it: which models its handler validates with, and what it answers.

Keyed by the function's name. A test holds this table to the functions that are registered and to the models that the
handlers use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streaming.adapters.event_hubs.connection_verdict import ConnectionVerdict
from streaming.flows.dead_letters import Summary
from streaming.flows.diagnostics import Diagnostics
from streaming.flows.health import HealthReport
from streaming.flows.history import HistoryReport
from streaming.flows.outbox import OutboxReport, Preview
from streaming.flows.redrive import RedriveReport
from streaming.flows.reports import BreakerReport, PauseReport, StatisticsReport, StatusReport
from streaming.flows.state import StateDocument
from streaming.flows.validation import ConfigVerdict
from streaming.triggers import requests, responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

JSON: Final = "application/json"
TEXT: Final = "text/plain"
JSON_LINES: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route and method."""

    method: str
    path: str
    tag: str
    summary: str
    answer: Any = None
    """The model of the answer; None where it is no JSON."""
    media_types: tuple[str, ...] = (JSON,)
    status: int = 200
    query: type[BaseModel] = requests.NoQuery
    body: type[BaseModel] | None = None
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    """By name, what it is."""
    anonymous: bool = False
    needs_storage: bool = True
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Further statuses, and when they come."""


def _get(path: str, tag: str, summary: str, answer: Any, **more: Any) -> Operation:
    return Operation(method="get", path=path, tag=tag, summary=summary, answer=answer, **more)


def _post(path: str, tag: str, summary: str, answer: Any, **more: Any) -> Operation:
    return Operation(method="post", path=path, tag=tag, summary=summary, answer=answer, **more)


_BUSY: Final = {409: "Somebody else was changing the same thing."}
_LIMITED: Final = {429: "Too often in a minute."}
_NONE_ACTIVE: Final = {400: "No stream is active."}

OPERATIONS: Final[Mapping[str, Operation]] = {
    "stream_start": _post(
        "/api/stream/start",
        "Stream",
        "Start a stream",
        responses.Started,
        body=requests.StartBody,
        refusals={409: "A stream is active already.", **_LIMITED},
    ),
    "stream_stop": _post(
        "/api/stream/stop",
        "Stream",
        "Stop the stream; what is planned is finished",
        responses.Stopped,
        body=requests.NoQuery,
        refusals={**_NONE_ACTIVE, **_BUSY},
    ),
    "stream_pause": _post(
        "/api/stream/pause",
        "Stream",
        "Pause the stream",
        responses.Paused,
        body=requests.NoQuery,
        refusals={**_NONE_ACTIVE, 409: "It is paused already, or stopping."},
    ),
    "stream_resume": _post(
        "/api/stream/resume",
        "Stream",
        "Resume the stream; the pause is not caught up",
        responses.Resumed,
        body=requests.NoQuery,
        refusals={**_NONE_ACTIVE, 409: "It is not paused."},
    ),
    "stream_pause_status": _get(
        "/api/stream/pause-status", "Stream", "Whether and how long it was paused", PauseReport
    ),
    "stream_status": _get("/api/stream/status", "Stream", "What the stream is doing", StatusReport),
    "stream_statistics": _get(
        "/api/stream/statistics",
        "Statistics",
        "Counters and rates of a session",
        StatisticsReport,
        query=requests.StatisticsQuery,
        refusals={404: "There is no such session."},
    ),
    "stream_statistics_history": _get(
        "/api/stream/statistics/history",
        "Statistics",
        "Rates over time, in buckets",
        HistoryReport,
        query=requests.HistoryQuery,
    ),
    "stream_books": _get(
        "/api/stream/books",
        "Statistics",
        "Where every event is, and whether the books balance",
        responses.BooksReport,
        query=requests.StatisticsQuery,
        refusals={404: "There is no such session."},
    ),
    "stream_overview": _get(
        "/api/stream/overview",
        "Statistics",
        "What one refresh of the dashboard shows",
        responses.OverviewReport,
        query=requests.OverviewQuery,
    ),
    "stream_health": _get(
        "/api/stream/health",
        "Monitoring",
        "Health with reasons; metrics for whoever asks for text",
        HealthReport,
        media_types=(JSON, TEXT),
        anonymous=True,
        needs_storage=False,
        refusals={503: "Unhealthy: the same document says why."},
    ),
    "liveness": _get(
        "/health", "Monitoring", "The process answers", responses.Alive, anonymous=True, needs_storage=False
    ),
    "metrics": _get(
        "/metrics",
        "Monitoring",
        "Metrics for Prometheus",
        None,
        media_types=(TEXT,),
        anonymous=True,
        needs_storage=False,
    ),
    "stream_events_recent": _get(
        "/api/stream/events/recent",
        "Events",
        "The last events sent",
        responses.RecentEvents,
        query=requests.RecentQuery,
    ),
    "stream_event_types": _get(
        "/api/stream/event-types", "Events", "What a stream may consist of", responses.EventTypes, needs_storage=False
    ),
    "config_get": _get("/api/stream/config", "Configuration", "What is in force", responses.ConfigReport),
    "config_put": Operation(
        method="put",
        path="/api/stream/config",
        tag="Configuration",
        summary="Change any part of the configuration",
        answer=responses.ConfigChanged,
        body=requests.ConfigBody,
        refusals=_BUSY,
    ),
    "config_validate": _post(
        "/api/config/validate",
        "Configuration",
        "Judge a configuration without setting it",
        ConfigVerdict,
        body=requests.ConfigBody,
        refusals=_LIMITED,
    ),
    "connection_validate": _post(
        "/api/stream/validate-connection",
        "Configuration",
        "Judge a connection string without using it",
        ConnectionVerdict,
        body=requests.ConnectionBody,
        needs_storage=False,
        refusals=_LIMITED,
    ),
    "stream_test": _post(
        "/api/stream/test",
        "Hub",
        "Whether events could be sent now",
        responses.ConnectionTested,
        body=requests.NoQuery,
        needs_storage=False,
        refusals=_LIMITED,
    ),
    "breaker_get": _get("/api/stream/circuit-breaker", "Hub", "The circuit breaker", BreakerReport),
    "breaker_reset": _post(
        "/api/stream/circuit-breaker/reset",
        "Hub",
        "Close the circuit breaker",
        responses.BreakerChanged,
        body=requests.ReasonBody,
    ),
    "breaker_open": _post(
        "/api/stream/circuit-breaker/open",
        "Hub",
        "Open the circuit breaker until it is reset",
        responses.BreakerChanged,
        body=requests.ReasonBody,
        refusals={409: "The circuit breaker is switched off."},
    ),
    "dlq_list": _get(
        "/api/stream/dlq",
        "Dead letters",
        "Events that could not be sent, and why",
        responses.DeadLetterPage,
        query=requests.DeadLettersQuery,
    ),
    "dlq_export": _get(
        "/api/stream/dlq/export",
        "Dead letters",
        "All of them, as JSON Lines",
        None,
        media_types=(JSON_LINES,),
        query=requests.CategoryQuery,
    ),
    "dlq_summary": _get("/api/stream/dlq/summary", "Dead letters", "Counts by category, type and error", Summary),
    "dlq_retry": _post(
        "/api/stream/dlq/retry",
        "Dead letters",
        "Send them again",
        RedriveReport,
        body=requests.RedriveBody,
        refusals=_BUSY,
    ),
    "dlq_clear": Operation(
        method="delete",
        path="/api/stream/dlq",
        tag="Dead letters",
        summary="Give them up",
        answer=responses.Cleared,
        query=requests.CategoryQuery,
        refusals=_BUSY,
    ),
    "outbox_status": _get("/api/stream/outbox/status", "Outbox", "How many events are in which phase", OutboxReport),
    "outbox_preview": _get(
        "/api/stream/outbox/preview",
        "Outbox",
        "Events of one phase, the oldest first",
        Preview,
        query=requests.PreviewQuery,
    ),
    "outbox_drain_order": _post(
        "/api/stream/outbox/drain",
        "Outbox",
        "Have what is pending sent, with or without a stream",
        responses.DrainOrdered,
        body=requests.DrainBody,
        status=202,
        refusals={400: "There is nothing to send to.", **_BUSY},
    ),
    "outbox_clear": Operation(
        method="delete",
        path="/api/stream/outbox/clear",
        tag="Outbox",
        summary="Give up what is pending",
        answer=responses.Cleared,
        body=requests.NoQuery,
        refusals=_BUSY,
    ),
    "disruption_create": _post(
        "/api/disruption/create",
        "Disruptions",
        "Cause trouble on purpose",
        responses.DisruptionCreated,
        body=requests.DisruptionBody,
        refusals={409: "Too many are in force.", **_LIMITED},
    ),
    "disruption_list": _get("/api/disruption/list", "Disruptions", "The ones in force", responses.Disruptions),
    "disruption_delete": Operation(
        method="delete",
        path="/api/disruption/{disruption_id}",
        tag="Disruptions",
        summary="End one",
        answer=responses.DisruptionEnded,
        path_parameters={"disruption_id": "As its creation answered."},
        refusals={404: "There is none of this id."},
    ),
    "disruption_clear_all": _post(
        "/api/disruption/clear-all", "Disruptions", "End all", responses.Cleared, body=requests.NoQuery
    ),
    "reference": _get(
        "/api/reference/{table}",
        "Reference data",
        "A page of stores, distribution-centers, products or customers",
        None,
        media_types=(JSON_LINES, "text/csv"),
        query=requests.ReferenceQuery,
        path_parameters={"table": "stores, distribution-centers, products or customers."},
        refusals={404: "There is no such table."},
    ),
    "stream_diagnostics": _get(
        "/api/stream/diagnostics", "Support", "Everything that whoever helps will ask for", Diagnostics
    ),
    "state_export": _get(
        "/api/state/export",
        "Support",
        "The state as one document",
        StateDocument,
        refusals={409: "A day is being staged for the outbox."},
    ),
    "state_import": _post(
        "/api/state/import",
        "Support",
        "Put an exported state in the place of what is here",
        responses.Done,
        body=requests.StateBody,
        refusals={409: "A stream is active here, or has been of this session."},
    ),
    "openapi": _get(
        "/openapi.json", "Support", "This description", dict[str, Any], anonymous=True, needs_storage=False
    ),
    "docs": _get(
        "/docs", "Support", "This description, to be read", None, media_types=("text/html",), needs_storage=False
    ),
}
