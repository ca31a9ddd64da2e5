from __future__ import annotations

import gc
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from local.event_hubs import BrokerConfig, EventHubsBroker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StartBroker(Protocol):
    async def __call__(self, **settings: Any) -> EventHubsBroker: ...


@pytest.fixture
async def start_broker() -> AsyncIterator[StartBroker]:
    """Starts brokers on free ports, and stops them after the test."""
    started: list[EventHubsBroker] = []
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> EventHubsBroker:
            started.append(await stack.enter_async_context(EventHubsBroker(BrokerConfig(**settings))))
            return started[-1]

        yield start
    assert [broker.stats().connections_open for broker in started] == [0] * len(started)
    assert [broker.stats().links_open for broker in started] == [0] * len(started)
    gc.collect()  # what the SDK leaves behind is to be found here, where SDK_LEAVES_SOCKETS is in force


@pytest.fixture
async def broker(start_broker: StartBroker) -> EventHubsBroker:
    """One broker with the default hub and policy."""
    return await start_broker()
