"""What the flows need of the outside world: one Protocol each, with one real adapter and one in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.core.event import Event
    from streaming.core.outcome import SendResult


class Publisher(Protocol):
    """Sends batches to the event hub. One per process, kept warm."""

    @property
    def max_batch_bytes(self) -> int:
        """The largest batch the hub takes, in encoded bytes: what the link announced, else 1 MiB less headroom."""

    def encoded_size(self, event: Event) -> int:
        """The bytes that ``event`` takes in an encoded batch, framing included. Pure and cheap."""

    async def partition_count(self) -> int | SendResult:
        """How many partitions the hub has, or why that can't be told."""

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        """Send ``events`` as one batch to ``partition``, in one attempt.

        Returns within ``timeout_seconds`` plus a moment, whatever the hub does; never raises for anything the hub
        or the network did. The batch was stored wholly or not at all; after a failure it may have been stored.
        """

    async def close(self) -> None:
        """Close the connection. The next send opens a new one."""
