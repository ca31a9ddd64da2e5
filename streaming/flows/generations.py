"""Generations of shards in storage: opened, followed by the next one, and ended with their session.

Each step is repeated by whoever finds it undone. What it writes is either there already or the same, and a session is
changed last, under its version: so a crash between any two writes, and two who do it at once, come to the same.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import telemetry
from shared.tasks import gather
from streaming.core.generation import after_closing, first_cursor, next_cursors
from streaming.core.session import MOST_SHARDS, Reshard, Wanted
from streaming.ports import ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.cursor import Cursor
    from streaming.core.session import Session
    from streaming.flows.live import LivePorts
    from streaming.ports import Control, Standing, Versioned

logger = logging.getLogger(__name__)


class Generations:
    """Looks after the current generation of a live session."""

    def __init__(self, ports: LivePorts) -> None:
        self._ports = ports

    async def look(self, control: Control, stored: Versioned[Session]) -> tuple[Cursor, ...] | None:
        """The shards of the generation that streams, opened if need be, in order.

        None once it has closed: then the next one has been begun, or the session ended; look again. Raises
        ``StorageUnavailableError``.
        """
        session = stored.value
        standings = await self._ports.shards.standings(session.session_id)
        cursors = _of(standings, session.generation)
        # Also when those that are there have closed already: what the missing ones owe is owed, unless by a stop.
        if len(cursors) < session.shards and session.wanted is not Wanted.STOPPED:
            cursors = await self._open(control, session, cursors)
        if any(not cursor.closed for cursor in cursors):
            return cursors
        match after_closing(session):
            case Reshard() as reshard:
                await self._follow(stored, cursors, reshard)
            case str():
                await end_session(self._ports, session, version=stored.version)
        return None

    async def _open(self, control: Control, session: Session, cursors: tuple[Cursor, ...]) -> tuple[Cursor, ...]:
        """Create the first generation's missing shards: the first shard first, whose lanes are those of all.

        So a store keeps its lane whatever shard it comes to belong to. As long as the hub can't say how many partitions
        it has, there is the first shard alone, whose runner goes on asking.
        """
        if not cursors:
            lanes = self._ports.config_of(control).lanes or await self._ports.senders.first.publisher.partition_count()
            first = replace(first_cursor(session, 0), lanes=lanes if isinstance(lanes, int) else 0)
            with contextlib.suppress(ConflictError):
                await self._ports.shards.create(first)
                telemetry.info(logger, "shard_created", session_id=session.session_id, shard=0)
            stored = await self._ports.shards.cursor(session.session_id, first.slot)
            cursors = () if stored is None else (stored,)
        there = {cursor.shard for cursor in cursors}
        lanes = cursors[0].lanes if cursors else 0
        missing = [
            replace(first_cursor(session, shard), lanes=lanes)
            for shard in range(session.shards)
            if lanes and shard not in there
        ]
        created = await gather(*map(self._create, missing))
        # One that another process has created just now is seen with the next look.
        return tuple(sorted((*cursors, *(each for each in created if each)), key=lambda cursor: cursor.shard))

    async def _create(self, cursor: Cursor) -> Cursor | None:
        try:
            await self._ports.shards.create(cursor)
        except ConflictError:
            return None
        telemetry.info(logger, "shard_created", session_id=cursor.session_id, shard=cursor.shard)
        return cursor

    async def _follow(self, stored: Versioned[Session], cursors: tuple[Cursor, ...], reshard: Reshard) -> None:
        """Write the next generation's shards, then let the session go on with them.

        The order matters: a session never names a generation that isn't there. A shard that is there already has been
        written by somebody who did the same before.
        """
        session, shards = stored.value, self._ports.shards
        # All that the generation should have: of one that was never opened, the hub being away, the world hasn't begun.
        first = session.generation * MOST_SHARDS
        slots = range(first, first + session.shards)
        loaded = await gather(*(shards.load(session.session_id, slot) for slot in slots))
        checkpoints = [None if shard is None else shard.checkpoint for shard in loaded]
        dealt = await self._ports.deal(session, checkpoints, reshard.shards)
        for cursor, checkpoint in zip(next_cursors(cursors, reshard), dealt, strict=True):
            with contextlib.suppress(ConflictError):
                await shards.create(cursor, checkpoint)
        with contextlib.suppress(ConflictError):  # Somebody has changed the session: what is right now is decided anew.
            await self._ports.control.save_session(session.flipped(), version=stored.version)
            telemetry.info(
                logger,
                "shards_changed",
                session_id=session.session_id,
                from_shards=session.shards,
                to_shards=reshard.shards,
                generation=reshard.generation,
            )


async def end_session(ports: LivePorts, session: Session, *, version: str) -> None:
    """Mark ``session`` as ended, unless somebody has changed it since ``version``: then it is decided again."""
    reason = after_closing(replace(session, reshard=None))
    ended = session.ended(ports.clock.now_us(), reason=str(reason))
    with contextlib.suppress(ConflictError):
        await ports.control.save_session(ended, version=version)
        telemetry.info(logger, "session_ended", session_id=session.session_id, reason=reason)


def _of(standings: Sequence[Standing], generation: int) -> tuple[Cursor, ...]:
    cursors = (standing.cursor.value for standing in standings)
    return tuple(cursor for cursor in cursors if cursor.generation == generation)
