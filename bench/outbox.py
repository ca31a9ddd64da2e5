"""The outbox: how fast a day is staged and drained, and what looking at and clearing a million events takes.

The whole application, less its host, with the hub and Azurite in processes of their own. Days are staged and drained
with the pace switched off, alternating with a live stream that is asked for more than it can make. Then a day of more
than a million events is staged, looked at, and cleared while it is being drained.
"""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

from bench.services import Services, running_services
from shared.clock import MICROSECONDS
from streaming.core.session import Mode, Session
from streaming.flows.control import StartRequest

if TYPE_CHECKING:
    from streaming.wiring import Application

_ROUNDS: Final = 3
_SECONDS: Final = 4
_LEAD_SECONDS: Final = 2
"""A stream begins so much later than it was asked to."""
_PATIENCE_SECONDS: Final = 300
_HIGH_PROFILE: Final = {"max_batch_size": 1_000}
_LIVE_PACE: Final = (100, 20_000)
_NO_PACE: Final = (10, 10_000)
"""A million events a second: never the bound."""
_DAY: Final = {"OUTBOX_DAY_SCALE": "2"}
_LONG_DAY: Final = {"OUTBOX_DAY_SCALE": "12"}
"""More than a million events."""


async def _start(application: Application, mode: Mode, pace: tuple[int, int]) -> None:
    interval_ms, burst = pace
    started = await application.control().start(StartRequest(mode=mode, emit_interval_ms=interval_ms, burst=burst))
    if not isinstance(started, Session):
        raise TypeError(f"The stream did not start: {started}")


async def _sent(application: Application) -> int:
    return (await application.view()).tally.sent_first


def _until_us(application: Application, seconds: float) -> int:
    return application.clock.now_us() + round(seconds * MICROSECONDS)


async def _live(application: Application) -> float:
    before, started = await _sent(application), perf_counter()
    await application.live().run(_until_us(application, _SECONDS))
    return (await _sent(application) - before) / (perf_counter() - started)


async def _stage(application: Application) -> float:
    started = perf_counter()
    await application.outbox().staging.run(_until_us(application, _PATIENCE_SECONDS))
    return (await application.outbox().report()).pending / (perf_counter() - started)


async def _drain(application: Application) -> float:
    """Drain all there is."""
    before, started = await _sent(application), perf_counter()
    await application.outbox().draining.run(_until_us(application, _PATIENCE_SECONDS))
    return (await _sent(application) - before) / (perf_counter() - started)


async def _measure_rates(services: Services) -> dict[str, float]:
    async with (
        services.application(_HIGH_PROFILE, name="benchdays", settings=_DAY) as days,
        services.application(_HIGH_PROFILE, name="benchbeside") as live,
    ):
        await _start(days, Mode.OUTBOX, _NO_PACE)
        await _start(live, Mode.LIVE, _LIVE_PACE)
        await asyncio.sleep(_LEAD_SECONDS)
        rounds = [(await _stage(days), await _live(live), await _drain(days)) for _ in range(_ROUNDS + 1)][1:]
    for name, rates in zip(("staged", "live", "drained"), zip(*rounds, strict=True), strict=True):
        print(f"{name:<10}{median(rates):>10,.0f} events/s  (from {min(rates):,.0f} to {max(rates):,.0f})")
    return {
        "outbox_stage_per_second": median(staged for staged, _, _ in rounds),
        "outbox_drain_vs_live": median(drained / streamed for _, streamed, drained in rounds),
    }


async def _measure_long_day(services: Services) -> dict[str, float]:
    async with services.application(_HIGH_PROFILE, name="benchlongday", settings=_LONG_DAY) as application:
        await _start(application, Mode.OUTBOX, _NO_PACE)
        await _stage(application)
        started = perf_counter()
        pending = (await application.outbox().report()).pending
        status_seconds = perf_counter() - started
        print(f"status    {status_seconds * 1_000:>10,.0f} ms  ({pending:,} events pending)")

        draining = asyncio.create_task(application.outbox().draining.run(_until_us(application, _SECONDS)))
        await asyncio.sleep(0.5)
        started = perf_counter()
        cleared = await application.outbox().clear()
        clear_seconds = perf_counter() - started
        await draining
        books = (await application.view()).books
        print(f"cleared   {clear_seconds * 1_000:>10,.0f} ms  ({cleared:,} events; balanced: {books.balanced})")
    return {"outbox_status_seconds": status_seconds, "outbox_clear_seconds": clear_seconds}


def main() -> dict[str, float]:
    """Print the rates and times, and return them: rates a second, times in seconds, and one ratio."""
    with running_services() as services:
        rates = asyncio.run(_measure_rates(services))
    with running_services() as services:  # Azurite slows down the more it holds.
        return rates | asyncio.run(_measure_long_day(services))
