"""Limits per minute on what is costly or dangerous to repeat, shared by all instances."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from shared import telemetry
from streaming.core.rate_limit import take
from streaming.ports import ConflictError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.clock import Clock
    from streaming.ports import RateLimitStore

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.9
"""A limit may not make what it guards much slower."""
_TRIES: Final = 5
_CROWDED_SECONDS: Final = 1


class RateLimits:
    """Asks before a call, and counts it, in one conditional write."""

    def __init__(self, *, store: RateLimitStore, limits: Mapping[str, int], clock: Clock) -> None:
        """``limits``: calls per minute by name; 0 lifts one."""
        self._store = store
        self._limits = limits
        self._clock = clock

    async def take(self, name: str) -> int | None:
        """Count one call; returns None when it may go ahead, else the seconds to wait.

        While storage is away nothing is limited: what needs storage says so itself.
        """
        limit = self._limits[name]
        if not limit:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._take(name, limit)
        except (StorageUnavailableError, TimeoutError) as error:
            telemetry.warning(logger, "rate_limit_unknown", limit=name, detail=str(error))
            return None

    async def _take(self, name: str, limit: int) -> int | None:
        for _ in range(_TRIES):
            stored = await self._store.calls(name)
            earlier = stored.value if stored else ()
            calls, wait_seconds = take(earlier, limit=limit, now_us=self._clock.now_us())
            if wait_seconds is not None:
                return wait_seconds
            try:
                await self._store.save_calls(name, calls, version=stored.version if stored else None)
            except ConflictError:
                continue
            return None
        return _CROWDED_SECONDS
