"""Shapes of the answers that no flow has a report for: what the API's description says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streaming.core.capacity import Capacity  # noqa: TC001 - the API's schema is read off the fields
from streaming.core.config import RealtimeConfig
from streaming.core.outcome import ErrorCategory  # noqa: TC001 - the API's schema is read off the fields
from streaming.flows.disruptions import DisruptionReport  # noqa: TC001 - the API's schema is read off the fields
from streaming.flows.reports import BreakerReport
from streaming.retail.payloads import AnyPayload, Envelope  # noqa: TC001 - the API's schema is read off the fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemField:
    """One field of a request that is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDocument:
    """Every error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemField] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The process answers."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command was carried out."""

    success: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Done):
    """A stream was started."""

    operation_id: str
    session_id: str
    started_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Done):
    """A stream was stopped, or is stopping."""

    operation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Done):
    """A stream was paused."""

    paused_at: str
    events_sent_before_pause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Done):
    """A stream goes on."""

    resumed_at: str
    pause_duration_seconds: int
    total_pause_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared(Done):
    """What was cleared, counted."""

    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOrdered(Done):
    """The drain has been asked for."""

    operation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksReport:
    """Every term of the two equations that must hold, and whether they do."""

    generated: int
    sent_first: int
    dead_lettered: int
    pending: int
    outbox_cleared: int
    in_dlq: int
    redriven: int
    cleared: int
    evicted: int
    discarded: int
    events_sent_successfully: int
    events_failed: int
    balanced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvent:
    """An event that was sent."""

    timestamp: str
    event_type: str
    trace_id: str
    payload: AnyPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentEvents:
    """The last events sent, the newest first."""

    events: list[RecentEvent]
    count: int
    timestamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypes:
    """What a stream may consist of."""

    event_types: list[str]
    count: int
    description: dict[str, str]


class Realtime(RealtimeConfig):
    """The configuration in force."""

    azure_connection_string: str | None
    """Redacted; null under an identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSection:
    """Where events go."""

    hub: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReport:
    """What is in force, and what it asks of the hub."""

    realtime: Realtime
    stream: StreamSection
    available_event_types: list[str]
    capacity: Capacity
    recommendations: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChanged(Done):
    """The configuration was changed."""

    config: ConfigReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDetails:
    """What was reached."""

    namespace: str | None
    event_hub: str | None
    partition_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTested(Done):
    """Whether events could be sent now, and if not, why and what to do."""

    reason: str
    response_time_ms: int
    details: ConnectionDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(BreakerReport):
    """The circuit breaker after an operator's command."""

    success: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterEntry:
    """An event that could not be sent, and why. There are further fields about where it came from."""

    event: Envelope
    error: str
    error_category: ErrorCategory
    error_detail: str
    timestamp: str
    retry_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterPage:
    """A page of the dead-letter queue. ``count`` is of the whole queue."""

    events: list[DeadLetterEntry]
    count: int
    continuation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionCreated(Done):
    """A disruption takes effect."""

    disruption_id: str
    active_until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionEnded(Done):
    """A disruption was taken away."""

    disruption_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruptions:
    """The ones in force, and those that lately were."""

    disruptions: list[DisruptionReport]
    count: int
    timestamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewReport:
    """What one refresh of the dashboard shows; each part has the shape of its own route."""

    timestamp: str
    status: dict[str, Any]
    statistics: dict[str, Any]
    pause: dict[str, Any]
    health: dict[str, Any]
    circuit_breaker: dict[str, Any]
    config: dict[str, Any]
    profiles: dict[str, Any]
    history: dict[str, Any] | None
    last_minute: dict[str, Any] | None
    events: list[dict[str, Any]]
    disruptions: list[DisruptionReport]
    dlq: Any
    outbox: Any
