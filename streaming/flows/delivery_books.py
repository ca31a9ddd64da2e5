"""Booking deliveries, in memory, until the next write: one way for live windows and for the outbox's lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.core.dead_letter import DeadLetter
from streaming.core.history import Slot
from streaming.core.tally import Tally

if TYPE_CHECKING:
    from streaming.flows.deliver import DeadBatch, Delivery


class DeliveryBooks:
    """What has come of deliveries since the counts were taken last."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.slots: dict[int, Slot] = {}
        """The same by second."""

    def book(self, delivery: Delivery, *, now_us: int) -> None:
        """Count ``delivery``, which has just been settled."""
        sent = sum(map(len, delivery.sent))
        size_bytes = sum(len(event.body) for batch in delivery.sent for event in batch)
        dead = sum(len(batch.events) for batch in delivery.dead)
        tally = self.tally
        tally.sent_first += sent
        tally.batches_sent += len(delivery.sent)
        tally.bytes_sent += size_bytes
        tally.dead_lettered += dead
        tally.connection_failures += delivery.connection_failures
        if sent:
            tally.last_event_us = now_us
        for batch in delivery.dead:
            tally.by_error[batch.category.value] += len(batch.events)
        second = now_us // 1_000_000
        slot = Slot(sent=sent, failed=dead, batches=len(delivery.sent), bytes=size_bytes)
        self.slots[second] = self.slots.get(second, Slot()).plus(slot)

    def take(self) -> tuple[Tally, dict[int, Slot]]:
        """The counts, and the same by second; from now on they are counted as taken."""
        taken = (self.tally, self.slots)
        self.tally, self.slots = Tally(), {}
        return taken


def letter_of(
    batch: DeadBatch,
    *,
    session_id: str,
    shard: int,
    lane: int,
    window: int,
    position: int,
    index: int,
    first_burst: int,
    last_burst: int,
) -> DeadLetter:
    """The dead letter of ``batch``.

    Its id is unique without a register: a lane settles in order, so the window (or page) and the position in it name
    the delivery, and ``index`` the batch in that.
    """
    return DeadLetter(
        letter_id=f"{batch.last_failure_us:017d}-{window:x}-{lane:x}-{position:x}-{index:x}",
        events=batch.events,
        category=batch.category,
        detail=batch.detail,
        attempts=batch.attempts,
        first_failure_us=batch.first_failure_us,
        last_failure_us=batch.last_failure_us,
        session_id=session_id,
        shard=shard,
        lane=lane,
        window=window,
        first_burst=first_burst,
        last_burst=last_burst,
    )
