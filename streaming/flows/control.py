"""Commands: start, stop, pause, resume, change the configuration. Each is one conditional write of what is wanted.

The shards see it with their next window's read, within about a second.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from shared import telemetry
from shared.clock import MICROSECONDS, to_iso
from streaming.core.session import Mode, Session, Wanted
from streaming.ports import ConflictError
from streaming.retail.shards import require_shards, require_stageable
from streaming.retail.world import WorldSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.session import WorldSize
    from streaming.flows.breaker import CircuitBreaker
    from streaming.flows.configuration import Configuration
    from streaming.ports import Control, ControlStore, ShardStore

logger = logging.getLogger(__name__)

LEAD_US: Final = 2_000_000
"""How long after a start or a resumption the first burst is due: a timer has noticed by then, and it isn't late."""
STOP_WAIT_US: Final = 8_000_000
STOP_POLL_US: Final = 200_000
_TRIES: Final = 5


class Refusal(Enum):
    """Why a command was not carried out."""

    ALREADY_ACTIVE = "A stream is already active. Stop it first: POST /api/stream/stop."
    NONE_ACTIVE = "No stream is active. Start one: POST /api/stream/start."
    ALREADY_PAUSED = "The stream is paused already."
    NOT_PAUSED = "The stream is not paused."
    STOPPING = "The stream is being stopped."
    CHANGED_TOO_OFTEN = "This session has changed its shards as often as one can. Stop it, and start another."
    BUSY = "Somebody else was changing the same thing. Try again."


