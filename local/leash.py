"""Run a command that ends when its parent does, however the parent ends.

A `kill -9` of the stack must leave no process behind, so every child is started through this file:
`python leash.py PARENT_PID COMMAND...`. On Linux it asks the kernel for a SIGTERM at the parent's death and
then *becomes* the command; elsewhere it stays, watches the parent and forwards signals. It imports nothing of
the project, so that it starts in a few milliseconds.

On Linux the parent is the *thread* that started the child: start children from a thread that stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG: Final = 1
_WATCH_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 10


def leashed(command: Sequence[str]) -> list[str]:
    """``command``, tied to the life of this process."""
    # -S and -I: no site-packages are needed, and the caller's PYTHONPATH must not matter here.
    return [sys.executable, "-S", "-I", str(Path(__file__).resolve()), str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return  # It died before the kernel was told.
    os.execvp(command[0], command)  # noqa: S606  (no shell: the command is ours)


def _watch(parent: int, command: list[str]) -> int:
    with subprocess.Popen(command) as child:  # noqa: S603  (the command is ours)
        for forwarded in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(forwarded, lambda number, _frame: child.send_signal(number))
        # A Ctrl-C reaches the whole group, the child too: handing it on would make it two.
        signal.signal(signal.SIGINT, lambda *_: None)
        while os.getppid() == parent:
            try:
                return child.wait(_WATCH_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        child.terminate()
        try:
            return child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def main(arguments: Sequence[str]) -> int:
    parent, command = int(arguments[0]), list(arguments[1:])
    if sys.platform == "linux":
        _become(parent, command)
        return 0
    return _watch(parent, command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
