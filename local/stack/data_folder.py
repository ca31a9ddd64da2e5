"""One stack at a time uses a data folder: two Azurites on the same files would destroy them."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WAIT_SECONDS: Final = 120.0
"""A host that lost its storage together with the stack may try for a minute to write how far it has come."""
_POLL_SECONDS: Final = 0.1


@contextmanager
def claimed(folder: Path, *, url: str, report: Callable[[str], None]) -> Iterator[int]:
    """Hold ``folder`` (made when missing) for this process, and yield the lock's file descriptor.

    A child that inherits the descriptor holds the folder too: after a ``kill -9`` of this process, the next stack
    waits until the host has ended and Azurite has written everything.

    Raises LocalError when a stack runs on it, or it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "stack.lock").open("a+", encoding="utf-8")
    except OSError as problem:
        raise LocalError(
            f"cannot write to {folder} ({problem.strerror}): make it writable for this user, or choose another "
            "folder: --data DIR"
        ) from problem
    with lock:
        _take(lock, folder, report)
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        lock.flush()
        yield lock.fileno()


def _take(lock: TextIO, folder: Path, report: Callable[[str], None]) -> None:
    deadline, told = time.monotonic() + _WAIT_SECONDS, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(lock)
            if owner is not None and _exists(owner["pid"]):
                raise LocalError(
                    f"Retail Stream already runs at {owner['url']} (process {owner['pid']}) on {folder}. Use that "
                    f"one, stop it with Ctrl-C or `kill {owner['pid']}`, or start a second one with --data DIR and "
                    "other ports."
                ) from None
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{folder} is still in use by what an earlier stack left running: end it, or choose --data DIR"
                ) from None
            if not told:
                report("an earlier stack was killed: waiting until what it left running has ended")
                told = True
            time.sleep(_POLL_SECONDS)
        else:
            return


def _owner(lock: TextIO) -> dict[str, object] | None:
    lock.seek(0)
    try:
        owner = json.loads(lock.read())
    except ValueError:
        return None  # It is being written right now.
    return owner if isinstance(owner, dict) and {"pid", "url"} <= owner.keys() else None


def _exists(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It belongs to somebody else.
    return True
