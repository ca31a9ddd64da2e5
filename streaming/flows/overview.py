"""What one refresh of the dashboard shows, in one answer: each part has the shape of the route that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from shared.clock import MICROSECONDS, to_datetime, to_iso
from shared.tasks import gather
from streaming.core.config import PROFILES
from streaming.flows import reports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from streaming.flows.disruptions import DisruptionFlow, DisruptionReport
    from streaming.flows.health import HealthReport
    from streaming.flows.history import History, HistoryReport
    from streaming.flows.observe import Observer, StreamView
    from streaming.flows.reports import BreakerReport, PauseReport, StatisticsReport, StatusReport

SECONDS_PER_BUCKET: Final = 5
LATE_US: Final = 5 * MICROSECONDS
"""Shards commit a moment apart: what is stamped so little before the newest event may have come after it."""


class Window(IntEnum):
    """The spans of time, in minutes, that graphs show."""

    FIVE_MINUTES = 5
    HOUR = 60
    DAY = 1_440


_SPANS: Final[Mapping[Window, tuple[int, int]]] = {
    # Its first minute has begun before it: where minutes are few, that one must not be missing.
    Window.FIVE_MINUTES: (6, 60),
    Window.HOUR: (60, 60),
    Window.DAY: (1_440, 600),
}
"""The history of a window: minutes, and seconds of a bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRequest:
    """How much of what is large is wanted."""

    window: Window | None = None
    """None: no history."""
    events: int = 100
    """The most recent events wanted, 0 to 100."""
    after_us: int | None = None
    """The timestamp of the newest event that is known: older ones are left out, but for those that may be late."""
    details: bool = True
    """Whether the dead letters and the outbox are to be summarized, which costs reads of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``GET /api/stream/overview``."""

    timestamp: str
    status: StatusReport
    statistics: StatisticsReport
    pause: PauseReport
    health: HealthReport
    circuit_breaker: BreakerReport
    config: Mapping[str, Any]
    profiles: Mapping[str, Mapping[str, int | float | bool]]
    """The named settings of the configuration."""
    history: HistoryReport | None
    last_minute: HistoryReport | None
    """In buckets of seconds; comes with ``history``."""
    events: Sequence[Mapping[str, Any]]
    """The newest first."""
    disruptions: Sequence[DisruptionReport]
    dlq: Any = None
    """As ``GET /api/stream/dlq/summary``; None when it was not asked for."""
    outbox: Any = None
    """As ``GET /api/stream/outbox/status``; likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewFlow:
    """Asks everybody at once."""

    observer: Observer
    history: History
    disruptions: DisruptionFlow
    judge: Callable[[StreamView], HealthReport]
    configuration: Callable[[StreamView], Mapping[str, Any]]
    dead_letters: Callable[[StreamView], Awaitable[Any]] | None = None
    outbox: Callable[[StreamView], Awaitable[Any]] | None = None

    async def look(self, request: OverviewRequest) -> Overview:
        """Raises ``StorageUnavailableError``."""
        view = await self.observer.view()
        events, disruptions, (history, last_minute), dlq, outbox = await gather(
            self._events(request),
            self.disruptions.list(view.disrupted),
            self._history(request.window),
            _unless_absent(self.dead_letters if request.details else None, view),
            _unless_absent(self.outbox if request.details else None, view),
        )
        return Overview(
            timestamp=to_iso(view.now_us),
            status=reports.status(view),
            statistics=reports.statistics(view),
            pause=reports.pause_status(view),
            health=self.judge(view),
            circuit_breaker=reports.circuit_breaker(view.breaker, enabled=view.config.circuit_breaker_enabled),
            config=self.configuration(view),
            profiles=PROFILES,
            history=history,
            last_minute=last_minute,
            events=events,
            disruptions=disruptions,
            dlq=dlq,
            outbox=outbox,
        )

    async def _events(self, request: OverviewRequest) -> list[dict[str, Any]]:
        if not request.events:
            return []
        events = await self.observer.recent(request.events)
        if request.after_us is None:
            return events
        since = to_datetime(request.after_us - LATE_US)
        return [event for event in events if datetime.fromisoformat(event["timestamp"]) > since]

    async def _history(self, window: Window | None) -> tuple[HistoryReport | None, HistoryReport | None]:
        if window is None:
            return None, None
        minutes, bucket_seconds = _SPANS[window]
        return await gather(
            self.history.report(window_minutes=minutes, bucket_seconds=bucket_seconds),
            self.history.report(window_minutes=1, bucket_seconds=SECONDS_PER_BUCKET),
        )


async def _unless_absent(ask: Callable[[StreamView], Awaitable[Any]] | None, view: StreamView) -> Any:
    return None if ask is None else await ask(view)
