"""Hubs and their partitions, in memory and bounded: the oldest events make room for new ones."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from local.event_hubs.amqp import messages
from local.event_hubs.amqp.messages import EventSpan, SystemProperties
from local.event_hubs.partition_keys import partition_of
from local.event_hubs.positions import Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.event_hubs.positions import Position

_OVERHEAD_BYTES: Final = 256
"""What a stored message costs in memory beside its own bytes."""
_ROOM: Final = 16
"""When a partition is full, a sixteenth of it goes at once: dropping one by one would cost more than storing."""
EMPTY_OFFSET: Final = "-1"


class Stored(NamedTuple):
    """A message as it came: one event, or a batch of them."""

    first_sequence: int
    events: int
    first_offset: int
    enqueued_ms: int
    batched: bool
    partition_key: str | None
    raw: bytes

    @property
    def end_sequence(self) -> int:
        """The sequence number behind its last event."""
        return self.first_sequence + self.events

    def spans(self) -> Iterator[EventSpan]:
        """Where its events stand."""
        return messages.batch_events(self.raw) if self.batched else iter((EventSpan(0, 0, len(self.raw)),))


class StoredEvent(NamedTuple):
    """One event as it was sent, and what the hub knows about it."""

    system: SystemProperties
    encoded: bytes


@dataclass(slots=True, kw_only=True)
class PartitionStats:
    """Counted since the broker started."""

    messages: int = 0
    """Events, each one of a batch counted."""
    batches: int = 0
    """Messages that were stored, batches or single events."""
    bytes: int = 0
    throttled: int = 0
    """Messages that were answered with server-busy."""
    dropped: int = 0
    """Events that made room for newer ones."""


class Partition:
    """An append-only log of events. Sequence numbers have no gaps; offsets are positions in bytes, as in Azure."""

    def __init__(
        self, partition_id: str, *, max_bytes: int, max_messages: int | None, now_ms: Callable[[], int]
    ) -> None:
        self.id = partition_id
        self.stats = PartitionStats()
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._now_ms = now_ms
        self._stored: list[Stored] = []
        self._bytes = 0
        self._next_sequence = 0
        self._next_offset = 0
        self._last: tuple[str, int] | None = None
        self._listeners: set[Callable[[], None]] = set()

    @property
    def first_sequence(self) -> int:
        """Of the oldest event that is still here; the next one's when there is none."""
        return self._stored[0].first_sequence if self._stored else self._next_sequence

    @property
    def next_sequence(self) -> int:
        """Of the next event to come."""
        return self._next_sequence

    @property
    def retained_bytes(self) -> int:
        """Memory in use, overhead included."""
        return self._bytes

    @property
    def last_offset(self) -> str:
        """Of the last event that was stored, also when it was dropped since; ``-1`` before the first."""
        return self._last[0] if self._last else EMPTY_OFFSET

    @property
    def last_enqueued_ms(self) -> int | None:
        """When the last event was stored, or None before the first."""
        return self._last[1] if self._last else None

    def append(self, raw: bytes, *, batched: bool, partition_key: str | None) -> int:
        """Store a message and wake who listens. Returns its number of events. Raises DecodeError for a broken one."""
        count, last_position = messages.batch_extent(raw) if batched else messages.single_extent(raw)
        if count == 0:
            return 0
        stored = Stored(self._next_sequence, count, self._next_offset, self._enqueue_ms(), batched, partition_key, raw)
        self._stored.append(stored)
        self._next_sequence += count
        self._next_offset += len(raw)
        self._bytes += len(raw) + _OVERHEAD_BYTES
        self._last = (str(stored.first_offset + last_position), stored.enqueued_ms)
        self.stats.messages += count
        self.stats.batches += 1
        self.stats.bytes += len(raw)
        self._make_room()
        for wake in tuple(self._listeners):
            wake()
        return count

    def _enqueue_ms(self) -> int:
        """Now, but never before the last event: what is read by time must be in order."""
        now = self._now_ms()
        return max(now, self._last[1]) if self._last else now

    def _make_room(self) -> None:
        retained = self._next_sequence - self.first_sequence
        too_many = self._max_messages is not None and retained > self._max_messages
        if self._bytes <= self._max_bytes and not too_many:
            return
        goal_bytes = self._max_bytes - self._max_bytes // _ROOM if self._bytes > self._max_bytes else self._bytes
        drop = 0
        for stored in self._stored[:-1]:  # the newest stays, however large
            enough = self._max_messages is None or retained <= self._max_messages
            if self._bytes <= goal_bytes and enough:
                break
            drop += 1
            retained -= stored.events
            self._bytes -= len(stored.raw) + _OVERHEAD_BYTES
            self.stats.dropped += stored.events
        del self._stored[:drop]

    def stored_at(self, sequence: int) -> Stored | None:
        """The message that holds ``sequence``; the oldest one if that was dropped; None if it is still to come."""
        if sequence >= self._next_sequence or not self._stored:
            return None
        index = bisect_right(self._stored, sequence, key=lambda stored: stored.first_sequence) - 1
        return self._stored[max(index, 0)]

    def seek(self, position: Position) -> int:
        """The sequence number of the first event to read."""
        if position.value is None:
            return max(self._next_sequence - 1, self.first_sequence) if position.inclusive else self._next_sequence
        value = position.value if position.inclusive else position.value + 1
        if position.measure is Measure.SEQUENCE_NUMBER:
            return max(value, self.first_sequence)
        if position.measure is Measure.ENQUEUED_TIME:
            index = bisect_left(self._stored, value, key=lambda stored: stored.enqueued_ms)
            return self._stored[index].first_sequence if index < len(self._stored) else self._next_sequence
        return self._seek_offset(value)

    def _seek_offset(self, value: int) -> int:
        index = bisect_right(self._stored, value, key=lambda stored: stored.first_offset) - 1
        if index < 0:
            return self.first_sequence
        stored = self._stored[index]
        for number, span in enumerate(stored.spans(), stored.first_sequence):
            if stored.first_offset + span.position >= value:
                return number
        return stored.end_sequence

    def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after every append, until :meth:`unlisten`."""
        self._listeners.add(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        """Stop calling ``wake``."""
        self._listeners.discard(wake)


class Cursor:
    """Reads a partition event by event. Holds on to one message, which is cut into events once."""

    def __init__(self, partition: Partition, sequence: int) -> None:
        self._partition = partition
        self._next = sequence
        self._stored: Stored | None = None
        self._spans: tuple[EventSpan, ...] = ()

    def take(self) -> StoredEvent | None:
        """The next event, skipping what was dropped meanwhile, or None when there is none yet."""
        stored = self._stored
        if stored is None:
            stored = self._partition.stored_at(self._next)
            if stored is None:
                return None
            self._stored, self._spans = stored, tuple(stored.spans())
            self._next = max(self._next, stored.first_sequence)
        span = self._spans[self._next - stored.first_sequence]
        offset = str(stored.first_offset + span.position)
        system = SystemProperties(self._next, offset, stored.enqueued_ms, stored.partition_key)
        self._next += 1
        if self._next == stored.end_sequence:
            self._stored, self._spans = None, ()
        return StoredEvent(system, stored.raw[span.start : span.end])


class Hub:
    """An event hub: a name and its partitions."""

    def __init__(self, name: str, partitions: tuple[Partition, ...], *, created_ms: int) -> None:
        self.name = name
        self.partitions = partitions
        self.created_ms = created_ms
        self._turn = -1

    def partition(self, partition_id: str) -> Partition | None:
        """The partition with this id, or None."""
        return next((partition for partition in self.partitions if partition.id == partition_id), None)

    def route(self, partition_key: str | None) -> Partition:
        """The partition for a message that names none: by its key, else in turn."""
        if partition_key is not None:
            return self.partitions[partition_of(partition_key, len(self.partitions))]
        self._turn = (self._turn + 1) % len(self.partitions)
        return self.partitions[self._turn]
