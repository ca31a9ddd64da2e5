"""The stream's rate, shared over the lanes of an outbox by what is pending in them. Pure.

A page of ``m`` events takes ``m * interval / burst`` of the stream's time. A lane with a share ``s`` of all that is
pending gets the share ``s`` of that time, so all lanes come to their end together and the sum is the stream's rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CATCH_UP_US: Final = 5_000_000
"""How much of the time that a lane has lost it may make good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Events of a whole stream."""

    interval_ms: int
    burst: int

    @property
    def us_per_event(self) -> float:
        return self.interval_ms * 1_000 / self.burst


def share(pending: int, pending_in_all: int) -> float:
    """A lane's part of the stream's rate: above 0, at most 1."""
    return 1.0 if pending_in_all <= pending else max(1, pending) / pending_in_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """The time that a lane owes for what it sent last, kept in events: a change of rate takes effect at once, also in
    the middle of a long wait.
    """

    since_us: int = 0
    events: float = 0.0
    """As many as the whole stream may send in that time."""

    def due_us(self, rate: Rate) -> int:
        """When the lane may send again."""
        return self.since_us + round(self.events * rate.us_per_event)

    def after(self, events: int, *, now_us: int, rate: Rate, share_of_rate: float) -> Debt:
        """Once the lane has sent ``events`` more, as it was allowed to when this was due."""
        return Debt(since_us=max(self.due_us(rate), now_us - CATCH_UP_US), events=events / share_of_rate)
