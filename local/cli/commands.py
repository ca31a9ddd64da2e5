"""What each command does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from local.api_reference import api_reference
from local.azurite import Azurite, StoragePorts
from local.consume import ConsumeOptions, hub_named_in
from local.consume import consume as consume_events
from local.errors import LocalError
from local.event_hubs.config import DEFAULT_HUB
from local.functions_host.settings import read_local_settings
from local.live_view import LiveScreen, PlainScreen
from local.monitor import App
from local.monitor import diagnose as save_diagnostics
from local.monitor import monitor as watch_app
from local.paths import STATE
from local.reference import export
from local.stack.options import DEFAULT_PORT, StackOptions, default_settings
from local.stack.ports import free_ports
from local.stack.runner import run_stack
from local.stack.services import hub_connection_string
from streaming.adapters.event_hubs.connection import EVENT_HUB_SETTING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def up(arguments: argparse.Namespace) -> int:
    """Run the stack until it is asked to stop."""
    port, settings = arguments.port, _settings(arguments.settings)
    if port is None:
        port = read_local_settings(settings).port or DEFAULT_PORT
    options = StackOptions(
        port=port or free_ports(1)[0],
        hub_port=arguments.hub_port or free_ports(1)[0],
        storage_port=arguments.storage_port or None,
        settings=settings,
        data=arguments.data.absolute(),
        host=arguments.host,
        hub=arguments.hub,
        stream=arguments.stream,
        auth=arguments.auth,
        workers=arguments.workers,
        watch=arguments.watch,
    )
    with LiveScreen() if sys.stdout.isatty() else PlainScreen() as screen:
        run_stack(options, screen)
    return 0


def consume(arguments: argparse.Namespace) -> int:
    """Print events until there were enough."""
    connection_string = arguments.connection_string or hub_connection_string(arguments.hub_port)
    hub_name = arguments.hub_name or hub_named_in(connection_string) or os.environ.get(EVENT_HUB_SETTING)
    asyncio.run(
        consume_events(
            ConsumeOptions(
                connection_string=connection_string,
                hub_name=hub_name or DEFAULT_HUB,
                group=arguments.group,
                start=arguments.start,
                most=arguments.most,
                as_json=arguments.json,
            )
        )
    )
    return 0


def azurite(arguments: argparse.Namespace) -> int:
    """Run Azurite, and print its connection string, until SIGINT or SIGTERM."""
    first = arguments.storage_port
    ports = StoragePorts(blob=first, queue=first + 1, table=first + 2) if first else StoragePorts()
    # Blocked, so that one that comes while it starts waits for sigwait, and Azurite is stopped in any case.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    with Azurite(
        location=arguments.data, log_path=STATE / f"azurite-{os.getpid()}.log", ports=ports, report=_say
    ) as running:
        print(f"ready: {running.connection_string}", flush=True)
        signal.sigwait(_STOPPING)
    return 0


def reference(arguments: argparse.Namespace) -> int:
    """Write the reference data of the world that the settings describe."""
    environment = read_local_settings(_settings(arguments.settings)).over(os.environ)
    export(arguments.out, environment=environment, seed=arguments.seed, say=print)
    return 0


def monitor(arguments: argparse.Namespace) -> int:
    """Watch a running app."""
    well = watch_app(_app(arguments), interval_seconds=arguments.interval, once=arguments.once, say=_print)
    return 0 if well else 1


def diagnose(arguments: argparse.Namespace) -> int:
    """Save a running app's diagnostics."""
    save_diagnostics(_app(arguments), arguments.out, say=_print)
    return 0


def api_docs(arguments: argparse.Namespace) -> int:
    """Write the API's reference."""
    arguments.out.write_text(api_reference(), encoding="utf-8")
    return 0


def _app(arguments: argparse.Namespace) -> App:
    return App(url=arguments.url, key=arguments.key or os.environ.get("FUNCTIONS_KEY"))


def _print(text: str) -> None:
    print(text, flush=True)


def hub(arguments: Sequence[str]) -> int:
    """Become the broker, which reads its own command line."""
    return _become("local.event_hubs", arguments)


def host(arguments: Sequence[str]) -> int:
    """Become the Functions host, which reads its own command line."""
    return _become("local.functions_host", arguments)


def _settings(chosen: Path | None) -> Path:
    if chosen is None:
        return default_settings()
    if not chosen.is_file():
        raise LocalError(
            f"there is no settings file {chosen}: copy local.settings.sample.json to it, or omit --settings"
        )
    return chosen.absolute()


def _become(module: str, arguments: Sequence[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  (no shell: a module of ours)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
