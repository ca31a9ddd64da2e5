"""The lanes to a hub's partitions: who may send on which, and what becomes of their links."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streaming.adapters.event_hubs.client import make_producer_client, make_token_credential
from streaming.adapters.event_hubs.link import Link, PrebuiltLink, PublicLink
from streaming.adapters.event_hubs.sdk import fast_path_problem

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventhub.aio import EventHubProducerClient

    from streaming.adapters.event_hubs.connection import HubConnection

_LOGGER = logging.getLogger(__name__)

FALLBACK_EVENT: Final = "event_hubs_fast_path_unavailable"
"""The name under which a fall-back to the SDK's public path is logged."""

ASSUMED_MAX_BATCH_BYTES: Final = (1 << 20) - 4096
"""Until a link has said more: what Standard and Premium take, less some headroom."""

_TRUSTED_IDLE_SECONDS: Final = 5.0
_WARMING_SECONDS: Final = 2.0
"""How long those who want links to be open wait for that. Opening goes on."""
_GRACE_SECONDS: Final = 1.0
"""How long an interrupted operation, and then a link's goodbye, may each take before the link is dropped."""


@dataclass(slots=True, kw_only=True)
class Lane:
    """One partition's link and who may use it."""

    partition: int
    link: Link
    opening: asyncio.Task[None] | None = None
    """Under way; outlives the attempt that began it, as connecting may take longer than one attempt may."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_open: bool = False
    used_at: float = 0.0
    """When the link was last known to be well, on the loop's clock."""

    @property
    def is_trusted(self) -> bool:
        """Whether it was used so recently that it need not be looked at before it is used again."""
        return _now() - self.used_at < _TRUSTED_IDLE_SECONDS

    def mark_used(self) -> None:
        """The link is well, now."""
        self.used_at = _now()


