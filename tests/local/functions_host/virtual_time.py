"""An event loop whose clock jumps to the next thing that is due, so that timers are tested exactly and at once."""

from __future__ import annotations

import asyncio
import selectors
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, it moves the clock on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def virtual_clock() -> datetime:
    """The running loop's time as a date."""
    return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def elapsed() -> float:
    """Seconds of virtual time, to the millisecond."""
    return round(asyncio.get_running_loop().time(), 3)


def run_virtually(main: Coroutine[Any, Any, Any], *, within: float = 3600) -> Any:
    """Run ``main`` in virtual time. Raises TimeoutError after ``within`` virtual seconds."""

    async def bounded() -> Any:
        async with asyncio.timeout(within):
            return await main

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(bounded())
