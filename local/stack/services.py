"""The three processes of a stack, planned: storage, event hub, functions host."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import aiohttp

from local import azurite
from local.azurite import StoragePorts
from local.errors import LocalError
from local.event_hubs.config import DEFAULT_HUB, DEFAULT_KEY, DEFAULT_PARTITIONS, DEFAULT_POLICY
from local.functions_host.core_tools import CoreToolsMissingError
from local.functions_host.keys import KEYS_FILE
from local.functions_host.settings import read_local_settings
from local.node import ensure_node
from local.paths import ROOT
from local.stack.child import Child, ChildSpec
from local.stack.options import DEFAULT_HUB_PORT, HostKind, HubKind
from local.stack.ports import free_ports, is_free, require_free
from streaming.adapters.event_hubs.connection import (
    CONNECTION_STRING_SETTING,
    EVENT_HUB_SETTING,
    NAMESPACE_SETTING,
    HubConnection,
    read_hub_connection,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from local.functions_host.settings import LocalSettings
    from local.stack.options import StackOptions

_WARNING: Final = re.compile(r"\S+ (WARNING|ERROR|CRITICAL) ")
_CONTROL_PORT: Final = 5300
"""The broker's usual one; a second stack takes any."""
_PROBE_SECONDS: Final = 2.0
_GRACE_SECONDS: Final = 2.0
"""For running functions to end by themselves. What a person at a terminal waits for is short, and every window that is
cut off is run again, the same, by the next start."""


