"""The ``Publisher`` port on Azure Event Hubs: bounded, one attempt a call, its partitions independent of each other."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from streaming.adapters.event_hubs.client import make_producer_client, make_token_credential
from streaming.adapters.event_hubs.encoder import encoded_size
from streaming.adapters.event_hubs.errors import classify
from streaming.adapters.event_hubs.link import Link, PrebuiltLink, PublicLink, read_partition_ids
from streaming.adapters.event_hubs.sdk import fast_path_problem
from streaming.core.outcome import ErrorCategory, SendFailed, SendResult, Sent

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventhub.aio import EventHubProducerClient

    from streaming.adapters.event_hubs.connection import HubConnection
    from streaming.core.event import Event

_LOGGER = logging.getLogger(__name__)
_Result = TypeVar("_Result")

FALLBACK_EVENT: Final = "event_hubs_fast_path_unavailable"
"""The name under which a fall-back to the SDK's public path is logged."""

ASSUMED_MAX_BATCH_BYTES: Final = (1 << 20) - 4096
"""Until a link has said more: what Standard and Premium take, less some headroom."""

_TRUSTED_IDLE_SECONDS: Final = 5.0
"""A link that was used this recently is not looked at before it is used again."""
_GRACE_SECONDS: Final = 1.0
"""How long an interrupted operation, and then a link's goodbye, may each take before the link is dropped."""
_NO_CONNECTION: Final = frozenset({ErrorCategory.CONNECTION_ERROR, ErrorCategory.CONNECTION_TIMEOUT})


@dataclass(slots=True, kw_only=True)
class _Lane:
    """One partition's link and who may use it."""

    link: Link
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_open: bool = False
    used_at: float = 0.0
    """When the link was last known to be well, on the loop's clock."""


@dataclass(slots=True, kw_only=True)
class _Progress:
    """How far one call of ``send`` has come: read when it is interrupted."""

    lane: _Lane | None = None
    """The lane whose turn it holds."""
    connected: bool = False


