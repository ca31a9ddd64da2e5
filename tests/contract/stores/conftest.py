"""Each contract of this folder is run in memory and on the real storage emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.stores.storages import AzuriteStorage, MemoryStorage, Storage, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.azurite import Azurite


@pytest.fixture
async def azurite_storage(azurite: Azurite) -> AsyncIterator[AzuriteStorage]:
    async with proxied(azurite) as storage:
        yield storage


@pytest.fixture(params=["memory", "azurite"])
def storage(request: pytest.FixtureRequest) -> Storage:
    if request.param == "memory":
        return MemoryStorage()
    real: AzuriteStorage = request.getfixturevalue("azurite_storage")
    return real
