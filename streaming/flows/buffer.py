"""The events that one process holds in memory: a bound over all the shards that it runs."""

from __future__ import annotations

import asyncio


class Buffer:
    """Counts events from when they are handed over until they are settled. One for each process."""

    def __init__(self) -> None:
        self._events = 0
        self._room = asyncio.Event()

    @property
    def events(self) -> int:
        """In memory now."""
        return self._events

    async def room_for(self, events: int, *, at_most: int) -> None:
        """Wait while ``events`` more would exceed ``at_most``; what exceeds it alone waits until all else is gone."""
        while self._events and self._events + events > at_most:
            self._room.clear()
            await self._room.wait()

    def add(self, events: int) -> None:
        self._events += events

    def remove(self, events: int) -> None:
        """These are settled, or whoever held them has given them up."""
        self._events -= events
        self._room.set()
