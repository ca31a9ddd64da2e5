"""A TCP proxy in front of the storage that can lose answers, fall silent or be away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from local.stack.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_CHUNK_BYTES = 1 << 16


class Proxy:
    """Forwards connections to ``target_port`` of this machine. Its own port stays the same while it is away."""

    def __init__(self, target_port: int) -> None:
        (self.port,) = free_ports(1)  # Not one that an outgoing connection may be given while it is away.
        self.answers_to_lose: float = 0
        """How many answers are not passed on: the storage has done what was asked, and the connection breaks."""
        self.is_silent = False
        """Whether new connections are accepted and then ignored."""
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.go_away()

    async def go_away(self) -> None:
        """Close all connections, and refuse new ones."""
        if self._server is None:
            return
        self._server.close()
        await self.break_connections()
        await self._server.wait_closed()
        self._server = None

    async def come_back(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def break_connections(self) -> None:
        """Close all connections that are open now."""
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_silent:
            await asyncio.Event().wait()
        storage_reader, storage_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        async with _closing(storage_writer):
            pumps = [
                asyncio.ensure_future(_pump(reader, storage_writer, passes=lambda: True)),
                asyncio.ensure_future(_pump(storage_reader, writer, passes=self._passes_answer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    def _passes_answer(self) -> bool:
        if self.answers_to_lose > 0:
            self.answers_to_lose -= 1
            return False
        return True


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, passes: Callable[[], bool]) -> None:
    while (chunk := await reader.read(_CHUNK_BYTES)) and passes():
        writer.write(chunk)
        await writer.drain()
