"""How long to wait before the next try: one clamped, overflow-safe function."""

from __future__ import annotations


def delay_seconds(
    *,
    failures: int,
    base_seconds: float,
    multiplier: float,
    cap_seconds: float,
    jitter: float = 0.0,
    spread: float = 0.25,
) -> float:
    """The wait after ``failures`` failed tries (at least 1), never above ``cap_seconds``.

    ``jitter`` is a random number from 0 to 1 that the caller draws; the wait is shortened by up to ``spread`` of
    itself, so that waiters who failed together don't return together and the cap holds.
    """
    exponent = max(0, failures - 1)
    try:
        raw = base_seconds * multiplier**exponent
    except OverflowError:
        raw = cap_seconds
    return min(raw, cap_seconds) * (1.0 - spread * jitter)
