"""``host.json``: the parts that this host acts on, with the platform's defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from local.functions_host.options import StartupError
from local.functions_host.settings import read_json_object

if TYPE_CHECKING:
    from pathlib import Path

    from local.functions_host.settings import AppSettings

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]?\d)(?::([0-5]?\d)(\.\d{1,7})?)?")
_LARGEST_BATCH = 32
_LARGEST_VISIBILITY = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """``extensions.queues``."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    """More messages are fetched when no more than this many are being processed."""
    max_polling_interval_seconds: float = 60.0
    visibility_timeout_seconds: float = 0.0
    """How long a message whose function failed stays away."""
    max_dequeue_count: int = 5
    base64: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfiguration:
    route_prefix: str = "api"
    queues: QueueOptions


def parse_time_span(text: str) -> timedelta:
    """``[d.]hh:mm[:ss[.fffffff]]`` as .NET reads it. Raises ValueError."""
    found = _TIME_SPAN.fullmatch(text.strip())
    if found is None or int(found[2]) > 23:  # noqa: PLR2004  hours of a day
        raise ValueError(f"{text!r} is no time span (hh:mm:ss)")
    days, hours, minutes, seconds, fraction = found.groups()
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0)
    ) + timedelta(seconds=float(f"0{fraction or '.0'}"))


def read_host_json(path: Path, settings: AppSettings) -> HostConfiguration:
    """Raises StartupError. Settings named ``AzureFunctionsJobHost__a__b`` override the key ``a.b`` of the file."""
    content = read_json_object(path)
    for keys, value in settings.under("AzureFunctionsJobHost").items():
        _override(content, keys, value)
    try:
        extensions = _section(content, "extensions")
        prefix = _section(extensions, "http").get("routePrefix", "api")
        return HostConfiguration(
            route_prefix=str(prefix).strip("/"), queues=_queue_options(_section(extensions, "queues"))
        )
    except (TypeError, ValueError) as error:
        raise StartupError(f"{path}: {error}") from error


def _queue_options(section: dict[str, Any]) -> QueueOptions:
    batch_size = _whole(section, "batchSize", 16, 1, _LARGEST_BATCH)
    encoding = str(section.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise ValueError(f"queues.messageEncoding is base64 or none, not {encoding}")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=_whole(section, "newBatchThreshold", batch_size // 2, 0, 1_000),
        max_polling_interval_seconds=max(
            0.1, parse_time_span(str(section.get("maxPollingInterval", "00:01:00"))).total_seconds()
        ),
        visibility_timeout_seconds=min(
            parse_time_span(str(section.get("visibilityTimeout", "00:00:00"))), _LARGEST_VISIBILITY
        ).total_seconds(),
        max_dequeue_count=_whole(section, "maxDequeueCount", 5, 1, 1_000_000),
        base64=encoding == "base64",
    )


def _section(content: dict[str, Any], key: str) -> dict[str, Any]:
    found = content.get(key, {})
    if not isinstance(found, dict):
        raise TypeError(f"{key} must be a JSON object")
    return found


def _whole(section: dict[str, Any], key: str, default: int, least: int, most: int) -> int:
    number = int(section.get(key, default))
    if not least <= number <= most:
        raise ValueError(f"queues.{key} is {least} to {most}, not {number}")
    return number


def _override(content: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    *sections, last = keys
    for key in sections:
        found = content.setdefault(_as_written(content, key), {})
        if not isinstance(found, dict):
            return
        content = found
    content[_as_written(content, last)] = value


_KNOWN_KEYS = {
    key.lower(): key
    for key in (
        "routePrefix",
        "batchSize",
        "newBatchThreshold",
        "maxPollingInterval",
        "visibilityTimeout",
        "maxDequeueCount",
        "messageEncoding",
    )
}


def _as_written(content: dict[str, Any], lowered: str) -> str:
    return next((key for key in content if key.lower() == lowered), _KNOWN_KEYS.get(lowered, lowered))
