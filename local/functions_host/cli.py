"""The command line: ``python -m local.functions_host``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.functions_host.core_tools import run_core_tools
from local.functions_host.options import HostOptions, StartupError
from local.functions_host.supervisor import run

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 after a stop, 2 when the host can't start, 130 when it was interrupted before it had."""
    given = _parser().parse_args(arguments)
    options = HostOptions(
        app_root=given.app_root,
        port=given.port,
        address=given.address,
        auth=given.auth,
        workers=given.workers,
        watch=given.watch,
        log_file=given.log_file.resolve() if given.log_file else None,
        settings_file=given.settings.resolve() if given.settings else None,
        data_folder=given.data.resolve() if given.data else None,
        grace_seconds=given.grace,
    )
    try:
        return run_core_tools(options) if given.host == "func" else run(options)
    except KeyboardInterrupt:  # Before anything was up.
        return _INTERRUPTED
    except StartupError as error:
        print(f"functions host: {error}", file=sys.stderr)  # noqa: T201  the terminal is where it belongs
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.functions_host", description="Run a Python function app as Azure Functions would."
    )
    parser.add_argument("--app-root", type=Path, default=Path(), help="folder of function_app.py (default: .)")
    parser.add_argument("--port", type=_port, help="default: Host.LocalHttpPort, else 7071; 0: a free one")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--auth", action="store_true", help="enforce auth levels with the keys of host-keys.json")
    parser.add_argument("--workers", type=_workers, help="worker processes (default: the setting MAX_WORKERS, else 1)")
    parser.add_argument("--watch", action="store_true", help="reload when sources or settings change")
    parser.add_argument("--log-file", type=Path, help="also log to this file; rotated at 10 MB, five are kept")
    parser.add_argument("--settings", type=Path, help="default: local.settings.json of the app")
    parser.add_argument("--data", type=Path, help="folder of host-keys.json (default: .local of the app)")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds for functions to end (default: %(default)g)")
    parser.add_argument(
        "--host", choices=("builtin", "func"), default="builtin", help="func: Azure Functions Core Tools"
    )
    return parser


def _port(text: str) -> int:
    return _within(text, 0, 65535)


def _workers(text: str) -> int:
    return _within(text, 1, 64)


def _within(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
    return int(text)
