"""The outbox as routes and functions know it: its flows, and what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.clock import MICROSECONDS, to_iso
from shared.tasks import gather
from streaming.core.outbox import DrainOrder
from streaming.flows.drain import DrainFlow
from streaming.flows.outbox_clear import ClearFlow, ClearingBusyError
from streaming.flows.outbox_desk import Hints, OutboxDesk
from streaming.flows.stage import StageFlow
from streaming.flows.sweep import SweepFlow
from streaming.ports import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.core.outbox_page import PageOutline
    from streaming.flows.outbox_desk import Look, OutboxPorts
    from streaming.outbox_ports import StoredLane
    from streaming.ports import DeadLetterStore

_TRIES: Final = 20
COLUMNS: Final = ("trace_id", "event_type", "partition_key", "event_ts", "status", "lane", "page", "payload")


class Phase(StrEnum):
    """What may become of an event in the outbox."""

    PENDING = "pending"
    PROCESSING = "processing"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxReport:
    """``GET /api/stream/outbox/status``. Counts are of events: those to be sent are all there are, of any stream;
    those settled are the current, or last, outbox stream's.
    """

    pending: int
    processing: int
    """On pages that are about to be sent, or are on their way."""
    sent: int
    failed: int
    cleared: int
    oldest_pending_ts: str | None
    """The oldest pending event's own time, on its simulated day."""
    oldest_pending_seconds: float | None
    """How long ago the oldest pending page was staged."""
    latest_sent_ts: str | None
    """When an event was last sent."""
    generated_day: str | None
    staging_day: str | None
    poison_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """``GET /api/stream/outbox/preview``: one row an event."""

    columns: tuple[str, ...]
    row_count: int
    preview_rows: list[dict[str, Any]]


