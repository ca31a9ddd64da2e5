"""The ledger of a held shard: turns what has happened in memory into one transaction, and keeps the version."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from shared import telemetry
from streaming.core import plan as planning
from streaming.core.cursor import HEARTBEAT_US, LEASE_US, PLANNED_WINDOWS, Progress
from streaming.core.history import add_seconds, fill
from streaming.ports import ShardCommit, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shared.clock import Clock
    from streaming.core.cursor import Cursor
    from streaming.core.dead_letter import DeadLetter
    from streaming.core.event import Event
    from streaming.core.history import Hour
    from streaming.core.plan import Directive, WindowPlan
    from streaming.core.session import Session
    from streaming.flows.intent import Intent
    from streaming.flows.window import WindowRun
    from streaming.ports import Generator, ShardStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_RECENT: Final = 100
KEPT_DISRUPTIONS: Final = 200
STORAGE_RETRY_US: Final = 500_000
STALE_INTENT_US: Final = 4_000_000
"""No plan is made on what was read longer ago: a change of shards relies on it (``core/session.py``)."""


@dataclass(slots=True, kw_only=True)
class HeldShard:
    """A shard that this process owns, kept between invocations: a continuing owner reads nothing of it again."""

    session: Session
    cursor: Versioned[Cursor]
    checkpoint: bytes | None
    """The world at the start of the front window, as committed."""
    recent: tuple[bytes, ...]
    used_at_us: int = 0
    """When it was run here last."""
    generator: Generator | None = None
    """Stands exactly at the start of the front window; None when it must be made from the checkpoint."""


class Ledger:
    """Writes one held shard. Every write renews the lease; every write is under the version of the one before.

    Whoever loses the lease finds that out with the next write, which then has no effect (``ShardLostError``).
    """

    def __init__(
        self,
        *,
        held: HeldShard,
        shards: ShardStore,
        intent: Intent,
        clock: Clock,
        instance: str,
        new_id: Callable[[], str],
        runs_until_us: int,
        give_up_us: int,
    ) -> None:
        """``runs_until_us``: what is said to others about the run's end.

        ``give_up_us``: until when to try again while storage is away.
        """
        self._held = held
        self._shards = shards
        self._intent = intent
        self._clock = clock
        self._instance = instance
        self._new_id = new_id
        self._runs_until_us = runs_until_us
        self._give_up_us = give_up_us
        self._recent = deque(held.recent, maxlen=KEPT_RECENT)
        self.letters_written = asyncio.Event()
        """Set when there are new dead letters, and at the start if there were any before."""
        if held.cursor.value.tally.dead_lettered:
            self.letters_written.set()

    @property
    def cursor(self) -> Cursor:
        """As last committed, or claimed."""
        return self._held.cursor.value

    def remember(self, sent: Sequence[Sequence[Event]]) -> None:
        """Keep the last envelopes sent, for people to look at."""
        for batch in sent:
            self._recent.extend(event.body for event in batch[-KEPT_RECENT:])

    def fix_lanes(self, lanes: int) -> None:
        """Lanes are fixed with the first write of a session's shard."""
        self._held.cursor = replace(self._held.cursor, value=replace(self.cursor, lanes=lanes))

    def must_write(self) -> bool:
        """Whether something can't wait for the front window's end: the claim, the lease, or a window to plan."""
        now_us = self._clock.now_us()
        claimed = self.cursor.owner == self._instance and self.cursor.lease_until_us > now_us
        due = now_us - self.cursor.heartbeat_us >= HEARTBEAT_US
        return due or not claimed or bool(self._to_plan(self.cursor.plans, now_us))

    async def commit_window(self, run: WindowRun) -> None:
        """The front window is settled: write its outcome and the world behind it, and plan the window after next."""
        run.tally.bursts_planned += run.plan.bursts
        run.tally.bursts_skipped += run.plan.skipped
        types = dict(run.tally.by_type)
        await self._write(run, plans=self.cursor.plans[1:], progress=Progress(), checkpoint=run.checkpoint)
        telemetry.debug(logger, "window_committed", window=run.plan.window, bursts=run.plan.bursts, types=types)

    async def commit_progress(self, run: WindowRun | None, *, release: bool = False) -> None:
        """Renew the lease (or release it), write how far the front window has come, and plan if there is room."""
        progress = self.cursor.progress if run is None else run.progress
        await self._write(run, plans=self.cursor.plans, progress=progress, checkpoint=None, release=release)

    async def commit_closed(self) -> None:
        """The shard has done all that it owed: say so, and release it."""
        await self._write(
            None,
            plans=self.cursor.plans,
            progress=self.cursor.progress,
            checkpoint=None,
            release=True,
            closed=True,
        )

    async def commit_fault(self, fault: str) -> None:
        """Say why nothing can be sent, and release the shard: whoever comes next asks the hub again."""
        await self._write(
            None, plans=self.cursor.plans, progress=self.cursor.progress, checkpoint=None, fault=fault, release=True
        )

    async def until_stored(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Try ``operation`` until storage answers; raises ``StorageUnavailableError`` when the time is up."""
        while True:
            try:
                return await operation()
            except StorageUnavailableError as error:
                now_us = self._clock.now_us()
                if now_us >= self._give_up_us:
                    raise
                telemetry.warning(logger, "storage_unavailable", detail=str(error))
                await self._clock.sleep_until(now_us + STORAGE_RETRY_US)

    async def _write(
        self,
        run: WindowRun | None,
        *,
        plans: tuple[WindowPlan, ...],
        progress: Progress,
        checkpoint: bytes | None,
        release: bool = False,
        closed: bool = False,
        fault: str | None = None,
    ) -> None:
        held, cursor = self._held, self.cursor
        now_us = self._clock.now_us()
        added = self._to_plan(plans, now_us) if not release else ()
        written = replace(
            cursor,
            owner=self._instance,
            lease_until_us=now_us + (0 if release else LEASE_US),
            heartbeat_us=now_us,
            operation_id=self._new_id(),
            frontier=planning.after(cursor.frontier, added[-1]) if added else cursor.frontier,
            plans=(*plans, *added),
            progress=progress,
            fault=fault,
            runs_until_us=0 if release else self._runs_until_us,
            closed=closed or cursor.closed,
        )
        ended_hour: Hour | None = None
        letters: tuple[DeadLetter, ...] = ()
        if run is not None:
            increments, slots, letters = run.take()
            if letters and not self._intent.config.enable_dead_letter_queue:
                increments.discarded = increments.dead_lettered
                log_discarded(letters)
                letters = ()
            hour, ended_hour = fill(cursor.hour, slots)
            written = replace(
                written, tally=cursor.tally.plus(increments), seconds=add_seconds(cursor.seconds, slots), hour=hour
            )
        if run is not None and checkpoint is not None:
            # The world forgets a disruption that is over; its count stays readable for as long as people look at it.
            disrupted = {**cursor.disrupted, **run.disrupted}
            written = replace(written, disrupted=dict(list(disrupted.items())[-KEPT_DISRUPTIONS:]))
        commit = ShardCommit(
            cursor=written,
            version=held.cursor.version,
            checkpoint=checkpoint,
            recent=None if run is None else tuple(self._recent),
            ended_hour=ended_hour,
            dead_letters=letters,
        )
        version = await self.until_stored(lambda: self._shards.commit(commit))
        held.cursor = Versioned(value=written, version=version)
        held.recent = tuple(self._recent)
        if letters:
            self.letters_written.set()
        if checkpoint is not None:
            held.checkpoint = checkpoint

    def _to_plan(self, plans: Sequence[WindowPlan], now_us: int) -> tuple[WindowPlan, ...]:
        """The windows to plan now, so that two are outstanding."""
        fresh = now_us - self._intent.asked_at_us <= STALE_INTENT_US
        directive: Directive | None = self._intent.directive() if fresh else None
        added: list[WindowPlan] = []
        frontier = self.cursor.frontier
        while directive is not None and len(plans) + len(added) < PLANNED_WINDOWS:
            plan = planning.plan_next(frontier, directive, now_us)
            if plan is None:
                break
            added.append(plan)
            frontier = planning.after(frontier, plan)
        return tuple(added)


def log_discarded(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        telemetry.error(
            logger,
            "dead_letter_discarded",
            category=letter.category.value,
            events=len(letter.events),
            detail=letter.detail,
        )