class EventHubsPublisher:
    """One per process. All methods run on one event loop.

    Every partition has its own link (the SDK gives each its own connection), so ending one that failed or was
    interrupted disturbs no other. Nothing is sent twice by one call: after a failure, the caller decides.
    """

    def __init__(self, hub: HubConnection, *, keep_warm_seconds: float = 30.0) -> None:
        """Nothing is connected before the first use.

        ``keep_warm_seconds``: how often idle links are looked after, well below the 240 s after which the service drops
        a silent connection.
        """
        self._hub = hub
        self._keep_warm_seconds = keep_warm_seconds
        self._max_batch_bytes = ASSUMED_MAX_BATCH_BYTES
        self._lanes: dict[int, _Lane] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._keeping_warm: asyncio.Task[None] | None = None
        self._client: EventHubProducerClient | None = None
        self._token_credential: AsyncTokenCredential | None = None
        self._fast_path_problem = fast_path_problem()
        if self._fast_path_problem is not None:
            _LOGGER.warning("%s: %s", FALLBACK_EVENT, self._fast_path_problem)

    @property
    def max_batch_bytes(self) -> int:
        return self._max_batch_bytes

    def encoded_size(self, event: Event) -> int:
        return encoded_size(event)

    async def partition_count(self, *, timeout_seconds: float = 10.0) -> int | SendFailed:
        """The hub's partitions. Also opens the link to the first, so that ``max_batch_bytes`` is the hub's own."""
        progress = _Progress()
        result = await self._bounded(self._count(progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Reading the partitions")

    async def connect(self, *, timeout_seconds: float) -> SendResult:
        """Attach a sender to the first partition, which proves that events may be sent, and send none."""
        progress = _Progress()
        result = await self._bounded(self._connect(progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Connecting")

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendResult:
        if not events:
            return Sent()
        progress = _Progress()
        result = await self._bounded(self._send(events, partition, progress), progress, timeout_seconds)
        return result if result is not None else _timed_out(progress, "Sending")

    async def close(self) -> None:
        if self._keeping_warm is not None:
            self._keeping_warm.cancel()
            self._in_background(_settled(self._keeping_warm))
            self._keeping_warm = None
        for lane in list(self._lanes.values()):
            self._retire(lane)
        credential, self._token_credential = self._token_credential, None
        client, self._client = self._client, None
        if client is not None:
            self._in_background(_at_most(_GRACE_SECONDS, client.close()))
        if credential is not None:
            self._in_background(_at_most(_GRACE_SECONDS, credential.close()))
        if self._background:
            await asyncio.wait(self._background)  # Each of them is bounded.

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
                if progress.lane is not None:
                    self._retire(progress.lane, after=task)
                else:
                    self._in_background(_settled(task))
        return task.result() if task.done() else None

    async def _send(self, events: Sequence[Event], partition: int, progress: _Progress) -> SendResult:
        lane = await self._take_turn(partition, progress)
        try:
            try:
                batch = lane.link.prepare(events)
            except Exception as error:  # noqa: BLE001 - an event that can't be encoded must not stop the stream
                failure = classify(error)
                return SendFailed(category=ErrorCategory.SERIALIZATION, detail=failure.detail)
            try:
                await self._make_ready(lane, partition)
                progress.connected = True
                if batch.size_in_bytes > self._max_batch_bytes:
                    detail = f"The batch has {batch.size_in_bytes} bytes; the hub takes {self._max_batch_bytes}."
                    return SendFailed(category=ErrorCategory.MESSAGE_TOO_LARGE, detail=detail)
                await lane.link.send(batch)
            except Exception as error:  # noqa: BLE001 - everything that hub or network can do is a value from here on
                return self._failed(lane, error, progress)
            lane.used_at = _now()
            return Sent()
        finally:
            lane.turn.release()

    async def _connect(self, progress: _Progress) -> SendResult:
        lane = await self._take_turn(0, progress)
        try:
            await self._make_ready(lane, 0)
        except Exception as error:  # noqa: BLE001 - as in _send
            return self._failed(lane, error, progress)
        finally:
            lane.turn.release()
        return Sent()

    async def _count(self, progress: _Progress) -> int | SendFailed:
        connected = await self._connect(progress)
        if isinstance(connected, SendFailed):
            return connected
        progress.lane, progress.connected = None, True
        try:
            return len(await read_partition_ids(self._make_client()))
        except Exception as error:  # noqa: BLE001 - as in _send
            return classify(error).as_outcome(reached_hub=True)

    def _failed(self, lane: _Lane, error: Exception, progress: _Progress) -> SendFailed:
        failure = classify(error)
        if not failure.link_survives:
            self._retire(lane)
        reached_hub = progress.connected or failure.category not in _NO_CONNECTION
        return failure.as_outcome(reached_hub=reached_hub)

    # Lanes

    async def _take_turn(self, partition: int, progress: _Progress) -> _Lane:
        """The lane of ``partition``, locked. Waits for a send that is in flight on it."""
        while True:
            lane = self._lanes.get(partition)
            if lane is None:
                lane = self._lanes[partition] = _Lane(link=self._make_link(partition))
            await lane.turn.acquire()
            if self._lanes.get(partition) is lane:
                progress.lane = lane
                return lane
            lane.turn.release()  # It was retired while this call waited for it.

    async def _make_ready(self, lane: _Lane, partition: int) -> None:
        """Open the lane's link; or make sure that one that was idle is still there, so that no send is lost on it."""
        trusted = _now() - lane.used_at < _TRUSTED_IDLE_SECONDS
        if lane.is_open and not trusted and not await lane.link.is_alive():
            self._in_background(_end(lane.link))
            lane.link, lane.is_open = self._make_link(partition), False
        if not lane.is_open:
            self._max_batch_bytes = await lane.link.open()
            lane.is_open = True
            if self._keeping_warm is None:
                self._keeping_warm = asyncio.create_task(self._keep_warm())
        lane.used_at = _now()

    async def _keep_warm(self) -> None:
        """Answer what idle links were sent, so that the service keeps them; end those that it dropped all the same."""
        while True:
            await asyncio.sleep(self._keep_warm_seconds)
            for lane in [lane for lane in self._lanes.values() if lane.is_open and not lane.turn.locked()]:
                async with lane.turn:
                    looking = asyncio.create_task(lane.link.is_alive())
                    await asyncio.wait((looking,), timeout=_GRACE_SECONDS)
                    if looking.done() and looking.result():
                        lane.used_at = _now()
                    else:
                        looking.cancel()
                        self._retire(lane, after=looking)

    def _retire(self, lane: _Lane, *, after: asyncio.Task[object] | None = None) -> None:
        """End ``lane`` in the background, once the operation on it is over; the next send makes a new one."""
        self._lanes = {partition: kept for partition, kept in self._lanes.items() if kept is not lane}
        self._in_background(_end(lane.link, after=after))

    def _make_link(self, partition: int) -> Link:
        if self._fast_path_problem is None:
            return PrebuiltLink(self._shared_client(), partition=partition)
        return PublicLink(self._make_client(), partition=partition)

    def _shared_client(self) -> EventHubProducerClient:
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def _make_client(self) -> EventHubProducerClient:
        if self._token_credential is None:
            self._token_credential = make_token_credential(self._hub)
        return make_producer_client(self._hub, self._token_credential)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _end(link: Link, *, after: asyncio.Task[object] | None = None) -> None:
    """Close ``link``, bounded and without a word: it may be in any state."""
    if after is not None:
        await _settled(after)
    await _at_most(_GRACE_SECONDS, link.close())
    await _at_most(_GRACE_SECONDS, link.abort())


async def _at_most(seconds: float, work: Coroutine[None, None, object]) -> None:
    """Run ``work`` for at most about ``seconds``; how it ends does not matter."""
    task = asyncio.create_task(work)
    await asyncio.wait((task,), timeout=seconds)
    task.cancel()
    await _settled(task)


async def _settled(task: asyncio.Task[object]) -> None:
    """Wait a little for a cancelled ``task`` to end, and take note of its error, so that asyncio need not."""
    await asyncio.wait((task,), timeout=_GRACE_SECONDS)
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        _LOGGER.debug("Ended with %r.", error)


def _timed_out(progress: _Progress, operation: str) -> SendFailed:
    phase = "no answer" if progress.connected else "no connection" if progress.lane else "another send is under way"
    return SendFailed(
        category=ErrorCategory.CONNECTION_TIMEOUT,
        detail=f"{operation} timed out: {phase}.",
        reached_hub=progress.connected or progress.lane is None,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
