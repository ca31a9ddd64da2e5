"""Traces and metrics to Application Insights, by OpenTelemetry. Logs go there by the Functions host.

Importing this takes 70 ms and 25 MB of libraries: whoever has no connection string for it, doesn't. It uses Microsoft's
exporter without their distribution, whose instrumentations would record every request to storage
(docs/decisions/0010-open-telemetry.md). Nothing is registered globally, and nothing is kept on disk.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.clock import MICROSECONDS
from shared.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence

    from shared.clock import Clock
    from shared.exposition import Metric
    from shared.tracing import Value

SCOPE: Final = "retail_stream"
MOST_FAILURES: Final = 100
"""Spans of one name that a run may leave: an outage is understood from fewer."""
METRICS_US: Final = 60 * MICROSECONDS
"""At most one export of the metrics in so long: each value is billed."""
_NANOSECONDS: Final = 1_000
"""A microsecond's."""
_OWN_BUSINESS: Final = (
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
)
"""What the exporter would tell Microsoft about itself, and ask them, at other addresses than the one it was given."""
_EXPORTER: Final[Mapping[str, Any]] = {"disable_offline_storage": True, "timeout": 5.0, "retry_total": 1}


class AzureMonitor:
    """The telemetry of one process, that of its stream included while it runs one."""

    def __init__(
        self, *, spans: SpanExporter, metrics: MetricExporter, resource: Mapping[str, str], clock: Clock
    ) -> None:
        """``connect`` makes one that sends to Application Insights."""
        described = Resource(dict(resource))
        # Sampling is done by what is recorded at all; the platform's flag on its traceparent says nothing about that.
        self._spans = TracerProvider(sampler=ALWAYS_ON, resource=described)
        self._spans.add_span_processor(BatchSpanProcessor(RedactingExporter(spans)))
        self._tracer = self._spans.get_tracer(SCOPE)
        self._reader = PeriodicExportingMetricReader(metrics, export_interval_millis=math.inf)
        self._metrics = MeterProvider(metric_readers=[self._reader], resource=described)
        self._meter = self._metrics.get_meter(SCOPE)
        self._clock = clock
        self._values: dict[str, list[Observation]] = {}
        self._instruments: set[str] = set()
        self._told_us = -METRICS_US

    @contextmanager
    def run(self, name: str, *, parent: str | None) -> Iterator[MutableMapping[str, Value]]:
        attributes: dict[str, Value] = {}
        above = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context=above, end_on_exit=False, record_exception=False, set_status_on_exception=False
        ) as span:
            noted: Counter[str] = Counter()
            token = _noted.set(noted)
            try:
                yield attributes
            except asyncio.CancelledError:
                attributes["outcome"] = "cancelled"  # The platform takes the instance away: nobody's failure.
                raise
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                attributes["outcome"] = "failed"
                raise
            finally:
                _noted.reset(token)
                if attributes or noted:
                    span.set_attributes(attributes)
                    span.end()

    def note(self, name: str, *, began_us: int, ended_us: int, failure: str | None, **attributes: Value) -> None:
        noted = _noted.get()
        kind = name if failure is None else f"{name} failed"
        if noted is None or noted[kind] >= (1 if failure is None else MOST_FAILURES):
            return
        noted[kind] += 1
        span = self._tracer.start_span(
            name, kind=SpanKind.INTERNAL, start_time=began_us * _NANOSECONDS, attributes=attributes
        )
        if failure is not None:
            span.set_status(Status(StatusCode.ERROR, failure))
        span.end(ended_us * _NANOSECONDS)

    def tell(self, metrics: Iterable[Metric]) -> None:
        """Export ``metrics`` as of now, under the names of ``/metrics``, unless that was done within the last minute.

        Returns at once. The conventional ``_total`` beside a counter and the buckets of histograms stay behind: they
        would cost more than they say.
        """
        now_us = self._clock.now_us()
        if now_us < self._told_us + METRICS_US:
            return
        self._told_us = now_us
        self._values = _observations(metrics)
        for name in self._values.keys() - self._instruments:
            self._meter.create_observable_gauge(name, callbacks=[self._observe(name)])
            self._instruments.add(name)
        asyncio.get_running_loop().run_in_executor(None, self._reader.collect)

    def _observe(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _options: self._values.get(name, ())

    def flush(self) -> None:
        """Send what waits, and wait for that."""
        self._spans.force_flush()

    def close(self) -> None:
        """Send what waits, and end."""
        self._spans.shutdown()
        self._metrics.shutdown()


_noted: Final[ContextVar[Counter[str] | None]] = ContextVar("noted", default=None)
"""What the surrounding run has recorded, by name."""


def connect(connection_string: str, *, role: str, instance: str, clock: Clock) -> AzureMonitor:
    """Telemetry to the Application Insights of ``connection_string``.

    With ``APPLICATIONINSIGHTS_AUTHENTICATION_STRING`` the exporter signs in by itself, as the host does. ``role`` and
    ``instance``: what it shows as the app and its instance. Needs no network.
    """
    for setting in _OWN_BUSINESS:
        os.environ.setdefault(setting, "true")
    return AzureMonitor(
        spans=AzureMonitorTraceExporter(connection_string=connection_string, **_EXPORTER),
        metrics=AzureMonitorMetricExporter(connection_string=connection_string, **_EXPORTER),
        resource={"service.name": role, "service.instance.id": instance},
        clock=clock,
    )


class RedactingExporter(SpanExporter):
    """Hands on spans without the secrets that their texts may hold, whoever made them."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _redacted(span: ReadableSpan) -> ReadableSpan:
    status = span.status
    return ReadableSpan(
        name=redact(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_redacted_values(span.attributes),
        events=[Event(redact(each.name), _redacted_values(each.attributes), each.timestamp) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(status.status_code, redact(status.description)) if status.description else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redacted_values(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: redact(value) if isinstance(value, str) else value for name, value in (attributes or {}).items()}


def _observations(metrics: Iterable[Metric]) -> dict[str, list[Observation]]:
    by_name = {metric.name: metric for metric in metrics}
    observations: dict[str, list[Observation]] = {}
    for name, metric in by_name.items():
        if name.removesuffix("_total") != name and name.removesuffix("_total") in by_name:
            continue
        for sample in metric.samples:
            if sample.suffix != "_bucket":
                observations.setdefault(name + sample.suffix, []).append(
                    Observation(sample.value, dict(sample.labels or {}))
                )
    return observations
