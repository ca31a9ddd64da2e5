"""Generations of shards: how a stream gets from one number of shards to another. Pure.

A change sets a barrier, a few seconds ahead. The old generation's shards plan what is due before it, settle what they
have planned, and close. What the new generation begins with follows from the old one's closed cursors alone, so whoever
writes it, and however often, writes the same.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from streaming.core.cursor import Cursor
from streaming.core.plan import Frontier, Pace
from streaming.core.session import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.session import Reshard, Session


def first_cursor(session: Session, shard: int) -> Cursor:
    """Where a shard of a session's first generation begins. It has no owner yet."""
    return Cursor(
        session_id=session.session_id,
        shard=shard,
        shards=session.shards,
        generation=session.generation,
        lanes=0,
        owner="",
        lease_until_us=0,
        heartbeat_us=session.started_at_us,
        operation_id="opened",
    )


def next_cursors(old: Sequence[Cursor], reshard: Reshard) -> tuple[Cursor, ...]:
    """Where the shards of the next generation begin, from all cursors of a generation that is closed."""
    frontier = _carried_on([cursor.frontier for cursor in old])
    return tuple(
        Cursor(
            session_id=old[0].session_id,
            shard=shard,
            shards=reshard.shards,
            generation=reshard.generation,
            lanes=max(cursor.lanes for cursor in old),
            owner="",
            lease_until_us=0,
            heartbeat_us=max(cursor.heartbeat_us for cursor in old),
            operation_id="opened",
            frontier=frontier,
        )
        for shard in range(reshard.shards)
    )


def _carried_on(frontiers: Sequence[Frontier]) -> Frontier:
    """One frontier behind all of these: its next burst is numbered, and due, as late as any of theirs.

    Shards follow a change of pace each in its own time, so they may differ. The pace that is kept is the one whose last
    burst was due last: a change of pace may move the next burst ahead, but never before what any of them has planned.
    """
    window = max(frontier.window for frontier in frontiers)
    burst = max(frontier.burst for frontier in frontiers)
    paced = [(frontier.pace, frontier.pace.scheduled_us(frontier.burst)) for frontier in frontiers if frontier.pace]
    if not paced:
        return Frontier(window=window, burst=burst)
    kept, _ = max(paced, key=lambda each: (each[1] - each[0].interval_us, each[0].burst))
    pace = Pace(
        anchor_burst=burst,
        anchor_us=max(due_us for _, due_us in paced),
        interval_ms=kept.interval_ms,
        burst=kept.burst,
    )
    return Frontier(window=window, burst=burst, pace=pace)


def after_closing(session: Session) -> Reshard | str:
    """What follows once all of the current generation's shards are closed: the next one, or why the session is over.

    A stop comes before everything, and a duration that ends before the barrier before the change.
    """
    if session.wanted is Wanted.STOPPED:
        return "stopped"
    reshard = session.reshard
    if reshard is not None and (session.ends_at_us is None or session.ends_at_us > reshard.barrier_us):
        return reshard
    return "duration reached"


def ends_at_us(session: Session) -> int | None:
    """From when on the current generation owes nothing; None: there is no end in sight."""
    ends = [session.ends_at_us, None if session.reshard is None else session.reshard.barrier_us]
    return min((end for end in ends if end is not None), default=None)


def whole_bursts(counts: Sequence[tuple[Cursor, int]]) -> Fraction:
    """Bursts of the whole stream, from what each shard has counted: a shard's burst is its part of one."""
    return sum((Fraction(count, cursor.shards) for cursor, count in counts), Fraction())
