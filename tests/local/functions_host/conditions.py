"""Waiting for something to become true."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.02
_LONGEST_SECONDS = 180.0


async def eventually(
    condition: Callable[[], Awaitable[Any]] | Callable[[], Any], *, within: float = _LONGEST_SECONDS
) -> Any:
    """The first true result of ``condition``. Raises TimeoutError: a bound for what hangs, not an expectation."""
    async with asyncio.timeout(within):
        while True:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            await asyncio.sleep(_POLL_SECONDS)
