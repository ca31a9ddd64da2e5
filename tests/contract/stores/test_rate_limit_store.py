"""The contract of ``RateLimitStore``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.adapters.memory_rate_limits import MemoryRateLimitStore
from streaming.adapters.tables.rate_limit_store import TableRateLimitStore
from streaming.ports import ConflictError, StorageUnavailableError
from tests.contract.stores.storages import AzuriteStorage, MemoryStorage, Storage

if TYPE_CHECKING:
    from streaming.ports import RateLimitStore

NOW_US = 1_780_000_000_123_456


def store_on(storage: Storage) -> RateLimitStore:
    if isinstance(storage, AzuriteStorage):
        return TableRateLimitStore(storage.tables)
    assert isinstance(storage, MemoryStorage)
    return MemoryRateLimitStore(storage.control.faults)


async def test_what_is_written_is_read(storage: Storage) -> None:
    store = store_on(storage)
    assert await store.calls("start") is None
    first = await store.save_calls("start", (NOW_US,), version=None)
    stored = await store.calls("start")
    assert stored is not None
    assert (stored.value, stored.version) == ((NOW_US,), first)
    second = await store.save_calls("start", (NOW_US, NOW_US + 1), version=first)
    assert second != first
    assert await store.calls("test") is None


async def test_whoever_is_late_is_told(storage: Storage) -> None:
    store = store_on(storage)
    version = await store.save_calls("start", (1,), version=None)
    await store.save_calls("start", (1, 2), version=version)
    for late in (None, version):
        with pytest.raises(ConflictError):
            await store.save_calls("start", (3,), version=late)
    stored = await store.calls("start")
    assert stored is not None
    assert stored.value == (1, 2)


async def test_storage_away(storage: Storage) -> None:
    store = store_on(storage)
    await storage.go_away()
    with pytest.raises(StorageUnavailableError):
        await store.calls("start")


async def test_many_calls_fit_a_row(storage: Storage) -> None:
    store = store_on(storage)
    calls = tuple(range(NOW_US, NOW_US + 1_000))
    await store.save_calls("start", calls, version=None)
    stored = await store.calls("start")
    assert stored is not None
    assert stored.value == calls
