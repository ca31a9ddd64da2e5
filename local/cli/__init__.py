"""The command line: `python -m local COMMAND`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from local.cli import commands
from local.cli.parser import parser
from local.errors import LocalError
from local.functions_host.options import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DELEGATED: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "hub": commands.hub,
    "host": commands.host,
}
"""Commands with a command line of their own."""

_USER_ERROR: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for what a person can put right, said in one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (LocalError, StartupError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return _USER_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more at its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(arguments: Sequence[str]) -> int:
    if not arguments:
        parser().print_help(sys.stderr)
        return _USER_ERROR
    if arguments[0] in DELEGATED:
        return DELEGATED[arguments[0]](arguments[1:])
    options = parser().parse_args(arguments)
    command: Callable[[object], int] = options.command
    return command(options)
