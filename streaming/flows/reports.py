"""The shapes in which a stream is reported: a public contract. Pure functions of one look at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared.clock import MICROSECONDS, to_iso
from streaming.core.breaker import BreakerStatus  # noqa: TC001 - the API's schema is read off the fields
from streaming.core.capacity import recommendations
from streaming.core.session import Status, Wanted
from streaming.flows.control import overrides_of
from streaming.flows.validation import measured_capacity
from streaming.retail.event_types import EVENT_TYPES

if TYPE_CHECKING:
    from streaming.core.breaker import BreakerState
    from streaming.core.tally import Books
    from streaming.flows.observe import StreamView


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """``GET /api/stream/status``."""

    is_streaming: bool
    status: Status
    uptime_seconds: int
    events_sent: int
    events_per_second: float
    last_event_time: str | None
    session_id: str | None
    mode: str | None
    shards: int | None
    configured_events_per_second: float | None
    circuit_breaker: BreakerStatus
    fault: str | None


def status(view: StreamView) -> StatusReport:
    session, tally = view.session, view.tally
    active = session is not None and session.active
    return StatusReport(
        is_streaming=active,
        status=view.status,
        uptime_seconds=session.elapsed_us(view.now_us) // MICROSECONDS if session is not None and active else 0,
        events_sent=tally.sent_first,
        events_per_second=round(view.rate_last_minute, 1),
        last_event_time=to_iso(tally.last_event_us) if tally.last_event_us else None,
        session_id=session.session_id if session else None,
        mode=session.mode.value if session else None,
        shards=session.shards if session else None,
        configured_events_per_second=round(session.events_per_second, 3) if session is not None and active else None,
        circuit_breaker=view.breaker.status,
        fault=view.fault if active else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsReport:
    """``GET /api/stream/statistics``.

    The type counts add up to ``events_generated``, the error counts to ``events_failed``.
    """

    session_id: str | None
    events_generated: int
    events_sent_successfully: int
    events_failed: int
    batches_sent: int
    total_streaming_time: int
    """Whole seconds, pauses not counted."""
    events_per_second: float
    """The session's average."""
    events_per_second_last_minute: float
    bytes_sent: int
    """Bytes of event bodies."""
    last_event_time: str | None
    event_type_counts: dict[str, int]
    error_counts: dict[str, int]
    connection_failures: int
    circuit_breaker_trips: int
    events_pending: int
    events_redriven: int
    bursts_skipped: int
    achieved_rate_ratio: float | None
    dlq_size: int
    """Events in the dead-letter queue, those of earlier sessions included."""


def statistics(view: StreamView) -> StatisticsReport:
    tally, books, ratio = view.tally, view.books, view.achieved_rate_ratio
    return StatisticsReport(
        session_id=view.session.session_id if view.session else None,
        events_generated=tally.generated,
        events_sent_successfully=tally.sent_first + books.redriven,
        events_failed=tally.dead_lettered,
        batches_sent=tally.batches_sent,
        total_streaming_time=int(view.streaming_seconds),
        events_per_second=round(view.rate_average, 1),
        events_per_second_last_minute=round(view.rate_last_minute, 1),
        bytes_sent=tally.bytes_sent,
        last_event_time=to_iso(tally.last_event_us) if tally.last_event_us else None,
        event_type_counts=dict(sorted(tally.by_type.items())),
        error_counts=dict(sorted(tally.by_error.items())),
        connection_failures=tally.connection_failures,
        circuit_breaker_trips=view.breaker.trips,
        events_pending=books.pending,
        events_redriven=books.redriven,
        bursts_skipped=view.bursts_skipped,
        achieved_rate_ratio=None if ratio is None else round(ratio, 4),
        dlq_size=view.dlq_size,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReport:
    """``GET /api/stream/pause-status``."""

    is_paused: bool
    pause_count: int
    total_pause_duration_seconds: int


def pause_status(view: StreamView) -> PauseReport:
    session = view.session
    if session is None:
        return PauseReport(is_paused=False, pause_count=0, total_pause_duration_seconds=0)
    return PauseReport(
        is_paused=session.active and session.wanted is Wanted.PAUSED,
        pause_count=session.pause_count,
        total_pause_duration_seconds=session.paused_us(view.now_us) // MICROSECONDS,
    )


def books(terms: Books) -> dict[str, Any]:
    """``GET /api/stream/books``: every term of the two equations, what follows from them, and whether they hold."""
    return {
        **asdict(terms),
        "events_sent_successfully": terms.sent_first + terms.redriven,
        "events_failed": terms.dead_lettered,
        "balanced": terms.balanced,
    }


def configuration(view: StreamView, *, hub_name: str | None, connection_string: str | None) -> dict[str, Any]:
    """``GET /api/stream/config``: what is in force, included what a start may have set of a running session.

    ``connection_string`` is the redacted one, or None.
    """
    config = view.config
    if view.session is not None and view.session.active:
        config = config.model_copy(update=overrides_of(view.session))
    capacity = measured_capacity(config, view)
    return {
        "realtime": config.model_dump() | {"azure_connection_string": connection_string},
        "stream": {"hub": hub_name},
        "available_event_types": EVENT_TYPES,
        "capacity": capacity,
        "recommendations": recommendations(config, capacity),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionReport:
    """One change of the circuit breaker's state."""

    at: str
    from_state: BreakerStatus
    to_state: BreakerStatus
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReport:
    """``GET /api/stream/circuit-breaker``."""

    state: BreakerStatus
    enabled: bool
    consecutive_failures: int
    opened_at: str | None
    retry_at: str | None
    """None while it is closed, and while only an operator's reset can help."""
    trips: int
    transitions: list[TransitionReport]
    """Oldest first."""


def circuit_breaker(state: BreakerState, *, enabled: bool) -> BreakerReport:
    return BreakerReport(
        state=state.status,
        enabled=enabled,
        consecutive_failures=state.consecutive_failures,
        opened_at=to_iso(state.opened_at_us) if state.opened_at_us else None,
        retry_at=to_iso(state.retry_at_us) if state.retry_at_us else None,
        trips=state.trips,
        transitions=[
            TransitionReport(
                at=to_iso(each.at_us),
                from_state=each.from_state,
                to_state=each.to_state,
                reason=each.reason,
                by=each.by,
            )
            for each in state.transitions
        ],
    )
