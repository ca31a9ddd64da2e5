"""The live flow: who runs a live session's shards in this process, and for how long.

A single shard is run by the timer itself. Of several, the timer's invocation is the planner: it asks for a runner for
each shard, by queue messages that leave when the invocation returns, and runs here what nobody else has come for. A
message is a hint: what there is to do is in the cursors, and only their leases decide.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared import telemetry
from streaming.core.session import MOST_SHARDS, Mode, Session
from streaming.core.staffing import may_wait_for
from streaming.flows.deadline import Deadline
from streaming.flows.planner import Planner, RunShard
from streaming.flows.runner import Runner
from streaming.flows.shard_run import WIND_UP_US
from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.flows.breaker import CircuitBreaker
    from streaming.flows.buffer import Buffer
    from streaming.flows.dead_letters import DeadLetterQueue
    from streaming.flows.senders import Senders
    from streaming.ports import Control, ControlStore, Dealer, GeneratorFactory, ShardStore

logger = logging.getLogger(__name__)

WAIT_POLL_US: Final = 100_000
"""How often a runner looks whether its shard is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePorts:
    """What the live flow works with."""

    control: ControlStore
    shards: ShardStore
    senders: Senders
    buffer: Buffer
    breaker: CircuitBreaker
    generators: GeneratorFactory
    deal: Dealer
    clock: Clock
    instance: str
    """Names this process as an owner; unique for each start of one."""
    new_id: Callable[[], str]
    config_of: Callable[[Control], RealtimeConfig]
    dead_letters: DeadLetterQueue


class LiveFlow:
    """Runs shards of the live session whenever a timer or a message asks. Each shard once at a time in a process."""

    def __init__(self, ports: LivePorts) -> None:
        self._ports = ports
        self._runner = Runner(ports)
        self._planner = Planner(ports, self._runner)
        self._ticking = asyncio.Lock()

    async def run(self, until_us: int) -> Sequence[RunShard]:
        """The timer's invocation: run the single shard until about ``until_us``, or look after several.

        Returns early when there is nothing to do, an invocation is under way, or there are runners to be asked for:
        those are returned, for the caller to ask.
        """
        if self._ticking.locked():
            return ()
        async with self._ticking:
            try:
                return await self._run(until_us)
            except StorageUnavailableError as error:
                telemetry.warning(logger, "storage_unavailable", detail=str(error))
                return ()

    async def _run(self, until_us: int) -> Sequence[RunShard]:
        asked_at_us = self._ports.clock.now_us()
        control = await self._ports.control.read()
        self._ports.breaker.observe(control.breaker)
        session = live_session(control)
        if session is None:
            self._runner.forget()
            return ()
        if not session.single:
            return await self._planner.run(until_us)
        slot = session.generation * MOST_SHARDS
        await self._runner.run(session, slot, Deadline(until_us), control=control, asked_at_us=asked_at_us)
        return ()

    async def run_shard(self, wanted: RunShard, run_us: int) -> None:
        """A message's invocation: run a shard for about ``run_us``, once it is free.

        It was asked for ahead of time: so it waits for the present run to end, and goes on where that leaves off.
        Returns early when the shard is run by others for long, or there is nothing to run.
        """
        slot = wanted.generation * MOST_SHARDS + wanted.shard
        clock = self._ports.clock
        try:
            while True:
                seen = await self._ports.shards.cursor(wanted.session_id, slot)
                now_us = clock.now_us()
                if seen is None or seen.closed:
                    return
                if self._runner.is_free(seen):
                    break
                if not may_wait_for(seen, now_us) or now_us > seen.runs_until_us + WIND_UP_US:
                    return
                await clock.sleep_until(now_us + WAIT_POLL_US)
            control = await self._ports.control.read()
            self._ports.breaker.observe(control.breaker)
            session = live_session(control)
            if session is None or session.single or _place(session) != (wanted.session_id, wanted.generation):
                return
            deadline = Deadline(clock.now_us() + run_us)
            await self._runner.run(session, slot, deadline, control=control, asked_at_us=now_us, seen=seen)
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))


def live_session(control: Control) -> Session | None:
    """The active live session."""
    session = control.session.value if control.session else None
    return session if session is not None and session.active and session.mode is Mode.LIVE else None


def _place(session: Session) -> tuple[str, int]:
    return session.session_id, session.generation
