"""What is in flight: who goes on when. Numbers only, so that a checkpoint holds it in a few bytes each."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Step(IntEnum):
    """What a journey does when its tick comes. The values are stored in checkpoints: add, never renumber."""

    ZONE = 0
    """A shopper walks on: (visit, store, customer, packed walk)."""
    CHECKOUT = 1
    """A shopper pays: (visit, store, customer, attributed and walked)."""
    LEAVE = 2
    """A shopper leaves with nothing: (visit, store, customer, 0)."""
    RESPOND = 3
    """A customer acts on an advertisement: (impression, store, customer, 0)."""
    PICK = 4
    """An order is picked: (order, node, mode, 0)."""
    SHIP = 5
    """An order is shipped: (order, node, mode, 0)."""
    RETURN = 6
    """Goods come back to a store: (visit, store, product, quantity)."""
    DISPATCH = 7
    """A truck is loaded for a store: (0, store, 0, 0)."""
    ARRIVE = 8
    """A truck reaches its store: (shipment, store, 0, 0)."""
    UNLOAD = 9
    """A truck is empty and leaves: (shipment, store, minutes, 0)."""
    SUPPLY = 10
    """A supplier delivers to the distribution center: (delivery, 0, product, quantity)."""


Entry = tuple[int, int, int, int, int]
"""Step, journey number, and three numbers that the step explains."""


class Agenda:
    """Entries by the tick they are due, in the order in which they were made."""

    __slots__ = ("_due", "tick")

    def __init__(self, tick: int = 0) -> None:
        self.tick = tick
        """The tick that is running, or ran last."""
        self._due: dict[int, list[Entry]] = {}

    def add(self, ticks: int, entry: Entry) -> None:
        """Make ``entry`` due in ``ticks`` (at least 1) from now."""
        due = self.tick + ticks
        entries = self._due.get(due)
        if entries is None:
            self._due[due] = [entry]
        else:
            entries.append(entry)

    def advance(self) -> Iterable[Entry]:
        """Go to the next tick and take what is due."""
        self.tick += 1
        return self._due.pop(self.tick, ())

    def jump(self, tick: int) -> None:
        """Make ``tick`` the one that ran last; what is in flight stays as far ahead as it was."""
        distance = tick - self.tick
        self.tick = tick
        self._due = {due + distance: entries for due, entries in self._due.items()}

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in no particular order."""
        for entries in self._due.values():
            yield from entries

    def dump(self) -> list[int]:
        """All entries as one flat list of numbers, in order: each its distance in ticks and its five numbers."""
        flat: list[int] = []
        for due in sorted(self._due):
            for entry in self._due[due]:
                flat.append(due - self.tick)
                flat.extend(entry)
        return flat

    @classmethod
    def load(cls, tick: int, flat: list[int]) -> Agenda:
        agenda = cls(tick)
        rows = iter(flat)
        for distance, step, number, a, b, c in zip(rows, rows, rows, rows, rows, rows, strict=True):
            agenda.add(distance, (step, number, a, b, c))
        return agenda
