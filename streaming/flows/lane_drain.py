"""One lane being drained: its pages, oldest first, each sent as one batch at its instant, and settled once a second.

While a settlement is being written the next pages are sent; one write is under way at a time. A page that is sent and
not settled yet when the process dies is sent again, the very same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared import telemetry
from shared.tasks import gather
from streaming.core.cursor import HEARTBEAT_US, LEASE_US
from streaming.core.history import add_seconds, fill
from streaming.core.outbox_lane import DrainHead, first_cursor
from streaming.core.outbox_pacing import share
from streaming.flows.deliver import Terms
from streaming.flows.lane_books import LaneBooks
from streaming.flows.outbox_desk import until_stored
from streaming.outbox_ports import Settlement
from streaming.ports import ConflictError, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from streaming.core.outbox_pacing import Rate
    from streaming.core.outbox_page import Page
    from streaming.flows.deliver import DeliveryPolicy
    from streaming.flows.lane_books import Increments
    from streaming.flows.outbox_desk import OutboxPorts
    from streaming.outbox_ports import StoredLane

logger = logging.getLogger(__name__)

SETTLE_US: Final = 1_000_000
PAGES_PER_SETTLEMENT: Final = 60
LOOK_UP_US: Final = 250_000
"""How long a lane that waits for its instant goes without asking whether it still may send."""
PATIENCE_US: Final = 8_000_000
HAND_BACK_SECONDS: Final = 2.0
MOST_PAGES_AHEAD: Final = 16


@dataclass(slots=True, kw_only=True)
class DrainTerms:
    """What holds for all lanes of a run; the run keeps it up to date."""

    until_us: int
    rate: Rate | None
    """None: nothing more is to be sent."""
    policy: DeliveryPolicy
    keep_letters: bool
    dlq_max_size: int
    max_buffer_size: int
    lanes_at_once: int
    pending: dict[int, int] = field(default_factory=dict)
    """By lane, the events to be sent, in all open epochs."""
    paying: dict[int, int] = field(default_factory=dict)
    """By lane, the events that were sent last, until the time that they take is over."""

    def share_of(self, lane: int) -> float:
        own = self.pending.get(lane, 0) + self.paying.get(lane, 0)
        return share(own, sum(self.pending.values()) + sum(self.paying.values()))

    @property
    def pages_ahead(self) -> int:
        """How many pages a lane reads at a time, having as many in hand at most."""
        fitting = self.max_buffer_size // (2 * self.lanes_at_once * self.policy.max_batch_size)
        return max(1, min(MOST_PAGES_AHEAD, fitting))


class LaneDrain:
    """Drains one lane of one epoch until the run ends, or there is nothing left, or sending has to wait."""

    def __init__(self, ports: OutboxPorts, stored: StoredLane, terms: DrainTerms, owner: str) -> None:
        self._ports = ports
        self._epoch, self._lane = stored.counts.epoch, stored.counts.lane
        self._terms = terms
        self._owner = owner
        self._stored = stored
        self._head = stored.drain.value if stored.drain else DrainHead(cursor=first_cursor(self._epoch, self._lane))
        """As it is now, in memory: counts aside, which are in the books."""
        self._last_page = stored.stage.value.page if stored.stage else 0
        self._books = LaneBooks(self._epoch, self._lane)
        self._ready: deque[Page] = deque()
        self._fetching: asyncio.Task[list[Page]] | None = None
        self._fetched = self._head.page
        self._settling: asyncio.Task[None] | None = None
        self._settled_at_us = ports.clock.now_us()
        self._claimed = False
        self._ending = False
        self._is_void = False
        """Whether a write has failed: what is in memory may no longer be written."""
        self.buried = False
        """Whether there are new dead letters."""

    async def run(self) -> None:
        """Claim, drain, release. A lane that was lost or closed meanwhile ends quietly, as does one without storage."""
        try:
            await self._settle(self._books.take())
            self._claimed = True
            try:
                await self._drain()
            finally:
                await self._end()
        except ConflictError:
            if self._claimed:
                telemetry.warning(logger, "lane_lost", lane=self._lane, epoch=self._epoch.number)
        except StorageUnavailableError as error:
            telemetry.warning(logger, "storage_unavailable", detail=str(error))

    def keep_alive(self) -> None:
        """Renew the lease if the lane itself has no time for it: a batch is being tried again and again."""
        if self._settling is not None and self._settling.done() and self._settling.exception() is None:
            self._settling = None
        idle_us = self._ports.clock.now_us() - self._settled_at_us
        if self._claimed and not self._ending and self._settling is None and idle_us >= HEARTBEAT_US:
            self._begin_settling()

    async def _drain(self) -> None:
        while (page := await self._next_page()) is not None:
            if not await self._its_turn():
                return
            self._terms.paying[self._lane] = 0
            events = page.events[self._head.offset :]
            terms = Terms(lane=self._lane, policy=self._terms.policy, lease_until_us=self._lease_until_us)
            delivery = await self._ports.deliverer.deliver(events, terms)
            now_us = self._ports.clock.now_us()
            self._books.book(
                delivery,
                page=page.number,
                position=self._head.offset,
                now_us=now_us,
                keep_letters=self._terms.keep_letters,
            )
            self._advance(page, delivery.settled, now_us)
            if delivery.retry_at_us is not None:
                self._head = replace(self._head, retry_at_us=delivery.retry_at_us)
                return
            await self._settle_if_due()
            if self._head.closed:
                return
        # The last page takes its time as well: until then it counts when the rate is shared.
        await self._its_turn()

    async def _its_turn(self) -> bool:
        """Wait for the instant at which the pace allows the next page; False when it won't come in this run."""
        while True:
            now_us, rate = self._ports.clock.now_us(), self._terms.rate
            if rate is None or self._head.closed:
                return False
            due_us = self._head.debt.due_us(rate)
            if max(now_us, due_us) >= self._terms.until_us:
                return False
            if now_us >= due_us:
                return True
            if now_us - self._settled_at_us >= HEARTBEAT_US:
                await self._settle_if_due()
            await self._ports.clock.sleep_until(min(due_us, now_us + LOOK_UP_US))

    def _advance(self, page: Page, settled: int, now_us: int) -> None:
        head, rate = self._head, self._terms.rate
        offset = head.offset + settled
        debt = head.debt
        if settled and rate is not None:
            pending, paying = self._terms.pending, self._terms.paying
            pending[self._lane] = max(0, pending.get(self._lane, 0) - settled)
            paying[self._lane] = paying.get(self._lane, 0) + settled
            share_of_rate = self._terms.share_of(self._lane)
            debt = debt.after(settled, now_us=now_us, rate=rate, share_of_rate=share_of_rate)
        if offset == len(page.events):
            self._head = replace(head, page=page.number, offset=0, debt=debt, retry_at_us=0)
        else:
            self._head = replace(head, offset=offset, debt=debt, retry_at_us=0)

    def _lease_until_us(self) -> int:
        drain = self._stored.drain
        return drain.value.cursor.lease_until_us if drain else 0

    async def _next_page(self) -> Page | None:
        """The page after the last one settled; None when there is none, or it has been cleared away."""
        while not self._ready:
            if self._fetching is None and self._fetched >= self._last_page and not await self._look_for_more():
                return None
            self._fetch()
            assert self._fetching is not None  # noqa: S101 - just begun, if it was not under way
            pages, self._fetching = await self._fetching, None
            if not pages or pages[0].number != self._head.page + 1:
                return None
            self._ready.extend(pages)
            self._fetched = pages[-1].number
        if len(self._ready) <= self._terms.pages_ahead // 2 and self._fetched < self._last_page:
            self._fetch()
        return self._ready.popleft()

    def _fetch(self) -> None:
        if self._fetching is not None:
            return
        first = self._fetched + 1
        limit = min(self._terms.pages_ahead, self._last_page - self._fetched)
        self._fetching = asyncio.create_task(
            until_stored(
                lambda: self._ports.outbox.pages(self._epoch, self._lane, first=first, limit=limit),
                clock=self._ports.clock,
                give_up_us=self._ports.clock.now_us() + PATIENCE_US,
            )
        )

    async def _look_for_more(self) -> bool:
        """Whether more has been staged meanwhile."""
        lane = await self._ports.outbox.lane(self._epoch, self._lane)
        staged = lane.stage.value.page if lane.stage else 0
        if lane.counts.closed or staged <= self._last_page:
            return False
        self._last_page = staged
        return True

    async def _settle_if_due(self) -> None:
        """Begin to write what is settled, or wait for that to be written where it can't wait."""
        drain = self._stored.drain
        full = drain is not None and self._head.page - drain.value.page >= PAGES_PER_SETTLEMENT
        pressing = full or self._books.has_letters
        if self._settling is not None and (pressing or self._settling.done()):
            await self._until_settled()
        due = self._ports.clock.now_us() - self._settled_at_us >= SETTLE_US
        if self._settling is None and (due or pressing):
            self._begin_settling()
            if pressing:
                await self._until_settled()

    def _begin_settling(self) -> None:
        self._settled_at_us = self._ports.clock.now_us()
        self._settling = asyncio.create_task(self._settle(self._books.take()))

    async def _until_settled(self) -> None:
        if self._settling is not None:
            await asyncio.shield(self._settling)  # Whoever is cancelled meanwhile waits for it in ``_end``.
            self._settling = None

    async def _end(self) -> None:
        """Write what is settled and give the lane back, also when the process is being ended."""
        self._ending = True
        self._terms.paying.pop(self._lane, None)
        if self._fetching is not None:
            self._fetching.cancel()
            await gather(self._fetching, return_exceptions=True)
        cancelled = (task := asyncio.current_task()) is not None and task.cancelling() > 0
        async with contextlib.AsyncExitStack() as stack:
            if cancelled:
                stack.enter_context(contextlib.suppress(TimeoutError))
                await stack.enter_async_context(asyncio.timeout(HAND_BACK_SECONDS))
            await self._until_settled()
            if not self._is_void:
                await self._settle(self._books.take(), release=True)

    async def _settle(self, increments: Increments, *, release: bool = False) -> None:
        """Write ``increments`` and how far the lane is settled.

        When a clear has closed the lane meanwhile, what was on its way to the hub is booked all the same: it counts as
        sent then, and no longer as cleared. Raises ``ConflictError`` when the lane belongs to somebody else.
        """
        reached = self._head
        stored = self._stored.drain
        self._is_void = True  # Until it is known to be written: what it counts is in no other place.
        while True:
            settlement = self._settlement(stored, reached, increments, release=release)
            try:
                version = await until_stored(
                    lambda: self._ports.outbox.settle(self._epoch, self._lane, settlement),  # noqa: B023 - awaited here
                    clock=self._ports.clock,
                    give_up_us=self._ports.clock.now_us() + PATIENCE_US,
                )
                break
            except ConflictError:
                current = (await self._ports.outbox.lane(self._epoch, self._lane)).drain
                ours = current is not None and current.value.cursor.owner == self._owner
                if current is None or not ours or not current.value.closed or stored is None or stored.value.closed:
                    raise
                stored = current
        self._is_void = False
        self.buried = self.buried or bool(increments.letters)
        self._stored = replace(self._stored, drain=Versioned(value=settlement.head, version=version))
        if settlement.head.closed:
            self._head = replace(self._head, closed=True)

    def _settlement(
        self, stored: Versioned[DrainHead] | None, reached: DrainHead, increments: Increments, *, release: bool
    ) -> Settlement:
        now_us = self._ports.clock.now_us()
        before = stored.value if stored else DrainHead(cursor=first_cursor(self._epoch, self._lane))
        hour, ended_hour = fill(before.cursor.hour, increments.slots)
        cursor = replace(
            before.cursor,
            owner=self._owner,
            lease_until_us=now_us + (0 if release else LEASE_US),
            heartbeat_us=now_us,
            operation_id=self._ports.new_id(),
            tally=before.cursor.tally.plus(increments.tally),
            seconds=add_seconds(before.cursor.seconds, increments.slots),
            hour=hour,
        )
        recent = self._books.recent
        return Settlement(
            head=replace(reached, cursor=cursor, closed=before.closed),
            version=stored.version if stored else None,
            # A closed lane's pages are the purge's.
            settled_pages=range(0) if before.closed else range(before.page + 1, reached.page + 1),
            dead_letters=increments.letters,
            recent=recent or None,
            ended_hour=ended_hour,
        )
