"""Troubles on purpose: recorded in one row, and in force from the next window that is planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.clock import MICROSECONDS, to_iso
from streaming.ports import ConflictError
from streaming.retail.disruption import Disruption, DisruptionType, require_products, resolve_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.clock import Clock
    from streaming.ports import ControlStore
    from streaming.retail.world import World

MOST_AT_ONCE: Final = 50
"""Every window's plan holds the ones in force."""
KEPT_US: Final = 3_600 * MICROSECONDS
"""How long one that is over stays in the list."""
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionReport:
    """A disruption as ``GET /api/disruption/list`` shows it."""

    disruption_id: str
    disruption_type: DisruptionType
    target_id: str
    severity: float
    product_ids: tuple[int, ...]
    created_at: str
    active_until: str
    time_remaining_minutes: float
    events_affected: int
    status: str


class TooManyDisruptionsError(Exception):
    """As many as a window's plan holds are in force."""


class DisruptionFlow:
    """Creates, lists and ends disruptions. A lost race is tried again on what is there now."""

    def __init__(self, *, control: ControlStore, clock: Clock, new_id: Callable[[], str]) -> None:
        self._control = control
        self._clock = clock
        self._new_id = new_id

    async def create(
        self,
        world: World,
        *,
        disruption_type: DisruptionType,
        target_id: str,
        severity: float,
        duration_minutes: float,
        product_ids: tuple[int, ...],
    ) -> Disruption:
        """Put a disruption in force.

        Raises ``UnknownTargetError`` or ``UnknownProductError`` for what ``world`` doesn't have, and
        ``TooManyDisruptionsError``.
        """
        resolve_target(world, disruption_type, target_id)
        require_products(world, product_ids)
        now_us = self._clock.now_us()
        disruption = Disruption(
            id=self._new_id(),
            type=disruption_type,
            target_id=target_id,
            severity=severity,
            active_from_us=now_us,
            active_until_us=now_us + round(duration_minutes * 60 * MICROSECONDS),
            product_ids=product_ids,
        )

        def add(known: tuple[Disruption, ...]) -> tuple[Disruption, ...]:
            if sum(each.in_force(now_us) for each in known) >= MOST_AT_ONCE:
                raise TooManyDisruptionsError(f"{MOST_AT_ONCE} disruptions are in force. End some of them first.")
            return (*known, disruption)

        await self._change(add)
        return disruption

    async def list(self, affected: Mapping[str, int]) -> list[DisruptionReport]:
        """The ones in force, and those that were until an hour ago; ``affected`` counts events by id."""
        now_us = self._clock.now_us()
        stored = (await self._control.read()).disruptions
        return [
            _report(each, now_us, affected.get(each.id, 0)) for each in _recent(stored.value if stored else (), now_us)
        ]

    async def end(self, disruption_id: str) -> bool:
        """Take one away; returns whether it was there."""
        found = False

        def remove(known: tuple[Disruption, ...]) -> tuple[Disruption, ...]:
            nonlocal found
            kept = tuple(each for each in known if each.id != disruption_id)
            found = len(kept) < len(known)
            return kept

        await self._change(remove)
        return found

    async def end_all(self) -> int:
        """Take all away; returns how many were in force."""
        cleared = 0

        def remove(known: tuple[Disruption, ...]) -> tuple[Disruption, ...]:
            nonlocal cleared
            cleared = sum(each.in_force(self._clock.now_us()) for each in known)
            return ()

        await self._change(remove)
        return cleared

    async def _change(self, change: Callable[[tuple[Disruption, ...]], tuple[Disruption, ...]]) -> None:
        for attempt in range(_TRIES):
            stored = (await self._control.read()).disruptions
            known = _recent(stored.value if stored else (), self._clock.now_us())
            changed = change(known)
            if stored is not None and changed == stored.value:
                return
            try:
                await self._control.save_disruptions(changed, version=stored.version if stored else None)
            except ConflictError:
                if attempt == _TRIES - 1:
                    raise
            else:
                return


def _recent(disruptions: tuple[Disruption, ...], now_us: int) -> tuple[Disruption, ...]:
    return tuple(each for each in disruptions if each.active_until_us > now_us - KEPT_US)


def _report(disruption: Disruption, now_us: int, affected: int) -> DisruptionReport:
    remaining_us = max(0, disruption.active_until_us - now_us)
    return DisruptionReport(
        disruption_id=disruption.id,
        disruption_type=disruption.type,
        target_id=disruption.target_id,
        severity=disruption.severity,
        product_ids=disruption.product_ids,
        created_at=to_iso(disruption.active_from_us),
        active_until=to_iso(disruption.active_until_us),
        time_remaining_minutes=round(remaining_us / 60 / MICROSECONDS, 1),
        events_affected=affected,
        status="active" if disruption.in_force(now_us) else "expired",
    )
