"""Tasks that belong together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


async def result_of(task: asyncio.Task[T], helpers: Sequence[asyncio.Task[Any]]) -> T:
    """The task's result; a helper that ends with an error ends the wait with it."""
    waiting: set[asyncio.Task[Any]] = {task, *helpers}
    while not task.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {task}:
            ended.result()
    return task.result()


async def cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until they have ended, however."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
