"""What Prometheus is told. Names are a public contract: the old guide's rules use some of them as they are here.

What concerns the stream is read from storage, so that it is the same on every instance and survives restarts; the
counters are the session's, and begin anew with the next one. How long sends take, and what the process uses, are this
process's own.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Final

from shared import process
from shared.clock import MICROSECONDS
from shared.exposition import Metric, Sample, counter, gauge, render
from shared.tasks import gather
from streaming.core.breaker import BreakerStatus
from streaming.core.session import Wanted
from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from shared.clock import Clock
    from streaming.flows.observe import StreamView
    from streaming.flows.outbox import OutboxReport
    from streaming.flows.send_latency import LatencyHistogram

KEPT_US: Final = MICROSECONDS
"""How old a look at the stream may be: many scrapers cost storage no more than one."""
BREAKER_STATES: Final[Mapping[BreakerStatus, int]] = {
    BreakerStatus.CLOSED: 0,
    BreakerStatus.HALF_OPEN: 1,
    BreakerStatus.OPEN: 2,
}


class Metrics:
    """Answers scrapes, also when storage is away."""

    def __init__(
        self,
        *,
        view: Callable[[], Awaitable[StreamView]],
        outbox: Callable[[], Awaitable[OutboxReport]],
        clock: Clock,
        send_latency: LatencyHistogram,
    ) -> None:
        self._view = view
        self._outbox = outbox
        self._clock = clock
        self._send_latency = send_latency
        self._looking = asyncio.Lock()
        self._looked_at_us: int | None = None
        self._seen: tuple[StreamView, OutboxReport] | None = None

    async def text(self) -> str:
        """Every metric, in the text format. Never fails; without storage, only what needs none of it."""
        seen = await self._look()
        up = gauge("streaming_storage_up", "Whether storage could be read: 1 or 0.", int(seen is not None))
        return render([up, *(stream_metrics(*seen) if seen else ()), *self.own()])

    async def _look(self) -> tuple[StreamView, OutboxReport] | None:
        async with self._looking:
            looked_at_us = self._looked_at_us
            if looked_at_us is None or not 0 <= self._clock.now_us() - looked_at_us < KEPT_US:
                try:
                    view, outbox = await gather(self._view(), self._outbox())
                    self._seen = (view, outbox)
                except StorageUnavailableError:
                    self._seen = None
                self._looked_at_us = self._clock.now_us()
            return self._seen

    def own(self) -> list[Metric]:
        """What is this process's."""
        name, text = "streaming_send_duration_seconds", "How long this process's attempts to send a batch have taken."
        metrics = [self._send_latency.metric(name, text)]
        resident = process.resident_bytes()
        if resident is not None:
            metrics.append(gauge("process_resident_memory_bytes", "Memory that this process uses.", resident))
        cpu = (Sample(value=process.cpu_seconds()),)
        text = "Processor time that this process has used."
        return [*metrics, Metric(name="process_cpu_seconds_total", kind="counter", text=text, samples=cpu)]


def stream_metrics(view: StreamView, outbox: OutboxReport) -> list[Metric]:
    """The metrics of one look at the stream and its outbox."""
    return [*_gauges(view), *_of_outbox(outbox), *_counters(view), *_labelled(view)]


def _of_outbox(outbox: OutboxReport) -> list[Metric]:
    return [
        gauge("streaming_outbox_pending", "Staged events that are to be sent.", outbox.pending + outbox.processing),
        gauge(
            "streaming_outbox_oldest_pending_seconds",
            "How long ago the oldest of them was staged; 0 when there is none.",
            outbox.oldest_pending_seconds or 0,
        ),
    ]


def _gauges(view: StreamView) -> list[Metric]:
    session = view.session
    active = session is not None and session.active
    metrics = [
        gauge("streaming_active", "Whether a stream is active, also paused or in error: 1 or 0.", int(active)),
        gauge("streaming_events_per_second", "Events sent per second, last minute.", round(view.rate_last_minute, 3)),
        gauge(
            "streaming_configured_events_per_second",
            "Events per second that the stream is meant to send now: 0 while it is paused, stopping or stopped.",
            round(session.events_per_second, 3) if session is not None and session.wanted is Wanted.RUNNING else 0,
        ),
        gauge("streaming_events_pending", "Events generated, neither sent nor given up yet.", view.books.pending),
        gauge(
            "streaming_circuit_breaker_state",
            "The circuit breaker: 0 closed, 1 half-open, 2 open.",
            BREAKER_STATES[view.breaker.status],
        ),
        gauge("streaming_dlq_size", "Events in the dead-letter queue.", view.dlq_size),
        gauge(
            "streaming_tick_staleness_seconds",
            "Seconds since the active stream's last sign of life.",
            round(view.tick_staleness_seconds, 3),
        ),
    ]
    ratio = view.achieved_rate_ratio
    if ratio is not None:
        metrics.append(gauge("streaming_achieved_rate_ratio", "Achieved over configured rate.", round(ratio, 4)))
    return metrics


def _counters(view: StreamView) -> list[Metric]:
    tally, books = view.tally, view.books
    return list(
        chain(
            counter("streaming_events_generated", "Events generated in the session.", tally.generated),
            counter(
                "streaming_events_sent",
                "Events that the hub has accepted in the session.",
                tally.sent_first + books.redriven,
            ),
            counter("streaming_events_failed", "Events dead-lettered in the session.", tally.dead_lettered),
            counter("streaming_batches_sent", "Batches that the hub has accepted.", tally.batches_sent),
            counter("streaming_bytes_sent", "Bytes of event bodies that the hub has accepted.", tally.bytes_sent),
            counter("streaming_connection_failures", "Attempts that did not reach the hub.", tally.connection_failures),
            counter("streaming_bursts_skipped", "Bursts too late to be caught up.", view.bursts_skipped),
            counter("streaming_circuit_breaker_trips", "Openings of the circuit breaker.", view.breaker.trips),
        )
    )


def _labelled(view: StreamView) -> list[Metric]:
    tally = view.tally
    return [
        Metric(
            name="streaming_events_generated_by_type_total",
            kind="counter",
            text="Events generated in the session, by type.",
            samples=_by("event_type", tally.by_type),
        ),
        Metric(
            name="streaming_events_failed_by_error_total",
            kind="counter",
            text="Events dead-lettered in the session, by the category of the error.",
            samples=_by("category", tally.by_error),
        ),
    ]


def _by(label: str, counts: Mapping[str, int]) -> tuple[Sample, ...]:
    return tuple(Sample(labels={label: name}, value=count) for name, count in sorted(counts.items()))
