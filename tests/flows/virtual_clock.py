"""A clock whose hands move only when nothing else can: hours of streaming pass in a moment, always the same way."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

NOON = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z."""


class VirtualClock:
    """Implements ``shared.clock.Clock``. ``run`` drives a coroutine, moving time to the next waiter when all wait."""

    def __init__(self, start_us: int = NOON) -> None:
        self._now_us = start_us
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_us(self) -> int:
        return self._now_us

    async def sleep_until(self, instant_us: int) -> None:
        if instant_us <= self._now_us:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (instant_us, next(self._order), waiter))
        await waiter

    async def run(self, coroutine: Coroutine[Any, Any, T], *, until_us: int | None = None) -> T | None:
        """The coroutine's result; or None, with the coroutine cancelled, when it hasn't ended by ``until_us``."""
        task = asyncio.ensure_future(coroutine)
        loop: Any = asyncio.get_running_loop()
        while not task.done():
            await asyncio.sleep(0)
            if loop._ready or task.done():
                continue  # Somebody can still go on at this instant.
            assert self._waiters, "everybody waits, and nobody for the clock: a deadlock"
            if until_us is not None and self._waiters[0][0] > until_us:
                task.cancel()
                await asyncio.wait((task,))
                self._now_us = max(self._now_us, until_us)
                return None
            instant_us, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                self._now_us = max(self._now_us, instant_us)
                waiter.set_result(None)
        return task.result()
