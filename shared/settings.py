"""The environment, read once and checked all at once. Names are a public contract (see docs/operations.md).

Nothing here raises for a missing or malformed value: the app must load without any. ``problems`` says what is wrong, by
name, and what to do; health and the routes that need the setting repeat it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_SCHEDULE = "* * * * * *"
DEFAULT_TABLE_PREFIX = "retail"
DEFAULT_FIRST_DAY = "2026-01-01"
LEAST_DAY_SCALE = 0.001
MOST_DAY_SCALE = 20.0
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SCHEDULE = re.compile(r"([0-9A-Za-z*,/-]+\s+){4,5}[0-9A-Za-z*,/-]+|([0-9]+\.)?[0-9]{1,2}(:[0-9]{2}){1,2}(\.[0-9]+)?")
"""The shape of what the Functions host takes; it has the last word."""
_INSTRUMENTATION_KEY = re.compile(r"InstrumentationKey=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TABLE_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}")
REALTIME_PREFIX = "REALTIME_"
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingProblem:
    """One setting that is missing or malformed."""

    setting: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """The retail world that a new session gets: the same one each time, so that consumers' reference data hold."""

    seed: int
    stores: int
    distribution_centers: int
    products: int
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSettings:
    """The days that the outbox stages."""

    first_day: str
    """``2026-01-31``: the day to begin with when none was ever staged."""
    day_scale: float
    """Of a day's volume: at 1 the default world makes about 100 000 events a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says, apart from the event hub (see ``streaming/adapters/event_hubs/connection.py``)."""

    storage: Mapping[str, str]
    """``AzureWebJobsStorage`` or its ``__`` parts, as the Functions host knows them, keys without the prefix."""
    proxied: bool
    """Whether the usual variables name a proxy, which then is the way to storage too."""
    table_prefix: str
    schedule: str
    """Of the stream's timer."""
    log_level: str
    realtime: Mapping[str, str]
    """Overrides of the configuration's defaults: ``REALTIME_BURST`` is ``burst`` here. Checked by the configuration."""
    world: WorldSettings
    outbox: OutboxSettings
    application_insights: str | None
    """The connection string of where telemetry goes; None: nowhere, or it is malformed."""
    rate_limits: Mapping[str, int]
    """Calls per minute by the name of the limit: ``RATE_LIMIT_START`` is ``start`` here. 0 lifts one."""
    problems: tuple[SettingProblem, ...]


_WORLD_BOUNDS = {
    "WORLD_SEED": (42, 0, 2**63 - 1),
    "WORLD_STORES": (50, 1, 1_000),
    "WORLD_DISTRIBUTION_CENTERS": (5, 1, 100),
    "WORLD_PRODUCTS": (1_000, 100, 10_000),
    "WORLD_CUSTOMERS": (20_000, 100, 1_000_000),
}


_RATE_LIMITS = {
    "RATE_LIMIT_START": (5, 0, 1_000),
    "RATE_LIMIT_TEST": (10, 0, 1_000),
    "RATE_LIMIT_DISRUPTION": (20, 0, 1_000),
    "RATE_LIMIT_VALIDATION": (20, 0, 1_000),
}


SETTINGS = (
    "AzureWebJobsStorage",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_EVENTHUB_CONNECTION_STRING",
    "EVENTHUB_FULLY_QUALIFIED_NAMESPACE",
    "EVENTHUB_NAME",
    "EVENTHUB_TRANSPORT",
    "STREAM_SCHEDULE",
    "STREAM_TABLE_PREFIX",
    "LOG_LEVEL",
    "OUTBOX_DAY_SCALE",
    "OUTBOX_FIRST_DAY",
    "MAX_WORKERS",
    "ALLOWED_ORIGINS",
    *_RATE_LIMITS,
    *_WORLD_BOUNDS,
)
"""Every setting that the app or its hosts know, but for ``REALTIME_<KEY>`` and the parts of AzureWebJobsStorage."""


