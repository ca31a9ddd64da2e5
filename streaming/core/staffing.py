"""Who is to run the shards: when a runner is asked for, and when the timer's own process steps in. Pure.

A shard is *free* when nobody's lease on it holds. A runner is asked for by a queue message, a few seconds before the
present one ends, so that the next one is there by then. Messages may be lost, late or doubled, and instances may be
slow to come: a shard that stays free is run by the timer's own process, at first only for as long as a runner may need
to arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streaming.core.cursor import Cursor

AHEAD_US: Final = 5_000_000
"""How long before a run ends the next runner is asked for: the message takes up to two seconds, a window's end one."""
ASK_AGAIN_US: Final = 10_000_000
"""A message that has not brought a runner by then may be lost."""
ARRIVAL_US: Final = 6_000_000
"""How long after it was asked for a runner that has an instance has come."""
GRACE_US: Final = 300_000
"""How long a shard that this process gives back is left to a runner that waits for it."""
RUNNERS_GRACE_US: Final = 1_000_000
"""How long one that a runner gives back is left to the next: it may have to fetch its message yet."""
RUN_HERE_US: Final = 30_000_000
"""How long the timer's own process runs a shard before it offers it to others again."""
PATIENCE_US: Final = 8_000_000
"""How long a runner waits for the present one to end: it was asked for ahead of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """What is to be done about a generation's shards now."""

    ask: tuple[int, ...] = ()
    """Shards that a runner is to be asked for."""
    here: Mapping[int, int]
    """Shards to be run by this process: until when."""


def staff(
    cursors: Sequence[Cursor], *, asked_us: Mapping[int, int], here_until_us: Mapping[int, int], now_us: int
) -> Staffing:
    """Decide about the shards that are not closed.

    ``asked_us``: when a runner for a shard was last asked for. ``here_until_us``: until when a shard was to run here; a
    run that had to end before goes on.
    """
    ask: list[int] = []
    here: dict[int, int] = {}
    for cursor in cursors:
        if cursor.closed:
            continue
        if cursor.leased(now_us):
            ends_us = cursor.runs_until_us
            was_asked = asked_us.get(cursor.shard, 0) + ARRIVAL_US >= ends_us
            if cursor.shards > 1 and ends_us - now_us <= AHEAD_US and not was_asked:
                ask.append(cursor.shard)
        elif cursor.shards == 1:
            here[cursor.shard] = now_us + RUN_HERE_US  # One shard needs no second instance.
        elif here_until_us.get(cursor.shard, 0) > now_us:
            here[cursor.shard] = here_until_us[cursor.shard]
        elif (asked := asked_us.get(cursor.shard, 0)) <= now_us - ASK_AGAIN_US:
            ask.append(cursor.shard)
        elif now_us - cursor.lease_until_us >= _grace_us(cursor, here_until_us.get(cursor.shard, 0)):
            arrived_us = asked + ARRIVAL_US
            here[cursor.shard] = arrived_us if arrived_us - now_us > AHEAD_US // 2 else now_us + RUN_HERE_US
    return Staffing(ask=tuple(ask), here=here)


def _grace_us(cursor: Cursor, here_until_us: int) -> int:
    """A run here ends soon after its time, and so does not a later one of somebody else."""
    was_here = 0 <= cursor.lease_until_us - here_until_us < RUN_HERE_US
    return GRACE_US if was_here else RUNNERS_GRACE_US


def may_wait_for(cursor: Cursor, now_us: int) -> bool:
    """Whether a runner should wait for a shard that another one runs."""
    return cursor.runs_until_us - now_us <= PATIENCE_US