def hub_connection_string(port: int) -> str:
    """How clients reach the broker of this machine. Its key is Microsoft's documented example: no secret."""
    return (
        f"Endpoint=sb://localhost:{port};SharedAccessKeyName={DEFAULT_POLICY};SharedAccessKey={DEFAULT_KEY};"
        "UseDevelopmentEmulator=true"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What runs, and where."""

    in_order: tuple[Child, ...]
    """Storage first, the host last: the order to start them in."""
    url: str
    hub_address: str
    hub_name: str
    control_url: str | None
    """Where faults of the broker can be switched on, when it is the one of this repository."""
    host_log: Path
    keys_file: Path | None
    """Where the host's keys are, when it asks for them: ``host-keys.json``, or a settings file with ``Host.Keys``."""

    def read_key(self) -> str | None:
        """The key that opens every route, once the host has made it."""
        if self.keys_file is None:
            return None
        content = json.loads(self.keys_file.read_text(encoding="utf-8-sig"))
        return str(content.get("Host", {}).get("Keys", content)["masterKey"])


def plan_services(
    options: StackOptions, *, keeps_open: tuple[int, ...], say: Callable[[str], None], warn: Callable[[str], None]
) -> Services:
    """Check everything that can be checked before anything is started; install Azurite where it is missing.

    Every process inherits ``keeps_open``; ``warn`` is given the warnings that they print later. Raises LocalError, or
    the host's StartupError for a broken settings file.
    """
    settings = read_local_settings(options.settings)
    environment = settings.over(os.environ)
    require_free(options.port, purpose="the API and the dashboard", option="--port")
    storage_ports = _storage_ports(options)
    hub = _hub(options, environment) if options.hub is HubKind.BUILTIN else _hub_of_settings(environment)
    host = _host(options, settings, {"AzureWebJobsStorage": storage_ports.connection_string, **hub.environment})
    storage = _storage(options, storage_ports, say)
    specs = [replace(spec, keeps_open=keeps_open) for spec in (storage, *hub.processes, host)]
    return Services(
        in_order=tuple(Child(spec, on_line=_warnings(warn)) for spec in specs),
        url=options.url,
        hub_address=hub.address,
        hub_name=hub.name,
        control_url=hub.control_url,
        host_log=options.host_log,
        keys_file=_keys_file(options, settings) if options.auth else None,
    )


def _keys_file(options: StackOptions, settings: LocalSettings) -> Path:
    return options.data / KEYS_FILE if settings.keys is None else options.settings


def _storage_ports(options: StackOptions) -> StoragePorts:
    if options.storage_port is None:
        blob, queue, table = free_ports(3)
    else:
        blob, queue, table = range(options.storage_port, options.storage_port + 3)
        for port in (blob, queue, table):
            require_free(port, purpose="Azurite", option="--storage-port")
    return StoragePorts(blob=blob, queue=queue, table=table)


def _storage(options: StackOptions, ports: StoragePorts, say: Callable[[str], None]) -> ChildSpec:
    modules, node = azurite.install(say), ensure_node(say).node
    location = options.data / "azurite"
    return ChildSpec(
        name="storage (Azurite)",
        command=tuple(azurite.command(modules=modules, node=node, ports=ports, location=location)),
        # A file, not a pipe: when this process is killed, a write to a broken pipe would end Azurite before it
        # has written its data.
        output=options.logs / "azurite.log",
        ready=_answers(f"http://127.0.0.1:{ports.table}/"),  # The last of the three to listen.
        stop_seconds=60.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hub:
    """Where events go, and what has to run and to be set for it."""

    address: str
    name: str
    environment: Mapping[str, str]
    processes: tuple[ChildSpec, ...] = ()
    control_url: str | None = None


def _hub(options: StackOptions, environment: Mapping[str, str]) -> _Hub:
    """The broker of this repository, whatever hub the settings name."""
    require_free(options.hub_port, purpose="the event hub", option="--hub-port")
    name = environment.get(EVENT_HUB_SETTING) or DEFAULT_HUB
    # The usual one belongs to the usual hub: two stacks that start at once must not both take it for free.
    usual = options.hub_port == DEFAULT_HUB_PORT and is_free(_CONTROL_PORT)
    control_port = _CONTROL_PORT if usual else free_ports(1)[0]
    control_url = f"http://localhost:{control_port}"
    broker = ChildSpec(
        name="event hub",
        command=(
            *(sys.executable, "-m", "local.event_hubs"),
            *("--port", str(options.hub_port)),
            *("--control-port", str(control_port)),
            *("--hub", f"{name}:{DEFAULT_PARTITIONS}"),
        ),
        ready=_answers(f"http://127.0.0.1:{control_port}/health", port=options.hub_port),
    )
    return _Hub(
        address=f"localhost:{options.hub_port}",
        name=name,
        environment={
            CONNECTION_STRING_SETTING: hub_connection_string(options.hub_port),
            EVENT_HUB_SETTING: name,
            NAMESPACE_SETTING: "",
        },
        processes=(broker,),
        control_url=control_url,
    )


def _hub_of_settings(environment: Mapping[str, str]) -> _Hub:
    """The hub that the environment or local.settings.json names. Raises LocalError with all that is wrong there."""
    connection = read_hub_connection(environment)
    if not isinstance(connection, HubConnection):
        problems = " ".join(f"{problem.setting} {problem.message}" for problem in connection)
        raise LocalError(f"--hub settings: {problems}")
    return _Hub(address=f"{connection.host}:{connection.port}", name=connection.event_hub, environment={})


def _host(options: StackOptions, settings: LocalSettings, environment: Mapping[str, str]) -> ChildSpec:
    core_tools = _uses_core_tools(options.host)
    return ChildSpec(
        name="functions host",
        command=(
            *(sys.executable, "-m", "local.functions_host"),
            *("--app-root", str(ROOT)),
            *("--port", str(options.port)),
            *("--settings", str(options.settings)),
            *("--data", str(options.data)),
            *("--log-file", str(options.host_log)),
            *("--grace", str(_GRACE_SECONDS)),
            *(("--auth",) if options.auth else ()),
            *(("--watch",) if options.watch else ()),
            *(("--workers", str(options.workers)) if options.workers else ()),
            *(("--host", "func") if core_tools else ()),
        ),
        # Core Tools read local.settings.json alone, and not the sample in its place.
        environment={**settings.over(os.environ), **environment} if core_tools else environment,
        ready=_answers(f"http://127.0.0.1:{options.port}/health"),
        start_seconds=120.0,
        stop_seconds=30.0,
    )


def _uses_core_tools(kind: HostKind) -> bool:
    found = shutil.which("func") is not None
    if kind is HostKind.FUNC and not found:
        raise CoreToolsMissingError
    return found and kind is not HostKind.BUILTIN


def _warnings(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Hand on what the host warns of; the rest is in its log file."""

    def on_line(line: str) -> None:
        if _WARNING.match(line):
            warn(line)

    return on_line


def _answers(url: str, **said: object) -> Callable[[], Awaitable[bool]]:
    """Whether anything answers HTTP at ``url``; below 500, since an emulator refuses requests without a key.

    What must have been ``said`` in the answer, a JSON object, tells one server from another that took its place.
    """

    async def ready() -> bool:
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                if answer.status >= 500:  # noqa: PLR2004  (a server's own fault)
                    return False
                return not said or said.items() <= (await answer.json()).items()
        except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
            return False

    return ready
