"""What a stream is doing, read from storage: right on every instance, whoever runs the shards."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.clock import MICROSECONDS
from shared.tasks import gather
from streaming.core.breaker import BreakerState, BreakerStatus
from streaming.core.generation import whole_bursts
from streaming.core.history import last_minute_rate
from streaming.core.outbox import MOST_LANES
from streaming.core.session import Mode, Session, Status, status_of
from streaming.core.tally import Books, DeadLetterTally, Tally, sum_books
from streaming.flows.census import in_dlq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.cursor import Cursor
    from streaming.flows.census import Census
    from streaming.flows.configuration import Configuration
    from streaming.ports import Control, ControlStore, DeadLetterStore, ShardStore, Standing

_Look = tuple[tuple["Standing", ...], int]
LONG_INTERVAL_MS: Final = 15_000
"""Above it, the last minute holds too few bursts to tell a rate by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """One consistent look at a session and its shards."""

    now_us: int
    session: Session | None
    standings: tuple[Standing, ...]
    """Of the session's shards."""
    in_dlq_elsewhere: int
    """Events of other sessions in the dead-letter queue."""
    breaker: BreakerState
    config: RealtimeConfig

    @property
    def cursors(self) -> tuple[Cursor, ...]:
        return tuple(standing.cursor.value for standing in self.standings)

    @property
    def current(self) -> tuple[Cursor, ...]:
        """The shards that stream now, those of earlier generations left out."""
        generation = 0 if self.session is None else self.session.generation
        return tuple(cursor for cursor in self.cursors if cursor.generation == generation)

    @property
    def dlq_size(self) -> int:
        """Events in the whole dead-letter queue, by the counts."""
        return in_dlq(self.standings) + self.in_dlq_elsewhere

    @property
    def tally(self) -> Tally:
        total = Tally()
        for cursor in self.cursors:
            total.add(cursor.tally)
        return total

    @property
    def disrupted(self) -> Counter[str]:
        """By the id of a disruption, how many events it has touched."""
        total: Counter[str] = Counter()
        for shards in by_generation(self.cursors):
            # A generation goes on counting where the one before left off.
            total |= sum((Counter(cursor.disrupted) for cursor in shards), Counter())
        return total

    @property
    def bursts_planned(self) -> Fraction:
        """Of the whole stream; a shard's is its part of one."""
        return whole_bursts([(cursor, cursor.tally.bursts_planned) for cursor in self.cursors])

    @property
    def bursts_skipped(self) -> int:
        """Of the whole stream; what shards have skipped of one adds up."""
        return math.ceil(whole_bursts([(cursor, cursor.tally.bursts_skipped) for cursor in self.cursors]))

    @property
    def outbox_pending(self) -> int:
        """Events that the session has staged and that are to be sent."""
        return sum(cursor.pending for cursor in self.cursors if cursor.shard >= MOST_LANES)

    @property
    def status(self) -> Status:
        return status_of(self.session, alive=bool(self.cursors), faulty=self.fault is not None)

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent at the moment."""
        if self.breaker.status is not BreakerStatus.CLOSED and self.config.circuit_breaker_enabled:
            return f"the circuit breaker is {self.breaker.status.value}: {self.breaker.last_category or 'forced'}"
        return next((cursor.fault for cursor in self.current if cursor.fault), None)

    @property
    def tick_staleness_seconds(self) -> float:
        """Seconds since the last sign of life of the shard that has been silent longest; 0 without a session."""
        if self.session is None or not self.session.active:
            return 0.0
        open_us = [cursor.heartbeat_us for cursor in self.current if not cursor.closed]
        # All closed: the next generation's beginning is owed, and it was when the last one closed.
        closed_us = max((cursor.heartbeat_us for cursor in self.current), default=self.session.started_at_us)
        heard_us = min(open_us, default=closed_us)
        return max(0, self.now_us - heard_us) / MICROSECONDS

    @property
    def rate_last_minute(self) -> float:
        """Events sent per second over the last minute, all shards there were in it; 0 once the session has ended."""
        return sum(self._rate_since(cursor, 0) for cursor in self.cursors)

    def _rate_since(self, cursor: Cursor, since_us: int) -> float:
        """A shard's rate over the last minute, but no longer than since the start, a resumption and ``since_us``."""
        session = self.session
        if session is None or not session.active:
            return 0.0
        return last_minute_rate(
            cursor.seconds,
            committed_at_us=cursor.heartbeat_us,
            since_us=max(session.started_at_us, session.not_before_us, since_us),
            now_us=self.now_us,
        )

    @property
    def rate_average(self) -> float:
        """Events sent per second of the session, pauses not counted."""
        seconds = self.streaming_seconds
        return self.tally.sent_first / seconds if seconds > 0 else 0.0

    @property
    def streaming_seconds(self) -> float:
        """Seconds that the session has streamed, pauses not counted."""
        return 0.0 if self.session is None else self.session.streaming_us(self.now_us) / MICROSECONDS

    @property
    def paced_since_us(self) -> int:
        """When the pace in force began: a start, a resumption, or the last change of interval or burst."""
        anchors = [cursor.frontier.pace.anchor_us for cursor in self.current if cursor.frontier.pace is not None]
        return max((*anchors, self.session.not_before_us if self.session else 0))

    @property
    def achieved_rate_ratio(self) -> float | None:
        """Achieved over configured rate while running, judged since the pace in force began; else None."""
        session = self.session
        if session is None or self.status not in {Status.RUNNING, Status.ERROR} or session.mode is Mode.OUTBOX:
            return None  # An outbox has no more to send than a day holds.
        if session.emit_interval_ms <= LONG_INTERVAL_MS:
            achieved = sum(self._rate_since(cursor, self.paced_since_us) for cursor in self.current)
            return achieved / session.events_per_second
        owed_bursts = int(self.streaming_seconds * 1_000 / session.emit_interval_ms) + 1
        return min(1.0, float(self.bursts_planned / owed_bursts))

    @property
    def books(self) -> Books:
        """The session's books, by the counts. ``Observer.audit`` counts the dead letters themselves."""
        return sum_books(books_of(standing, standing.in_dlq) for standing in self.standings)


