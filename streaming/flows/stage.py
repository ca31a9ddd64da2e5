"""Staging: the next simulated day, chunk by chunk, as pages of each lane.

A chunk's pages are written first, lane by lane, each together with its stage head; the timeline's checkpoint follows
every few seconds, and at the day's end. Whoever takes over begins at the checkpoint and makes the same pages again;
those at or below a stage head are there already and are passed over. Two stagers at once therefore do no harm either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from shared import telemetry
from shared.tasks import gather
from streaming.core import outbox as timelines
from streaming.core.outbox import STAGE_LEASE_US, Day, Timeline
from streaming.core.outbox_lane import StageHead
from streaming.core.outbox_page import cut
from streaming.flows.outbox_desk import Hints, OutboxDesk, until_stored
from streaming.ports import ConflictError, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streaming.core.event import Event
    from streaming.core.outbox import Epoch
    from streaming.core.outbox_page import Page
    from streaming.core.session import Session
    from streaming.flows.outbox_desk import Look, OutboxPorts
    from streaming.outbox_ports import DayWorld

logger = logging.getLogger(__name__)

CHECKPOINT_US: Final = 3_000_000
PATIENCE_US: Final = 10_000_000
"""How long storage may be away before a run is given up."""
PAGES_PER_WRITE: Final = 80
BYTES_PER_WRITE: Final = 2_500_000
"""Uncompressed: however badly they compress, a transaction holds them."""
_SLICE: Final = 500
"""Events made at a time before others get their turn."""


class StageFlow:
    """Stages days whenever a message asks. A message too many finds nothing to do."""

    def __init__(self, ports: OutboxPorts) -> None:
        self._ports = ports
        self._desk = OutboxDesk(ports)

    async def run(self, until_us: int) -> Hints:
        """Stage until about ``until_us`` or the day's end; returns what there is to do next."""
        try:
            return await self._run(until_us)
        except ConflictError:
            telemetry.warning(logger, "staging_lost")  # Taken over, or cleared: the timeline knows how to go on.
            return Hints(stage=True)
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
            return Hints()

    async def _run(self, until_us: int) -> Hints:
        look = await self._desk.look()
        if look.timeline is not None and look.timeline.closing:
            return Hints()  # Whoever clears will finish, or the sweeper does.
        owner = f"{self._ports.instance}.{self._ports.new_id()}"
        claimed = await self._claim(look, owner)
        if claimed is None:
            return Hints()
        return await _DayRun(self._ports, claimed, owner, until_us).run()

    async def _claim(self, look: Look, owner: str) -> Versioned[Timeline] | None:
        """The timeline with a day to stage, leased; None when there is none, or somebody else is at it."""
        stored, session = look.desk.timeline, look.session
        version = stored.version if stored else None
        if stored is not None and stored.value.staging is not None:
            if stored.value.leased_by_other(owner, look.now_us):
                return None
            return await self._save(stored.value, owner, version)
        if session is None or not look.wants_days:
            return None
        if not look.has_no_day_yet and await self._is_pending(look):
            return None
        lanes = look.config.lanes or await self._ports.publisher.partition_count()
        if not isinstance(lanes, int):
            telemetry.warning(logger, "hub_unreachable", category=lanes.category.value, detail=lanes.detail)
            return None
        before = self._timeline(stored.value if stored else None, session)
        last_pages = [0] * lanes
        if before.epochs and before.epoch.session_id == session.session_id and before.epoch.lanes == lanes:
            heads = await self._desk.lanes((before.epoch,))
            last_pages = [head.stage.value.page if head.stage else 0 for head in heads]
        begun = timelines.with_day(
            before, self._day(look, session, before), session_id=session.session_id, lanes=lanes, last_pages=last_pages
        )
        telemetry.info(logger, "day_begun", day=begun.staging.day.date if begun.staging else None)
        return await self._save(begun, owner, version)

    async def _save(self, timeline: Timeline, owner: str, version: str | None) -> Versioned[Timeline]:
        written = replace(
            timeline,
            owner=owner,
            lease_until_us=self._ports.clock.now_us() + STAGE_LEASE_US,
            operation_id=self._ports.new_id(),
        )
        version = await self._ports.outbox.save_timeline(written, version=version, opened=written.epoch)
        return Versioned(value=written, version=version)

    async def _is_pending(self, look: Look) -> bool:
        return any(lane.counts.pending for lane in await self._desk.lanes(look.epochs))

    def _timeline(self, stored: Timeline | None, session: Session) -> Timeline:
        """The timeline that the session goes on with: another world needs another one, with ids of its own."""
        if stored is not None and (stored.seed, stored.world) == (session.seed, session.world):
            return stored
        name = f"{session.session_id}-outbox"
        if stored is None:
            return Timeline(name=name, seed=session.seed, world=session.world, operation_id="")
        return replace(stored, name=name, seed=session.seed, world=session.world, has_checkpoint=False)

    def _day(self, look: Look, session: Session, timeline: Timeline) -> Day:
        disruptions = look.control.disruptions.value if look.control.disruptions else ()
        return Day(
            date=timelines.next_date(timeline.generated_day, self._ports.first_day),
            event_types=session.event_types,
            disruptions=tuple(
                orjson.dumps(disruption.to_json()).decode()
                for disruption in disruptions
                if disruption.active_until_us > look.now_us
            ),
            page_events=look.config.max_batch_size,
            # Half, so that one chunk can be written while the next is made.
            chunk_events=look.config.max_buffer_size // 2,
            scale=self._ports.scale,
        )


