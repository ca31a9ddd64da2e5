"""The table adapters on Azurite, behind a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.stores.storages import AzuriteStorage, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.azurite import Azurite


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[AzuriteStorage]:
    async with proxied(azurite) as storage:
        yield storage
