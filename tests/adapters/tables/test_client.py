"""What only the real client has to get right: connecting, waiting, repeating, translating."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from local.azurite import ACCOUNT_KEY, StoragePorts
from shared.settings import read_settings
from streaming.adapters.tables.client import CALL_SECONDS, WRITE_SECONDS, TablesClient
from streaming.adapters.tables.control_store import TableControlStore
from streaming.adapters.tables.shard_store import TableShardStore
from streaming.core.cursor import Cursor
from streaming.ports import Control, ShardCommit, StorageUnavailableError
from tests.contract.stores.storages import tables_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.stores.storages import AzuriteStorage

CURSOR = Cursor(
    session_id="s", shard=0, shards=1, lanes=1, owner="me", lease_until_us=0, heartbeat_us=0, operation_id="first"
)
HANGS_SECONDS = 30
"""Far beyond any bound: a call that takes so long would take for ever."""


def test_the_bounds_leave_a_commit_time_to_look_and_keep_the_ports_promise() -> None:
    assert WRITE_SECONDS + 1 < CALL_SECONDS < 4


async def test_the_table_is_created_by_whoever_needs_it_first_and_by_several_at_once(storage: AzuriteStorage) -> None:
    found = await asyncio.gather(
        storage.control.read(),
        storage.other_control.read(),
        storage.shards.create(CURSOR),
        storage.other_control.save_config({}, version=None),
    )
    assert found[0].session is None
    stored = await storage.other_shards.load("s", 0)
    assert stored is not None
    assert stored.cursor.version == found[2]


async def test_a_storage_that_accepts_and_stays_silent_is_given_up_and_found_again(storage: AzuriteStorage) -> None:
    version = await storage.shards.create(CURSOR)
    storage.proxy.is_silent = True
    await storage.proxy.break_connections()

    async with asyncio.timeout(HANGS_SECONDS):
        outcomes = await asyncio.gather(
            storage.control.read(),
            storage.control.save_config({}, version=None),
            storage.control.session_ids(),
            storage.shards.load("s", 0),
            storage.shards.cursor("s", 0),
            storage.shards.create(CURSOR),
            storage.shards.commit(ShardCommit(cursor=CURSOR, version=version)),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailableError] * 7

    storage.proxy.is_silent = False
    assert await storage.control.read() == Control()
    assert await storage.shards.cursor("s", 0) == CURSOR


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[TablesClient]:
    """A client of a storage that answers everything with ``answer`` and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        await reader.readexactly(sum(lengths))
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        tables = tables_client(StoragePorts(table=server.sockets[0].getsockname()[1]), "strange")
        yield tables
        await tables.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 503 Server Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Internal\r\nContent-Length: 5\r\n\r\n<oops",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{not json",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 202 Accepted\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: 900\r\n\r\n--b\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: 5\r\n\r\n--b--",
        b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["nothing", "503", "500", "page", "no JSON", "cut", "cut parts", "no parts", "no multipart", "no HTTP"],
)
async def test_whatever_answers_that_is_no_table_storage_is_a_storage_that_is_away(answer: bytes) -> None:
    async with answering(answer) as tables:
        with pytest.raises(StorageUnavailableError):
            await TableControlStore(tables).read()
        with pytest.raises(StorageUnavailableError):
            await TableControlStore(tables).save_config({}, version=None)
        with pytest.raises(StorageUnavailableError):
            await TableShardStore(tables).commit(ShardCommit(cursor=CURSOR, version="W/1"))


async def test_reads_are_repeated_and_saves_never() -> None:
    async with answering(b"HTTP/1.1 503 Server Busy\r\nContent-Length: 0\r\n\r\n") as tables:
        store = TableControlStore(tables)
        with pytest.raises(StorageUnavailableError):
            await store.save_config({}, version=None)
        assert store.round_trips == 1
        with pytest.raises(StorageUnavailableError):
            await store.read()
        assert store.round_trips == 4


# The SDK asks an XML element for its truth value, from Python 3.12 on with this warning.
@pytest.mark.filterwarnings("ignore:Testing an element:DeprecationWarning")
async def test_a_wrong_key_is_a_storage_that_refuses_and_is_told_to_nobody(storage: AzuriteStorage) -> None:
    wrong = "d3Jvbmc="
    ports = StoragePorts(table=storage.proxy.port)
    tables = TablesClient(read_settings({"AzureWebJobsStorage": ports.connection_string.replace(ACCOUNT_KEY, wrong)}))
    with pytest.raises(StorageUnavailableError) as caught:
        await TableControlStore(tables).read()
    await tables.close()
    assert wrong not in str(caught.value)
    assert "authenticate" in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"AzureWebJobsStorage": "nonsense"},
        {"AzureWebJobsStorage": "AccountKey=s3cret"},
        {"AzureWebJobsStorage": "AccountName=a;AccountKey=s3cret;TableEndpoint="},
        {"AzureWebJobsStorage__credential": "managedidentity"},
        {"AzureWebJobsStorage__tableServiceUri": "http://account.table.core.windows.net"},
    ],
)
def test_a_malformed_setting_is_named_and_not_quoted(environment: dict[str, str]) -> None:
    with pytest.raises(StorageUnavailableError, match="AzureWebJobsStorage is malformed") as caught:
        TablesClient(read_settings(environment))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (
            {"AzureWebJobsStorage__accountName": "acc", "AzureWebJobsStorage__credential": "managedidentity"},
            "https://acc.table.core.windows.net",
        ),
        (
            {
                "AzureWebJobsStorage__tableServiceUri": "https://acc.table.core.usgovcloudapi.net/",
                "AzureWebJobsStorage__credential": "managedidentity",
                "AzureWebJobsStorage__clientId": "11111111-2222-3333-4444-555555555555",
            },
            "https://acc.table.core.usgovcloudapi.net",
        ),
        (
            {"AzureWebJobsStorage__tableServiceUri": "https://acc.table.core.windows.net"},
            "https://acc.table.core.windows.net",
        ),
        (
            {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=aaaa"},
            "https://acc.table.core.windows.net",
        ),
        ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "http://127.0.0.1:10002/devstoreaccount1"),
    ],
)
async def test_each_way_to_name_a_storage_account(environment: dict[str, str], url: str) -> None:
    tables = TablesClient(read_settings(environment))
    assert tables._service.url == url
    await tables.close()
