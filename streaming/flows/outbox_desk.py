"""What every run of the outbox looks at first: what is wanted, what may be sent, and how the lanes stand."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from shared import telemetry
from shared.tasks import gather
from streaming.core.outbox_pacing import Rate
from streaming.core.session import Mode, Session, Wanted
from streaming.ports import ConflictError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.outbox import DrainOrder, Epoch, Timeline
    from streaming.flows.breaker import CircuitBreaker
    from streaming.flows.deliver import Deliverer
    from streaming.outbox_ports import DayWorlds, Desk, OutboxStore, StoredLane
    from streaming.ports import Control, ControlStore, Publisher

logger = logging.getLogger(__name__)

T = TypeVar("T")

STORAGE_RETRY_US: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPorts:
    """What the outbox's flows work with."""

    outbox: OutboxStore
    control: ControlStore
    publisher: Publisher
    deliverer: Deliverer
    breaker: CircuitBreaker
    worlds: DayWorlds
    clock: Clock
    instance: str
    new_id: Callable[[], str]
    config_of: Callable[[Control], RealtimeConfig]
    evict: Callable[[int], Awaitable[int]]
    """Keeps the dead-letter queue within a number of events."""
    first_day: str
    scale: float
    """Of a day's volume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What there may be to do at once. Lost, doubled or late, they change nothing but when it is done."""

    stage: bool = False
    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at what is wanted."""

    now_us: int
    control: Control
    desk: Desk
    config: RealtimeConfig

    @property
    def session(self) -> Session | None:
        """The outbox stream that is active."""
        stored = self.control.session
        if stored is None or not stored.value.active or stored.value.mode is not Mode.OUTBOX:
            return None
        return stored.value

    @property
    def timeline(self) -> Timeline | None:
        return self.desk.timeline.value if self.desk.timeline else None

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """The open ones, oldest first."""
        return self.timeline.epochs if self.timeline else ()

    @property
    def wants_days(self) -> bool:
        """Whether further days are to be staged."""
        session = self.session
        return session is not None and session.wanted is Wanted.RUNNING and not self.is_over

    @property
    def has_no_day_yet(self) -> bool:
        """Whether the stream has staged nothing so far: its first day does not wait for what others have left."""
        session = self.session
        return session is not None and all(epoch.session_id != session.session_id for epoch in self.epochs)

    @property
    def is_over(self) -> bool:
        """Whether the stream has come to its end, or was asked to."""
        session = self.session
        if session is None:
            return False
        ended = session.ends_at_us is not None and self.now_us >= session.ends_at_us
        return ended or session.wanted is Wanted.STOPPED

    @property
    def order(self) -> DrainOrder | None:
        """The request to drain that is in force."""
        order = self.desk.order.value if self.desk.order else None
        session = self.session
        if order is None or not order.active or order.session_id != (session.session_id if session else None):
            return None
        return order

    @property
    def rate(self) -> Rate | None:
        """At which rate to send now; None: not at all."""
        session, order = self.session, self.order
        if self.timeline is not None and self.timeline.closing:
            return None
        if session is None:
            if order is None:
                return None
            interval_ms, burst = self.config.emit_interval_ms, self.config.burst
        else:
            if not self.wants_days or self.now_us < session.not_before_us:
                return None
            interval_ms, burst = session.emit_interval_ms, session.burst
        if order is not None:
            interval_ms, burst = order.emit_interval_ms or interval_ms, order.burst or burst
        return Rate(interval_ms=interval_ms, burst=burst)


class OutboxDesk:
    """Looks, and ends the session that has come to its end."""

    def __init__(self, ports: OutboxPorts) -> None:
        self._ports = ports

    async def look(self) -> Look:
        """Read everything, in two round trips at once."""
        ports = self._ports
        control, desk = await gather(ports.control.read(), ports.outbox.desk())
        ports.breaker.observe(control.breaker)
        return Look(now_us=ports.clock.now_us(), control=control, desk=desk, config=ports.config_of(control))

    async def lanes(self, epochs: Sequence[Epoch]) -> list[StoredLane]:
        """Every lane of these epochs, oldest epoch first: a round trip each, all at once."""
        asked = [(epoch, lane) for epoch in epochs for lane in range(epoch.lanes)]
        return list(await gather(*(self._ports.outbox.lane(*place) for place in asked)))

    async def settle_session(self, look: Look, lanes: Sequence[StoredLane]) -> None:
        """End the session if that is wanted and nobody works for it any more. What is pending stays in the outbox."""
        stored, session = look.control.session, look.session
        if stored is None or session is None or not look.is_over:
            return
        staging = look.timeline is not None and look.timeline.staging is not None
        if staging or any(lane.counts.leased(look.now_us) for lane in lanes):
            return
        reason = "stopped" if session.wanted is Wanted.STOPPED else "duration reached"
        try:
            await self._ports.control.save_session(session.ended(look.now_us, reason=reason), version=stored.version)
        except ConflictError:
            return  # Somebody has changed what is wanted: the next look decides anew.
        telemetry.info(logger, "session_ended", session_id=session.session_id, reason=reason)


async def until_stored(operation: Callable[[], Awaitable[T]], *, clock: Clock, give_up_us: int) -> T:
    """Try ``operation`` until storage answers; raises ``StorageUnavailableError`` when the time is up."""
    while True:
        try:
            return await operation()
        except StorageUnavailableError as error:
            now_us = clock.now_us()
            if now_us >= give_up_us:
                raise
            telemetry.warning(logger, "storage_unavailable", detail=str(error))
            await clock.sleep_until(now_us + STORAGE_RETRY_US)
