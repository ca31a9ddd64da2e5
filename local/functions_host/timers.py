"""Fires timer functions: on time, never overlapping, one worker at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from local.functions_host.schedule import Schedule, is_monitored
from local.functions_host.timer_request import ScheduleStatus, timer_datum
from local.functions_host.waiting import happens_within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.running import FunctionRunner

_LONGEST_SLEEP_SECONDS = 30.0
"""A suspended machine or a clock that was set is noticed after this long."""


class Right(Protocol):
    """What a timer must hold to fire (`singleton.Singleton`)."""

    def held(self, stopping: asyncio.Event) -> AbstractAsyncContextManager[asyncio.Event | None]: ...


class Monitor(Protocol):
    """Where the status of a monitored schedule is kept (`schedule_monitor.ScheduleMonitor`)."""

    async def read(self) -> ScheduleStatus | None: ...

    async def write(self, status: ScheduleStatus) -> None: ...


def system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One timer function."""

    function: IndexedFunction
    schedule: Schedule
    run_on_startup: bool
    right: Right
    monitor: Monitor | None
    """None: not wanted. Below one minute it is not used either, as on the platform."""
    runner: FunctionRunner
    clock: Callable[[], datetime] = system_clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Fire until ``stopping`` is set; a run that is going on then is waited for."""
        while not stopping.is_set():
            async with self.right.held(stopping) as over:
                if over is not None:
                    await self._fire_until(over)

    async def _fire_until(self, over: asyncio.Event) -> None:
        now = self.clock()
        monitor = self.monitor if is_monitored(self.schedule, now) else None
        status = await monitor.read() if monitor else None
        following = self.schedule.next_after(now)
        past_due = status is not None and status.next <= now
        if past_due or self.run_on_startup:
            following = now
        elif monitor and status is None:
            status = ScheduleStatus(last=None, next=following, last_updated=now)
            await monitor.write(status)
        while not await self._reached(following, over):
            # Never before its time: the same occurrence would come again.
            started = max(self.clock(), following)
            await self.runner.run(self.function, timer_datum(status, past_due=past_due), occasion="timer")
            # From the start of the run: what an overrun missed is caught up once, at once, and never more.
            following, past_due = self.schedule.next_after(started), False
            if monitor:
                status = ScheduleStatus(last=started, next=following, last_updated=self.clock())
                await monitor.write(status)

    async def _reached(self, instant: datetime, over: asyncio.Event) -> bool:
        """Wait for ``instant``. True when ``over`` came first."""
        while not over.is_set():
            remaining = (instant - self.clock()) / timedelta(seconds=1)
            if remaining <= 0:
                return False
            await happens_within(over, min(remaining, _LONGEST_SLEEP_SECONDS))
        return True
