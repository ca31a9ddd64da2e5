"""The planner of a stream of several shards: asks for runners, runs what nobody came for, and changes generations.

Messages leave when an invocation returns. So an invocation lasts as long as there is nobody to be asked for: then what
runs here is wound up, in order, and the next invocation, a moment later, takes it up again from memory.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared import telemetry
from shared.tasks import cancel, gather
from streaming.core.session import Mode
from streaming.core.staffing import GRACE_US, staff
from streaming.flows.deadline import Deadline
from streaming.flows.generations import Generations
from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.cursor import Cursor
    from streaming.core.session import Session
    from streaming.flows.live import LivePorts
    from streaming.flows.runner import Runner
    from streaming.ports import Control

logger = logging.getLogger(__name__)

LOOK_US: Final = 1_000_000
"""How often it looks at the shards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShard:
    """A queue message: this shard needs a runner. Lost, doubled or late, it changes nothing but when things happen."""

    session_id: str
    generation: int
    shard: int


@dataclass(slots=True, kw_only=True)
class _Here:
    """A run in this process, of this invocation."""

    deadline: Deadline
    task: asyncio.Task[None]


class Planner:
    """One invocation at a time; between them it remembers whom it has asked for."""

    def __init__(self, ports: LivePorts, runner: Runner) -> None:
        self._ports = ports
        self._runner = runner
        self._generations = Generations(ports)
        self._asked_us: dict[int, int] = {}
        """When a runner was last asked for, by shard, and"""
        self._here_until_us: dict[int, int] = {}
        """until when a shard was to run here, of this session and generation:"""
        self._of = ("", 0)

    async def run(self, until_us: int) -> Sequence[RunShard]:
        """Look after the shards until ``until_us``, until nobody needs to, or until there are runners to be asked for.

        Those are returned. Storage that is away ends nothing here: runs have their own patience.
        """
        clock = self._ports.clock
        here: dict[int, _Here] = {}
        try:
            while True:
                asked = await self._look(here)
                if asked is None or asked or clock.now_us() >= until_us:
                    for run in here.values():
                        run.deadline.bring_forward(clock.now_us())
                    await gather(*(run.task for run in here.values()))
                    return asked or ()
                await self._pause(here)
        finally:
            # Only when the process is ending, or something has broken: each hands its shard back.
            await cancel([run.task for run in here.values()])

    async def _look(self, here: dict[int, _Here]) -> Sequence[RunShard] | None:
        """Look at the shards once: start what is to run here; the runners to ask for. None: nothing to look after."""
        try:
            while True:
                asked_at_us = self._ports.clock.now_us()
                control = await self._ports.control.read()
                self._ports.breaker.observe(control.breaker)
                stored = control.session
                if stored is None or not _has_several(stored.value):
                    return None
                cursors = await self._generations.look(control, stored)
                if cursors is not None:
                    break
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
            return ()
        session, now_us = stored.value, self._ports.clock.now_us()
        place = (session.session_id, session.generation)
        if place != self._of:
            self._of, self._asked_us, self._here_until_us = place, {}, {}
        staffing = staff(cursors, asked_us=self._asked_us, here_until_us=self._here_until_us, now_us=now_us)
        self._asked_us |= dict.fromkeys(staffing.ask, now_us)
        if not staffing.ask:
            for cursor in cursors:
                if cursor.shard in staffing.here and self._runner.is_free(cursor):
                    here[cursor.slot] = self._start(
                        session, cursor, staffing.here[cursor.shard], control=control, asked_at_us=asked_at_us
                    )
        return [RunShard(session_id=place[0], generation=place[1], shard=shard) for shard in staffing.ask]

    def _start(self, session: Session, cursor: Cursor, until_us: int, *, control: Control, asked_at_us: int) -> _Here:
        self._here_until_us[cursor.shard] = until_us
        deadline = Deadline(until_us)
        run = self._runner.run(session, cursor.slot, deadline, control=control, asked_at_us=asked_at_us, seen=cursor)
        return _Here(deadline=deadline, task=asyncio.create_task(run, name=f"shard-{cursor.shard}"))

    async def _pause(self, here: dict[int, _Here]) -> None:
        """Until the next look: in a while, or once others have had a moment to take over a run that has ended here."""
        clock = self._ports.clock
        alarm = asyncio.ensure_future(clock.sleep_until(clock.now_us() + LOOK_US))
        running = [run.task for run in here.values()]
        try:
            await asyncio.wait((alarm, *running), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        for slot in [slot for slot, run in here.items() if run.task.done()]:
            here.pop(slot).task.result()
        if not alarm.done():
            await clock.sleep_until(clock.now_us() + GRACE_US)


def _has_several(session: Session) -> bool:
    return session.active and session.mode is Mode.LIVE and not session.single
