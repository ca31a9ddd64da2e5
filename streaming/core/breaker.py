"""The circuit breaker's state machine. Pure: state and event in, state out.

Closed → (``failure_threshold`` consecutive failures) → open → (wait) → half-open with ``half_open_max_calls`` permits →
all succeed: closed; one fails: open again, with a longer, jittered, capped wait. The first wait is exactly
``timeout_seconds``. Every transition begins a new *epoch*; a result that arrives with an older epoch's permit is late
and changes nothing.

Classification of errors, measuring and wrapping calls are elsewhere (``core/outcome.py``, ``flows/breaker.py``): one
concern each, as in Polly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from shared.backoff import delay_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_TRANSITIONS: Final = 50
LONGEST_WAIT_SECONDS: Final = 600.0
WAIT_GROWTH: Final = 2.0


class BreakerStatus(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """The configuration's part that concerns the breaker."""

    enabled: bool
    failure_threshold: int
    timeout_seconds: int
    half_open_max_calls: int
    permit_seconds: float
    """How long a half-open permit may stay out before it counts as lost: one batch's retry budget and a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to send one batch."""

    epoch: int
    permit_id: str = ""
    """Names a half-open trial; empty while closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """No leave: the breaker is open, or all trials are out."""

    retry_at_us: int | None
    """When asking again may succeed; None when only an operator's reset can help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A half-open permit that is out."""

    permit_id: str
    expires_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    at_us: int
    from_state: BreakerStatus
    to_state: BreakerStatus
    reason: str
    by: str
    """The instance, or ``operator``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What all instances share, in one row that changes only under its ETag."""

    status: BreakerStatus = BreakerStatus.CLOSED
    epoch: int = 0
    consecutive_failures: int = 0
    opened_at_us: int | None = None
    """When the current outage began: the first opening since the breaker was last closed."""
    retry_at_us: int | None = None
    reopenings: int = 0
    trials: tuple[Trial, ...] = ()
    trial_successes: int = 0
    trips: int = 0
    """Transitions to open, for good: never reset while a session lasts."""
    last_category: str | None = None
    closed_at_us: int = 0
    """When the last outage ended, and"""
    outage_us: int = 0
    """how long it had lasted."""
    transitions: tuple[Transition, ...] = ()

    @property
    def healthy(self) -> bool:
        """Closed and without a mark: nothing to change on a success."""
        return self.status is BreakerStatus.CLOSED and self.consecutive_failures == 0

    def may_be_tried(self, now_us: int) -> bool:
        """Whether it is time for trials. They may all be out already."""
        if self.status is BreakerStatus.OPEN:
            return self.retry_at_us is not None and now_us >= self.retry_at_us
        return self.status is BreakerStatus.HALF_OPEN

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **document,
                "status": BreakerStatus(document["status"]),
                "trials": tuple(Trial(**trial) for trial in document["trials"]),
                "transitions": tuple(
                    Transition(
                        **{
                            **transition,
                            "from_state": BreakerStatus(transition["from_state"]),
                            "to_state": BreakerStatus(transition["to_state"]),
                        }
                    )
                    for transition in document["transitions"]
                ),
            }
        )


def acquire(
    state: BreakerState, settings: BreakerSettings, *, now_us: int, permit_id: str, by: str
) -> tuple[BreakerState, Permit | Denied]:
    """Ask for leave to send one batch. A changed state must be stored before the permit is used."""
    if not settings.enabled or state.status is BreakerStatus.CLOSED:
        return state, Permit(epoch=state.epoch)
    if state.status is BreakerStatus.OPEN:
        if not state.may_be_tried(now_us):
            return state, Denied(retry_at_us=state.retry_at_us)
        state = _to_half_open(state, now_us=now_us, by=by)
    if state.trial_successes >= settings.half_open_max_calls:
        # Fewer are asked for than when the trials began: what has succeeded is enough, and nobody else would say so.
        state = _to_closed(state, now_us=now_us, reason=_accepted(state.trial_successes), by=by)
        return state, Permit(epoch=state.epoch)
    trials = tuple(trial for trial in state.trials if trial.expires_us > now_us)
    if len(trials) + state.trial_successes >= settings.half_open_max_calls:
        return state, Denied(retry_at_us=min(trial.expires_us for trial in trials))
    expires_us = now_us + round(settings.permit_seconds * 1_000_000)
    state = replace(state, trials=(*trials, Trial(permit_id=permit_id, expires_us=expires_us)))
    return state, Permit(epoch=state.epoch, permit_id=permit_id)


def succeeded(state: BreakerState, permit: Permit, settings: BreakerSettings, *, now_us: int, by: str) -> BreakerState:
    """Record that the batch sent with ``permit`` was accepted."""
    if not settings.enabled or permit.epoch != state.epoch:
        return state
    if state.status is BreakerStatus.CLOSED:
        return replace(state, consecutive_failures=0) if state.consecutive_failures else state
    if not _is_out(state, permit):
        return state
    successes = state.trial_successes + 1
    if successes >= settings.half_open_max_calls:
        return _to_closed(state, now_us=now_us, reason=_accepted(successes), by=by)
    trials = tuple(trial for trial in state.trials if trial.permit_id != permit.permit_id)
    return replace(state, trials=trials, trial_successes=successes)


