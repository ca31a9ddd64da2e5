"""One TCP connection: plain AMQP or AMQP in WebSocket frames, told apart by the first bytes, on the same port."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from local.event_hubs.connection import Connection
from local.event_hubs.faults import FaultKind
from local.event_hubs.websocket import BadHandshake, WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.event_hubs.namespace import Namespace

_log = logging.getLogger(__name__)

_SNIFF_BYTES: Final = 4
_TLS_HANDSHAKE: Final = b"\x16\x03"
_SILENT: Final = frozenset({FaultKind.SILENT})


class Wire(asyncio.Protocol):
    """Carries bytes between the socket and a :class:`Connection`."""

    def __init__(self, namespace: Namespace, left: Callable[[Wire], None]) -> None:
        """``left`` is called when the socket is gone."""
        self._namespace = namespace
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None
        self._websocket: WebSocket | None = None
        self._sniffed = b""
        self._silent = False
        self.writable = True
        self.gone = asyncio.get_running_loop().create_future()
        """Done when the socket is."""

    # --- from asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP has no other; uvloop's is no subclass
        self._silent = self._namespace.faults.strike(_SILENT) is not None
        self._namespace.stats.connections += 1
        self._namespace.stats.connections_open += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._namespace.stats.connections_open -= 1
        self._transport = None
        if self._connection is not None:
            self._connection.lost()
        self._left(self)
        self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        if self._connection is None:
            self._sniffed += data
            if len(self._sniffed) < _SNIFF_BYTES:
                return
            data = self._sniffed
            if not self._choose(data):
                return
        if self._websocket is not None:
            data = self._unwrap(self._websocket, data)
        if data and self._connection is not None:
            self._connection.receive(data)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self._connection is not None:
            self._connection.resumed()

    # --- for the connection ---

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        if self._transport is not None:
            self._transport.write(data if self._websocket is None else self._websocket.wrap(data))

    def close(self) -> None:
        """Close once everything written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _choose(self, first: bytes) -> bool:
        if first.startswith(_TLS_HANDSHAKE):
            _log.warning("A client speaks TLS. Its connection string needs UseDevelopmentEmulator=true, in lower case.")
            self.abort()
            return False
        if first.startswith(b"GET "):
            self._websocket = WebSocket()
        self._connection = Connection(self._namespace, self)
        return True

    def _unwrap(self, websocket: WebSocket, data: bytes) -> bytes:
        try:
            payload, answer = websocket.feed(data)
        except BadHandshake as error:
            _log.warning("A WebSocket client was turned away: %s", error)
            self._raw(error.response)
            self.close()
            return b""
        self._raw(answer)
        if websocket.closed:
            self.close()
        return payload

    def _raw(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)
