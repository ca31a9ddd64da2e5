"""The ``Publisher`` port on Azure Event Hubs: bounded, one attempt a call, its partitions independent of each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from streaming.adapters.event_hubs.encoder import encoded_size
from streaming.adapters.event_hubs.errors import classify
from streaming.adapters.event_hubs.lanes import Lane, Lanes, settled
from streaming.adapters.event_hubs.link import read_partition_ids
from streaming.core.outcome import ErrorCategory, SendFailed, SendResult, Sent

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from streaming.adapters.event_hubs.connection import HubConnection
    from streaming.core.event import Event

_Result = TypeVar("_Result")

_NO_CONNECTION: Final = frozenset({ErrorCategory.CONNECTION_ERROR, ErrorCategory.CONNECTION_TIMEOUT})


@dataclass(slots=True, kw_only=True)
class _Progress:
    """How far one call of ``send`` has come: read when it is interrupted."""

    lane: Lane | None = None
    """The lane whose turn it holds."""
    connected: bool = False


class EventHubsPublisher:
    """One per process. All methods run on one event loop.

    Every partition has its own link (the SDK gives each its own connection), so ending one that failed or was
    interrupted disturbs no other. Nothing is sent twice by one call: after a failure, the caller decides.
    """

    def __init__(
        self, hub: HubConnection, *, keep_warm_seconds: float = 30.0, open_timeout_seconds: float = 5.0
    ) -> None:
        """Nothing is connected before the first use.

        ``open_timeout_seconds`` bounds connecting, signing in and attaching, which goes on when the send that began it
        has timed out: over a real network it takes about a second, which may be all that a send is given.

        ``keep_warm_seconds``: how often idle links are looked after, well below the 240 s after which the service drops
        a silent connection.
        """
        self._lanes = Lanes(hub, keep_warm_seconds=keep_warm_seconds, open_timeout_seconds=open_timeout_seconds)

    @property
    def max_batch_bytes(self) -> int:
        return self._lanes.max_batch_bytes

    def encoded_size(self, event: Event) -> int:
        return encoded_size(event)

    async def partition_count(self, *, timeout_seconds: float = 6.0) -> int | SendFailed:
        """The hub's partitions. Also opens the link to the first, so that ``max_batch_bytes`` is the hub's own.

        A stop waits longer than this for a stream that asks.
        """
        progress = _Progress()
        result = await self._bounded(self._count(progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Reading the partitions")

    async def connect(self, *, timeout_seconds: float) -> SendResult:
        """Attach a sender to the first partition, which proves that events may be sent, and send none."""
        progress = _Progress()
        result = await self._bounded(self._connect(progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Connecting")

    async def warm(self, partitions: Iterable[int]) -> None:
        await self._lanes.warm(partitions)

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        if not events:
            return Sent()
        progress = _Progress()
        result = await self._bounded(self._send(events, partition, progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Sending")

    async def close(self) -> None:
        await self._lanes.close()

    # One attempt

    async def _bounded(
        self, work: Coroutine[None, None, _Result], progress: _Progress, timeout_seconds: float
    ) -> _Result | None:
        """The result of ``work``, or None when it is not there in time. Interrupted, it leaves no half-used link.

        ``asyncio.wait_for`` would wait for the SDK to honour the cancellation; this does not.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task,), timeout=timeout_seconds)
        finally:
            if not task.done():
                task.cancel()
                if progress.lane is not None and progress.lane.opening is None:
                    self._lanes.retire(progress.lane, after=task)
                else:
                    self._lanes.in_background(settled(task))
        return task.result() if task.done() else None

    async def _send(self, events: Sequence[Event], partition: int, progress: _Progress) -> SendResult:
        lane = progress.lane = await self._lanes.take_turn(partition)
        try:
            try:
                batch = lane.link.prepare(events)
            except Exception as error:  # noqa: BLE001 - an event that can't be encoded must not stop the stream
                failure = classify(error)
                return SendFailed(category=ErrorCategory.SERIALIZATION, detail=failure.detail)
            try:
                await self._lanes.make_ready(lane)
                progress.connected = True
                if batch.size_in_bytes > self._lanes.max_batch_bytes:
                    detail = f"The batch has {batch.size_in_bytes} bytes; the hub takes {self._lanes.max_batch_bytes}."
                    return SendFailed(category=ErrorCategory.MESSAGE_TOO_LARGE, detail=detail)
                await lane.link.send(batch)
            except Exception as error:  # noqa: BLE001 - everything that hub or network can do is a value from here on
                return self._failed(lane, error, progress)
            lane.mark_used()
            return Sent()
        finally:
            lane.turn.release()

    async def _connect(self, progress: _Progress) -> SendResult:
        lane = progress.lane = await self._lanes.take_turn(0)
        try:
            await self._lanes.make_ready(lane)
        except Exception as error:  # noqa: BLE001 - as in _send
            return self._failed(lane, error, progress)
        finally:
            lane.turn.release()
        return Sent()

    async def _count(self, progress: _Progress) -> int | SendFailed:
        # Both at once: over a network each takes about a second, and the first burst of a stream waits for them.
        reading = asyncio.create_task(self._read_partition_count())
        try:
            connected = await self._connect(progress)
            if isinstance(connected, SendFailed):
                return connected
            progress.lane, progress.connected = None, True
            return await reading
        finally:
            reading.cancel()
            self._lanes.in_background(settled(reading))

    async def _read_partition_count(self) -> int | SendFailed:
        try:
            return len(await read_partition_ids(self._lanes.make_client()))
        except Exception as error:  # noqa: BLE001 - as in _send
            return classify(error).as_outcome(reached_hub=True)

    def _failed(self, lane: Lane, error: Exception, progress: _Progress) -> SendFailed:
        failure = classify(error)
        if not failure.link_survives:
            self._lanes.retire(lane)
        reached_hub = progress.connected or failure.category not in _NO_CONNECTION
        return failure.as_outcome(reached_hub=reached_hub)


def _timed_out(progress: _Progress, operation: str) -> SendFailed:
    phase = "no answer" if progress.connected else "no connection" if progress.lane else "another send is under way"
    return SendFailed(
        category=ErrorCategory.CONNECTION_TIMEOUT,
        detail=f"{operation} timed out: {phase}.",
        reached_hub=progress.connected or progress.lane is None,
    )
