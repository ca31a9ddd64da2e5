"""What streaming costs at different paces: CPU for an event, and storage round trips for a window.

The whole application, less its host, in this process, each pace in a session of its own, for a few seconds. CPU is this
process's, all threads; generating, encoding, sending and committing are all in it. ``BENCH_COST_SECONDS`` sets how long
each pace streams (6).
"""

from __future__ import annotations

import asyncio
import os
from time import process_time
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.services import Services, running_services
from shared.clock import MICROSECONDS
from streaming.core.session import Session
from streaming.flows.control import StartRequest

if TYPE_CHECKING:
    from streaming.wiring import Application

_SECONDS: Final = float(os.environ.get("BENCH_COST_SECONDS", "6"))
_SHORT_SECONDS: Final = 2.0
_HIGH_PROFILE: Final = {"max_batch_size": 1_000}
_RATES: Final = (1_000, 5_000, 10_000, 50_000)
_INTERVAL_MS: Final = 100


class _Spent(NamedTuple):
    """So far, or at one pace."""

    events: int
    windows: int
    cpu_seconds: float
    round_trips: int

    def since(self, before: _Spent) -> _Spent:
        return _Spent(
            self.events - before.events,
            self.windows - before.windows,
            self.cpu_seconds - before.cpu_seconds,
            self.round_trips - before.round_trips,
        )

    @property
    def microseconds_per_event(self) -> float:
        return self.cpu_seconds * MICROSECONDS / self.events


async def _spent(application: Application) -> _Spent:
    """Looking costs two round trips, which are not counted."""
    trips = application.adapters.tables.round_trips
    cpu = process_time()
    view = await application.view()
    application.adapters.tables.round_trips = trips
    windows = sum(cursor.frontier.window - len(cursor.plans) for cursor in view.cursors)
    return _Spent(view.tally.sent_first, windows, cpu, trips)


class _Pace(NamedTuple):
    """A long invocation of one session, and a short one before it."""

    long: _Spent
    short: _Spent

    @property
    def round_trips_per_window(self) -> float:
        """Of each further window of an invocation."""
        return (self.long.round_trips - self.short.round_trips) / (self.long.windows - self.short.windows)

    @property
    def round_trips_per_invocation(self) -> float:
        """Besides those of its windows."""
        return self.long.round_trips - self.round_trips_per_window * self.long.windows


async def _at(services: Services, rate: int) -> _Pace:
    """One session of this pace, after a moment to warm up."""
    async with services.application(_HIGH_PROFILE, name=f"benchcost{rate}") as application:
        request = StartRequest(emit_interval_ms=_INTERVAL_MS, burst=rate * _INTERVAL_MS // 1_000)
        started = await application.control().start(request)
        if not isinstance(started, Session):
            raise TypeError(f"The stream did not start: {started}")
        await _run(application, _SHORT_SECONDS)
        short = await _run(application, _SHORT_SECONDS)
        return _Pace(long=await _run(application, _SECONDS), short=short)


async def _run(application: Application, seconds: float) -> _Spent:
    before = await _spent(application)
    await application.live().run(application.clock.now_us() + round(seconds * MICROSECONDS))
    return (await _spent(application)).since(before)


async def _measure(services: Services) -> dict[int, _Pace]:
    return {rate: await _at(services, rate) for rate in _RATES}


def main() -> dict[str, float]:
    """Print what each pace costs, and return the comparisons."""
    with running_services() as services:
        paces = asyncio.run(_measure(services))
    for rate, pace in paces.items():
        print(
            f"{rate:>7,} events/s  {pace.long.microseconds_per_event:>6.1f} us of CPU an event  "
            f"{pace.round_trips_per_window:.2f} storage round trips a window, "
            f"{pace.round_trips_per_invocation:.0f} more an invocation"
        )
    slow, middle, fast = (paces[rate].long for rate in (1_000, 10_000, 50_000))
    further_us = (fast.cpu_seconds - slow.cpu_seconds) * MICROSECONDS / (fast.events - slow.events)
    print(f"each further event from 1,000 to 50,000 a second: {further_us:.1f} us of CPU")
    return {
        "cost_per_event_50000_vs_1000": fast.microseconds_per_event / slow.microseconds_per_event,
        "cost_per_event_50000_vs_10000": fast.microseconds_per_event / middle.microseconds_per_event,
        "storage_round_trips_per_window": max(pace.round_trips_per_window for pace in paces.values()),
    }
