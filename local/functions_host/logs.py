"""Readable log lines: to the terminal, and to a file that is rotated."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING

from local.functions_host.context import current_function

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_LOG_BYTES = 10 * 1024 * 1024
KEPT_LOGS = 5

_LEVELS = {"TRACE": logging.DEBUG, "INFORMATION": logging.INFO, "WARN": logging.WARNING, "NONE": logging.CRITICAL}
_NOISY = ("azure", "uvicorn", "asyncio", "aiohttp", "urllib3")


class _LineFormatter(logging.Formatter):
    """``2026-11-23T21:10:03.123Z INFO    function: message``, with the traceback below."""

    def __init__(self, worker: str) -> None:
        super().__init__("%(asctime)s %(levelname)-7s " + (f"[{worker}] " if worker else "") + "%(where)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  logging's name
        del datefmt
        instant = datetime.fromtimestamp(record.created, UTC)
        return f"{instant:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"

    def format(self, record: logging.LogRecord) -> str:
        record.where = current_function.get() or record.name
        return super().format(record)


def parse_level(text: str | None) -> int:
    """``LOG_LEVEL``: Python's and .NET's names in any case. Unknown ones mean INFO."""
    name = (text or "INFO").strip().upper()
    return _LEVELS.get(name) or logging.getLevelNamesMapping().get(name, logging.INFO)


def configure_logging(*, level: int, log_file: Path | None, worker: str = "") -> None:
    """Replace the root logger's handlers. Raises OSError when the file can't be opened."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        # Follows a rotation by whoever did it: several workers write the same file.
        handlers.append(WatchedFileHandler(log_file, encoding="utf-8"))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.setFormatter(_LineFormatter(worker))
        root.addHandler(handler)
    root.setLevel(level)
    # Their INFO is every request, with its headers.
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def rotate_log(log_file: Path, *, largest_bytes: int = LARGEST_LOG_BYTES, kept: int = KEPT_LOGS) -> bool:
    """Rename ``log_file`` to ``.1`` (and ``.1`` to ``.2`` …) once it is large enough. By one process only."""
    try:
        if log_file.stat().st_size < largest_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(kept - 1, 0, -1):
        older = log_file.with_name(f"{log_file.name}.{number}")
        if older.exists():
            older.replace(log_file.with_name(f"{log_file.name}.{number + 1}"))
    log_file.replace(log_file.with_name(f"{log_file.name}.1"))
    return True
