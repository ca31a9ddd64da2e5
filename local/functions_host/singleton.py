"""One worker at a time, over all workers and hosts: a blob lease, as the platform does it for timers."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local.functions_host.storage import HOSTS_CONTAINER, StorageError, make_blob, reason
from local.functions_host.waiting import happens_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient

_log = logging.getLogger("host.singleton")

LEASE_SECONDS = 15
_RENEW_SECONDS = LEASE_SECONDS / 2
_RETRY_SECONDS = 1.0
_CONFLICT = 409


class Singleton:
    """The right to run what ``name`` stands for."""

    def __init__(self, service: BlobServiceClient, *, host_id: str, name: str) -> None:
        self.name = name
        self._service = service
        self._blob = service.get_blob_client(HOSTS_CONTAINER, f"locks/{host_id}/{name}")

    @asynccontextmanager
    async def held(self, stopping: asyncio.Event) -> AsyncIterator[asyncio.Event | None]:
        """Wait for the lease, then keep it until the block is left.

        Yields an event that is set when the lease is lost or ``stopping`` is set; None when ``stopping`` came first.
        A holder that dies is followed by another within ``LEASE_SECONDS``.
        """
        lease = await self._acquire(stopping)
        if lease is None:
            yield None
            return
        over = asyncio.Event()
        keeping = asyncio.create_task(self._keep(lease, over))
        relaying = asyncio.create_task(_relay(stopping, over))
        try:
            yield over
        finally:
            for task in (keeping, relaying):
                task.cancel()
            await asyncio.gather(keeping, relaying, return_exceptions=True)
            with suppress(StorageError):
                await lease.release()

    async def _acquire(self, stopping: asyncio.Event) -> BlobLeaseClient | None:
        unreachable = False
        while not stopping.is_set():
            try:
                lease = await self._try_to_acquire()
            except StorageError as error:
                if not unreachable:
                    _log.warning(
                        "%s waits: storage can't be used, and timers need it for their lease; retrying (%s)",
                        self.name,
                        reason(error),
                    )
                unreachable = True
            else:
                if unreachable:
                    _log.info("%s: storage is back", self.name)
                unreachable = False
                if lease is not None:
                    _log.debug("%s: lease acquired", self.name)
                    return lease
            await happens_within(stopping, _RETRY_SECONDS)
        return None

    async def _try_to_acquire(self) -> BlobLeaseClient | None:
        from azure.storage.blob.aio import BlobLeaseClient  # noqa: PLC0415  see storage.py

        lease = BlobLeaseClient(self._blob)
        try:
            await lease.acquire(lease_duration=LEASE_SECONDS)
        except ResourceNotFoundError:
            await make_blob(self._blob, self._service)
            return await self._try_to_acquire()
        except HttpResponseError as error:
            if error.status_code == _CONFLICT:
                return None  # Another worker holds it.
            raise
        return lease

    async def _keep(self, lease: BlobLeaseClient, over: asyncio.Event) -> None:
        """Renew at half-life until cancelled. Sets ``over`` when the lease is gone, or may be."""
        expires = time.monotonic() + LEASE_SECONDS
        pause = _RENEW_SECONDS
        while True:
            await asyncio.sleep(pause)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(max(0.1, expires - asked)):
                    await lease.renew()
            except HttpResponseError as error:
                if error.status_code is not None and error.status_code < 500:  # noqa: PLR2004  a refusal
                    _log.warning("%s: lease lost (%s)", self.name, reason(error))
                    break
                pause = _RETRY_SECONDS
            except (StorageError, TimeoutError):
                pause = _RETRY_SECONDS
            else:
                expires, pause = asked + LEASE_SECONDS, _RENEW_SECONDS
            if time.monotonic() + pause >= expires:
                _log.warning("%s: lease lost, storage could not be reached to renew it", self.name)
                break
        over.set()


async def _relay(stopping: asyncio.Event, over: asyncio.Event) -> None:
    await stopping.wait()
    over.set()
