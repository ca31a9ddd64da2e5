"""How long sends take: a histogram of this process and spans, filled by a publisher that times another one."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from shared.clock import MICROSECONDS
from shared.exposition import Metric, Sample
from streaming.core.outcome import SendFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.clock import Clock
    from shared.tracing import Traces
    from streaming.core.event import Event
    from streaming.core.outcome import SendResult
    from streaming.ports import Publisher

BOUNDS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class LatencyHistogram:
    """Counts durations by bucket, as Prometheus wants them."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self._sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self._sum_seconds += seconds

    def metric(self, name: str, text: str) -> Metric:
        totals = list(accumulate(self._counts))
        bounds = [*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf"]
        buckets = [
            Sample(suffix="_bucket", labels={"le": bound}, value=total)
            for bound, total in zip(bounds, totals, strict=True)
        ]
        return Metric(
            name=name,
            kind="histogram",
            text=text,
            samples=(
                *buckets,
                Sample(suffix="_sum", value=self._sum_seconds),
                Sample(suffix="_count", value=totals[-1]),
            ),
        )


class TimedPublisher:
    """Another publisher, each attempt of which is timed, whatever comes of it."""

    def __init__(self, publisher: Publisher, *, clock: Clock, histogram: LatencyHistogram, traces: Traces) -> None:
        self._publisher = publisher
        self._clock = clock
        self._histogram = histogram
        self._traces = traces

    @property
    def max_batch_bytes(self) -> int:
        return self._publisher.max_batch_bytes

    def encoded_size(self, event: Event) -> int:
        return self._publisher.encoded_size(event)

    async def partition_count(self) -> int | SendFailed:
        return await self._publisher.partition_count()

    async def warm(self, partitions: Iterable[int]) -> None:
        await self._publisher.warm(partitions)

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        began_us = self._clock.now_us()
        try:
            result = await self._publisher.send(events, partition=partition, timeout_seconds=timeout_seconds)
        finally:
            ended_us = self._clock.now_us()
            self._histogram.observe(max(0, ended_us - began_us) / MICROSECONDS)
        failed = result if isinstance(result, SendFailed) else None
        self._traces.note(
            "send",
            began_us=began_us,
            ended_us=ended_us,
            failure=f"{failed.category.value}: {failed.detail}" if failed else None,
            outcome="failed" if failed else "sent",
            category=failed.category.value if failed else "",
            partition=partition,
            events=len(events),
        )
        return result

    async def close(self) -> None:
        await self._publisher.close()
