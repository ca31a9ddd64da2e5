"""The stream's configuration: every key with its default and bounds, in one place.

Effective values are defaults, overridden by the environment (``REALTIME_<KEY>``), overridden by what was stored with
``PUT /api/stream/config``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streaming.core.session import MOST_SHARDS

if TYPE_CHECKING:
    from collections.abc import Mapping

MICROSECONDS_PER_MILLISECOND: Final = 1_000


class RealtimeConfig(BaseModel):
    """The ``realtime`` section, with effective values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emit_interval_ms: Annotated[
        int, Field(ge=10, le=3_600_000, strict=True, description="Milliseconds between bursts.")
    ] = 500
    burst: Annotated[
        int, Field(ge=1, le=100_000, strict=True, description="Events per burst, over the whole stream.")
    ] = 100
    max_batch_size: Annotated[
        int, Field(ge=1, le=10_000, strict=True, description="The most events in one Event Hubs batch.")
    ] = 256
    batch_timeout_ms: Annotated[
        int, Field(ge=100, le=10_000, strict=True, description="Milliseconds that one attempt at a batch may take.")
    ] = 1_000
    retry_attempts: Annotated[
        int, Field(ge=0, le=20, strict=True, description="Further attempts at a batch after the first one failed.")
    ] = 3
    backoff_multiplier: Annotated[
        float, Field(ge=1.0, le=10.0, strict=True, description="Growth of the wait between attempts.")
    ] = 2.0
    circuit_breaker_enabled: Annotated[
        bool, Field(strict=True, description="Whether the circuit breaker guards the hub.")
    ] = True
    failure_threshold: Annotated[
        int, Field(ge=1, le=1_000, strict=True, description="Consecutive failed batches that open the breaker.")
    ] = 5
    timeout_seconds: Annotated[
        int, Field(ge=1, le=3_600, strict=True, description="Seconds the breaker stays open the first time.")
    ] = 60
    half_open_max_calls: Annotated[
        int, Field(ge=1, le=100, strict=True, description="Trial batches while the breaker is half-open.")
    ] = 3
    monitoring_interval: Annotated[
        int, Field(ge=1, le=3_600, strict=True, description="Seconds between summary records in log and telemetry.")
    ] = 30
    max_buffer_size: Annotated[
        int, Field(ge=100, le=1_000_000, strict=True, description="The most events in memory per instance.")
    ] = 10_000
    enable_dead_letter_queue: Annotated[
        bool, Field(strict=True, description="Keep failed events; if false they are counted and logged only.")
    ] = True
    dlq_max_size: Annotated[
        int, Field(ge=1, le=1_000_000, strict=True, description="Events kept in the dead-letter queue.")
    ] = 10_000
    max_catch_up_seconds: Annotated[
        int, Field(ge=1, le=86_400, strict=True, description="How late bursts may be and still be sent.")
    ] = 300
    lanes: Annotated[
        int, Field(ge=0, le=2_000, strict=True, description="Send lanes, one per partition; 0 asks the hub.")
    ] = 0
    shards: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_SHARDS,
            strict=True,
            description="Shards that a live stream is split into, at most one for each distribution center.",
        ),
    ] = 1

    @model_validator(mode="after")
    def _one_event_per_microsecond(self) -> Self:
        """Event ``i`` of a burst is stamped ``i`` microseconds after the burst: the next burst must come later."""
        if self.burst > self.emit_interval_ms * MICROSECONDS_PER_MILLISECOND:
            raise ValueError("burst may not exceed emit_interval_ms x 1000: timestamps have microseconds")
        return self


def effective(
    environment: Mapping[str, object], stored: Mapping[str, object], update: Mapping[str, object] | None = None
) -> RealtimeConfig:
    """The configuration in force: defaults, overridden by ``environment``, ``stored`` and ``update``, in this order.

    Raises:
        ValidationError: naming each key that is unknown or out of bounds.
    """
    return RealtimeConfig.model_validate({**environment, **stored, **(update or {})})


def from_environment(texts: Mapping[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    """The keys that the environment sets, with their values, and the ones it sets wrongly, with the reason."""
    values: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for key, text in texts.items():
        if key not in RealtimeConfig.model_fields:
            wrong[key] = "is no key of the configuration"
            continue
        try:
            field = RealtimeConfig.model_validate_strings({key: text})
        except ValidationError as error:
            wrong[key] = error.errors()[0]["msg"]
        else:
            values[key] = getattr(field, key)
    try:
        effective(values, {})
    except ValidationError as error:  # Each is possible, but not together: the two of the pace.
        wrong["burst"] = error.errors()[0]["msg"]
        del values["burst"]
    return values, wrong


PROFILES: Final[Mapping[str, Mapping[str, int | float | bool]]] = {
    "low": {"emit_interval_ms": 2_000, "burst": 50, "max_batch_size": 128},
    "medium": {"emit_interval_ms": 500, "burst": 100, "max_batch_size": 256},
    "high": {"emit_interval_ms": 100, "burst": 500, "max_batch_size": 1_000},
    "production": {
        "emit_interval_ms": 1_000,
        "burst": 100,
        "max_batch_size": 256,
        "batch_timeout_ms": 1_000,
        "retry_attempts": 3,
        "backoff_multiplier": 2.0,
        "circuit_breaker_enabled": True,
        "monitoring_interval": 30,
        "max_buffer_size": 10_000,
        "enable_dead_letter_queue": True,
    },
}
