"""What can be typed."""

from __future__ import annotations

import argparse
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from local.cli import commands
from local.consume import Start
from local.paths import DATA
from local.stack.options import DEFAULT_HUB_PORT, DEFAULT_PORT, HostKind, HubKind

if TYPE_CHECKING:
    from collections.abc import Callable

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  (argparse has no public name for it)

_Word = TypeVar("_Word", bound=StrEnum)

_LARGEST_PORT = 65_535


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m local", description="Retail Stream on this machine, without a cloud.")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_up(subparsers)
    _add_consume(subparsers)
    _add_azurite(subparsers)
    _add_reference(subparsers)
    _add_monitor(subparsers)
    _add_diagnose(subparsers)
    _add_api_reference(subparsers)
    # Listed here for `--help`; they read their own command line.
    subparsers.add_parser("hub", help="only the Event Hubs broker", add_help=False)
    subparsers.add_parser("host", help="only the Functions host", add_help=False)
    return top


def _add(subparsers: Subparsers, name: str, text: str, command: Callable[..., int]) -> argparse.ArgumentParser:
    added = subparsers.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=_Formatter
    )
    added.set_defaults(command=command)
    return added


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the default of each option that has one and a help text."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


def _add_up(subparsers: Subparsers) -> None:
    up = _add(subparsers, "up", "start the whole stack and a stream; Ctrl-C stops it", commands.up)
    up.add_argument(
        "--port", type=_port, help=f"of the API and the dashboard (default: Host.LocalHttpPort, else {DEFAULT_PORT})"
    )
    up.add_argument("--hub-port", type=_port, default=DEFAULT_HUB_PORT, help="of the Event Hubs broker")
    up.add_argument(
        "--storage-port", type=_port, help="of Azurite's blobs; queues and tables take the next two (default: any)"
    )
    up.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="what a restarted stack goes on with")
    up.add_argument(
        "--settings", type=Path, metavar="FILE", help="default: local.settings.json, else local.settings.sample.json"
    )
    up.add_argument(
        "--host",
        type=_word(HostKind),
        metavar=_words(HostKind),
        default=HostKind.BUILTIN,
        help="who runs the function app: func is Azure Functions Core Tools, auto takes those where installed",
    )
    up.add_argument(
        "--hub",
        type=_word(HubKind),
        metavar=_words(HubKind),
        default=HubKind.BUILTIN,
        help="where events go: settings is what AZURE_EVENTHUB_CONNECTION_STRING names",
    )
    up.add_argument(
        "--stream", action=argparse.BooleanOptionalAction, default=True, help="start a stream when all is ready"
    )
    up.add_argument("--auth", action="store_true", help="ask for function keys, as Azure does")
    up.add_argument("--workers", type=_count, metavar="N", help="worker processes (default: MAX_WORKERS, else 1)")
    up.add_argument("--watch", action="store_true", help="load the app again when a file of it changes")


def _add_consume(subparsers: Subparsers) -> None:
    consume = _add(subparsers, "consume", "print the events of the hub as they arrive", commands.consume)
    consume.add_argument(
        "--from", dest="start", type=_word(Start), metavar=_words(Start), default=Start.LATEST, help="where to begin"
    )
    consume.add_argument("--max", dest="most", type=_count, metavar="N", help="stop after so many events")
    consume.add_argument("--json", action="store_true", help="the events themselves, one JSON document a line")
    consume.add_argument("--group", default="$Default", help="consumer group")
    consume.add_argument("--hub-port", type=_port, default=DEFAULT_HUB_PORT, help="of the local broker")
    consume.add_argument(
        "--hub-name", help="event hub (default: the connection string's, else EVENTHUB_NAME, else retail-events)"
    )
    consume.add_argument("--connection-string", help="of another namespace than the local broker's")


def _add_azurite(subparsers: Subparsers) -> None:
    azurite = _add(subparsers, "azurite", "only the storage emulator", commands.azurite)
    azurite.add_argument(
        "--storage-port", type=_port, default=10_000, help="of blobs; queues and tables take the next two; 0 takes any"
    )
    azurite.add_argument("--data", type=Path, metavar="DIR", help="where to keep the data (default: in memory)")


def _add_reference(subparsers: Subparsers) -> None:
    reference = _add(
        subparsers,
        "reference",
        "write stores, distribution centers, products and customers to files",
        commands.reference,
    )
    reference.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for CSV and JSON Lines")
    reference.add_argument(
        "--seed", type=_natural, metavar="N", help="of a stream started with its own (default: WORLD_SEED)"
    )
    reference.add_argument(
        "--settings", type=Path, metavar="FILE", help="default: local.settings.json, else local.settings.sample.json"
    )


def _add_monitor(subparsers: Subparsers) -> None:
    monitor = _add(subparsers, "monitor", "watch a running app, and say what is wrong", commands.monitor)
    _add_app(monitor)
    monitor.add_argument("--interval", type=_count, default=60, metavar="SECONDS", help="between two looks")
    monitor.add_argument("--once", action="store_true", help="look once; the exit code is 1 if something is wrong")


def _add_diagnose(subparsers: Subparsers) -> None:
    diagnose = _add(subparsers, "diagnose", "save a running app's diagnostics, without secrets", commands.diagnose)
    _add_app(diagnose)
    diagnose.add_argument("--out", type=Path, default=Path("diagnostic.json"), metavar="FILE", help="where to")


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default=f"http://localhost:{DEFAULT_PORT}", help="of the app")
    parser.add_argument("--key", help="a function key (default: the variable FUNCTIONS_KEY, if there is one)")


def _add_api_reference(subparsers: Subparsers) -> None:
    reference = _add(subparsers, "api-reference", "write docs/api.md from the API's own description", commands.api_docs)
    reference.add_argument("--out", type=Path, required=True, metavar="FILE", help="docs/api.md")


def _words(kind: type[StrEnum]) -> str:
    return f"{{{','.join(kind)}}}"


def _word(kind: type[_Word]) -> Callable[[str], _Word]:
    """One of the words of ``kind``. As argparse's own ``choices``, which would say "invalid HostKind value" instead."""

    def parse(text: str) -> _Word:
        if text not in set(kind):
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(kind)}")
        return kind(text)

    return parse


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def _port(text: str) -> int:
    number = int(text) if text.isdigit() else -1
    if not 0 <= number <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to {_LARGEST_PORT}")
    return number


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
