"""What clients may send: every body and query, with its bounds. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from streaming.core.config import PROFILES
from streaming.core.outcome import ErrorCategory
from streaming.core.session import MOST_SHARDS
from streaming.flows.history import MINUTE, SECONDS_WINDOW_MINUTES
from streaming.flows.outbox import Phase
from streaming.flows.overview import Window
from streaming.retail.disruption import DisruptionType


class StartBody(BaseModel):
    """``POST /api/stream/start``. Everything is optional; what is missing comes from the configuration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    emit_interval_ms: Annotated[int, Field(ge=10, le=3_600_000)] | None = None
    burst: Annotated[int, Field(ge=1, le=100_000)] | None = None
    duration_minutes: Annotated[float, Field(gt=0, le=525_600)] | None = None
    event_types: Annotated[list[str], Field(min_length=1)] | None = None
    mode: Literal["live", "outbox"] = "live"
    shards: Annotated[int, Field(ge=1, le=MOST_SHARDS)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None


class RecentQuery(BaseModel):
    """``GET /api/stream/events/recent``."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 100


class StatisticsQuery(BaseModel):
    """``GET /api/stream/statistics``."""

    model_config = ConfigDict(extra="forbid")

    session_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")] | None = None


class HistoryQuery(BaseModel):
    """``GET /api/stream/statistics/history``. Seconds are kept for one minute, minutes for two days."""

    model_config = ConfigDict(extra="forbid")

    window_minutes: Annotated[int, Field(ge=1, le=2_880)] = 60
    bucket_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60

    @model_validator(mode="after")
    def _no_finer_than_what_is_kept(self) -> Self:
        if self.bucket_seconds < MINUTE:
            if self.window_minutes > SECONDS_WINDOW_MINUTES:
                raise ValueError("bucket_seconds below 60 needs window_minutes=1: seconds are kept for one minute")
        elif self.bucket_seconds % MINUTE:
            raise ValueError("bucket_seconds must be below 60, or a multiple of 60")
        return self


class OverviewQuery(BaseModel):
    """``GET /api/stream/overview``: how much of what is large is wanted."""

    model_config = ConfigDict(extra="forbid")

    window_minutes: Window | None = None
    """History; without it there is none in the answer."""
    events: Annotated[int, Field(ge=0, le=100)] = 100
    after: AwareDatetime | None = None
    """The timestamp of the newest event that the client knows."""
    details: bool = True
    """Summaries of the dead letters and the outbox."""


class DisruptionBody(BaseModel):
    """``POST /api/disruption/create``."""

    model_config = ConfigDict(extra="forbid")

    disruption_type: DisruptionType
    target_id: Annotated[str, Field(strict=True, min_length=1, max_length=64)]
    severity: Annotated[float, Field(strict=True, ge=0.1, le=1.0)] = 0.5
    duration_minutes: Annotated[float, Field(strict=True, ge=1, le=1_440)] = 30
    product_ids: Annotated[list[Annotated[int, Field(strict=True, ge=1)]], Field(max_length=100)] = Field(
        default_factory=list
    )


class DrainBody(BaseModel):
    """``POST /api/stream/outbox/drain``. What is missing is the stream's, or the configuration's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    emit_interval_ms: Annotated[int, Field(ge=10, le=3_600_000)] | None = None
    burst: Annotated[int, Field(ge=1, le=100_000)] | None = None


class PreviewQuery(BaseModel):
    """``GET /api/stream/outbox/preview``."""

    model_config = ConfigDict(extra="forbid")

    status: Phase = Phase.PENDING
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class ReferenceQuery(BaseModel):
    """``GET /api/reference/{table}``."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["jsonl", "csv"] = "jsonl"
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    continuation: Annotated[int, Field(ge=0)] = 0


class NoQuery(BaseModel):
    """A route without parameters."""

    model_config = ConfigDict(extra="forbid")


class DeadLettersQuery(BaseModel):
    """``GET /api/stream/dlq``."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    category: ErrorCategory | None = None
    event_type: str | None = None
    continuation: Annotated[str, Field(max_length=1_000)] | None = None


class CategoryQuery(BaseModel):
    """``GET /api/stream/dlq/export`` and ``DELETE /api/stream/dlq``."""

    model_config = ConfigDict(extra="forbid")

    category: ErrorCategory | None = None


class RedriveBody(BaseModel):
    """``POST /api/stream/dlq/retry``."""

    model_config = ConfigDict(extra="forbid")

    max_events: Annotated[int, Field(ge=1, strict=True)] | None = None
    category: ErrorCategory | None = None
    event_type: str | None = None
    max_per_second: Annotated[float, Field(gt=0, le=1_000_000, strict=True)] | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False
    include_exhausted: Annotated[
        bool, Field(strict=True, description="Also what was sent again in vain five times already.")
    ] = False


class ReasonBody(BaseModel):
    """``POST /api/stream/circuit-breaker/reset`` and ``…/open``."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, strict=True)] | None = None


class ShardStateBody(BaseModel):
    """One shard of a state document."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cursor: dict[str, Any]
    checkpoint: str | None
    recent: list[str]


class OutboxStateBody(BaseModel):
    """The outbox's part of a state document."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z-]+$")]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    world: dict[str, int]
    generated_day: str | None
    last_epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    checkpoint: str | None


class StateBody(BaseModel):
    """``POST /api/state/import``: what ``GET /api/state/export`` has answered."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    exported_at: str
    config: dict[str, Any]
    session: dict[str, Any] | None
    shards: list[ShardStateBody]
    outbox: OutboxStateBody | None = None


class ConnectionBody(BaseModel):
    """``POST /api/stream/validate-connection``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    connection_string: Annotated[str, Field(min_length=1, max_length=4_096)]
    event_hub: Annotated[str, Field(max_length=256)] | None = None


class ConfigBody(BaseModel):
    """``PUT /api/stream/config``: a profile, and keys of the configuration, flat or under ``realtime``."""

    model_config = ConfigDict(extra="allow")

    profile: Literal["low", "medium", "high", "production"] | None = None
    realtime: dict[str, Any] = Field(default_factory=dict)

    def update(self) -> dict[str, Any]:
        """The keys to change: the profile's, then the nested ones, then the flat ones."""
        profile = dict(PROFILES[self.profile]) if self.profile else {}
        return profile | self.realtime | (self.model_extra or {})