class Outbox:
    """Everything that is done with the outbox."""

    def __init__(self, ports: OutboxPorts, *, letters: DeadLetterStore) -> None:
        self._ports = ports
        self._letters = letters
        self._desk = OutboxDesk(ports)
        self.staging = StageFlow(ports)
        self.draining = DrainFlow(ports)
        self.sweeper = SweepFlow(ports)
        self._clearing = ClearFlow(outbox=ports.outbox, clock=ports.clock, new_id=ports.new_id)

    async def clear(self) -> int:
        """As ``ClearFlow.clear``."""
        return await self._clearing.clear()

    async def order(self, *, emit_interval_ms: int | None, burst: int | None) -> Hints:
        """Have what is pending sent, with or without a stream; a later order replaces an earlier one."""
        for _ in range(_TRIES):
            look = await self._desk.look()
            order = DrainOrder(
                operation_id=self._ports.new_id(),
                session_id=look.session.session_id if look.session else None,
                active=True,
                emit_interval_ms=emit_interval_ms,
                burst=burst,
            )
            stored = look.desk.order
            try:
                await self._ports.outbox.save_order(order, version=stored.version if stored else None)
            except ConflictError:
                continue
            return Hints(drain=True)
        raise ClearingBusyError

    async def report(self) -> OutboxReport:
        """A round trip for each lane, all at once, and one more for each that has something pending."""
        look = await self._desk.look()
        lanes = await self._lanes(look)
        first = await self._first_pages(lanes)
        outlines = [outline for outline, _ in first if outline is not None]
        processing = sum(
            outline.count - (lane.drain.value.offset if lane.drain else 0)
            for outline, lane in first
            if outline is not None and lane.counts.leased(look.now_us)
        )
        tallies = [lane.drain.value.cursor.tally for lane in lanes if lane.drain]
        staged_us = min((outline.staged_at_us for outline in outlines), default=None)
        oldest_us = min((outline.first_us for outline in outlines), default=None)
        latest_us = max((tally.last_event_us for tally in tallies), default=0)
        timeline = look.timeline
        return OutboxReport(
            pending=sum(lane.counts.pending for lane in lanes) - processing,
            processing=processing,
            sent=sum(tally.sent_first for tally in tallies),
            failed=sum(tally.dead_lettered for tally in tallies),
            cleared=sum(lane.counts.cleared for lane in lanes),
            oldest_pending_ts=None if oldest_us is None else to_iso(oldest_us),
            oldest_pending_seconds=None if staged_us is None else round((look.now_us - staged_us) / MICROSECONDS, 1),
            latest_sent_ts=to_iso(latest_us) if latest_us else None,
            generated_day=timeline.generated_day if timeline else None,
            staging_day=timeline.staging.day.date if timeline and timeline.staging else None,
            poison_messages=look.desk.pulse.value.poisoned if look.desk.pulse else 0,
        )

    async def preview(self, phase: Phase, *, limit: int) -> Preview:
        """Up to ``limit`` events in this phase, the oldest of each lane first, and how many there are."""
        look = await self._desk.look()
        lanes = await self._lanes(look)
        report = await self.report()
        share = -(-limit // max(1, len(lanes)))
        match phase:
            case Phase.PENDING | Phase.PROCESSING:
                found = await gather(*(self._waiting(lane, phase, look.now_us, share) for lane in lanes))
            case Phase.SENT:
                found = await gather(*(self._sent(lane) for lane in lanes))
            case Phase.FAILED:
                found = [await self._failed(look)]
        rows = [row for lane_rows in found for row in lane_rows]
        rows.sort(key=lambda row: row["event_ts"], reverse=phase is Phase.SENT)
        return Preview(columns=COLUMNS, row_count=getattr(report, phase.value), preview_rows=rows[:limit])

    async def _lanes(self, look: Look) -> list[StoredLane]:
        """The open epochs' lanes, and all of the current or last outbox stream."""
        epochs = {epoch.number: epoch for epoch in look.epochs}
        known = [*(look.timeline.purging if look.timeline else ()), *look.epochs]
        session_id = look.session.session_id if look.session else None
        if session_id is None and known:
            session_id = known[-1].session_id
        if session_id is not None:
            epochs |= {epoch.number: epoch for epoch in await self._ports.outbox.epochs(session_id)}
        return await self._desk.lanes([epochs[number] for number in sorted(epochs)])

    async def _first_pages(self, lanes: Iterable[StoredLane]) -> list[tuple[PageOutline | None, StoredLane]]:
        async def first(lane: StoredLane) -> tuple[PageOutline | None, StoredLane]:
            settled = lane.drain.value.page if lane.drain else 0
            found = await self._ports.outbox.outlines(lane.counts.epoch, lane.counts.lane, first=settled + 1, limit=1)
            return (found[0] if found else None), lane

        return list(await gather(*(first(lane) for lane in lanes if lane.counts.pending)))

    async def _waiting(self, lane: StoredLane, phase: Phase, now_us: int, limit: int) -> list[dict[str, Any]]:
        """Pending events; of a lane that is being drained the first page counts as processing."""
        if not lane.counts.pending:
            return []
        first = (lane.drain.value.page if lane.drain else 0) + 1
        offset = lane.drain.value.offset if lane.drain else 0
        leased = lane.counts.leased(now_us)
        if leased is not (phase is Phase.PROCESSING):
            if not leased:
                return []
            first, offset = first + 1, 0
        rows: list[dict[str, Any]] = []
        place = (lane.counts.epoch, lane.counts.lane)
        while len(rows) < limit:
            pages = await self._ports.outbox.pages(*place, first=first, limit=1)
            if not pages:
                break
            page = pages[0]
            rows += [_row(event.body, phase, place[1], page.number) for event in page.events[offset:]]
            first, offset = first + 1, 0
            if phase is Phase.PROCESSING:
                break
        return rows[:limit]

    async def _sent(self, lane: StoredLane) -> list[dict[str, Any]]:
        bodies = await self._ports.outbox.recent(lane.counts.epoch, lane.counts.lane)
        return [_row(body, Phase.SENT, lane.counts.lane, None) for body in bodies]

    async def _failed(self, look: Look) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for session_id in dict.fromkeys(lane.counts.epoch.session_id for lane in await self._lanes(look)):
            for shelf in await self._letters.shelves(session_id):
                for letter in await self._letters.letters(shelf.outlines[:10]):
                    rows += [_row(event.body, Phase.FAILED, letter.lane, letter.window) for event in letter.events]
        return rows


def _row(body: bytes, phase: Phase, lane: int, page: int | None) -> dict[str, Any]:
    envelope = orjson.loads(body)
    return {
        "trace_id": envelope["trace_id"],
        "event_type": envelope["event_type"],
        "partition_key": envelope["partition_key"],
        "event_ts": envelope["ingest_timestamp"],
        "status": phase,
        "lane": lane,
        "page": page,
        "payload": envelope["payload"],
    }
