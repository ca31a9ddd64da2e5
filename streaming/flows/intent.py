"""What is wanted of a stream at the moment: session, configuration and breaker, as the last read showed them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from shared.clock import MICROSECONDS
from streaming.core.generation import ends_at_us
from streaming.core.plan import LARGEST_CHUNK, Directive, owes_nothing
from streaming.core.session import Wanted
from streaming.flows.deliver import DeliveryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock
    from streaming.core.config import RealtimeConfig
    from streaming.core.session import Session
    from streaming.flows.breaker import CircuitBreaker
    from streaming.ports import Control, ControlStore, Versioned


class Intent:
    """Reads the control rows and answers for them, on behalf of one session's shard."""

    def __init__(
        self,
        *,
        session_id: str,
        control: Control,
        asked_at_us: int,
        store: ControlStore,
        breaker: CircuitBreaker,
        config_of: Callable[[Control], RealtimeConfig],
        clock: Clock,
    ) -> None:
        self._session_id = session_id
        self._store = store
        self._breaker = breaker
        self._config_of = config_of
        self._clock = clock
        self.asked_at_us = asked_at_us
        """When the last read began: what it brought may be as old as that."""
        self._take(control)

    async def refresh(self) -> None:
        """Read again, in one round trip. Raises ``StorageUnavailableError``."""
        asked_at_us = self._clock.now_us()
        self._take(await self._store.read())
        self.asked_at_us = asked_at_us

    def _take(self, control: Control) -> None:
        self.stored: Versioned[Session] | None = control.session
        self.config = self._config_of(control)
        self.policy = DeliveryPolicy.of(self.config)
        self._disruptions = control.disruptions.value if control.disruptions else ()
        self._breaker.observe(control.breaker)
        self.read_at_us = self._clock.now_us()

    @property
    def session(self) -> Session | None:
        """The session; None when another one has taken its place."""
        if self.stored is None or self.stored.value.session_id != self._session_id:
            return None
        return self.stored.value

    @property
    def running(self) -> bool:
        """Whether further windows are wanted."""
        return self.session is not None and self.session.active and self.session.wanted is Wanted.RUNNING

    @property
    def stopping(self) -> bool:
        """Whether there is no later for what can't be sent now."""
        return self.session is None or self.session.wanted is Wanted.STOPPED

    @property
    def resharding(self) -> bool:
        """Whether shards close as soon as nothing is planned, since a new generation is to go on."""
        return self.session is not None and self.session.reshard is not None

    @property
    def owes_nothing(self) -> bool:
        """Whether the session, not just this generation of its shards, is over, and what isn't planned is skipped."""
        directive, session = self.directive(), self.session
        if directive is None or session is None:
            return False
        return owes_nothing(replace(directive, ends_at_us=session.ends_at_us), self._clock.now_us())

    def directive(self) -> Directive | None:
        """What the planner is to plan by; None when nothing more is wanted."""
        session = self.session
        if session is None or not self.running:
            return None
        bound_us = self.config.max_catch_up_seconds * MICROSECONDS
        breaker = self._breaker.state
        return Directive(
            interval_ms=session.emit_interval_ms,
            burst=session.burst,
            not_before_us=session.not_before_us,
            ends_at_us=ends_at_us(session),
            max_catch_up_us=bound_us,
            # An outage beyond the bound isn't caught up at all: the hub has just come back.
            skip_before_us=breaker.closed_at_us if breaker.outage_us > bound_us else 0,
            # Half, so that one part can be made while another is being sent.
            chunk=min(LARGEST_CHUNK, self.config.max_buffer_size // 2),
            event_types=session.event_types,
            disruptions=tuple(
                orjson.dumps(disruption.to_json()).decode()
                for disruption in self._disruptions
                if disruption.active_until_us > self._clock.now_us()
            ),
        )
