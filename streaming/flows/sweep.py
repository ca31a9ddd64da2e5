"""The sweeper: what nobody was told of, or must not be told of yet, or was left behind. Runs every five seconds."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared import telemetry
from shared.tasks import gather
from streaming.core.outbox import Pulse
from streaming.flows.drain import hints
from streaming.flows.outbox_clear import ClearFlow
from streaming.flows.outbox_desk import Hints, OutboxDesk
from streaming.ports import ConflictError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.outbox import Timeline
    from streaming.flows.outbox_desk import Look, OutboxPorts
    from streaming.outbox_ports import StoredLane
    from streaming.ports import Versioned

logger = logging.getLogger(__name__)

PERIOD_US: Final = 5_000_000
PURGE_US: Final = 3_000_000
"""How long one sweep removes pages."""


class SweepFlow:
    """Looks after the outbox. Two at once do no harm."""

    def __init__(self, ports: OutboxPorts) -> None:
        self._ports = ports
        self._desk = OutboxDesk(ports)
        self._clear = ClearFlow(outbox=ports.outbox, clock=ports.clock, new_id=ports.new_id)

    async def run(self) -> Hints:
        """Finish what was left half-way, end what has come to its end, and say what there is to do."""
        try:
            return await self._run()
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
        except ConflictError:
            telemetry.debug(logger, "sweep_overtaken")  # The next sweep sees what there is then.
        return Hints()

    async def poisoned(self, queue: str) -> None:
        """Record a message that was given up. What it asked for is in the table: the next sweep asks for it again."""
        telemetry.error(logger, "poison_message", queue=queue)
        pulse = (await self._desk.look()).desk.pulse
        before = pulse.value if pulse else Pulse(operation_id="", heartbeat_us=0)
        counted = replace(before, poisoned=before.poisoned + 1, operation_id=self._ports.new_id())
        try:
            await self._ports.outbox.save_pulse(counted, version=pulse.version if pulse else None)
        except ConflictError:
            await self.poisoned(queue)

    async def _run(self) -> Hints:
        look = await self._desk.look()
        if look.session is None and look.timeline is None:
            return Hints()
        if look.session is not None:
            await self._beat(look)
        if look.timeline is not None and look.timeline.closing:
            await self._clear.finish()
            look = await self._desk.look()
        lanes = await self._desk.lanes(look.epochs)
        await self._desk.settle_session(look, lanes)
        await self._end_order(look, lanes)
        await self._retire(look, lanes)
        await self._purge()
        return hints(look, lanes, within_us=PERIOD_US)

    async def _beat(self, look: Look) -> None:
        pulse = look.desk.pulse
        before = pulse.value if pulse else Pulse(operation_id="", heartbeat_us=0)
        beat = replace(before, heartbeat_us=look.now_us, operation_id=self._ports.new_id())
        await self._ports.outbox.save_pulse(beat, version=pulse.version if pulse else None)

    async def _end_order(self, look: Look, lanes: Sequence[StoredLane]) -> None:
        """A request to drain is carried out once nothing is pending; one of a stream that has ended is void."""
        order = look.desk.order
        if order is None or not order.value.active:
            return
        done = look.order is None or (look.session is None and not any(lane.counts.pending for lane in lanes))
        if done:
            ended = replace(order.value, active=False, operation_id=self._ports.new_id())
            await self._ports.outbox.save_order(ended, version=order.version)

    async def _retire(self, look: Look, lanes: Sequence[StoredLane]) -> None:
        """Epochs in which nothing is pending need not be looked at any more, the last one excepted."""
        stored = look.desk.timeline
        if stored is None:
            return
        busy = {lane.counts.epoch.number for lane in lanes if lane.counts.pending}
        drained = frozenset(epoch.number for epoch in stored.value.epochs if epoch.number not in busy)
        await self._save(stored, stored.value.without_drained(drained))

    async def _purge(self) -> None:
        """Remove the pages of closed epochs."""
        stored = (await self._ports.outbox.desk()).timeline
        give_up_us = self._ports.clock.now_us() + PURGE_US
        while stored is not None and stored.value.purging and self._ports.clock.now_us() < give_up_us:
            epoch = stored.value.purging[0]
            removed = await gather(*(self._ports.outbox.purge(epoch, lane) for lane in range(epoch.lanes)))
            if not any(removed):
                await self._save(stored, replace(stored.value, purging=stored.value.purging[1:]))
                stored = (await self._ports.outbox.desk()).timeline

    async def _save(self, stored: Versioned[Timeline], changed: Timeline) -> None:
        if changed != stored.value:
            written = replace(changed, operation_id=self._ports.new_id())
            await self._ports.outbox.save_timeline(written, version=stored.version)
