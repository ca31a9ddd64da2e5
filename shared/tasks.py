"""Tasks that belong together."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")


def _ending_as_cancelled(function: F) -> F:
    """``function``; when the task that awaits it is cancelled, it ends with ``CancelledError`` and nothing else."""

    @wraps(function)
    async def wrapped(*arguments: Any, **options: Any) -> Any:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        before = task.cancelling()
        try:
            return await function(*arguments, **options)
        except Exception as error:
            if task.cancelling() > before:
                raise asyncio.CancelledError from error
            raise

    return cast("F", wrapped)


gather = _ending_as_cancelled(asyncio.gather)
"""``asyncio.gather``, but a cancellation is never lost.

The library's ends with a child's error, not as cancelled, when the child has failed in the same turn of the event loop.
Whoever shrugs that error off and looks again in a while, as many do while storage is away, would never end.
"""


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
    await gather(*tasks, return_exceptions=True)
