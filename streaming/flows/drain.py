"""Draining: whoever finds lanes with pending events and free leases takes them, and gives them back after a while.

The message that asks for it is a hint. A lane is drained by one at a time; two drains at once share the lanes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from shared import telemetry
from shared.tasks import cancel
from streaming.flows.deliver import DeliveryPolicy
from streaming.flows.lane_drain import DrainTerms, LaneDrain
from streaming.flows.outbox_desk import Hints, OutboxDesk
from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.outbox_pacing import Rate
    from streaming.flows.outbox_desk import Look, OutboxPorts
    from streaming.outbox_ports import StoredLane

logger = logging.getLogger(__name__)

LOOK_US: Final = 200_000
"""How long a change of what is wanted, a clear above all, may go unnoticed."""
LOOKS_PER_SHARING: Final = 25
"""Every so many looks the lanes are read again, to share the rate by what is pending now."""


class DrainFlow:
    """Drains whatever may be drained now."""

    def __init__(self, ports: OutboxPorts) -> None:
        self._ports = ports
        self._desk = OutboxDesk(ports)

    async def run(self, until_us: int) -> Hints:
        """Drain until about ``until_us``, or until there is nothing left, or it has to wait; says what is next."""
        try:
            look = await self._desk.look()
            rate = look.rate
            if rate is None:
                return await self._after(look)
            lanes = await self._desk.lanes(look.epochs)
            drains = self._begin(look, rate, lanes, until_us)
            if drains.lanes:
                await drains.run()
            return await self._after(await self._desk.look())
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
            return Hints()

    def _begin(self, look: Look, rate: Rate, lanes: Sequence[StoredLane], until_us: int) -> _Drains:
        ports = self._ports
        free = [
            lane
            for lane in first_pending(lanes)
            if not lane.counts.leased(look.now_us)
            and (lane.drain is None or lane.drain.value.not_before_us(rate) < until_us)
            and (lane.drain is None or lane.drain.value.retry_at_us <= look.now_us)
        ]
        terms = DrainTerms(
            until_us=until_us,
            rate=rate,
            policy=DeliveryPolicy.of(look.config),
            keep_letters=look.config.enable_dead_letter_queue,
            dlq_max_size=look.config.dlq_max_size,
            max_buffer_size=look.config.max_buffer_size,
            lanes_at_once=max(1, len(free)),
            pending=pending_by_lane(lanes),
        )
        owner = f"{ports.instance}.{ports.new_id()}"
        return _Drains(ports, terms, [LaneDrain(ports, lane, terms, owner) for lane in free])

    async def _after(self, look: Look) -> Hints:
        lanes = await self._desk.lanes(look.epochs)
        await self._desk.settle_session(look, lanes)
        return hints(look, lanes, within_us=0)


class _Drains:
    """The lanes of one run, and the eye that is kept on what is wanted."""

    def __init__(self, ports: OutboxPorts, terms: DrainTerms, lanes: Sequence[LaneDrain]) -> None:
        self._ports = ports
        self._desk = OutboxDesk(ports)
        self._terms = terms
        self.lanes = lanes

    async def run(self) -> None:
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(lane.run()) for lane in self.lanes}
        looking = asyncio.create_task(self._keep_looking())
        running = tasks
        try:
            while running:
                done, rest = await asyncio.wait({*running, looking}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                running = rest - {looking}
        finally:
            await cancel((looking, *tasks))
        if any(lane.buried for lane in self.lanes):
            await self._ports.evict(self._terms.dlq_max_size)

    async def _keep_looking(self) -> None:
        looks = 0
        while True:
            await self._ports.clock.sleep_until(self._ports.clock.now_us() + LOOK_US)
            try:
                look = await self._desk.look()
                looks += 1
                if looks % LOOKS_PER_SHARING == 0:
                    self._terms.pending = pending_by_lane(await self._desk.lanes(look.epochs))
            except StorageUnavailableError as error:
                telemetry.warning(logger, "storage_unavailable", detail=str(error))
                continue
            self._terms.rate = look.rate
            self._terms.policy = DeliveryPolicy.of(look.config)
            self._terms.keep_letters = look.config.enable_dead_letter_queue
            for lane in self.lanes:
                lane.keep_alive()


def first_pending(lanes: Sequence[StoredLane]) -> list[StoredLane]:
    """For each lane the oldest epoch that has something pending in it: what is older goes first."""
    found: dict[int, StoredLane] = {}
    for lane in lanes:
        if lane.counts.pending:
            found.setdefault(lane.counts.lane, lane)
    return list(found.values())


def pending_by_lane(lanes: Sequence[StoredLane]) -> dict[int, int]:
    pending: Counter[int] = Counter()
    for lane in lanes:
        pending[lane.counts.lane] += lane.counts.pending
    return dict(pending)


def hints(look: Look, lanes: Sequence[StoredLane], *, within_us: int) -> Hints:
    """What there is to do by now, or ``within_us`` from now: nobody is at it, and it need not wait."""
    soon_us = look.now_us + within_us
    waiting = first_pending(lanes)
    rate = look.rate
    drain = rate is not None and any(
        not lane.counts.leased(look.now_us) and (lane.drain is None or lane.drain.value.not_before_us(rate) <= soon_us)
        for lane in waiting
    )
    timeline = look.timeline
    if timeline is not None and timeline.closing:
        return Hints()  # Whoever clears will finish, or the sweeper does.
    if timeline is not None and timeline.staging is not None:
        stage = timeline.lease_until_us <= look.now_us
    else:
        stage = look.wants_days and (look.has_no_day_yet or not waiting)
    return Hints(stage=stage, drain=drain)
