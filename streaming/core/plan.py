"""Pacing and planning: which bursts a window holds and when each is due. Pure.

A stream's bursts are numbered. A *pace* anchors their numbers to the wall clock, so that the long-run rate is exact and
late bursts can be caught up. A *window* is about a second's worth of bursts; its plan is recorded before any of it is
sent, and whoever takes over runs exactly the recorded plan again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

WINDOW_MS: Final = 1_000
HORIZON_US: Final = 2_000_000
"""How far ahead windows are planned: two of them, so that one can be committed while the next is being sent."""
LARGEST_CHUNK: Final = 5_000
"""More events at a time would keep the event loop busy for too long."""
_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One epoch of even pacing: burst ``n`` is due at ``anchor_us + (n - anchor_burst) * interval``."""

    anchor_burst: int
    anchor_us: int
    interval_ms: int
    burst: int
    """Events per burst, over the whole stream."""

    def scheduled_us(self, number: int) -> int:
        return self.anchor_us + (number - self.anchor_burst) * self.interval_us

    @property
    def interval_us(self) -> int:
        return self.interval_ms * _MS

    @property
    def events_per_second(self) -> float:
        return self.burst * 1_000 / self.interval_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """How far planning has come in one shard: the next window and the next burst to plan, and the pace in force."""

    window: int = 0
    burst: int = 0
    pace: Pace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """What the session and the configuration ask of the planner, as they are now."""

    interval_ms: int
    burst: int
    not_before_us: int
    """The start of the session or its last resumption: what was due earlier is not owed."""
    ends_at_us: int | None = None
    """Bursts due at this instant or later belong to nobody."""
    max_catch_up_us: int
    """How late a burst may be planned; later ones are skipped and counted."""
    skip_before_us: int = 0
    """What was due earlier is skipped and counted, however late: set after the breaker was open for too long."""
    chunk: int = LARGEST_CHUNK
    """The most events generated at a time."""
    event_types: tuple[str, ...] | None = None
    disruptions: tuple[str, ...] = ()
    """The disruptions in force, each as recorded (JSON)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """The recorded plan of one window of one shard. Frozen: later changes take effect in later windows."""

    window: int
    first_burst: int
    bursts: int
    """May be 0, for a window that only records skipped bursts."""
    pace: Pace
    skipped: int = 0
    """Bursts given up between the previous window's last burst and this window's first one."""
    chunk: int = LARGEST_CHUNK
    """The most events generated at a time: a larger burst is made, and sent, in parts."""
    event_types: tuple[str, ...] | None = None
    disruptions: tuple[str, ...] = ()

    @property
    def numbers(self) -> range:
        return range(self.first_burst, self.first_burst + self.bursts)


def plan_next(frontier: Frontier, directive: Directive, now_us: int) -> WindowPlan | None:
    """The plan of the window after the frontier, or None while it lies beyond the horizon or after the end."""
    pace = _pace_in_force(frontier, directive, now_us)
    due_us = pace.scheduled_us(frontier.burst)
    remaining = _remaining(pace, due_us, directive.ends_at_us)
    if remaining == 0:
        return None
    skipped = _bursts_before(pace, due_us, _owed_from_us(directive, now_us))
    if remaining is not None:
        skipped = min(skipped, remaining)
        remaining -= skipped
    first = frontier.burst + skipped
    bursts = max(1, WINDOW_MS // pace.interval_ms)
    if remaining is not None:
        bursts = min(bursts, remaining)
    if pace.scheduled_us(first) >= now_us + HORIZON_US:
        # With long intervals the next burst may be far off, or after the end: what was skipped is recorded now.
        bursts = 0
    if not bursts and not skipped:
        return None
    return WindowPlan(
        window=frontier.window,
        first_burst=first,
        bursts=bursts,
        pace=pace,
        skipped=skipped,
        chunk=directive.chunk,
        event_types=directive.event_types,
        disruptions=directive.disruptions,
    )


def after(frontier: Frontier, plan: WindowPlan) -> Frontier:
    """The frontier once ``plan`` is recorded."""
    return replace(frontier, window=plan.window + 1, burst=plan.first_burst + plan.bursts, pace=plan.pace)


def is_over(frontier: Frontier, directive: Directive, now_us: int) -> bool:
    """Whether every burst before the session's end has been planned, and the end has come."""
    if directive.ends_at_us is None or now_us < directive.ends_at_us:
        return False
    pace = _pace_in_force(frontier, directive, now_us)
    return pace.scheduled_us(frontier.burst) >= directive.ends_at_us


def owes_nothing(directive: Directive, now_us: int) -> bool:
    """Whether the session's end is so long ago that all that isn't planned by now will be skipped."""
    return directive.ends_at_us is not None and _owed_from_us(directive, now_us) >= directive.ends_at_us


def share(burst: int, shard: int, shards: int) -> int:
    """The part of a burst that one shard owes: parts differ by at most one and add up to ``burst``."""
    return burst // shards + (1 if shard < burst % shards else 0)


def _pace_in_force(frontier: Frontier, directive: Directive, now_us: int) -> Pace:
    """The frontier's pace, or the epoch that begins with its next burst."""
    current = frontier.pace
    if current is None:
        return _epoch(frontier, directive, directive.not_before_us)
    due_us = current.scheduled_us(frontier.burst)
    if due_us < directive.not_before_us:
        # A pause isn't caught up: the schedule begins anew with the resumption. The burst before it has had its whole
        # interval, and so room for its events' timestamps.
        return _epoch(frontier, directive, directive.not_before_us)
    if (current.interval_ms, current.burst) == (directive.interval_ms, directive.burst):
        return current
    # A shorter interval takes effect at once, not after the rest of a long one. Whatever is late already stays owed,
    # and a longer interval doesn't put off the burst that is due: the new pace begins with it.
    previous_us = due_us - current.interval_us
    soonest_us = max(now_us, previous_us + max(directive.interval_ms * _MS, current.burst))
    return _epoch(frontier, directive, min(due_us, soonest_us))


def _epoch(frontier: Frontier, directive: Directive, anchor_us: int) -> Pace:
    return Pace(
        anchor_burst=frontier.burst,
        anchor_us=-(-anchor_us // _MS) * _MS,  # whole milliseconds, rounded up: schedules that people can read
        interval_ms=directive.interval_ms,
        burst=directive.burst,
    )


def _owed_from_us(directive: Directive, now_us: int) -> int:
    """What was due earlier is skipped."""
    return max(now_us - directive.max_catch_up_us, directive.skip_before_us)


def _remaining(pace: Pace, due_us: int, ends_at_us: int | None) -> int | None:
    return None if ends_at_us is None else _bursts_before(pace, due_us, ends_at_us)


def _bursts_before(pace: Pace, due_us: int, instant_us: int) -> int:
    """How many bursts, from the one due at ``due_us`` on, are due before ``instant_us``."""
    return max(0, -((due_us - instant_us) // pace.interval_us))