def which_are_set(environment: Mapping[str, str]) -> dict[str, bool]:
    """Each setting's name, and whether it has a value: what may be told to anybody."""
    further = [name for name in environment if name.startswith((REALTIME_PREFIX, "AzureWebJobsStorage__"))]
    return {name: bool(environment.get(name)) for name in sorted({*SETTINGS, *further})}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read every setting of ``environment``; a wrong one gets its default and an entry in ``problems``."""
    problems: list[SettingProblem] = []

    def flag(setting: str, message: str) -> None:
        problems.append(SettingProblem(setting=setting, message=message))

    storage = _storage(environment)
    if not storage:
        flag(
            "AzureWebJobsStorage",
            "is not set. Set it to a storage account's connection string, or use an identity.",
        )

    prefix = environment.get("STREAM_TABLE_PREFIX") or DEFAULT_TABLE_PREFIX
    if not _TABLE_PREFIX.fullmatch(prefix):
        flag(
            "STREAM_TABLE_PREFIX",
            "must be letters and digits, begin with a letter and have at most 31 characters.",
        )
        prefix = DEFAULT_TABLE_PREFIX

    schedule = (environment.get("STREAM_SCHEDULE") or DEFAULT_SCHEDULE).strip()
    if not _SCHEDULE.fullmatch(schedule):
        flag("STREAM_SCHEDULE", f"must be a schedule of five or six fields such as {DEFAULT_SCHEDULE!r}, or hh:mm:ss.")
        schedule = DEFAULT_SCHEDULE

    level = (environment.get("LOG_LEVEL") or "INFO").upper()
    if level not in LOG_LEVELS:
        flag("LOG_LEVEL", f"must be one of {', '.join(LOG_LEVELS)}.")
        level = "INFO"

    sizes = {name: _bounded(environment, name, bounds, flag) for name, bounds in _WORLD_BOUNDS.items()}
    if sizes["WORLD_DISTRIBUTION_CENTERS"] > sizes["WORLD_STORES"]:
        flagged = any(problem.setting == "WORLD_DISTRIBUTION_CENTERS" for problem in problems)
        if environment.get("WORLD_DISTRIBUTION_CENTERS") and not flagged:
            flag(
                "WORLD_DISTRIBUTION_CENTERS",
                "must not exceed WORLD_STORES: each center serves at least one store.",
            )
        sizes["WORLD_DISTRIBUTION_CENTERS"] = sizes["WORLD_STORES"]

    return Settings(
        storage=storage,
        proxied=any(name.lower() in PROXIES and value for name, value in environment.items()),
        table_prefix=prefix,
        schedule=schedule,
        log_level=level,
        realtime={
            name.removeprefix(REALTIME_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(REALTIME_PREFIX) and value
        },
        world=WorldSettings(
            seed=sizes["WORLD_SEED"],
            stores=sizes["WORLD_STORES"],
            distribution_centers=sizes["WORLD_DISTRIBUTION_CENTERS"],
            products=sizes["WORLD_PRODUCTS"],
            customers=sizes["WORLD_CUSTOMERS"],
        ),
        outbox=_outbox(environment, flag),
        application_insights=_application_insights(environment, flag),
        rate_limits={
            name.removeprefix("RATE_LIMIT_").lower(): _bounded(environment, name, bounds, flag)
            for name, bounds in _RATE_LIMITS.items()
        },
        problems=tuple(problems),
    )


def _application_insights(environment: Mapping[str, str], flag: Callable[[str, str], None]) -> str | None:
    text = environment.get("APPLICATIONINSIGHTS_CONNECTION_STRING")
    if not text:
        return None
    parts = [part for part in text.split(";") if part]
    if not any(map(_INSTRUMENTATION_KEY.fullmatch, parts)) or any(part.count("=") != 1 for part in parts):
        flag(
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            "must be InstrumentationKey=<a UUID>;IngestionEndpoint=…, as the portal shows it.",
        )
        return None
    return text


def _outbox(environment: Mapping[str, str], flag: Callable[[str, str], None]) -> OutboxSettings:
    first_day = environment.get("OUTBOX_FIRST_DAY") or DEFAULT_FIRST_DAY
    try:
        first_day = date.fromisoformat(first_day).isoformat()
    except ValueError:
        flag("OUTBOX_FIRST_DAY", "must be a date such as 2026-01-31.")
        first_day = DEFAULT_FIRST_DAY
    try:
        scale = float(environment.get("OUTBOX_DAY_SCALE") or 1.0)
    except ValueError:
        scale = 0.0
    if not LEAST_DAY_SCALE <= scale <= MOST_DAY_SCALE:
        flag("OUTBOX_DAY_SCALE", f"must be a number from {LEAST_DAY_SCALE:g} to {MOST_DAY_SCALE:g}.")
        scale = 1.0
    return OutboxSettings(first_day=first_day, day_scale=scale)


def _storage(environment: Mapping[str, str]) -> dict[str, str]:
    if connection_string := environment.get("AzureWebJobsStorage"):
        return {"connectionString": connection_string}
    prefix = "AzureWebJobsStorage__"
    return {
        name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix) and value
    }


def _bounded(
    environment: Mapping[str, str], name: str, bounds: tuple[int, int, int], flag: Callable[[str, str], None]
) -> int:
    default, low, high = bounds
    text = environment.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        flag(name, f"must be a whole number from {low} to {high}.")
        return default
    return value
