"""The local broker, and a publisher to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.event_hubs import EventHubsBroker
from streaming.adapters.event_hubs.publisher import EventHubsPublisher
from tests.contract.publisher.hubs import PATIENCE_SECONDS, connection_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def broker() -> AsyncIterator[EventHubsBroker]:
    async with EventHubsBroker() as running:
        yield running


@pytest.fixture
async def publisher(broker: EventHubsBroker) -> AsyncIterator[EventHubsPublisher]:
    made = EventHubsPublisher(connection_to(broker), open_timeout_seconds=PATIENCE_SECONDS)
    yield made
    await made.close()
