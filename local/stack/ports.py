"""Ports of this machine: finding free ones, and saying who has one that is needed."""

from __future__ import annotations

import http.client
import json
import random
import socket
import urllib.error
import urllib.request
from itertools import islice
from typing import Final

from local.errors import LocalError
from local.file_lock import exclusively
from local.paths import STATE

_LOOPBACK: Final = "127.0.0.1"
_PROBE_SECONDS: Final = 3.0
_CHOICE: Final = range(20_000, 32_768)
"""Below the ports that systems give to outgoing connections: nobody else is handed one of these by chance, not even
while a process that has it is being started again."""
_TURN: Final = STATE / "next-port"
"""Where the next caller goes on."""


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that was closed a moment ago is no reason to refuse.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """``count`` different ports that were free a moment ago. Raises LocalError when there are not as many.

    In turn, not by chance: what was handed out and isn't listened to yet is handed to nobody else.
    """
    with exclusively(_TURN.with_suffix(".lock")):
        said = _TURN.read_text() if _TURN.exists() else ""
        position = int(said) if said.isdigit() else random.SystemRandom().randrange(len(_CHOICE))
        chosen = list(islice(filter(is_free, (*_CHOICE[position:], *_CHOICE[:position])), count))
        _TURN.write_text(str(_CHOICE.index(chosen[-1]) + 1) if chosen else "")
    if len(chosen) < count:
        raise LocalError(f"no {count} ports from {_CHOICE.start} to {_CHOICE.stop - 1} are free")
    return chosen


def require_free(port: int, *, purpose: str, option: str) -> None:
    """Raise LocalError when ``port`` is taken, saying which ``option`` chooses another one."""
    if is_free(port):
        return
    if _is_our_host(port):
        raise LocalError(
            f"Retail Stream already runs at http://localhost:{port}. Use that one, stop it with Ctrl-C where it "
            f"runs, or start a second one with {option} PORT and --data DIR."
        )
    raise LocalError(
        f"port {port} (for {purpose}) is taken by another program. Stop that one, or choose another port: {option} PORT"
    )


def _is_our_host(port: int) -> bool:
    """Whether a Functions host answers there."""
    try:
        with urllib.request.urlopen(f"http://{_LOOPBACK}:{port}/admin/host/status", timeout=_PROBE_SECONDS) as answer:
            return "state" in json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code == 401  # noqa: PLR2004  (ours, with --auth)
    except (OSError, ValueError, http.client.HTTPException):  # Silent, or no HTTP at all.
        return False
