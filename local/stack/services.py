"""The three processes of a stack, planned: storage, event hub, functions host."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from local import azurite
from local.azurite import StoragePorts
from local.errors import LocalError
from local.event_hubs.config import DEFAULT_HUB, DEFAULT_KEY, DEFAULT_POLICY
from local.functions_host.settings import LocalSettings, read_local_settings
from local.node import ensure_node
from local.paths import ROOT
from local.stack.child import Child, ChildSpec
from local.stack.options import HostKind, HubKind, settings_file
from local.stack.ports import free_ports, require_free

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from local.stack.options import StackOptions

CONNECTION_SETTING: Final = "AZURE_EVENTHUB_CONNECTION_STRING"
NAME_SETTING: Final = "EVENTHUB_NAME"
_PROBE_SECONDS: Final = 2.0


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
    host_log: Path
    keys_file: Path | None
    """Where the host's keys are, when it asks for them."""

    def read_key(self) -> str | None:
        """The key that opens every route, once the host has made it."""
        if self.keys_file is None:
            return None
        return str(json.loads(self.keys_file.read_text(encoding="utf-8"))["masterKey"])


def plan_services(options: StackOptions, *, keeps_open: tuple[int, ...], say: Callable[[str], None]) -> Services:
    """Check everything that can be checked before anything is started; install Azurite where it is missing.

    The storage inherits ``keeps_open``. Raises LocalError, or the host's StartupError for a broken settings file.
    """
    settings = read_local_settings(settings_file())
    environment = settings.over(os.environ)
    hub_name = environment.get(NAME_SETTING) or DEFAULT_HUB
    require_free(options.port, purpose="the API and the dashboard", option="--port")
    storage_ports = _storage_ports(options)
    storage = _storage(options, storage_ports, keeps_open, say)
    hub: tuple[ChildSpec, ...] = ()
    if options.hub is HubKind.BUILTIN:
        require_free(options.hub_port, purpose="the event hub", option="--hub-port")
        hub = (_hub(options, hub_name),)
        connection_string = hub_connection_string(options.hub_port)
        hub_address = f"localhost:{options.hub_port}"
    else:
        connection_string = _connection_of_settings(environment)
        hub_address = _endpoint(connection_string)
    host = _host(
        options,
        settings,
        {
            "AzureWebJobsStorage": storage_ports.connection_string,
            CONNECTION_SETTING: connection_string,
            NAME_SETTING: hub_name,
        },
    )
    return Services(
        in_order=tuple(Child(spec) for spec in (storage, *hub, host)),
        url=options.url,
        hub_address=hub_address,
        hub_name=hub_name,
        host_log=options.host_log,
        keys_file=options.data / "host-keys.json" if options.auth else None,
    )


def _storage_ports(options: StackOptions) -> StoragePorts:
    if options.storage_port is None:
        blob, queue, table = free_ports(3)
    else:
        blob, queue, table = range(options.storage_port, options.storage_port + 3)
        for port in (blob, queue, table):
            require_free(port, purpose="Azurite", option="--storage-port")
    return StoragePorts(blob=blob, queue=queue, table=table)


def _storage(
    options: StackOptions, ports: StoragePorts, keeps_open: tuple[int, ...], say: Callable[[str], None]
) -> ChildSpec:
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
        keeps_open=keeps_open,
    )


def _hub(options: StackOptions, hub_name: str) -> ChildSpec:
    (control_port,) = free_ports(1)
    return ChildSpec(
        name="event hub",
        command=(
            *(sys.executable, "-m", "local.event_hubs"),
            *("--port", str(options.hub_port)),
            *("--control-port", str(control_port)),
            *("--hub", hub_name),
        ),
        ready=_answers(f"http://127.0.0.1:{control_port}/health"),
    )


def _host(options: StackOptions, settings: LocalSettings, environment: Mapping[str, str]) -> ChildSpec:
    return ChildSpec(
        name="functions host",
        command=_core_tools_command(options) if _uses_core_tools(options.host) else _host_command(options),
        environment={**settings.values, **os.environ, **environment} if _uses_core_tools(options.host) else environment,
        ready=_answers(f"http://127.0.0.1:{options.port}/health"),
        start_seconds=120.0,
        stop_seconds=30.0,
    )


def _uses_core_tools(kind: HostKind) -> bool:
    found = shutil.which("func") is not None
    if kind is HostKind.FUNC and not found:
        raise LocalError(
            "Azure Functions Core Tools (func) are not installed. Install them "
            "(npm install -g azure-functions-core-tools@4), or use the host of this repository: --host builtin"
        )
    return found and kind is not HostKind.BUILTIN


def _core_tools_command(options: StackOptions) -> tuple[str, ...]:
    return ("func", "start", "--port", str(options.port), *(["--enableAuth"] if options.auth else []))


def _host_command(options: StackOptions) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "local.functions_host"),
        *("--app-root", str(ROOT)),
        *("--port", str(options.port)),
        *("--settings", str(settings_file())),
        *("--data-folder", str(options.data)),
        *("--log-file", str(options.host_log)),
        *(("--auth",) if options.auth else ()),
        *(("--watch",) if options.watch else ()),
        *(("--workers", str(options.workers)) if options.workers else ()),
    )


def _connection_of_settings(environment: Mapping[str, str]) -> str:
    connection_string = environment.get(CONNECTION_SETTING)
    if not connection_string:
        raise LocalError(
            f"--hub settings needs {CONNECTION_SETTING}: set it in the environment or in local.settings.json"
        )
    return connection_string


def _endpoint(connection_string: str) -> str:
    """The host and port that a connection string names, and nothing secret of it."""
    parts = dict(part.split("=", 1) for part in connection_string.split(";") if "=" in part)
    return parts.get("Endpoint", "").partition("//")[2].strip("/")


def _answers(url: str) -> Callable[[], Awaitable[bool]]:
    """Whether anything answers HTTP at ``url``; below 500, since an emulator refuses requests without a key."""

    async def ready() -> bool:
        timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                return answer.status < 500  # noqa: PLR2004  (a server's own fault)
        except (aiohttp.ClientError, TimeoutError):
            return False

    return ready
