"""Runs shards in this process: each once at a time, and from memory where it was run here last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from shared import telemetry
from streaming.core.generation import first_cursor
from streaming.flows.ledger import HeldShard
from streaming.flows.shard_run import ShardRun
from streaming.ports import ConflictError, ShardLostError, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from streaming.core.cursor import Cursor
    from streaming.core.session import Session
    from streaming.flows.deadline import Deadline
    from streaming.flows.live import LivePorts
    from streaming.ports import Control

logger = logging.getLogger(__name__)

KEPT_US: Final = 150_000_000
"""How long a shard that others run meanwhile is kept in memory: two of their runs."""


class Runner:
    """Knows what is running here, and what was."""

    def __init__(self, ports: LivePorts) -> None:
        self._ports = ports
        self._held: dict[int, HeldShard] = {}
        """By slot, of one session."""
        self._running: set[int] = set()

    def is_free(self, cursor: Cursor) -> bool:
        """Whether nobody runs it, as far as this process can tell."""
        return cursor.slot not in self._running and not cursor.leased(self._ports.clock.now_us())

    async def run(
        self,
        session: Session,
        slot: int,
        deadline: Deadline,
        *,
        control: Control,
        asked_at_us: int,
        seen: Cursor | None = None,
    ) -> None:
        """Run a shard of ``session`` until about ``deadline``; returns at once when it is running or somebody else's.

        ``control`` was read at ``asked_at_us``. ``seen``: the shard's cursor, read just now; without it, a shard that
        was run here last is taken to be as it was, and the first write finds out.

        Whatever goes wrong outside (storage away, the shard taken over) ends the run with a log record and leaves the
        books right: what wasn't committed is run again from the recorded plans.
        """
        if slot in self._running:
            return
        self._running.add(slot)
        try:
            held = await self._hold(session, slot, seen)
            if held is None:
                return
            self._held.pop(slot, None)  # Kept only if the run ends in order.
            with self._ports.senders.one() as sender:
                run = ShardRun(self._ports, held, sender, deadline, control=control, asked_at_us=asked_at_us)
                if await run.run():
                    held.used_at_us = self._ports.clock.now_us()
                    self._held[slot] = held
        except ShardLostError:
            telemetry.warning(logger, "shard_lost", session_id=session.session_id, slot=slot)
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
        finally:
            self._running.discard(slot)

    def forget(self) -> None:
        """No session is being run: keep nothing of the last one."""
        self._held.clear()

    async def _hold(self, session: Session, slot: int, seen: Cursor | None) -> HeldShard | None:
        """The shard, claimed if need be; None when there is nothing to claim."""
        oldest_us = self._ports.clock.now_us() - KEPT_US
        self._held = {
            slot: held
            for slot, held in self._held.items()
            if held.session.session_id == session.session_id and held.used_at_us >= oldest_us
        }
        held = self._held.get(slot)
        if held is not None and (seen is None or held.cursor.value.operation_id == seen.operation_id):
            return held
        return await self._claim(session, slot)

    async def _claim(self, session: Session, slot: int) -> HeldShard | None:
        ports = self._ports
        stored = await ports.shards.load(session.session_id, slot)
        if stored is None:
            # Only a stream's first shard, while it is the only one, is opened by who runs it.
            return await self._create(session) if session.single and not session.generation else None
        cursor = stored.cursor.value
        if cursor.closed or cursor.leased_by_other(ports.instance, ports.clock.now_us()):
            return None
        telemetry.info(
            logger,
            "shard_claimed",
            session_id=session.session_id,
            generation=cursor.generation,
            shard=cursor.shard,
            from_owner=cursor.owner,
        )
        return HeldShard(session=session, cursor=stored.cursor, checkpoint=stored.checkpoint, recent=stored.recent)

    async def _create(self, session: Session) -> HeldShard | None:
        cursor = first_cursor(session, 0)
        try:
            version = await self._ports.shards.create(cursor)
        except ConflictError:
            return None  # Another instance was quicker; its lease will be seen next time.
        telemetry.info(logger, "shard_created", session_id=session.session_id, shard=0)
        return HeldShard(session=session, cursor=Versioned(value=cursor, version=version), checkpoint=None, recent=())
