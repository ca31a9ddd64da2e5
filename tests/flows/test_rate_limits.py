"""Rate limits: one count for all instances, and no obstacle while storage is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.clock import MICROSECONDS
from streaming.adapters.memory_rate_limits import MemoryRateLimitStore
from streaming.adapters.memory_stores import Fault, Faults
from streaming.flows import rate_limits
from streaming.flows.rate_limits import RateLimits
from tests.flows.virtual_clock import VirtualClock

if TYPE_CHECKING:
    import pytest


class Stage:
    def __init__(self, **limits: int) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        self.store = MemoryRateLimitStore(self.faults)
        self.limits = limits

    def process(self) -> RateLimits:
        return RateLimits(store=self.store, limits=self.limits, clock=self.clock)


async def test_processes_share_the_count() -> None:
    stage = Stage(start=5)
    answers = [await stage.process().take("start") for _ in range(7)]
    assert answers == [None] * 5 + [60] * 2
    await stage.clock.run(stage.clock.sleep_until(stage.clock.now_us() + 60 * MICROSECONDS))
    assert await stage.process().take("start") is None


async def test_calls_at_once_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "PATIENCE_SECONDS", 120.0)  # A call that storage keeps waiting isn't counted.
    stage = Stage(start=5)
    answers = await asyncio.gather(*(stage.process().take("start") for _ in range(20)))
    assert sum(answer is None for answer in answers) <= 5
    stored = await stage.store.calls("start")
    assert stored is not None
    assert len(stored.value) == sum(answer is None for answer in answers) > 0


async def test_limits_do_not_touch_each_other() -> None:
    stage = Stage(start=1, test=1)
    process = stage.process()
    assert [await process.take(name) for name in ("start", "test", "start")] == [None, None, 60]


async def test_zero_lifts_a_limit() -> None:
    stage = Stage(start=0)
    assert {await stage.process().take("start") for _ in range(100)} == {None}
    assert stage.faults.round_trips == 0


async def test_a_lost_race_is_run_again() -> None:
    stage = Stage(start=5)
    stage.faults.plan = lambda _name, number: Fault.OVERTAKEN if number == 0 else None
    assert await stage.process().take("start") is None


async def test_storage_away_limits_nothing() -> None:
    stage = Stage(start=1)
    stage.faults.is_away = True
    assert [await stage.process().take("start") for _ in range(3)] == [None] * 3
