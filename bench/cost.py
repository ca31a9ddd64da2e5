"""What streaming costs at different paces: CPU for an event, and storage round trips for a window.

The whole application, less its host, in this process, each pace in a session of its own, for a few seconds, in turn,
several times; the least counts, since what else the machine does can only add to it. CPU is this process's, all
threads; generating, encoding, sending and committing are all in it. ``BENCH_COST_SECONDS`` sets how long each pace
streams (4), ``BENCH_COST_ROUNDS`` how often (8).

A stream costs something before its first event (bursts, windows, reads), and each event comes on top. Whether something
grows with the rate shows in the second part alone: what a further event costs from 25 000 to 50 000 events/s, over what
it costs from 1 000 to 25 000.
"""

from __future__ import annotations

import asyncio
import os
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.services import Services, running_services
from shared.clock import MICROSECONDS
from streaming.core.session import Session
from streaming.flows.control import StartRequest

if TYPE_CHECKING:
    from streaming.wiring import Application

_SECONDS: Final = float(os.environ.get("BENCH_COST_SECONDS", "4"))
_ROUNDS: Final = int(os.environ.get("BENCH_COST_ROUNDS", "8"))
_WARM_UP_SECONDS: Final = 1.0
_SHORT_SECONDS: Final = 2.0
_HIGH_PROFILE: Final = {"max_batch_size": 1_000}
_RATES: Final = (1_000, 5_000, 10_000, 25_000, 50_000)
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


async def _at(services: Services, rate: int, *, name: str) -> _Pace:
    """One session of this pace, after a moment to warm up."""
    async with services.application(_HIGH_PROFILE, name=name) as application:
        request = StartRequest(emit_interval_ms=_INTERVAL_MS, burst=rate * _INTERVAL_MS // 1_000)
        started = await application.control().start(request)
        if not isinstance(started, Session):
            raise TypeError(f"The stream did not start: {started}")
        await _run(application, _WARM_UP_SECONDS)
        short = await _run(application, _SHORT_SECONDS)
        return _Pace(long=await _run(application, _SECONDS), short=short)


async def _run(application: Application, seconds: float) -> _Spent:
    before = await _spent(application)
    await application.live().run(application.clock.now_us() + round(seconds * MICROSECONDS))
    return (await _spent(application)).since(before)


async def _measure(services: Services) -> dict[int, list[_Pace]]:
    """Each pace's rounds."""
    paces: dict[int, list[_Pace]] = {rate: [] for rate in _RATES}
    for number in range(_ROUNDS):
        for rate in _RATES:
            paces[rate].append(await _at(services, rate, name=f"benchcost{number}at{rate}"))
    return paces


def main() -> dict[str, float]:
    """Print what each pace costs, and return the comparisons."""
    with running_services() as services:
        paces = asyncio.run(_measure(services))
    cost_us = {rate: min(pace.long.microseconds_per_event for pace in rounds) for rate, rounds in paces.items()}
    for rate, rounds in paces.items():
        print(
            f"{rate:>7,} events/s  {cost_us[rate]:>6.1f} us of CPU an event  "
            f"{median(pace.round_trips_per_window for pace in rounds):.2f} storage round trips a window, "
            f"{median(pace.round_trips_per_invocation for pace in rounds):.0f} more an invocation"
        )

    def further_us(low: int, high: int) -> float:
        """What each event costs that the higher pace has more than the lower one."""
        return (cost_us[high] * high - cost_us[low] * low) / (high - low)

    below_us, above_us, each_us = further_us(1_000, 25_000), further_us(25_000, 50_000), further_us(1_000, 50_000)
    standing_share = (cost_us[1_000] - each_us) * 1_000 / MICROSECONDS
    print(f"each further event: {below_us:.1f} us up to 25,000 a second, {above_us:.1f} us beyond")
    print(f"before the first event: {standing_share:.1%} of a core")
    return {
        "cost_per_event_50000_vs_1000": cost_us[50_000] / cost_us[1_000],
        "cost_per_event_50000_vs_10000": cost_us[50_000] / cost_us[10_000],
        "further_event_above_vs_below_25000": above_us / below_us,
        "standing_cpu_share": standing_share,
        "storage_round_trips_per_window": max(
            pace.round_trips_per_window for rounds in paces.values() for pace in rounds
        ),
    }
