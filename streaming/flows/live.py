"""The live flow: own a shard, and run its windows, one after the other, until the invocation's time is up.

Three things go on at once, none of them waiting for another longer than it must: the *feeder* generates each planned
burst and hands it over at its instant; the *lanes* send; the *committer* waits for the front window to settle, then
reads what is wanted now and writes the window's outcome together with the plan of the window after next. So a window
costs one read and one write, and is committed while the next one is being sent.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import telemetry
from streaming.core.cursor import LEASE_US, Cursor
from streaming.core.session import Mode, Session
from streaming.flows.ledger import HeldShard
from streaming.flows.shard_run import ShardRun
from streaming.ports import ConflictError, ShardLostError, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.flows.breaker import CircuitBreaker
    from streaming.flows.dead_letters import DeadLetterQueue
    from streaming.flows.deliver import Deliverer
    from streaming.ports import Control, ControlStore, GeneratorFactory, Publisher, ShardStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePorts:
    """What the live flow works with."""

    control: ControlStore
    shards: ShardStore
    publisher: Publisher
    deliverer: Deliverer
    breaker: CircuitBreaker
    generators: GeneratorFactory
    clock: Clock
    instance: str
    """Names this process as an owner; unique for each start of one."""
    new_id: Callable[[], str]
    config_of: Callable[[Control], RealtimeConfig]
    dead_letters: DeadLetterQueue


class LiveFlow:
    """Runs the live session's shard whenever a timer asks. One at a time in a process."""

    def __init__(self, ports: LivePorts) -> None:
        self._ports = ports
        self._held: HeldShard | None = None
        self._running = asyncio.Lock()

    async def run(self, until_us: int) -> None:
        """Run windows until about ``until_us``; returns early when there is nothing to run, or a run is under way.

        Whatever goes wrong outside (storage away, the shard taken over) ends the run with a log record and leaves
        the books right: what wasn't committed is run again from the recorded plans.
        """
        if not self._running.locked():
            async with self._running:
                await self._run(until_us)

    async def _run(self, until_us: int) -> None:
        try:
            control = await self._ports.control.read()
            self._ports.breaker.observe(control.breaker)
            held = await self._hold(control)
            if held is None:
                return
            self._held = None  # Kept only if the run ends in order.
            if await ShardRun(self._ports, held, control, until_us).run():
                self._held = held
        except ShardLostError:
            telemetry.warning(logger, "shard_lost")
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))

    async def _hold(self, control: Control) -> HeldShard | None:
        """The shard of the active live session, claimed if need be; None when there is nothing to run or to claim."""
        session = control.session.value if control.session else None
        if session is None or not session.active or session.mode is not Mode.LIVE:
            self._held = None
            return None
        held = self._held
        if held is None or held.session.session_id != session.session_id:
            held = await self._claim(session)
        return held

    async def _claim(self, session: Session) -> HeldShard | None:
        ports = self._ports
        now_us = ports.clock.now_us()
        stored = await ports.shards.load(session.session_id, 0)
        try:
            if stored is None:
                cursor = _first_cursor(session, owner=ports.instance, now_us=now_us, operation_id=ports.new_id())
                version = await ports.shards.create(cursor)
                telemetry.info(logger, "shard_created", session_id=session.session_id)
                return HeldShard(
                    session=session, cursor=Versioned(value=cursor, version=version), checkpoint=None, recent=()
                )
        except ConflictError:
            return None  # Another instance was quicker; its lease will be seen next time.
        if stored.cursor.value.leased_by_other(ports.instance, now_us):
            return None
        telemetry.info(logger, "shard_claimed", session_id=session.session_id, from_owner=stored.cursor.value.owner)
        return HeldShard(session=session, cursor=stored.cursor, checkpoint=stored.checkpoint, recent=stored.recent)


def _first_cursor(session: Session, *, owner: str, now_us: int, operation_id: str) -> Cursor:
    return Cursor(
        session_id=session.session_id,
        shard=0,
        shards=session.shards,
        lanes=0,
        owner=owner,
        lease_until_us=now_us + LEASE_US,
        heartbeat_us=now_us,
        operation_id=operation_id,
    )
