"""What a lane's drainer has settled since its last write: counts, dead letters and the last envelopes, in memory."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.flows.delivery_books import DeliveryBooks, letter_of
from streaming.flows.ledger import KEPT_RECENT, log_discarded

if TYPE_CHECKING:
    from streaming.core.dead_letter import DeadLetter
    from streaming.core.history import Slot
    from streaming.core.outbox import Epoch
    from streaming.core.tally import Tally
    from streaming.flows.deliver import Delivery

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Increments:
    """What one write adds to a lane's counts."""

    tally: Tally
    slots: dict[int, Slot]
    """The same by second."""
    letters: tuple[DeadLetter, ...]


class LaneBooks:
    """Books deliveries until they are taken to be written."""

    def __init__(self, epoch: Epoch, lane: int) -> None:
        self._epoch = epoch
        self._lane = lane
        self._books = DeliveryBooks()
        self._letters: list[DeadLetter] = []
        self._recent: deque[bytes] = deque(maxlen=-(-KEPT_RECENT // epoch.lanes))

    @property
    def has_letters(self) -> bool:
        return bool(self._letters)

    @property
    def recent(self) -> tuple[bytes, ...]:
        """The last envelopes sent in this run."""
        return tuple(self._recent)

    def book(self, delivery: Delivery, *, page: int, position: int, now_us: int, keep_letters: bool) -> None:
        """Book what came of a page's events from ``position`` on."""
        self._books.book(delivery, now_us=now_us)
        letters = [
            letter_of(
                batch,
                session_id=self._epoch.session_id,
                shard=self._epoch.slot(self._lane),
                lane=self._lane,
                window=page,
                position=position,
                index=index,
                first_burst=page,
                last_burst=page,
            )
            for index, batch in enumerate(delivery.dead)
        ]
        if keep_letters:
            self._letters += letters
        else:
            self._books.tally.discarded += sum(len(letter.events) for letter in letters)
            log_discarded(letters)
        for batch_sent in delivery.sent:
            self._recent.extend(event.body for event in batch_sent[-(self._recent.maxlen or 0) :])

    def take(self) -> Increments:
        """What is to be written; from now on it counts as taken."""
        letters, self._letters = tuple(self._letters), []
        tally, slots = self._books.take()
        return Increments(tally=tally, slots=slots, letters=letters)
