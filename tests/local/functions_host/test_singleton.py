"""The lease that makes timers singletons, on real blobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from azure.storage.blob.aio import BlobLeaseClient

from local.functions_host.schedule_monitor import ScheduleMonitor
from local.functions_host.singleton import Singleton
from local.functions_host.storage import HOSTS_CONTAINER, blob_service
from local.functions_host.timer_request import ScheduleStatus
from tests.local.functions_host.conditions import eventually
from tests.local.functions_host.virtual_time import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.storage.blob.aio import BlobServiceClient

    from local.azurite import Azurite


@pytest.fixture
async def service(azurite: Azurite) -> AsyncIterator[BlobServiceClient]:
    async with blob_service(azurite.connection_string) as blobs:
        yield blobs


@pytest.fixture
def name() -> str:
    return f"Host.Functions.tick{uuid4().hex}.Listener"


async def test_one_holder_at_a_time_and_the_next_when_it_lets_go(service: BlobServiceClient, name: str) -> None:
    never, order = asyncio.Event(), []

    async def hold(who: str) -> None:
        async with Singleton(service, host_id="h", name=name).held(never) as over:
            assert over is not None
            order.append(f"{who} in")
            await asyncio.sleep(0)
            order.append(f"{who} out")

    await asyncio.gather(hold("a"), hold("b"), hold("c"))
    ins, outs = order[::2], order[1::2]
    assert [entry.split()[0] for entry in ins] == [entry.split()[0] for entry in outs]
    assert sorted(entry.split()[0] for entry in ins) == ["a", "b", "c"]


async def test_a_stop_ends_waiting_and_holding(service: BlobServiceClient, name: str) -> None:
    stopping = asyncio.Event()
    async with Singleton(service, host_id="h", name=name).held(stopping) as over:
        assert over is not None
        waiting = asyncio.create_task(_over_of(Singleton(service, host_id="h", name=name), stopping))
        assert not over.is_set()
        stopping.set()
        await over.wait()
        assert await waiting is None


async def _over_of(singleton: Singleton, stopping: asyncio.Event) -> asyncio.Event | None:
    async with singleton.held(stopping) as over:
        return over


async def test_a_lease_that_was_taken_away_is_noticed(service: BlobServiceClient, name: str) -> None:
    async with Singleton(service, host_id="h", name=name).held(asyncio.Event()) as over:
        assert over is not None
        blob = service.get_blob_client(HOSTS_CONTAINER, f"locks/h/{name}")
        await BlobLeaseClient(blob).break_lease(lease_break_period=0)
        await eventually(over.is_set)


async def test_waiting_outlives_a_storage_outage(azurite: Azurite, service: BlobServiceClient, name: str) -> None:
    azurite.stop()
    holding = asyncio.create_task(_over_of(Singleton(service, host_id="h", name=name), asyncio.Event()))
    azurite.start()
    assert await holding is not None


async def test_the_status_of_a_timer_is_kept(service: BlobServiceClient) -> None:
    status = ScheduleStatus(last=EPOCH, next=EPOCH, last_updated=EPOCH)
    name = uuid4().hex
    await ScheduleMonitor(service, host_id="h", name=name).write(status)
    assert await ScheduleMonitor(service, host_id="h", name=name).read() == status
    assert await ScheduleMonitor(service, host_id="h", name=uuid4().hex).read() is None
