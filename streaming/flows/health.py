"""Health with reasons: each check says its status, why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from shared.clock import MICROSECONDS, to_iso
from streaming.core.breaker import BreakerStatus
from streaming.core.session import STALE_AFTER_US, Status
from streaming.flows.observe import LONG_INTERVAL_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.settings import SettingProblem
    from streaming.flows.observe import StreamView

HIGH_FAILURE_RATE: Final = 0.05
LOW_RATE_RATIO: Final = 0.95
LOW_EVENTS_PER_SECOND: Final = 10.0
DLQ_WARNING_SHARE: Final = 0.8
WARM_UP_SECONDS: Final = 15.0
"""A stream that has just begun or resumed isn't judged by its rate yet."""


class Level(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its level, and the fields that the report shows."""

    level: Level
    fields: dict[str, Any]


def _check(level: Level, status: str, why: str | None = None, what_to_do: str | None = None, **fields: Any) -> Check:
    reasons = {"why": why, "what_to_do": what_to_do} if why else {}
    return Check(level=level, fields={"status": status, **fields, **reasons})


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """``GET /api/stream/health``."""

    status: Level
    timestamp: str
    checks: dict[str, dict[str, Any]]


def report(
    *,
    now_us: int,
    view: StreamView | None,
    storage_error: str | None,
    hub_name: str | None,
    problems: Sequence[SettingProblem],
) -> HealthReport:
    """Judge. ``view`` is None when storage could not be read, and ``storage_error`` says why."""
    checks = {
        "streaming_task": _streaming_task(view),
        "azure_config": _azure_config(hub_name, problems),
        "statistics": _statistics(view),
        "storage": _storage(storage_error),
        "event_hub": _event_hub(view, hub_name),
        "circuit_breaker": _circuit_breaker(view),
        "dead_letter_queue": _dead_letter_queue(view),
        "outbox": _outbox(view),
    }
    levels = {check.level for check in checks.values()}
    worst = next(level for level in (Level.UNHEALTHY, Level.DEGRADED, Level.HEALTHY) if level in levels)
    return HealthReport(
        status=worst, timestamp=to_iso(now_us), checks={name: check.fields for name, check in checks.items()}
    )


def _streaming_task(view: StreamView | None) -> Check:
    if view is None:
        return _check(Level.HEALTHY, "unknown", "Storage can't be read.", "See the check named storage.")
    session = view.session
    if session is None or not session.active:
        return _check(Level.HEALTHY, "inactive", task_status=Status.STOPPED.value, uptime_seconds=0)
    fields: dict[str, Any] = {
        "task_status": view.status.value,
        "uptime_seconds": session.elapsed_us(view.now_us) // MICROSECONDS,
    }
    if view.tick_staleness_seconds * MICROSECONDS > STALE_AFTER_US:
        return _check(
            Level.UNHEALTHY,
            "stale",
            f"No sign of life from the stream's timer for {view.tick_staleness_seconds:.0f} s.",
            "Check that the function app runs and that the function stream_tick is enabled.",
            **fields,
        )
    return _check(Level.HEALTHY, "active", **fields)


def _azure_config(hub_name: str | None, problems: Sequence[SettingProblem]) -> Check:
    if problems:
        why = " ".join(f"{problem.setting} {problem.message}" for problem in problems)
        return _check(Level.DEGRADED, "not_configured", why, "Correct these settings and restart.", hub_name=hub_name)
    return _check(Level.HEALTHY, "configured", hub_name=hub_name)


def _statistics(view: StreamView | None) -> Check:
    if view is None:
        return _check(Level.HEALTHY, "unknown", "Storage can't be read.", "See the check named storage.")
    tally = view.tally
    failure_rate = tally.dead_lettered / tally.generated if tally.generated else 0.0
    fields: dict[str, Any] = {
        "events_generated": tally.generated,
        "events_per_second": round(view.rate_last_minute, 1),
        "failure_rate": round(failure_rate, 6),
    }
    if failure_rate > HIGH_FAILURE_RATE:
        return _check(
            Level.DEGRADED,
            "degraded",
            f"{failure_rate:.1%} of the events failed.",
            "See error_counts in /api/stream/statistics and the dead letters in /api/stream/dlq.",
            **fields,
        )
    why = _low_rate(view)
    if why:
        return _check(
            Level.DEGRADED, "degraded", why, "See the checks event_hub and circuit_breaker, and the CPU.", **fields
        )
    return _check(Level.HEALTHY, "healthy", **fields)


def _low_rate(view: StreamView) -> str | None:
    """Why the rate is too low; None while it is right, or while there is no telling."""
    session, ratio = view.session, view.achieved_rate_ratio
    if session is None or ratio is None or session.event_types is not None:
        return None  # A filter for rare types may fill its bursts only partly, and that is right.
    settled_in_seconds = (view.now_us - view.paced_since_us) / MICROSECONDS
    if settled_in_seconds < max(WARM_UP_SECONDS, 2 * session.emit_interval_ms / 1_000):
        return None
    if ratio < LOW_RATE_RATIO:
        return f"The achieved rate is {ratio:.1%} of the configured {session.events_per_second:g} events/s."
    asked_enough = session.events_per_second * LOW_RATE_RATIO >= LOW_EVENTS_PER_SECOND
    if asked_enough and view.rate_last_minute < LOW_EVENTS_PER_SECOND and session.emit_interval_ms <= LONG_INTERVAL_MS:
        return f"Under {LOW_EVENTS_PER_SECOND:g} events/s, of {session.events_per_second:g} configured."
    return None


def _storage(storage_error: str | None) -> Check:
    if storage_error is None:
        return _check(Level.HEALTHY, "healthy")
    return _check(
        Level.UNHEALTHY, "unreachable", storage_error, "Check AzureWebJobsStorage, the network and the account's roles."
    )


def _event_hub(view: StreamView | None, hub_name: str | None) -> Check:
    if hub_name is None:
        return _check(Level.HEALTHY, "not_configured", "No hub is configured.", "See the check named azure_config.")
    fault = view.fault if view is not None and view.session is not None and view.session.active else None
    if fault:
        return _check(
            Level.DEGRADED, "failing", fault, "Try POST /api/stream/test, which says what to do.", hub_name=hub_name
        )
    return _check(Level.HEALTHY, "healthy", hub_name=hub_name)


def _circuit_breaker(view: StreamView | None) -> Check:
    if view is None:
        return _check(Level.HEALTHY, "unknown", "Storage can't be read.", "See the check named storage.")
    breaker = view.breaker
    if not view.config.circuit_breaker_enabled:
        return _check(Level.HEALTHY, "disabled", trips=breaker.trips)
    if breaker.status is BreakerStatus.CLOSED:
        return _check(Level.HEALTHY, "closed", trips=breaker.trips)
    retry = f" It tries again at {to_iso(breaker.retry_at_us)}." if breaker.retry_at_us else ""
    last = breaker.transitions[-1].reason if breaker.transitions else "unknown"
    return _check(
        Level.DEGRADED,
        breaker.status.value,
        f"The last transition's reason: {last}.{retry}",
        "Find out what fails with POST /api/stream/test.",
        trips=breaker.trips,
    )


def _dead_letter_queue(view: StreamView | None) -> Check:
    if view is None:
        return _check(Level.HEALTHY, "unknown", "Storage can't be read.", "See the check named storage.")
    size, limit = view.dlq_size, view.config.dlq_max_size
    if size >= limit * DLQ_WARNING_SHARE:
        return _check(
            Level.DEGRADED,
            "filling",
            f"{size} of {limit} events: the oldest are given up when it is full.",
            "Send them again or clear them: /api/stream/dlq.",
            size=size,
            max_size=limit,
        )
    return _check(Level.HEALTHY, "healthy", size=size, max_size=limit)


def _outbox(view: StreamView | None) -> Check:
    if view is None:
        return _check(Level.HEALTHY, "unknown", "Storage can't be read.", "See the check named storage.")
    return _check(Level.HEALTHY, "healthy", pending=view.outbox_pending)
