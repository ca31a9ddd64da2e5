"""Each contract of this folder is run in memory and on the real storage emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.adapters.tables import control_store, dead_letter_store, outbox_store, rate_limit_store, shard_store
from tests.contract.stores.storages import AzuriteStorage, MemoryStorage, Storage, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.azurite import Azurite


@pytest.fixture(autouse=True)
def _any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be slow. (tests/adapters/tables holds the stores to their bounds.)"""
    for store in (control_store, dead_letter_store, outbox_store, rate_limit_store, shard_store):
        for bound in ("CALL_SECONDS", "WRITE_SECONDS"):
            monkeypatch.setattr(store, bound, 120.0, raising=False)


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
