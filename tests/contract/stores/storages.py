"""The storage that the contracts are run on: in memory, and Azurite behind a proxy."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import TYPE_CHECKING, Protocol

from local.azurite import StoragePorts
from shared.settings import read_settings
from streaming.adapters.memory_dead_letters import MemoryDeadLetterStore
from streaming.adapters.memory_stores import Fault, Faults, MemoryControlStore, MemoryShardStore
from streaming.adapters.tables.client import TablesClient
from streaming.adapters.tables.control_store import TableControlStore
from streaming.adapters.tables.dead_letter_store import TableDeadLetterStore
from streaming.adapters.tables.shard_store import TableShardStore
from streaming.ports import ShardStore
from tests.contract.stores.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from local.azurite import Azurite
    from streaming.core.dead_letter import DeadLetter
    from streaming.ports import ControlStore, DeadLetterStore


class DeadLetterShardStore(ShardStore, Protocol):
    """A ``ShardStore`` that also shows the dead letters that it was given."""

    async def dead_letters(self, session_id: str, shard: int) -> Sequence[DeadLetter]: ...


class Storage(Protocol):
    """One storage, with the stores of two processes on it: ``control``, ``shards`` and ``letters``, and the other's."""

    @property
    def control(self) -> ControlStore: ...
    @property
    def shards(self) -> DeadLetterShardStore: ...
    @property
    def letters(self) -> DeadLetterStore: ...
    @property
    def other_letters(self) -> DeadLetterStore: ...
    @property
    def other_control(self) -> ControlStore: ...
    @property
    def other_shards(self) -> DeadLetterShardStore: ...

    @property
    def round_trips(self) -> int:
        """Requests that the first process's stores have made."""

    def lose_answers(self) -> None:
        """From now on what is asked is done, but nobody hears of it."""

    async def go_away(self) -> None:
        """From now on nothing is done and nobody answers."""

    async def come_back(self) -> None:
        """All is well again."""


class MemoryStorage:
    def __init__(self) -> None:
        self._faults = Faults()
        self.control = self.other_control = MemoryControlStore(self._faults)
        self.shards = self.other_shards = MemoryShardStore(self._faults)
        self.letters = self.other_letters = MemoryDeadLetterStore(self.shards)

    @property
    def round_trips(self) -> int:
        return self._faults.round_trips

    def lose_answers(self) -> None:
        self._faults.plan = lambda _name, _number: Fault.ANSWER_LOST

    async def go_away(self) -> None:
        self._faults.is_away = True

    async def come_back(self) -> None:
        self._faults.is_away = False
        self._faults.plan = lambda _name, _number: None


class AzuriteStorage:
    """The first process reaches Azurite through ``proxy``, the other one directly."""

    def __init__(self, *, ports: StoragePorts, proxy: Proxy, table_prefix: str) -> None:
        self.proxy = proxy
        self.tables = tables_client(StoragePorts(table=proxy.port), table_prefix)
        self.other_tables = tables_client(ports, table_prefix)
        self.control = TableControlStore(self.tables)
        self.shards = TableShardStore(self.tables)
        self.letters = TableDeadLetterStore(self.tables)
        self.other_control = TableControlStore(self.other_tables)
        self.other_shards = TableShardStore(self.other_tables)
        self.other_letters = TableDeadLetterStore(self.other_tables)

    @property
    def round_trips(self) -> int:
        return self.tables.round_trips

    def lose_answers(self) -> None:
        self.proxy.answers_to_lose = math.inf

    async def go_away(self) -> None:
        await self.proxy.go_away()

    async def come_back(self) -> None:
        self.proxy.answers_to_lose = 0
        await self.proxy.go_away()
        await self.proxy.come_back()

    async def close(self) -> None:
        await self.tables.close()
        await self.other_tables.close()


_tables = itertools.count()


@contextlib.asynccontextmanager
async def proxied(azurite: Azurite) -> AsyncIterator[AzuriteStorage]:
    """``azurite`` behind a proxy, with a table of its own."""
    async with Proxy(azurite.ports.table) as proxy:
        storage = AzuriteStorage(ports=azurite.ports, proxy=proxy, table_prefix=f"contract{next(_tables)}")
        yield storage
        await storage.close()


def tables_client(ports: StoragePorts, table_prefix: str) -> TablesClient:
    return TablesClient(
        read_settings({"AzureWebJobsStorage": ports.connection_string, "STREAM_TABLE_PREFIX": table_prefix})
    )
