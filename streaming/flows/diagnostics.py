"""Everything that somebody who helps will ask for, in one document without secrets."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from shared import process
from shared.clock import to_iso
from streaming.flows import reports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings import SettingProblem
    from streaming.flows.health import HealthReport
    from streaming.flows.observe import StreamView

PACKAGES: Final = (
    "azure-functions",
    "azure-eventhub",
    "azure-data-tables",
    "azure-identity",
    "aiohttp",
    "orjson",
    "pydantic",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """``GET /api/stream/diagnostics``."""

    timestamp: str
    status: reports.StatusReport
    statistics: reports.StatisticsReport
    books: dict[str, Any]
    health: Any
    config: dict[str, Any]
    circuit_breaker: reports.BreakerReport
    dlq: Any
    """As ``GET /api/stream/dlq/summary``."""
    outbox: Any
    """As ``GET /api/stream/outbox/status``."""
    versions: dict[str, str | None]
    process: dict[str, float | None]
    settings: dict[str, bool]
    """By name, whether it is set; never its value."""
    setting_problems: list[str]


def diagnostics(
    view: StreamView,
    *,
    health: HealthReport,
    config: dict[str, Any],
    dlq: Any,
    outbox: Any,
    settings: Mapping[str, bool],
    problems: tuple[SettingProblem, ...],
) -> Diagnostics:
    return Diagnostics(
        timestamp=to_iso(view.now_us),
        status=reports.status(view),
        statistics=reports.statistics(view),
        books=reports.books(view.books),
        health=health,
        config=config,
        circuit_breaker=reports.circuit_breaker(view.breaker, enabled=view.config.circuit_breaker_enabled),
        dlq=dlq,
        outbox=outbox,
        versions={"python": sys.version.split()[0], "platform": platform.platform(), **_packages()},
        process={"resident_memory_bytes": process.resident_bytes(), "cpu_seconds": round(process.cpu_seconds(), 3)},
        settings=dict(settings),
        setting_problems=[f"{problem.setting} {problem.message}" for problem in problems],
    )


def _packages() -> dict[str, str | None]:
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