class Lanes:
    """Every partition has a lane, and each lane a link of its own: ending one disturbs no other."""

    def __init__(self, hub: HubConnection, *, keep_warm_seconds: float, open_timeout_seconds: float) -> None:
        self.max_batch_bytes = ASSUMED_MAX_BATCH_BYTES
        """What the last link that was opened announced."""
        self._hub = hub
        self._keep_warm_seconds = keep_warm_seconds
        self._open_timeout_seconds = open_timeout_seconds
        self._lanes: dict[int, Lane] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._keeping_warm: asyncio.Task[None] | None = None
        self._client: EventHubProducerClient | None = None
        self._token_credential: AsyncTokenCredential | None = None
        self._fast_path_problem = fast_path_problem()
        if self._fast_path_problem is not None:
            _LOGGER.warning("%s: %s", FALLBACK_EVENT, self._fast_path_problem)

    async def take_turn(self, partition: int) -> Lane:
        """The lane of ``partition``, its ``turn`` taken. Waits for a send that is in flight on it."""
        while True:
            lane = self._lane(partition)
            await lane.turn.acquire()
            if self._lanes.get(partition) is lane:
                return lane
            lane.turn.release()  # It was retired while this call waited for it.

    async def warm(self, partitions: Iterable[int]) -> None:
        """Open the links that aren't open, or are no longer, all at once, or begin to."""
        warming = [self.in_background(self._warm(partition)) for partition in partitions]
        if warming:
            await asyncio.wait(warming, timeout=_WARMING_SECONDS)

    async def _warm(self, partition: int) -> None:
        lane = self._lane(partition)
        if lane.is_open and not lane.is_trusted and not lane.turn.locked():
            await self._look_after(lane)
            lane = self._lane(partition)
        if not lane.is_open:
            # Without its turn: a send that comes meanwhile joins in.
            await asyncio.wait((self._opening(lane),))

    async def make_ready(self, lane: Lane) -> None:
        """Open the lane's link; or make sure that one that was idle is still there, so that no send is lost on it."""
        if lane.is_open and not lane.is_trusted and not await lane.link.is_alive():
            self._replace_link(lane)
        if not lane.is_open:
            joined = lane.opening is not None
            try:
                await self._opened(lane)
            except Exception:
                if not joined:
                    raise
                await self._opened(lane)  # What an earlier attempt had begun has failed: this one has its own.
        lane.mark_used()

    async def _opened(self, lane: Lane) -> None:
        opening = self._opening(lane)
        await asyncio.wait((opening,))
        if opening.cancelled():
            raise ConnectionAbortedError("The publisher was closed meanwhile.")
        opening.result()

    def _opening(self, lane: Lane) -> asyncio.Task[None]:
        """What opens the lane's link: under way, or begun now."""
        if lane.opening is None:
            lane.opening = asyncio.create_task(self._open(lane))
            lane.opening.add_done_callback(_take_note)
        return lane.opening

    async def _open(self, lane: Lane) -> None:
        """Open the lane's link, or give the lane a new one to be opened, and raise why."""
        opening = asyncio.create_task(lane.link.open())
        try:
            await asyncio.wait((opening,), timeout=self._open_timeout_seconds)
            self.max_batch_bytes = _result(opening)
        except asyncio.CancelledError:
            opening.cancel()
            self.in_background(_end(lane.link, after=opening))
            raise
        except Exception:
            opening.cancel()
            self._replace_link(lane, after=opening)
            raise
        finally:
            lane.opening = None
        lane.is_open = True
        if self._keeping_warm is None:
            self._keeping_warm = asyncio.create_task(self._keep_warm())

    def _replace_link(self, lane: Lane, *, after: asyncio.Task[Any] | None = None) -> None:
        self.in_background(_end(lane.link, after=after))
        lane.link, lane.is_open = self._make_link(lane.partition), False

    async def _keep_warm(self) -> None:
        """Answer what idle links were sent, so that the service keeps them; end those that it dropped all the same."""
        while True:
            await asyncio.sleep(self._keep_warm_seconds)
            for lane in [lane for lane in self._lanes.values() if lane.is_open and not lane.turn.locked()]:
                await self._look_after(lane)

    async def _look_after(self, lane: Lane) -> None:
        """Make sure that the link is still there, or end it."""
        async with lane.turn:
            looking = asyncio.create_task(lane.link.is_alive())
            await asyncio.wait((looking,), timeout=_GRACE_SECONDS)
            if looking.done() and looking.result():
                lane.mark_used()
            else:
                looking.cancel()
                self.retire(lane, after=looking)

    def retire(self, lane: Lane, *, after: asyncio.Task[Any] | None = None) -> None:
        """End ``lane`` in the background, once the operation on it is over; the next send makes a new one."""
        self._lanes = {partition: kept for partition, kept in self._lanes.items() if kept is not lane}
        if lane.opening is not None:
            lane.opening.cancel()
            self.in_background(settled(lane.opening))  # It ends its link itself.
            return
        self.in_background(_end(lane.link, after=after))

    async def close(self) -> None:
        """End all links, bounded. The next turn that is taken begins anew."""
        if self._keeping_warm is not None:
            self._keeping_warm.cancel()
            self.in_background(settled(self._keeping_warm))
            self._keeping_warm = None
        for lane in list(self._lanes.values()):
            self.retire(lane)
        credential, self._token_credential = self._token_credential, None
        client, self._client = self._client, None
        if client is not None:
            self.in_background(_at_most(_GRACE_SECONDS, client.close()))
        while self._background:
            await asyncio.wait(self._background)  # Each of them is bounded.
        if credential is not None:
            await _at_most(_GRACE_SECONDS, credential.close())

    def _lane(self, partition: int) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane(partition=partition, link=self._make_link(partition))
        return lane

    def _make_link(self, partition: int) -> Link:
        if self._fast_path_problem is None:
            return PrebuiltLink(self._shared_client(), partition=partition)
        return PublicLink(self.make_client(), partition=partition)

    def _shared_client(self) -> EventHubProducerClient:
        if self._client is None:
            self._client = self.make_client()
        return self._client

    def make_client(self) -> EventHubProducerClient:
        if self._token_credential is None:
            self._token_credential = make_token_credential(self._hub)
        return make_producer_client(self._hub, self._token_credential)

    def in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _result(opening: asyncio.Task[int]) -> int:
    if not opening.done():
        raise TimeoutError("The link was not attached in time.")
    return opening.result()


async def _end(link: Link, *, after: asyncio.Task[Any] | None = None) -> None:
    """Close ``link``, bounded and without a word: it may be in any state."""
    if after is not None:
        await settled(after)
    await _at_most(_GRACE_SECONDS, link.close())
    await _at_most(_GRACE_SECONDS, link.abort())


async def _at_most(seconds: float, work: Coroutine[None, None, object]) -> None:
    """Run ``work`` for at most about ``seconds``; how it ends does not matter."""
    task = asyncio.create_task(work)
    await asyncio.wait((task,), timeout=seconds)
    task.cancel()
    await settled(task)


async def settled(task: asyncio.Task[Any]) -> None:
    """Wait a little for a cancelled ``task`` to end; how it ends does not matter."""
    task.add_done_callback(_take_note)
    await asyncio.wait((task,), timeout=_GRACE_SECONDS)


def _take_note(task: asyncio.Task[Any]) -> None:
    """Look at the error that ``task`` ended with, so that asyncio does not complain that nobody did."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOGGER.debug("Ended with %r.", error)


def _now() -> float:
    return asyncio.get_running_loop().time()
