"""The broker: a listener for AMQP, one for the control port, and the namespace behind them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import time
from typing import TYPE_CHECKING, Final

from local.errors import LocalError
from local.event_hubs.config import DEFAULT_POLICY, BrokerConfig
from local.event_hubs.control import Control
from local.event_hubs.faults import FaultKind, Faults
from local.event_hubs.namespace import Namespace
from local.event_hubs.stats import Stats, stats_of
from local.event_hubs.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


_log = logging.getLogger(__name__)
_REOPEN_RETRY_SECONDS: Final = 0.5


class PortTaken(LocalError):  # noqa: N818  the state of the port
    """A port can't be opened. The message says what to do."""


class EventHubsBroker:
    """An Event Hubs namespace on this machine. Use it as an async context manager, or ``start`` and ``stop`` it."""

    def __init__(self, config: BrokerConfig | None = None, *, now: Callable[[], float] = time.time) -> None:
        """``now`` is in seconds since 1970: what enqueued times, tokens and faults go by."""
        self.config = config or BrokerConfig()
        self.namespace = Namespace(self.config, now=now, faults_changed=self._faults_changed)
        self._port = self.config.port
        self._listener: asyncio.Server | None = None
        self._control = Control(self)
        self._control_listener: asyncio.Server | None = None
        self._wires: set[Wire] = set()
        self._reopening: asyncio.Task[None] | None = None
        self._recheck = asyncio.Event()

    # --- life ---

    async def start(self) -> None:
        """Listen on both ports. Raises :class:`PortTaken`, and then listens on none."""
        self._listener = await self._listen(self._port)
        self._port = _port_of(self._listener)
        try:
            self._control_listener = await self._listen_for_control()
        except BaseException:
            await self.stop()
            raise
        self._faults_changed()

    async def stop(self) -> None:
        """Close both ports and drop every connection. May be called twice, or before ``start``."""
        if self._control_listener is not None:
            self._control_listener.close()
            self._control_listener = None
        await self._control.stop()
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
            self._reopening = None
        self._close_listener()
        await asyncio.gather(*(wire.gone for wire in self._wires))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # --- what others need to know ---

    @property
    def port(self) -> int:
        """Of AMQP; stays the same when connections are refused for a while."""
        return self._port

    @property
    def control_port(self) -> int:
        """Of the HTTP control API."""
        return _port_of(self._control_listener) if self._control_listener else self.config.control_port

    @property
    def accepts_connections(self) -> bool:
        """Whether the AMQP port is open."""
        return self._listener is not None

    @property
    def faults(self) -> Faults:
        """The faults in force: add and clear them here, or over the control port."""
        return self.namespace.faults

    async def settled(self) -> None:
        """Wait until the port is open again, unless a fault in force keeps it closed."""
        if self._reopening is not None and self._refusing_for() == 0:
            await asyncio.wait([self._reopening])

    def stats(self) -> Stats:
        """Counts, by hub and partition."""
        return stats_of(self.namespace)

    def connection_string(self, hub: str | None = None, policy: str = DEFAULT_POLICY) -> str:
        """What the Azure SDKs connect with. Raises KeyError for an unknown policy."""
        parts = [
            f"Endpoint=sb://localhost:{self._port}",
            f"SharedAccessKeyName={policy}",
            f"SharedAccessKey={self.config.policies[policy].key}",
            "UseDevelopmentEmulator=true",
        ]
        if hub is not None:
            parts.append(f"EntityPath={hub}")
        return ";".join(parts)

    # --- listening ---

    async def _listen(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(self._accept, self.config.host, port)
        except OSError as error:
            raise _explained(error, self.config.host, port, "--port") from error

    async def _listen_for_control(self) -> asyncio.Server:
        host, port = self.config.host, self.config.control_port
        try:
            return await asyncio.start_server(self._control.serve, host, port)
        except OSError as error:
            raise _explained(error, host, port, "--control-port") from error

    def _accept(self) -> Wire:
        wire = Wire(self.namespace, self._wires.discard)
        self._wires.add(wire)
        return wire

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for wire in tuple(self._wires):
            wire.abort()

    def _faults_changed(self) -> None:
        self._recheck.set()
        if self._listener is not None and self._refusing_for() != 0:
            self._close_listener()
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    def _refusing_for(self) -> float | None:
        return self.faults.seconds_left(FaultKind.REFUSE_CONNECTIONS)

    async def _reopen(self) -> None:
        """Wait until connections are no longer refused, then listen on the same port again."""
        while self._listener is None:
            while (left := self._refusing_for()) != 0:
                await self._recheck_within(left)
            try:
                self._listener = await self._listen(self._port)
            except PortTaken as error:
                _log.warning("%s Trying again.", error.args[0])
                await self._recheck_within(_REOPEN_RETRY_SECONDS)

    async def _recheck_within(self, seconds: float | None) -> None:
        """Wait until the faults have changed, but no longer than ``seconds``."""
        self._recheck.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._recheck.wait()


def _port_of(listener: asyncio.Server) -> int:
    port: int = listener.sockets[0].getsockname()[1]
    return port


def _explained(error: OSError, host: str, port: int, option: str) -> Exception:
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        why = "is taken" if error.errno == errno.EADDRINUSE else "may not be opened by you"
        return PortTaken(
            f"Port {port} on {host} {why}. Stop what uses it, or choose another with {option} (0 takes a free one).",
        )
    return error
