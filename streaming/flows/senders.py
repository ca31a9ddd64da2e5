"""Ways to the hub for the shards that one process runs at once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streaming.flows.deliver import Deliverer
    from streaming.ports import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A publisher and what delivers through it."""

    publisher: Publisher
    deliverer: Deliverer


class Senders:
    """Makes senders as they are needed, and keeps them: a connection takes longer to open than a batch to send.

    Shards that run at once have one each: a partition's link carries one batch at a time, and a shard that waited for
    another's turn on it would spend the time that its own attempt may take.
    """

    def __init__(self, make: Callable[[int], Sender]) -> None:
        """``make`` gets the sender's number, from 0 on; the first may be shared with what else this process sends."""
        self._make = make
        self._senders: list[Sender] = []
        self._free: set[int] = set()

    @property
    def first(self) -> Sender:
        """For questions to the hub."""
        if not self._senders:
            self._add()
        return self._senders[0]

    @contextlib.contextmanager
    def one(self) -> Iterator[Sender]:
        """A sender that nobody else uses meanwhile: the one with the lowest number."""
        if not self._free:
            self._add()
        number = min(self._free)
        self._free.remove(number)
        try:
            yield self._senders[number]
        finally:
            self._free.add(number)

    def _add(self) -> None:
        number = len(self._senders)
        self._senders.append(self._make(number))
        self._free.add(number)
