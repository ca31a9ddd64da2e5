"""The circuit breaker as the flows use it: the pure state machine, shared by all instances through one row.

The steady state costs nothing: closed and unmarked, a success changes nothing, and the state comes with each window's
read. Every change is a conditional write; whoever loses the race reads again and decides anew. While storage is away
each instance goes on with what it knows itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from shared import telemetry
from streaming.core import breaker as machine
from streaming.core.breaker import BreakerSettings, BreakerState, BreakerStatus, Denied, Permit
from streaming.ports import ConflictError, ControlStore, StorageUnavailableError, Versioned

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock
    from streaming.core.outcome import ErrorCategory

logger = logging.getLogger(__name__)


class CircuitBreaker:
    """This instance's view of the shared breaker."""

    def __init__(
        self,
        *,
        store: ControlStore,
        clock: Clock,
        instance: str,
        new_id: Callable[[], str],
        draw: Callable[[], float],
    ) -> None:
        """``draw`` gives the jitter: a random number from 0 to 1."""
        self._store = store
        self._clock = clock
        self._instance = instance
        self._new_id = new_id
        self._draw = draw
        self._state = BreakerState()
        self._version: str | None = None
        self._changing = asyncio.Lock()

    @property
    def state(self) -> BreakerState:
        return self._state

    def observe(self, stored: Versioned[BreakerState] | None) -> None:
        """Take over what a window's read has brought."""
        if self._changing.locked():
            return  # A change is under way; what was read may be older than what it is about to write.
        self._take(stored)

    def holds(self, permit: Permit, settings: BreakerSettings) -> bool:
        """Whether ``permit`` is still good for another attempt: no transition has happened since."""
        return not settings.enabled or permit.epoch == self._state.epoch

    async def acquire(self, settings: BreakerSettings) -> Permit | Denied:
        """Ask for leave to send one batch."""
        if not settings.enabled or self._state.status is BreakerStatus.CLOSED:
            return Permit(epoch=self._state.epoch)
        answer: Permit | Denied = Denied(retry_at_us=self._state.retry_at_us)

        def ask(state: BreakerState) -> BreakerState:
            nonlocal answer
            changed, answer = machine.acquire(
                state, settings, now_us=self._clock.now_us(), permit_id=self._new_id(), by=self._instance
            )
            return changed

        await self._change(ask)
        return answer

    async def succeeded(self, permit: Permit, settings: BreakerSettings) -> None:
        """The batch was accepted."""
        if self._state.healthy:
            return
        await self._change(
            lambda state: machine.succeeded(state, permit, settings, now_us=self._clock.now_us(), by=self._instance)
        )

    async def failed(self, permit: Permit, settings: BreakerSettings, category: ErrorCategory) -> None:
        """The batch's attempts are exhausted, through the hub's fault."""
        jitter = self._draw()
        await self._change(
            lambda state: machine.failed(
                state,
                permit,
                settings,
                category=category.value,
                now_us=self._clock.now_us(),
                jitter=jitter,
                by=self._instance,
            )
        )

    async def reset(self, *, reason: str, by: str) -> BreakerState:
        """Close it. Raises ``StorageUnavailableError``: an operator's word must reach all instances."""
        return await self._command(
            lambda state: machine.reset(state, now_us=self._clock.now_us(), reason=reason, by=by)
        )

    async def renew(self) -> None:
        """Begin afresh for a new session. Raises ``StorageUnavailableError``."""
        await self._command(lambda state: machine.renewed(state, now_us=self._clock.now_us()))

    async def force_open(self, *, reason: str, by: str) -> BreakerState:
        """Open it until it is reset. Raises ``StorageUnavailableError``."""
        return await self._command(
            lambda state: machine.force_open(state, now_us=self._clock.now_us(), reason=reason, by=by)
        )

    async def _command(self, change: Callable[[BreakerState], BreakerState]) -> BreakerState:
        async with self._changing:
            self._take((await self._store.read()).breaker)
            await self._write(change)
            return self._state

    async def _change(self, change: Callable[[BreakerState], BreakerState]) -> None:
        async with self._changing:
            try:
                await self._write(change)
            except StorageUnavailableError:
                self._adopt(change(self._state))
                telemetry.warning(logger, "breaker_on_own_evidence", breaker=self._state.status.value)

    async def _write(self, change: Callable[[BreakerState], BreakerState]) -> None:
        while (changed := change(self._state)) != self._state:
            try:
                self._version = await self._store.save_breaker(changed, version=self._version)
            except ConflictError:
                self._take((await self._store.read()).breaker)
            else:
                self._adopt(changed)
                return

    def _take(self, stored: Versioned[BreakerState] | None) -> None:
        self._version = None if stored is None else stored.version
        self._adopt(BreakerState() if stored is None else stored.value)

    def _adopt(self, state: BreakerState) -> None:
        if state.status is not self._state.status:
            telemetry.warning(
                logger,
                "breaker_transition",
                from_state=self._state.status.value,
                to_state=state.status.value,
                trips=state.trips,
                epoch=state.epoch,
            )
        self._state = state
