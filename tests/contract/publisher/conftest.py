"""Each test of this folder runs against memory and against the real publisher on the local broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.event_hubs import EventHubsBroker
from tests.contract.publisher.hubs import BrokerHub, Hub, MemoryHub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["memory", "event_hubs"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[Hub]:
    if request.param == "memory":
        yield MemoryHub()
        return
    async with EventHubsBroker() as broker:
        real = BrokerHub(broker)
        yield real
        await real.publisher.close()
