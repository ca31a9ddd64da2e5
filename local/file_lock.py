"""One at a time, among all processes of this machine."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusively(lock: Path) -> Iterator[None]:
    """Wait for ``lock``, a file that is made when it isn't there, and have it until the end of the block.

    Raises LocalError when it can't be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        opened = lock.open("a")
    except PermissionError as problem:
        raise LocalError(f"cannot write to {lock.parent}: make it writable for this user") from problem
    with opened as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
