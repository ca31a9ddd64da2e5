"""One shard during one invocation: feed, send, commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

import orjson

from shared import telemetry
from shared.tasks import cancel, result_of
from streaming.core import plan as planning
from streaming.core.breaker import BreakerStatus
from streaming.core.cursor import Progress
from streaming.core.plan import WindowPlan, share
from streaming.flows.generations import end_session
from streaming.flows.intent import Intent
from streaming.flows.lanes import Lanes
from streaming.flows.ledger import Ledger
from streaming.flows.window import WindowRun
from streaming.ports import ShardLostError, StorageUnavailableError
from streaming.retail.disruption import Disruption
from streaming.retail.live import BurstRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.flows.deadline import Deadline
    from streaming.flows.ledger import HeldShard
    from streaming.flows.live import LivePorts
    from streaming.flows.senders import Sender
    from streaming.ports import Control

logger = logging.getLogger(__name__)

POLL_US: Final = 1_500_000
"""When to look at what is wanted though no window has ended: longer than a window, so as to cost it no round trip."""
LAST_EVICTIONS: Final = 3
EVICT_AGAIN_US: Final = 1_000_000
"""How often, and after what pause, a run that ends tries to bound the dead letters while storage is slow."""
WIND_UP_US: Final = 5_000_000
"""How long after its time an invocation still waits for what is in flight."""
HAND_BACK_SECONDS: Final = 2.0
"""How long a run that was cancelled may take to give its shard back."""


class ShardRun:
    """Runs a held shard's windows. Made for one invocation and thrown away after it."""

    def __init__(
        self,
        ports: LivePorts,
        held: HeldShard,
        sender: Sender,
        deadline: Deadline,
        *,
        control: Control,
        asked_at_us: int,
    ) -> None:
        """``control``: what is wanted, by a read that began at ``asked_at_us``."""
        self._ports = ports
        self._held = held
        self._sender = sender
        self._deadline = deadline
        self._intent = Intent(
            session_id=held.session.session_id,
            control=control,
            asked_at_us=asked_at_us,
            store=ports.control,
            breaker=ports.breaker,
            config_of=ports.config_of,
            clock=ports.clock,
        )
        self._ledger = Ledger(
            held=held,
            shards=ports.shards,
            intent=self._intent,
            clock=ports.clock,
            instance=ports.instance,
            new_id=ports.new_id,
            runs_until_us=deadline.us,
            give_up_us=deadline.us + WIND_UP_US,
        )
        self._runs: deque[WindowRun] = deque()
        """The windows being run, the front one first; each is for the plan at the same place in the cursor."""
        self._taken_up = -1
        """The last window that the feeder has taken up."""
        self._closing = False
        self._eviction_failed = False
        self._something_settled = asyncio.Event()
        deadline.listen(self._something_settled.set)
        self._more_planned = asyncio.Event()

    async def run(self) -> bool:
        """Run until the time is up or there is nothing left to do.

        Returns whether the held shard is in order: everything committed, the generator at the front window's start.

        Raises:
            ShardLostError: Somebody else has taken the shard.
            StorageUnavailableError: Storage stayed away until the time was up.
        """
        if not await self._lanes_known():
            return True
        if self._ledger.must_write():
            await self._ledger.commit_progress(None)  # Claims the shard before anything is sent.
        lanes = self._make_lanes()
        committer = asyncio.create_task(self._commit(lanes), name="committer")
        helpers = [
            asyncio.create_task(self._feed(lanes), name="feeder"),
            asyncio.create_task(self._bound_dead_letters(), name="evictor"),
            asyncio.create_task(self._warm_links(), name="warmer"),
        ]
        helpers += [
            asyncio.create_task(lanes.work(lane), name=f"lane-{lane}") for lane in range(self._ledger.cursor.lanes)
        ]
        try:
            in_order = await result_of(committer, helpers)
        except asyncio.CancelledError:
            await cancel((committer, *helpers))
            await self._hand_back()
            raise
        finally:
            await cancel((committer, *helpers))
            lanes.close()
        await self._evict_what_is_left()
        return in_order

    async def _feed(self, lanes: Lanes) -> None:
        """Generate each planned burst and hand it over at its instant."""
        held = self._held
        if held.generator is None:
            cursor = self._ledger.cursor
            held.generator = self._ports.generators(
                held.session, shard=cursor.shard, shards=cursor.shards, checkpoint=held.checkpoint
            )
        while (plan := await self._next_plan()) is not None:
            # Progress concerns the front window alone; it is empty unless an earlier run was cut short in it.
            progress = Progress() if self._runs else self._ledger.cursor.progress
            run = WindowRun(plan, self._ledger.cursor, progress)
            self._runs.append(run)
            for number in plan.numbers:
                for request in self._requests(plan, number):
                    events = held.generator.burst(request)
                    await self._ports.clock.sleep_until(request.scheduled_at_us)
                    await lanes.submit(run, number, events)
                    await asyncio.sleep(0)  # The lanes' turn: these events leave before the next ones are generated.
            run.checkpoint = held.generator.snapshot()
            run.disrupted = dict(held.generator.events_affected)
            run.complete = True
            self._something_settled.set()

    async def _warm_links(self) -> None:
        """Open the links in the time before the first burst is due: opened by its sends, they would make it late."""
        if self._ports.breaker.state.status is BreakerStatus.CLOSED:  # Else that is for the trials.
            await self._sender.publisher.warm(range(self._ledger.cursor.lanes))

    async def _bound_dead_letters(self) -> None:
        """Keep the dead-letter queue within its size: beside the commits that add to it, so as to delay none."""
        while True:
            await self._ledger.letters_written.wait()
            await self._evict()

    async def _evict_what_is_left(self) -> None:
        """After the last letters of all, perhaps: nobody else would look after them."""
        for _ in range(LAST_EVICTIONS):
            if self._ledger.letters_written.is_set():
                await self._evict()
            if not self._eviction_failed:
                break
            self._ledger.letters_written.set()
            await self._ports.clock.sleep_until(self._ports.clock.now_us() + EVICT_AGAIN_US)

    async def _evict(self) -> None:
        self._ledger.letters_written.clear()
        try:
            await self._ports.dead_letters.evict(self._intent.config.dlq_max_size)
            self._eviction_failed = False
        except StorageUnavailableError as error:
            self._eviction_failed = True  # The next letter brings another chance, or the end of the run.
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
        except asyncio.CancelledError:
            self._ledger.letters_written.set()  # Not done yet: for whoever ends the run.
            raise

    async def _next_plan(self) -> WindowPlan | None:
        """The next planned window that isn't being run; None once the invocation is to take up no more."""
        while not self._closing:
            for plan in self._ledger.cursor.plans:
                if plan.window > self._taken_up:
                    self._taken_up = plan.window
                    return plan
            self._more_planned.clear()
            await self._more_planned.wait()
        return None

    def _requests(self, plan: WindowPlan, number: int) -> Iterable[BurstRequest]:
        """What to ask of the world for one burst: all of it, or part after part when it is large."""
        cursor = self._ledger.cursor
        owed = share(plan.pace.burst, cursor.shard, cursor.shards)
        disruptions = tuple(Disruption.from_json(orjson.loads(recorded)) for recorded in plan.disruptions)
        for first in range(0, owed, plan.chunk):
            yield BurstRequest(
                number=number,
                scheduled_at_us=plan.pace.scheduled_us(number),
                size=min(plan.chunk, owed - first),
                rate_per_second=plan.pace.events_per_second,
                event_types=None if plan.event_types is None else frozenset(plan.event_types),
                disruptions=disruptions,
                first_index=first,
            )

    async def _commit(self, lanes: Lanes) -> bool:
        """Commit each window as it settles, and in between what can't wait; ends when the run is over."""
        while True:
            await self._wait_for_something()
            now_us = self._ports.clock.now_us()
            front = self._runs[0] if self._runs else None
            settled = front is not None and front.settled
            if settled or now_us >= self._intent.read_at_us + POLL_US:
                await self._ledger.until_stored(self._intent.refresh)
            if front is not None and settled:
                await self._ledger.commit_window(front)
                self._runs.popleft()
            elif (front is not None and front.crowded) or (self._fresh(now_us) and self._ledger.must_write()):
                await self._ledger.commit_progress(front)
            lanes.nudge()
            self._closing = self._closing or now_us >= self._deadline.us
            self._more_planned.set()
            if not self._runs and self._over() and await self._finish():
                return True
            if self._closing and not self._runs:
                await self._ledger.commit_progress(None, release=True)  # Nobody need wait for a lease to run out.
                return True
            if now_us >= self._deadline.us + WIND_UP_US:
                # Whoever goes on, here or elsewhere, makes what isn't settled again: nobody need wait for the lease.
                await self._ledger.commit_progress(self._runs[0], release=True)
                return False

    def _fresh(self, now_us: int) -> bool:
        """Whether what is wanted was read just now: plans are made on nothing older."""
        return self._intent.read_at_us >= now_us

    async def _wait_for_something(self) -> None:
        """Until something has settled, or it is time to look at what is wanted."""
        if self._runs and self._runs[0].settled:
            return
        settled = asyncio.ensure_future(self._something_settled.wait())
        alarm = asyncio.ensure_future(self._ports.clock.sleep_until(self._intent.read_at_us + POLL_US))
        try:
            await asyncio.wait((settled, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
            alarm.cancel()
            self._something_settled.clear()

    def _over(self) -> bool:
        """Whether the session has nothing more to plan, and what was planned is done."""
        if self._ledger.cursor.plans:
            return False
        directive = self._intent.directive()
        if directive is None:
            return self._intent.stopping or self._intent.resharding
        return planning.is_over(self._ledger.cursor.frontier, directive, self._ports.clock.now_us())

    async def _finish(self) -> bool:
        """Nothing is left to do: a single shard ends its session, one of several closes. False: there is, after all.

        A single shard's end is void when somebody has changed the session meanwhile: the next tick decides again. What
        closes a shard is for good (a stop, an end or a barrier that has come), so closing needs no such condition.
        """
        session = self._intent.session
        if session is not None and session.active and not session.single:
            await self._ledger.until_stored(self._intent.refresh)
            if not self._over():
                return False
            session = self._intent.session
        if session is None or not session.active:
            return True
        if not session.single:
            await self._ledger.commit_closed()
        elif self._intent.stored is not None:
            await end_session(self._ports, session, version=self._intent.stored.version)
        return True

    async def _lanes_known(self) -> bool:
        """Fix the session's lanes, asking the hub if need be; False when it can't be asked yet, or needn't be."""
        if self._ledger.cursor.lanes:
            return True
        if self._intent.stopping:
            await self._finish()  # Nothing is planned without lanes: there is nothing to settle.
            return False
        lanes = self._intent.config.lanes or await self._sender.publisher.partition_count()
        if isinstance(lanes, int):
            self._ledger.fix_lanes(lanes)
            return True
        telemetry.warning(logger, "hub_unreachable", category=lanes.category.value, detail=lanes.detail)
        if self._intent.owes_nothing:
            return True  # It is over, and to count what was skipped takes no lane.
        await self._ledger.commit_fault(f"{lanes.category.value}: {lanes.detail}")
        return False

    async def _hand_back(self) -> None:
        """The process is ending: write how far things have come, and let the next owner in at once.

        Storage that has gone too is not waited for: the plans are recorded, and the lease runs out by itself.
        """
        front = self._runs[0] if self._runs else None
        with contextlib.suppress(StorageUnavailableError, ShardLostError, TimeoutError):
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._ledger.commit_progress(front, release=True)

    def _make_lanes(self) -> Lanes:
        return Lanes(
            lanes=self._ledger.cursor.lanes,
            buffer=self._ports.buffer,
            deliverer=self._sender.deliverer,
            publisher=self._sender.publisher,
            clock=self._ports.clock,
            policy=lambda: self._intent.policy,
            lease_until_us=lambda: self._ledger.cursor.lease_until_us,
            max_buffer_size=lambda: self._intent.config.max_buffer_size,
            final=lambda: self._intent.stopping,
            on_sent=self._ledger.remember,
            on_progress=self._something_settled.set,
        )
