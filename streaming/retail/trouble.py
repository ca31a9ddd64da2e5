"""What the disruptions in force do to one district, and how many events each has touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.retail.disruption import DisruptionType, Target, resolve_target
from streaming.retail.draws import FULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streaming.retail.disruption import Disruption
    from streaming.retail.places import Store
    from streaming.retail.world import World

_FEWER_VISITORS = 0.8
"""At full severity, bad weather keeps so many at home."""
_SLOWER_TRUCKS = 2.0
"""At full severity, bad weather makes a journey longer by so many times."""


class Trouble:
    """The disruptions that hit one district now. ``affected`` and ``begun`` are part of the checkpoint."""

    __slots__ = ("_here", "affected", "begun")

    def __init__(self) -> None:
        self._here: list[tuple[Disruption, Target]] = []
        self.affected: dict[str, int] = {}
        """Events changed, held back or caused, by disruption id."""
        self.begun: list[str] = []
        """Shortages that have struck: they strike once."""

    def set(self, world: World, dc_id: int, disruptions: Iterable[Disruption]) -> None:
        """Those in force now. What is no longer in force is forgotten."""
        targets = [
            (disruption, resolve_target(world, disruption.type, disruption.target_id)) for disruption in disruptions
        ]
        self._here = [(disruption, target) for disruption, target in targets if target.dc_id == dc_id]
        ids = [disruption.id for disruption, _ in self._here]
        self.begun = [name for name in self.begun if name in ids]
        self.affected = {name: count for name, count in self.affected.items() if name in ids}

    @property
    def any(self) -> bool:
        return bool(self._here)

    def shortages(self) -> list[tuple[Disruption, Target]]:
        """The shortages that begin now."""
        new = [
            (disruption, target)
            for disruption, target in self._here
            if disruption.type is DisruptionType.INVENTORY_SHORTAGE and disruption.id not in self.begun
        ]
        self.begun.extend(disruption.id for disruption, _ in new)
        return new

    def touched(self, disruption_id: str, events: int = 1) -> None:
        self.affected[disruption_id] = self.affected.get(disruption_id, 0) + events

    def hits(self, kind: DisruptionType, draw: int, store_id: int | None = None) -> bool:
        """Whether a disruption of ``kind`` hits what comes up now (at ``store_id``, if at a store); counts it."""
        for disruption, target in self._here:
            if (
                disruption.type is kind
                and target.store_id in {None, store_id}
                and draw < round(disruption.severity * FULL)
            ):
                self.touched(disruption.id)
                return True
        return False

    def visitors_permille(self, stores: Sequence[Store]) -> dict[int, int]:
        """How many of the usual visitors come to the stores with bad weather."""
        permille: dict[int, int] = {}
        for disruption, target in self._here:
            if disruption.type is DisruptionType.WEATHER_DELAY:
                left = 1_000 - round(disruption.severity * _FEWER_VISITORS * 1_000)
                for store in stores:
                    if target.store_id in {None, store.store_id}:
                        permille[store.store_id] = permille.get(store.store_id, 1_000) * left // 1_000
        return permille

    def travel_percent(self, store_id: int) -> int:
        """How long a truck to ``store_id`` takes, in percent of its usual time; counts the truck."""
        percent = 100
        for disruption, target in self._here:
            if disruption.type is DisruptionType.WEATHER_DELAY and target.store_id in {None, store_id}:
                percent += round(disruption.severity * _SLOWER_TRUCKS * 100)
                self.touched(disruption.id)
        return percent
