"""The ``Publisher`` port in memory: keeps what it is sent, and fails as a test scripts it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.adapters.event_hubs.encoder import encoded_size
from streaming.core.outcome import ErrorCategory, SendFailed, SendResult, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streaming.core.event import Event

DEFAULT_MAX_BATCH_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to the next sends that it applies to, instead of success."""

    outcome: SendFailed | None
    """What the send returns; None: the hub never answers, and the send times out."""
    partition: int | None = None
    """Only sends to this partition, or None for all."""
    remaining: int | None = 1
    """How many sends it takes, or None until it is withdrawn."""
    stored: bool = False
    """The hub keeps the batch before it fails."""


class MemoryPublisher:
    """A hub of ``partitions`` partitions. ``batches`` are what a consumer would find, in order."""

    def __init__(self, *, partitions: int = 4, max_batch_bytes: int = DEFAULT_MAX_BATCH_BYTES) -> None:
        self.batches: defaultdict[int, list[tuple[Event, ...]]] = defaultdict(list)
        self.attempts = 0
        """Calls of ``send`` with events, whatever came of them."""
        self.warmed: set[int] = set()
        """The partitions whose links were opened before a send needed them."""
        self.away: SendFailed | None = None
        """Why nothing and nobody reaches the hub."""
        self.is_closed = False
        self._partitions = partitions
        self._max_batch_bytes = max_batch_bytes
        self._faults: list[Fault] = []

    @property
    def max_batch_bytes(self) -> int:
        return self._max_batch_bytes

    def encoded_size(self, event: Event) -> int:
        return encoded_size(event)

    def events(self, partition: int | None = None) -> list[Event]:
        """Everything stored, or what ``partition`` holds, in order."""
        chosen = sorted(self.batches) if partition is None else [partition]
        return [event for index in chosen for batch in self.batches[index] for event in batch]

    def inject(self, *faults: Fault) -> None:
        """Add ``faults``: a send meets the first that applies to it."""
        self._faults += faults

    def withdraw_faults(self) -> None:
        """All is well again."""
        self._faults.clear()

    async def partition_count(self) -> int | SendFailed:
        return self.away or self._partitions

    async def warm(self, partitions: Iterable[int]) -> None:
        if self.away is None:
            self.warmed.update(partitions)

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        if not events:
            return Sent()
        self.attempts += 1
        self.is_closed = False
        if self.away is not None:
            return self.away
        if (refusal := self._refusal(events, partition)) is not None:
            return refusal
        fault = self._take_fault(partition)
        if fault is None or fault.stored:
            self.batches[partition].append(tuple(events))
        if fault is None:
            return Sent()
        if fault.outcome is not None:
            return fault.outcome
        await asyncio.sleep(timeout_seconds)
        return SendFailed(category=ErrorCategory.CONNECTION_TIMEOUT, detail="Sending timed out: no answer.")

    async def close(self) -> None:
        self.is_closed = True

    def _refusal(self, events: Sequence[Event], partition: int) -> SendFailed | None:
        """What is wrong with the batch itself."""
        if not 0 <= partition < self._partitions:
            return SendFailed(category=ErrorCategory.NOT_FOUND, detail=f"There is no partition {partition}.")
        try:
            size = sum(map(encoded_size, events))
        except UnicodeError as error:
            return SendFailed(category=ErrorCategory.SERIALIZATION, detail=str(error))
        if size > self._max_batch_bytes:
            detail = f"The batch has {size} bytes; the hub takes {self._max_batch_bytes}."
            return SendFailed(category=ErrorCategory.MESSAGE_TOO_LARGE, detail=detail)
        return None

    def _take_fault(self, partition: int) -> Fault | None:
        for fault in self._faults:
            if fault.partition in {None, partition} and fault.remaining != 0:
                if fault.remaining is not None:
                    fault.remaining -= 1
                return fault
        return None
