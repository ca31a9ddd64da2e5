"""Each contract of this folder is run in memory and on the real storage emulator."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.contract.stores.proxy import Proxy
from tests.contract.stores.storages import AzuriteStorage, MemoryStorage, Storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.azurite import Azurite

_tables = itertools.count()


@pytest.fixture
async def azurite_storage(azurite: Azurite) -> AsyncIterator[AzuriteStorage]:
    """A table of its own."""
    async with Proxy(azurite.ports.table) as proxy:
        storage = AzuriteStorage(ports=azurite.ports, proxy=proxy, table_prefix=f"contract{next(_tables)}")
        yield storage
        await storage.close()


@pytest.fixture(params=["memory", "azurite"])
def storage(request: pytest.FixtureRequest) -> Storage:
    if request.param == "memory":
        return MemoryStorage()
    real: AzuriteStorage = request.getfixturevalue("azurite_storage")
    return real