class _DayRun:
    """One run of a claimed day."""

    def __init__(self, ports: OutboxPorts, claimed: Versioned[Timeline], owner: str, until_us: int) -> None:
        self._ports = ports
        self._stored = claimed
        self._owner = owner
        self._until_us = until_us
        self._heads: list[Versioned[StageHead] | None] = []

    async def run(self) -> Hints:
        ports, timeline = self._ports, self._stored.value
        staging, epoch = timeline.staging, timeline.epoch
        assert staging is not None  # noqa: S101 - what is claimed has a day
        checkpoint = await ports.outbox.checkpoint() if timeline.has_checkpoint else None
        world = ports.worlds(timeline, staging.day, checkpoint=checkpoint)
        lanes = await OutboxDesk(ports).lanes((epoch,))
        self._heads = [lane.stage for lane in lanes]
        pages = list(staging.pages)
        checkpoint_us = ports.clock.now_us()
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                chunk = await _chunk(world, staging.day.chunk_events)
                made = cut(chunk, lanes=epoch.lanes, page_events=staging.day.page_events, last_pages=pages)
                pages = [lane[-1].number if lane else last for lane, last in zip(made, pages, strict=True)]
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(epoch, made))
                now_us = ports.clock.now_us()
                if world.over or now_us >= min(self._until_us, checkpoint_us + CHECKPOINT_US):
                    await writing
                    await self._checkpoint(world, pages)
                    checkpoint_us = now_us
                    if world.over or now_us >= self._until_us:
                        return Hints(stage=not world.over, drain=True)
        finally:
            if writing is not None and not writing.done():
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing

    async def _checkpoint(self, world: DayWorld, pages: Sequence[int]) -> None:
        """All pages up to here are written: so the world may be, as it is now."""
        ports = self._ports
        now_us = ports.clock.now_us()
        released = world.over or now_us >= self._until_us
        checkpoint = world.snapshot()
        while True:
            before = self._stored.value
            written = replace(
                before.day_staged() if world.over else before.staging_at(pages),
                operation_id=ports.new_id(),
                owner=self._owner,
                lease_until_us=0 if released else now_us + STAGE_LEASE_US,
            )
            try:
                version = await until_stored(
                    lambda: ports.outbox.save_timeline(
                        written,  # noqa: B023 - awaited within the iteration
                        version=self._stored.version,
                        checkpoint=checkpoint,
                    ),
                    clock=ports.clock,
                    give_up_us=now_us + PATIENCE_US,
                )
                break
            except ConflictError:
                await self._reread()
        self._stored = Versioned(value=written, version=version)
        if world.over:
            telemetry.info(logger, "day_staged", day=written.generated_day, epoch=written.epoch.number)

    async def _reread(self) -> None:
        """The timeline was written by somebody else. Raises ``ConflictError`` if it was taken over, or cleared."""
        current = (await self._ports.outbox.desk()).timeline
        if current is None or current.value.owner != self._owner or current.value.closing:
            raise ConflictError("The day is no longer this run's.")
        self._stored = current  # It was the sweeper, who puts away epochs that are done with.

    async def _write(self, epoch: Epoch, made: Sequence[Sequence[Page]]) -> None:
        await gather(*(self._write_lane(epoch, lane, pages) for lane, pages in enumerate(made) if pages))

    async def _write_lane(self, epoch: Epoch, lane: int, pages: Sequence[Page]) -> None:
        """Write a lane's pages that are not there yet. Raises ``ConflictError`` when the lane is closed."""
        ports = self._ports
        while True:
            stored = self._heads[lane]
            head = stored.value if stored else StageHead(operation_id="")
            if head.closed:
                raise ConflictError("The epoch is closed.")
            missing = [page for page in pages if page.number > head.page]
            if not missing:
                return
            group = next(_groups(missing))
            following = head.after(group, ports.new_id())
            now_us = ports.clock.now_us()
            try:
                version = await until_stored(
                    lambda: ports.outbox.stage(
                        epoch,
                        lane,
                        following,  # noqa: B023 - awaited within the iteration
                        version=stored.version if stored else None,  # noqa: B023 - likewise
                        pages=group,  # noqa: B023 - likewise
                        now_us=now_us,  # noqa: B023 - likewise
                    ),
                    clock=ports.clock,
                    give_up_us=now_us + PATIENCE_US,
                )
            except ConflictError:
                self._heads[lane] = (await ports.outbox.lane(epoch, lane)).stage
            else:
                self._heads[lane] = Versioned(value=following, version=version)


async def _chunk(world: DayWorld, size: int) -> list[Event]:
    """The next events of the day; others get their turn in between."""
    events: list[Event] = []
    while len(events) < size and not world.over:
        events += world.next_events(min(_SLICE, size - len(events)))
        await asyncio.sleep(0)
    return events


def _groups(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Pages that fit one write each; one page always does."""
    group: list[Page] = []
    size_bytes = 0
    for page in pages:
        page_bytes = page.size_bytes
        if group and (len(group) == PAGES_PER_WRITE or size_bytes + page_bytes > BYTES_PER_WRITE):
            yield group
            group, size_bytes = [], 0
        group.append(page)
        size_bytes += page_bytes
    yield group