class ImpossibleWorldError(Exception):
    """The world can't be streamed by so many shards, or staged; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a client asks for; None takes the configuration's value."""

    emit_interval_ms: int | None = None
    burst: int | None = None
    duration_minutes: float | None = None
    event_types: Sequence[str] | None = None
    mode: Mode = Mode.LIVE
    shards: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The answer to a stop: whether everything planned is settled already."""

    session: Session
    complete: bool


class ControlFlow:
    """Carries out commands. A lost race is tried again on what is there now."""

    def __init__(
        self,
        *,
        control: ControlStore,
        shards: ShardStore,
        breaker: CircuitBreaker,
        configuration: Configuration,
        world: WorldSize,
        day_scale: float,
        clock: Clock,
        seed: int,
        new_suffix: Callable[[], str],
    ) -> None:
        """``seed``: of the world, unless a request brings its own. ``new_suffix`` gives four hexadecimal digits: they
        tell two sessions of one second apart.
        """
        self._control = control
        self._shards = shards
        self._breaker = breaker
        self._configuration = configuration
        self._world = world
        self._day_scale = day_scale
        self._clock = clock
        self._seed = seed
        self._new_suffix = new_suffix

    async def start(self, request: StartRequest) -> Session | Refusal:
        """Begin a session. The breaker is reset.

        Raises ``pydantic.ValidationError`` for an impossible pace, and ``ImpossibleWorldError``.
        """
        control = await self._control.read()
        if control.session is not None and control.session.value.active:
            return Refusal.ALREADY_ACTIVE
        overrides = {
            name: value
            for name in ("emit_interval_ms", "burst", "shards")
            if (value := getattr(request, name)) is not None
        }
        config = self._configuration.updated(control, overrides)
        now_us = self._clock.now_us()
        session = self._session(request, config, now_us)
        if session.mode is Mode.LIVE:
            require_possible(session.shards, session, self._world)
        else:
            _require(lambda: require_stageable(_spec(session.world), self._day_scale))
        await self._breaker.renew()
        try:
            await self._control.save_session(session, version=control.session.version if control.session else None)
        except ConflictError:
            return Refusal.ALREADY_ACTIVE
        telemetry.info(logger, "session_started", session_id=session.session_id, mode=session.mode.value)
        return session

    async def stop(self) -> Stopped | Refusal:
        """Ask the session to end, and wait a few seconds for what is planned to be settled."""
        session = await self._change_session(_stop)
        if isinstance(session, Refusal):
            return session
        give_up_us = self._clock.now_us() + STOP_WAIT_US
        while session.active and self._clock.now_us() < give_up_us:
            await self._clock.sleep_until(self._clock.now_us() + STOP_POLL_US)
            current = (await self._control.read()).session
            if current is None or current.value.session_id != session.session_id:
                break
            session = current.value
        return Stopped(session=session, complete=not session.active)

    async def pause(self) -> Session | Refusal:
        control = await self._control.read()
        sent = 0
        if control.session is not None:
            standings = await self._shards.standings(control.session.value.session_id)
            sent = sum(standing.cursor.value.tally.sent_first for standing in standings)

        def pause(session: Session, now_us: int) -> Session | Refusal:
            if session.wanted is Wanted.STOPPED:
                return Refusal.STOPPING
            if session.wanted is Wanted.PAUSED:
                return Refusal.ALREADY_PAUSED
            return session.paused(now_us, events_sent=sent)

        return await self._change_session(pause)

    async def resume(self) -> tuple[Session, int] | Refusal:
        """Resume; returns the session and the microseconds that this pause lasted."""
        paused_us = 0

        def resume(session: Session, now_us: int) -> Session | Refusal:
            nonlocal paused_us
            if session.wanted is not Wanted.PAUSED or session.paused_at_us is None:
                return Refusal.NOT_PAUSED
            paused_us = now_us - session.paused_at_us
            return session.resumed(now_us, not_before_us=now_us + LEAD_US)

        session = await self._change_session(resume)
        return session if isinstance(session, Refusal) else (session, paused_us)

    async def configure(self, update: Mapping[str, Any]) -> RealtimeConfig | Refusal:
        """Store ``update`` and apply it to the running session; returns what is in force then.

        Raises ``pydantic.ValidationError`` naming each wrong key, and ``ImpossibleWorldError``.
        """
        for _ in range(_TRIES):
            control = await self._control.read()
            session = _active(control)
            overrides = {} if session is None else overrides_of(session)
            in_force = self._configuration.updated(control, {**overrides, **update})
            self._configuration.updated(control, update)  # What is stored must hold by itself as well.
            changed = session
            if session is not None and update.keys() & overrides.keys():
                try:
                    changed = self._follow(session, in_force)
                except ValueError:
                    return Refusal.CHANGED_TOO_OFTEN
            if "shards" in update:
                require_possible(in_force.shards, session, self._world)
            stored = {**(control.config.value if control.config else {}), **update}
            try:
                await self._control.save_config(stored, version=control.config.version if control.config else None)
                if control.session is not None and changed is not None and changed != session:
                    await self._control.save_session(changed, version=control.session.version)
            except ConflictError:
                continue
            telemetry.info(logger, "configuration_changed", keys=sorted(update))
            return in_force
        return Refusal.BUSY

    def _follow(self, session: Session, config: RealtimeConfig) -> Session:
        """A running session as ``config`` wants it. Raises ``ValueError`` when its shards can't change again."""
        paced = session.at_pace(emit_interval_ms=config.emit_interval_ms, burst=config.burst)
        return paced.resharded(config.shards, self._clock.now_us()) if session.mode is Mode.LIVE else paced

    def _session(self, request: StartRequest, config: RealtimeConfig, now_us: int) -> Session:
        compact = to_iso(now_us).replace("-", "").replace(":", "").rstrip("Z")
        duration = request.duration_minutes
        not_before_us = now_us + LEAD_US
        return Session(
            session_id=f"{compact}-{self._new_suffix()}",
            seed=self._seed if request.seed is None else request.seed,
            mode=request.mode,
            world=self._world,
            started_at_us=now_us,
            emit_interval_ms=config.emit_interval_ms,
            burst=config.burst,
            shards=config.shards,
            event_types=None if request.event_types is None else tuple(sorted(set(request.event_types))),
            ends_at_us=None if duration is None else not_before_us + round(duration * 60 * MICROSECONDS),
            not_before_us=not_before_us,
            lead_total_us=LEAD_US,
        )

    async def _change_session(self, change: Callable[[Session, int], Session | Refusal]) -> Session | Refusal:
        for _ in range(_TRIES):
            stored = (await self._control.read()).session
            if stored is None or not stored.value.active:
                return Refusal.NONE_ACTIVE
            changed = change(stored.value, self._clock.now_us())
            if isinstance(changed, Refusal) or changed == stored.value:
                return changed
            try:
                await self._control.save_session(changed, version=stored.version)
            except ConflictError:
                continue
            return changed
        return Refusal.BUSY


def overrides_of(session: Session) -> dict[str, int]:
    """The configuration's keys that a session has values of its own for."""
    return {
        "emit_interval_ms": session.emit_interval_ms,
        "burst": session.burst,
        "shards": session.wanted_shards,
    }


def require_possible(shards: int, session: Session | None, configured: WorldSize) -> None:
    """Raises ``ImpossibleWorldError`` if neither the live session's world nor, without one, the configured can do."""
    world = session.world if session is not None and session.active and session.mode is Mode.LIVE else configured
    _require(lambda: require_shards(_spec(world), shards))


def _require(check: Callable[[], None]) -> None:
    try:
        check()
    except ValueError as error:
        raise ImpossibleWorldError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _spec(world: WorldSize) -> WorldSpec:
    return WorldSpec(seed=0, **asdict(world))


def _stop(session: Session, now_us: int) -> Session:
    return session if session.wanted is Wanted.STOPPED else session.stopping(now_us)


def _active(control: Control) -> Session | None:
    return control.session.value if control.session is not None and control.session.value.active else None
