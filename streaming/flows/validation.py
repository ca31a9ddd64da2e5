"""Judging a configuration that somebody means to set, before they do. Nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.problems import FieldError
from streaming.core.capacity import Capacity, capacity_of, recommendations, warnings
from streaming.core.config import RealtimeConfig, effective
from streaming.flows.control import ImpossibleWorldError, require_possible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.core.session import WorldSize
    from streaming.flows.observe import StreamView


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVerdict:
    """``POST /api/config/validate``."""

    valid: bool
    errors: list[FieldError]
    warnings: list[str]
    recommendations: list[str]
    effective: RealtimeConfig | None
    """What would be in force; null when it isn't valid."""
    capacity: Capacity | None


def validate_config(update: Mapping[str, Any], *, view: StreamView, world: WorldSize) -> ConfigVerdict:
    """Judge ``update`` on top of what is in force. ``world``: the configured one, for when no stream is live."""
    try:
        config = effective(view.config.model_dump(), update)
        if "shards" in update:
            require_possible(config.shards, view.session, world)
    except ValidationError as error:
        return _invalid(_errors(error))
    except ImpossibleWorldError as error:
        return _invalid([FieldError(field="shards", message=str(error))])
    capacity = measured_capacity(config, view)
    return ConfigVerdict(
        valid=True,
        errors=[],
        warnings=warnings(config, capacity),
        recommendations=recommendations(config, capacity),
        effective=config,
        capacity=capacity,
    )


def _invalid(errors: list[FieldError]) -> ConfigVerdict:
    return ConfigVerdict(valid=False, errors=errors, warnings=[], recommendations=[], effective=None, capacity=None)


def measured_capacity(config: RealtimeConfig, view: StreamView) -> Capacity:
    """What ``config`` needs, by the size of the events that the stream has sent."""
    tally = view.tally
    return capacity_of(config, events_sent=tally.sent_first, bytes_sent=tally.bytes_sent)


def _errors(error: ValidationError) -> list[FieldError]:
    return [
        FieldError(
            field=".".join(str(part) for part in entry["loc"]) or "realtime",
            message=f"{entry['msg'].removeprefix('Value error, ')}.",
        )
        for entry in error.errors(include_url=False, include_context=False, include_input=False)
    ]
