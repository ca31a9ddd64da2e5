"""Clearing the outbox: every lane of every open epoch is closed, whoever is staging or draining it.

In this order: the timeline says that a clear is under way; whoever drains sees that, settles and yields, and if he
doesn't within a moment, he will find out when he settles; each lane's stage head is closed (nothing is staged any
more), then its drain head (nothing is sent any more); the timeline moves on to a new epoch, if a day is being staged.
Whoever finds a clear that was left half-way finishes it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared import telemetry
from shared.tasks import gather
from streaming.core import outbox as timelines
from streaming.core.outbox_lane import DrainHead, StageHead, first_cursor
from streaming.outbox_ports import Settlement
from streaming.ports import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.clock import Clock
    from streaming.core.outbox import Epoch
    from streaming.core.outbox_lane import LaneCounts
    from streaming.outbox_ports import OutboxStore, StoredLane

logger = logging.getLogger(__name__)

YIELD_US: Final = 400_000
POLL_US: Final = 50_000
_TRIES: Final = 50


class ClearingBusyError(Exception):
    """Others kept writing what was to be closed: try again."""


class ClearFlow:
    """Closes epochs. Every step may be repeated by anybody."""

    def __init__(self, *, outbox: OutboxStore, clock: Clock, new_id: Callable[[], str]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._new_id = new_id

    async def clear(self) -> int:
        """Give up all that is pending; returns how many events of these epochs are cleared.

        What is on its way to the hub at this moment still counts as sent once the hub has answered. Raises
        ``ClearingBusyError``.
        """
        for _ in range(_TRIES):
            stored = (await self._outbox.desk()).timeline
            if stored is None or not stored.value.epochs:
                return 0
            marked = replace(stored.value, closing=True, operation_id=self._new_id())
            try:
                await self._outbox.save_timeline(marked, version=stored.version)
            except ConflictError:
                continue
            await self.finish()  # Or somebody else does.
            lanes = await self._read([(epoch, lane) for epoch in marked.epochs for lane in range(epoch.lanes)])
            return sum(lane.counts.cleared for lane in lanes)
        raise ClearingBusyError

    async def finish(self) -> None:
        """Finish the clear that is under way, if there is one."""
        for _ in range(_TRIES):
            stored = (await self._outbox.desk()).timeline
            if stored is None or not stored.value.closing:
                return
            timeline = stored.value
            places = [(epoch, lane) for epoch in timeline.epochs for lane in range(epoch.lanes)]
            await self._until_yielded(places)
            closed = await gather(*(self._close(*place) for place in places))
            last_pages = [
                counts.stage.page if counts.stage else 0
                for counts in closed
                if counts.epoch.number == timeline.epoch.number
            ]
            moved = replace(timelines.cleared(timeline, last_pages=last_pages), operation_id=self._new_id())
            opened = moved.epoch if moved.epochs else None
            try:
                await self._outbox.save_timeline(moved, version=stored.version, opened=opened)
            except ConflictError:
                continue  # A checkpoint was written in between: what was closed stays closed.
            events = sum(counts.cleared for counts in closed)
            telemetry.warning(logger, "outbox_cleared", events=events, epochs=len(timeline.epochs))
            return
        raise ClearingBusyError

    async def _until_yielded(self, places: Sequence[tuple[Epoch, int]]) -> None:
        """Wait for those who drain, but not for long: one who has died would keep his lease."""
        give_up_us = self._clock.now_us() + YIELD_US
        while (now_us := self._clock.now_us()) < give_up_us:
            lanes = await self._read(places)
            if not any(lane.counts.leased(now_us) and lane.counts.pending for lane in lanes):
                return
            await self._clock.sleep_until(now_us + POLL_US)

    async def _read(self, places: Sequence[tuple[Epoch, int]]) -> list[StoredLane]:
        return list(await gather(*(self._outbox.lane(*place) for place in places)))

    async def _close(self, epoch: Epoch, lane: int) -> LaneCounts:
        for _ in range(_TRIES):
            stored = await self._outbox.lane(epoch, lane)
            stage, drain = stored.stage, stored.drain
            try:
                if stage is None or not stage.value.closed:
                    head = stage.value if stage else StageHead(operation_id="")
                    await self._outbox.stage(
                        epoch,
                        lane,
                        replace(head, closed=True, operation_id=self._new_id()),
                        version=stage.version if stage else None,
                        pages=(),
                        now_us=self._clock.now_us(),
                    )
                elif drain is None or not drain.value.closed:
                    settled = drain.value if drain else DrainHead(cursor=first_cursor(epoch, lane))
                    cursor = replace(settled.cursor, operation_id=self._new_id())
                    version = drain.version if drain else None
                    closed = Settlement(head=replace(settled, closed=True, cursor=cursor), version=version)
                    await self._outbox.settle(epoch, lane, closed)
                else:
                    return stored.counts
            except ConflictError:
                continue
        raise ClearingBusyError
