"""What a benchmark measures against: the local hub and Azurite, each in a process of its own, as in a real run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import tempfile
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.azurite import Azurite
from local.event_hubs import DEFAULT_HUB, EventHubsBroker
from streaming.adapters.event_hubs.connection import CONNECTION_STRING_SETTING
from streaming.wiring import Application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from multiprocessing.connection import Connection

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A running broker."""

    connection_string: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """A running broker and a running Azurite."""

    hub: Hub
    azurite: Azurite

    @contextlib.asynccontextmanager
    async def application(
        self, realtime: Mapping[str, int], *, name: str, settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[Application]:
        """The application as the functions make it, with these settings and tables of its own."""
        application = Application(
            {
                CONNECTION_STRING_SETTING: self.hub.connection_string,
                "AzureWebJobsStorage": self.azurite.connection_string,
                "STREAM_TABLE_PREFIX": name,
                "LOG_LEVEL": "ERROR",
                **(settings or {}),
                **{f"REALTIME_{key.upper()}": str(value) for key, value in realtime.items()},
            }
        )
        gc.freeze()  # as wiring.application does
        try:
            yield application
        finally:
            # A functions host never closes them: its process ends.
            await application.adapters.publisher.close()
            await application.adapters.tables.close()
            await application.adapters.outbox_tables.close()


@contextlib.contextmanager
def running_hub() -> Iterator[Hub]:
    """The broker, until the ``with`` statement ends."""
    here, there = get_context("spawn").Pipe()
    broker = get_context("spawn").Process(target=_serve, args=(there,))
    broker.start()
    there.close()
    try:
        yield Hub(connection_string=here.recv(), pid=broker.pid or 0)
    finally:
        here.close()
        broker.join()


@contextlib.contextmanager
def running_services() -> Iterator[Services]:
    """The broker and Azurite, which keeps its data in a folder as ``make run`` does."""
    with tempfile.TemporaryDirectory() as folder, running_hub() as hub:
        data = Path(folder)
        with Azurite(location=data / "azurite", log_path=data / "azurite.log") as azurite:
            yield Services(hub=hub, azurite=azurite)


def cpu_seconds(pid: int) -> float:
    """What the process has used, in all its threads."""
    user, system = _fields(pid)[11:13]
    return (int(user) + int(system)) / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """The process's memory."""
    return int(_fields(pid)[21]) * _PAGE_BYTES


def children_of(pid: int) -> list[int]:
    """The processes that it has started and that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            if int(_fields(int(entry.name))[1]) == pid:
                found.append(int(entry.name))
    return found


def _fields(pid: int) -> list[str]:
    """Of ``/proc/PID/stat``, from the state on: the name before it may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _serve(parent: Connection) -> None:
    """The broker's process: says how to connect, and ends when its parent says so or is gone."""

    async def serve() -> None:
        async with EventHubsBroker() as broker:
            parent.send(broker.connection_string(DEFAULT_HUB))
            await asyncio.get_running_loop().run_in_executor(None, parent.poll, None)

    asyncio.run(serve())
