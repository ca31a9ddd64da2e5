"""How long things take, in a district's ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STARTS_PER_TICK: Final = 1
EVENTS_PER_TICK: Final = 7
"""Roughly what one live tick makes, all journeys taken together; only durations depend on it."""

_VISIT_COMPRESSION: Final = 8 / 1_500
"""A visit of 25 minutes takes 8 seconds of a live stream."""
_LEAD_COMPRESSION: Final = _VISIT_COMPRESSION / 8
"""Eight hours of a truck or an order take 20 seconds."""
_MOST_VISIT_TICKS: Final = 0.28
_MOST_LEAD_TICKS: Final = 0.10
"""Ticks per second of natural time at high rates: these bound what is in flight, and so the checkpoint."""
_RATE_OF_USUAL_ORDERS: Final = 2_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Ticks per second of natural time, for what shoppers do and for what goods do."""

    visit: float
    lead: float
    order_scale: int = 1
    """How many times the usual quantity stores reorder."""

    def visit_ticks(self, seconds: int) -> int:
        return int(seconds * self.visit) or 1

    def lead_ticks(self, seconds: int) -> int:
        return int(seconds * self.lead) or 1


STAGED: Final = Pace(visit=1.0, lead=1.0)
"""One tick is one second."""


def live_pace(rate_per_second: float, district_share: float) -> Pace:
    """The pace of a district that makes ``district_share`` of a stream of ``rate_per_second``."""
    ticks_per_second = rate_per_second * district_share / EVENTS_PER_TICK
    return Pace(
        visit=min(ticks_per_second * _VISIT_COMPRESSION, _MOST_VISIT_TICKS),
        lead=min(ticks_per_second * _LEAD_COMPRESSION, _MOST_LEAD_TICKS),
        order_scale=max(1, int(rate_per_second / _RATE_OF_USUAL_ORDERS)),
    )