class Observer:
    """Answers the questions that routes ask about streams."""

    def __init__(
        self,
        *,
        control: ControlStore,
        shards: ShardStore,
        letters: DeadLetterStore,
        census: Census,
        configuration: Configuration,
        clock: Clock,
    ) -> None:
        self._control = control
        self._shards = shards
        self._letters = letters
        self._census = census
        self._configuration = configuration
        self._clock = clock
        self._last_seen: str | None = None
        """The session that the last look found active: most likely the next one will too."""

    async def view(self) -> StreamView:
        """Look at the active session, or the last one. Of a session that goes on, in the time of one round trip.

        What has ended is read in order, session first: an ended session's counts are final.
        """
        expected = self._last_seen
        look: _Look | None = None
        if expected is None:
            control = await self._control.read()
        else:
            control, look = await gather(self._control.read(), self._look(expected, newest=expected))
        session = control.session.value if control.session else None
        self._last_seen = session.session_id if session is not None and session.active else None
        return await self._view(control, session, look if expected == self._last_seen else None)

    async def view_of(self, session_id: str) -> StreamView | None:
        """Look at any session; None when there is none of this name."""
        control = await self._control.read()
        session = control.session.value if control.session else None
        if session is None or session.session_id != session_id:
            session = await self._control.session(session_id)
        return None if session is None else await self._view(control, session)

    async def audit(self, session_id: str | None = None) -> Books | None:
        """The books of a session, None for the active or last one, with its dead letters counted one by one.

        None when there is no such session.
        """
        if session_id is None:
            session = (await self._control.read()).session
            if session is None:
                return Books()
            session_id = session.value.session_id
        elif await self._control.session(session_id) is None:
            return None
        shelves = await self._letters.audit(session_id)
        return sum_books(
            books_of(shelf.standing, sum(outline.count for outline in shelf.outlines)) for shelf in shelves
        )

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """The last envelopes sent, the newest first: timestamp, event_type, trace_id and payload of each."""
        session = (await self._control.read()).session
        if session is None:
            return []
        session_id = session.value.session_id
        cursors = [standing.cursor.value for standing in await self._shards.standings(session_id)]
        # A generation that has just begun has little to show: so the one before is asked, too.
        made = by_generation([cursor for cursor in cursors if cursor.tally.generated])
        shards = [cursor.slot for generation in made[-2:] for cursor in generation]
        bodies = await gather(*(self._shards.recent(session_id, shard) for shard in shards))
        envelopes = [orjson.loads(body) for shard in bodies for body in shard]
        envelopes.sort(key=lambda envelope: envelope["ingest_timestamp"], reverse=True)
        return [
            {
                "timestamp": envelope["ingest_timestamp"],
                "event_type": envelope["event_type"],
                "trace_id": envelope["trace_id"],
                "payload": envelope["payload"],
            }
            for envelope in envelopes[:limit]
        ]

    async def _view(self, control: Control, session: Session | None, look: _Look | None = None) -> StreamView:
        """``look``: at the session, if there was one already."""
        if look is None and session is not None:
            newest = control.session.value.session_id if control.session else session.session_id
            look = await self._look(session.session_id, newest=newest)
        standings, elsewhere = look or ((), 0)
        return StreamView(
            now_us=self._clock.now_us(),
            session=session,
            standings=standings,
            in_dlq_elsewhere=elsewhere,
            breaker=control.breaker.value if control.breaker else BreakerState(),
            config=self._configuration.of(control),
        )

    async def _look(self, session_id: str, *, newest: str) -> _Look:
        """Where the session's shards stand, and how many events are in other sessions' dead letters."""
        return await gather(self._shards.standings(session_id), self._in_dlq_elsewhere(session_id, newest))

    async def _in_dlq_elsewhere(self, session_id: str, newest: str) -> int:
        found = await self._census.earlier(newest)
        if newest != session_id:
            found = {**found, newest: await self._shards.standings(newest)}
        return sum(in_dlq(standings) for each, standings in found.items() if each != session_id)


def by_generation(cursors: Sequence[Cursor]) -> list[list[Cursor]]:
    """Shards that stream, or have streamed, together; the latest generation last."""
    found: defaultdict[int, list[Cursor]] = defaultdict(list)
    for cursor in cursors:
        found[cursor.generation].append(cursor)
    return [found[generation] for generation in sorted(found)]


def books_of(standing: Standing, buried: int) -> Books:
    """One shard's books, with ``buried`` events in its dead letters."""
    cursor = standing.cursor.value
    tally = cursor.tally
    resolved = standing.resolved.value if standing.resolved else DeadLetterTally()
    return Books(
        generated=tally.generated,
        sent_first=tally.sent_first,
        dead_lettered=tally.dead_lettered,
        pending=cursor.pending,
        outbox_cleared=standing.outbox_cleared,
        in_dlq=buried,
        redriven=resolved.redriven,
        cleared=resolved.cleared,
        evicted=resolved.evicted,
        discarded=tally.discarded,
    )
