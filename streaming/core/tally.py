"""Counting: what one shard's events have come to, and whether the books balance. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(slots=True, kw_only=True)
class Tally:
    """Cumulative counts of one shard, as its owner commits them; also the increments of one window.

    Counts are of events unless their name says otherwise.
    """

    generated: int = 0
    sent_first: int = 0
    dead_lettered: int = 0
    discarded: int = 0
    """Dead-lettered while the dead-letter queue was disabled: counted and logged only."""
    batches_sent: int = 0
    bytes_sent: int = 0
    """Bytes of event bodies."""
    connection_failures: int = 0
    bursts_planned: int = 0
    bursts_skipped: int = 0
    last_event_us: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    by_error: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add ``other``'s counts to this one's; the later last event wins."""
        self.generated += other.generated
        self.sent_first += other.sent_first
        self.dead_lettered += other.dead_lettered
        self.discarded += other.discarded
        self.batches_sent += other.batches_sent
        self.bytes_sent += other.bytes_sent
        self.connection_failures += other.connection_failures
        self.bursts_planned += other.bursts_planned
        self.bursts_skipped += other.bursts_skipped
        self.last_event_us = max(self.last_event_us, other.last_event_us)
        self.by_type.update(other.by_type)
        self.by_error.update(other.by_error)

    def plus(self, other: Tally) -> Tally:
        total = Tally()
        total.add(self)
        total.add(other)
        return total

    def to_json(self) -> dict[str, Any]:
        # Not asdict: it rebuilds a Counter from its pairs, and so counts the pairs.
        document = {count.name: getattr(self, count.name) for count in fields(self)}
        return document | {"by_type": dict(self.by_type), "by_error": dict(self.by_error)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **document,
                "by_type": Counter(document.get("by_type", {})),
                "by_error": Counter(document.get("by_error", {})),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterTally:
    """What became of dead letters after they were written; kept beside them, changed with them in one transaction."""

    redriven: int = 0
    cleared: int = 0
    evicted: int = 0

    @property
    def total(self) -> int:
        """Events that have left the queue."""
        return self.redriven + self.cleared + self.evicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Every term of the two equations that must hold at rest and after any crash."""

    generated: int = 0
    sent_first: int = 0
    dead_lettered: int = 0
    pending: int = 0
    outbox_cleared: int = 0
    in_dlq: int = 0
    redriven: int = 0
    cleared: int = 0
    evicted: int = 0
    discarded: int = 0

    @property
    def balanced(self) -> bool:
        delivered = self.sent_first + self.dead_lettered + self.pending + self.outbox_cleared
        buried = self.in_dlq + self.redriven + self.cleared + self.evicted + self.discarded
        return self.generated == delivered and self.dead_lettered == buried


def sum_books(books: Iterable[Books]) -> Books:
    """The sum over partitions: an equation that holds in each holds for all."""
    totals: Counter[str] = Counter()
    for partition in books:
        totals.update(asdict(partition))
    return Books(**totals)
