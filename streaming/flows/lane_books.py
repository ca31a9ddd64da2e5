"""What a lane's drainer has settled since its last write: counts, dead letters and the last envelopes, in memory."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.core.dead_letter import DeadLetter
from streaming.core.history import Slot
from streaming.core.tally import Tally
from streaming.flows.ledger import KEPT_RECENT, log_discarded

if TYPE_CHECKING:
    from streaming.core.outbox import Epoch
    from streaming.flows.deliver import DeadBatch, Delivery

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
        self._tally = Tally()
        self._slots: dict[int, Slot] = {}
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
        sent = sum(map(len, delivery.sent))
        size_bytes = sum(len(event.body) for batch in delivery.sent for event in batch)
        dead = sum(len(batch.events) for batch in delivery.dead)
        tally = self._tally
        tally.sent_first += sent
        tally.batches_sent += len(delivery.sent)
        tally.bytes_sent += size_bytes
        tally.dead_lettered += dead
        tally.connection_failures += delivery.connection_failures
        if sent:
            tally.last_event_us = now_us
        for batch in delivery.dead:
            tally.by_error[batch.category.value] += len(batch.events)
        letters = [self._letter(batch, page, position, index) for index, batch in enumerate(delivery.dead)]
        if keep_letters:
            self._letters += letters
        else:
            tally.discarded += dead
            log_discarded(letters)
        second = now_us // 1_000_000
        slot = Slot(sent=sent, failed=dead, batches=len(delivery.sent), bytes=size_bytes)
        self._slots[second] = self._slots.get(second, Slot()).plus(slot)
        for batch_sent in delivery.sent:
            self._recent.extend(event.body for event in batch_sent[-(self._recent.maxlen or 0) :])

    def take(self) -> Increments:
        """What is to be written; from now on it counts as taken."""
        taken = Increments(tally=self._tally, slots=self._slots, letters=tuple(self._letters))
        self._tally, self._slots, self._letters = Tally(), {}, []
        return taken

    def _letter(self, batch: DeadBatch, page: int, position: int, index: int) -> DeadLetter:
        return DeadLetter(
            # Unique without a register: a lane settles in order, so the page and the position in it name the batch.
            letter_id=f"{batch.last_failure_us:017d}-{page:x}-{self._lane:x}-{position:x}-{index:x}",
            events=batch.events,
            category=batch.category,
            detail=batch.detail,
            attempts=batch.attempts,
            first_failure_us=batch.first_failure_us,
            last_failure_us=batch.last_failure_us,
            session_id=self._epoch.session_id,
            shard=self._epoch.slot(self._lane),
            lane=self._lane,
            window=page,
            first_burst=page,
            last_burst=page,
        )
