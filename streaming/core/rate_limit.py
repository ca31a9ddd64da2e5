"""At most so many calls in any minute. Pure: the instants of earlier calls in, the new ones and the verdict out."""

from __future__ import annotations

from typing import Final

from shared.clock import MICROSECONDS

WINDOW_US: Final = 60 * MICROSECONDS


def take(calls_us: tuple[int, ...], *, limit: int, now_us: int) -> tuple[tuple[int, ...], int | None]:
    """Ask for one call more. ``calls_us``: the allowed ones so far, oldest first.

    Returns the calls of the last minute, this one among them if it is allowed, and None; or the whole seconds after
    which asking again can succeed.
    """
    recent = tuple(call_us for call_us in calls_us if now_us - WINDOW_US < call_us <= now_us)
    if len(recent) < limit:
        return (*recent, now_us), None
    free_at_us = recent[-limit] + WINDOW_US
    return recent, max(1, -(-(free_at_us - now_us) // MICROSECONDS))