def failed(
    state: BreakerState,
    permit: Permit,
    settings: BreakerSettings,
    *,
    category: str,
    now_us: int,
    jitter: float,
    by: str,
) -> BreakerState:
    """Record that the batch sent with ``permit`` failed for good, through the hub's fault."""
    if not settings.enabled or permit.epoch != state.epoch:
        return state
    if state.status is BreakerStatus.CLOSED:
        failures = state.consecutive_failures + 1
        state = replace(state, consecutive_failures=failures, last_category=category)
        if failures < settings.failure_threshold:
            return state
        reason = f"{failures} consecutive failures, the last one {category}"
        return _to_open(state, settings, reopenings=0, reason=reason, now_us=now_us, jitter=jitter, by=by)
    if not _is_out(state, permit):
        return state
    state = replace(state, consecutive_failures=state.consecutive_failures + 1, last_category=category)
    return _to_open(
        state,
        settings,
        reopenings=state.reopenings + 1,
        reason=f"a trial batch failed: {category}",
        now_us=now_us,
        jitter=jitter,
        by=by,
    )


def reset(state: BreakerState, *, now_us: int, reason: str, by: str) -> BreakerState:
    """Close the breaker, whatever its state: an operator's word, or a new session."""
    if state.healthy:
        return state
    if state.status is BreakerStatus.CLOSED:
        return replace(state, consecutive_failures=0)
    return _to_closed(state, now_us=now_us, reason=reason, by=by)


def renewed(state: BreakerState, *, now_us: int) -> BreakerState:
    """For a new session: closed, with nothing counted. Earlier transitions stay readable, earlier permits are void."""
    closed = reset(state, now_us=now_us, reason="a session was started", by="start")
    return replace(closed, epoch=state.epoch + 1, trips=0, last_category=None, outage_us=0)


def force_open(state: BreakerState, *, now_us: int, reason: str, by: str) -> BreakerState:
    """Open the breaker until an operator resets it."""
    opened = replace(
        state,
        status=BreakerStatus.OPEN,
        epoch=state.epoch + 1,
        opened_at_us=now_us if state.opened_at_us is None else state.opened_at_us,
        retry_at_us=None,
        trials=(),
        trial_successes=0,
        trips=state.trips + (state.status is not BreakerStatus.OPEN),
    )
    return _recorded(state, opened, now_us=now_us, reason=reason, by=by)


def _accepted(successes: int) -> str:
    return f"{successes} trial batches were accepted"


def _is_out(state: BreakerState, permit: Permit) -> bool:
    return any(trial.permit_id == permit.permit_id for trial in state.trials)


def _to_open(
    state: BreakerState,
    settings: BreakerSettings,
    *,
    reopenings: int,
    reason: str,
    now_us: int,
    jitter: float,
    by: str,
) -> BreakerState:
    wait_seconds = delay_seconds(
        failures=reopenings + 1,
        base_seconds=settings.timeout_seconds,
        multiplier=WAIT_GROWTH,
        # Also where the first wait is long, the later ones are longer, however they are jittered.
        cap_seconds=max(LONGEST_WAIT_SECONDS, settings.timeout_seconds * WAIT_GROWTH),
        jitter=jitter if reopenings else 0.0,
    )
    opened = replace(
        state,
        status=BreakerStatus.OPEN,
        epoch=state.epoch + 1,
        opened_at_us=now_us if state.opened_at_us is None else state.opened_at_us,
        retry_at_us=now_us + round(wait_seconds * 1_000_000),
        reopenings=reopenings,
        trials=(),
        trial_successes=0,
        trips=state.trips + 1,
    )
    return _recorded(state, opened, now_us=now_us, reason=reason, by=by)


def _to_half_open(state: BreakerState, *, now_us: int, by: str) -> BreakerState:
    half_open = replace(
        state, status=BreakerStatus.HALF_OPEN, epoch=state.epoch + 1, retry_at_us=None, trials=(), trial_successes=0
    )
    return _recorded(state, half_open, now_us=now_us, reason="the wait is over", by=by)


def _to_closed(state: BreakerState, *, now_us: int, reason: str, by: str) -> BreakerState:
    closed = replace(
        state,
        status=BreakerStatus.CLOSED,
        epoch=state.epoch + 1,
        consecutive_failures=0,
        opened_at_us=None,
        retry_at_us=None,
        reopenings=0,
        trials=(),
        trial_successes=0,
        closed_at_us=now_us,
        outage_us=now_us - state.opened_at_us if state.opened_at_us is not None else 0,
    )
    return _recorded(state, closed, now_us=now_us, reason=reason, by=by)


def _recorded(before: BreakerState, after: BreakerState, *, now_us: int, reason: str, by: str) -> BreakerState:
    transition = Transition(at_us=now_us, from_state=before.status, to_state=after.status, reason=reason, by=by)
    return replace(after, transitions=(*before.transitions, transition)[-KEPT_TRANSITIONS:])
