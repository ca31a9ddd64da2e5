"""Which sessions have dead letters, and how many: exact, and without asking again about those that can't have any.

Only the current session's owner adds letters. An earlier session whose letters have all gone will never have any again,
so a process asks about it once; one that still has some is asked about each time, beside the current one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shared.tasks import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.ports import ControlStore, ShardStore, Standing

CONCURRENT_READS: Final = 8


class Census:
    """This process's knowledge of earlier sessions."""

    def __init__(self, *, control: ControlStore, shards: ShardStore) -> None:
        self._control = control
        self._shards = shards
        self._empty: set[str] = set()
        self._current: str | None = None
        self._earlier: list[str] = []

    async def earlier(self, current: str | None) -> dict[str, tuple[Standing, ...]]:
        """Where the shards of sessions before ``current`` stand that have dead letters, oldest session first."""
        if current != self._current:
            ids = await self._control.session_ids()
            # A later one, if the caller has not heard of it yet, is not known to be through with its letters.
            earlier = ids[: ids.index(current)] if current in ids else ids
            self._earlier = [each for each in earlier if each not in self._empty]
            self._current = current
        asked = list(self._earlier)
        answers = dict(zip(asked, await self._standings(asked), strict=True))
        emptied = {session_id for session_id, standings in answers.items() if not in_dlq(standings)}
        self._empty |= emptied
        self._earlier = [session_id for session_id in self._earlier if session_id not in emptied]
        return {session_id: standings for session_id, standings in answers.items() if session_id not in emptied}

    async def standings(self) -> dict[str, tuple[Standing, ...]]:
        """Where the shards of sessions stand that have dead letters, or may get some any moment, oldest first."""
        session = (await self._control.read()).session
        if session is None:
            return {}
        current = session.value.session_id
        earlier, now = await gather(self.earlier(current), self._shards.standings(current))
        return {**earlier, current: now}

    async def _standings(self, session_ids: Sequence[str]) -> list[tuple[Standing, ...]]:
        turn = asyncio.Semaphore(CONCURRENT_READS)

        async def ask(session_id: str) -> tuple[Standing, ...]:
            async with turn:
                return await self._shards.standings(session_id)

        return await gather(*map(ask, session_ids))


def in_dlq(standings: Sequence[Standing]) -> int:
    """Events in these shards' dead letters."""
    return sum(standing.in_dlq for standing in standings)
