"""A dead letter: one failed batch, with everything needed to understand it and to send it again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streaming.core.event import Event
    from streaming.core.outcome import ErrorCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Events that failed together. Written in the transaction that settles them, removed once sent or given up."""

    letter_id: str
    """Unique within its partition; sorts by age."""
    events: tuple[Event, ...]
    category: ErrorCategory
    detail: str
    """The last attempt's raw text, redacted."""
    attempts: int
    first_failure_us: int
    last_failure_us: int
    session_id: str
    shard: int
    lane: int
    window: int
    first_burst: int
    last_burst: int
