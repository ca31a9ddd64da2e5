"""What a rate asks of an event hub, computed from the events' measured size. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.config import RealtimeConfig

EVENTS_PER_UNIT: Final = 1_000
BYTES_PER_UNIT: Final = 1_000_000
"""What one throughput unit of the Standard tier takes in a second, whichever comes first."""
MOST_UNITS: Final = 40
BATCH_BYTES: Final = 1_000_000
TYPICAL_EVENT_BYTES: Final = 500
"""Until events have been measured."""
SMALL_EVENT_BYTES: Final = 1_000
MEDIUM_EVENT_BYTES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a configuration needs."""

    events_per_second: float
    bytes_per_second: int
    average_event_bytes: int
    measured: bool
    """Whether the size was measured on this stream, or is a typical one."""
    throughput_units: int
    """Of the Standard tier, rounded up; more than 40 can't be had there."""
    recommended_max_batch_size: tuple[int, int]
    """From, to."""


def capacity_of(config: RealtimeConfig, *, events_sent: int, bytes_sent: int) -> Capacity:
    """``events_sent`` and ``bytes_sent``: of the active or last session, to measure by."""
    measured = events_sent > 0
    size = max(1, round(bytes_sent / events_sent)) if measured else TYPICAL_EVENT_BYTES
    rate = config.burst * 1_000 / config.emit_interval_ms
    return Capacity(
        events_per_second=round(rate, 3),
        bytes_per_second=round(rate * size),
        average_event_bytes=size,
        measured=measured,
        throughput_units=max(1, math.ceil(rate / EVENTS_PER_UNIT), math.ceil(rate * size / BYTES_PER_UNIT)),
        recommended_max_batch_size=_batch_sizes(size),
    )


def _batch_sizes(event_bytes: int) -> tuple[int, int]:
    if event_bytes < SMALL_EVENT_BYTES:
        return 500, 1_000
    return (100, 500) if event_bytes <= MEDIUM_EVENT_BYTES else (50, 100)


def recommendations(config: RealtimeConfig, capacity: Capacity) -> list[str]:
    """What would serve better, in sentences."""
    low, high = capacity.recommended_max_batch_size
    size = f"{capacity.average_event_bytes} bytes {'as measured' if capacity.measured else 'as is typical'}"
    found = []
    if config.burst > config.max_batch_size and config.max_batch_size < low:
        found.append(f"max_batch_size {low} to {high} suits events of {size}; it is {config.max_batch_size}.")
    if config.max_batch_size > high:
        found.append(
            f"max_batch_size {low} to {high} suits events of {size}; {config.max_batch_size} fills a batch's 1 MB first"
        )
    units = capacity.throughput_units
    if units > MOST_UNITS:
        found.append(f"{units} throughput units are needed, and Standard has 40: use Premium or a lower rate.")
    elif units > 1:
        found.append(f"The hub needs {units} throughput units of the Standard tier; see also auto-inflate.")
    return found


def warnings(config: RealtimeConfig, capacity: Capacity) -> list[str]:
    """What is allowed, and probably not meant."""
    checks: Sequence[tuple[bool, str]] = (
        (
            not config.circuit_breaker_enabled,
            "circuit_breaker_enabled is false: a hub that is down is tried all along.",
        ),
        (
            not config.enable_dead_letter_queue,
            "enable_dead_letter_queue is false: failed events are counted, not kept.",
        ),
        (config.retry_attempts == 0, "retry_attempts is 0: the first failure dead-letters a batch."),
        (config.burst > config.max_buffer_size, "burst exceeds max_buffer_size: bursts are made and sent in chunks."),
        (
            capacity.events_per_second < 10,  # noqa: PLR2004 - the old guide's alert
            f"{capacity.events_per_second:g} events/s is under the 10 below which throughput counts as low.",
        ),
        (
            config.batch_timeout_ms * (config.retry_attempts + 1) > 60_000,  # noqa: PLR2004 - a minute
            "batch_timeout_ms and retry_attempts let one batch hold its lane for over a minute.",
        ),
        (
            config.dlq_max_size < config.max_batch_size,
            "dlq_max_size is below max_batch_size: one failed batch overfills the dead-letter queue.",
        ),
    )
    return [text for applies, text in checks if applies]
