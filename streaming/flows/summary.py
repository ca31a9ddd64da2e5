"""What alerts and the workbook read: one record of the whole stream every ``monitoring_interval``, and the watch's.

The fields are a public contract, ``infra/telemetry-contract.json``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared import telemetry
from shared.clock import MICROSECONDS
from shared.tasks import cancel
from streaming.core.breaker import BreakerStatus
from streaming.flows import reports
from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.clock import Clock
    from streaming.flows.observe import StreamView
    from streaming.flows.outbox import OutboxReport

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_US: Final = 30 * MICROSECONDS
"""How long a changed ``monitoring_interval`` may go unnoticed."""


class Summaries:
    """Logs ``stream_summary`` at every multiple of the interval while a session is active.

    Run by the stream's timer, of which the platform lets one run at a time: so one instance at a time reports.
    """

    def __init__(
        self,
        *,
        view: Callable[[], Awaitable[StreamView]],
        outbox: Callable[[], Awaitable[OutboxReport]],
        clock: Clock,
        tell: Callable[[StreamView, OutboxReport], None] | None,
    ) -> None:
        """``tell`` is told of each look as well, whether a session is active or not."""
        self._view = view
        self._outbox = outbox
        self._clock = clock
        self._tell = tell
        self._interval_us = LOOK_US
        self._reported = 0
        """The last interval, counted since 1970, that has its record."""
        self._looked_at_us = 0

    async def beside(self, work: Awaitable[T]) -> T:
        """Do ``work``, and report meanwhile; at its end too, since it may have been over at once."""
        reporting = asyncio.create_task(self._keep_reporting(), name="summaries")
        try:
            result = await work
        finally:
            await cancel((reporting,))
        await self._report_if_due()
        return result

    async def _keep_reporting(self) -> None:
        while True:
            await self._report_if_due()
            await self._clock.sleep_until(self._clock.now_us() + min(self._interval_us, MICROSECONDS))

    async def _report_if_due(self) -> None:
        now_us = self._clock.now_us()
        is_due = now_us // self._interval_us > self._reported
        if not is_due and now_us < self._looked_at_us + LOOK_US:
            return
        with contextlib.suppress(StorageUnavailableError):  # The live flow says so itself.
            view = await self._view()
            self._looked_at_us = now_us
            interval_us = view.config.monitoring_interval * MICROSECONDS
            if interval_us != self._interval_us:
                self._interval_us = interval_us
                is_due = True
            if is_due:
                self._reported = now_us // interval_us
                await self._report(view)

    async def _report(self, view: StreamView) -> None:
        active = view.session is not None and view.session.active
        if not active and self._tell is None:
            return
        outbox = await self._outbox()
        if active:
            telemetry.info(logger, "stream_summary", **summary(view, outbox))
        if self._tell is not None:
            self._tell(view, outbox)


def summary(view: StreamView, outbox: OutboxReport) -> dict[str, Any]:
    """The fields of ``stream_summary``."""
    status, statistics = reports.status(view), reports.statistics(view)
    generated, failed = statistics.events_generated, statistics.events_failed
    return {
        "session_id": status.session_id,
        "mode": status.mode,
        "status": status.status.value,
        "uptime_seconds": status.uptime_seconds,
        "events_generated": generated,
        "events_sent": statistics.events_sent_successfully,
        "events_redriven": statistics.events_redriven,
        "events_failed": failed,
        "events_pending": statistics.events_pending,
        "event_type_counts": statistics.event_type_counts,
        "error_counts": statistics.error_counts,
        "batches_sent": statistics.batches_sent,
        "bytes_sent": statistics.bytes_sent,
        "events_per_second": status.events_per_second,
        "configured_events_per_second": status.configured_events_per_second,
        "achieved_rate_ratio": statistics.achieved_rate_ratio,
        "failure_rate": round(failed / generated, 6) if generated else 0.0,
        "circuit_breaker_state": view.breaker.status.value,
        "circuit_breaker_trips": statistics.circuit_breaker_trips,
        "circuit_breaker_open_seconds": _open_seconds(view),
        "connection_failures": statistics.connection_failures,
        "dlq_size": statistics.dlq_size,
        "outbox_pending": outbox.pending + outbox.processing,
        "outbox_oldest_pending_seconds": outbox.oldest_pending_seconds,
        "tick_staleness_seconds": round(view.tick_staleness_seconds, 3),
    }


async def watch(view: Callable[[], Awaitable[StreamView]]) -> None:
    """Log ``stream_watch``: whether the stream's timer shows signs of life, told by somebody else."""
    try:
        seen = await view()
    except StorageUnavailableError as error:
        telemetry.warning(
            logger, "stream_watch", tick_staleness_seconds=0.0, status="storage_unavailable", detail=str(error)
        )
        return
    telemetry.info(
        logger,
        "stream_watch",
        tick_staleness_seconds=round(seen.tick_staleness_seconds, 3),
        status=seen.status.value,
        session_id=seen.session.session_id if seen.session else None,
    )


def _open_seconds(view: StreamView) -> float:
    breaker = view.breaker
    if breaker.status is BreakerStatus.CLOSED or breaker.opened_at_us is None:
        return 0.0
    return round((view.now_us - breaker.opened_at_us) / MICROSECONDS, 3)
