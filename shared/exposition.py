"""The Prometheus text format (version 0.0.4): metrics in, text out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One line: the metric's name with ``suffix``, labels, and a value."""

    value: float
    labels: Mapping[str, str] | None = None
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A family: one name, what it is, and its samples."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: tuple[Sample, ...]


def gauge(name: str, text: str, value: float) -> Metric:
    return Metric(name=name, kind="gauge", text=text, samples=(Sample(value=value),))


def counter(name: str, text: str, value: float) -> tuple[Metric, Metric]:
    """A counter under ``name`` as it is, and under the conventional ``<name>_total`` beside it."""
    samples = (Sample(value=value),)
    return (
        Metric(name=name, kind="counter", text=text, samples=samples),
        Metric(name=f"{name}_total", kind="counter", text=text, samples=samples),
    )


def render(metrics: Iterable[Metric]) -> str:
    return "".join(line for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.text.translate(_HELP_ESCAPES)}\n"
    yield f"# TYPE {metric.name} {metric.kind}\n"
    for sample in metric.samples:
        yield f"{metric.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}\n"


def _labels(labels: Mapping[str, str] | None) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
