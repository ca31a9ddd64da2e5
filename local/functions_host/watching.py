"""Sees changes of an app's sources, for ``--watch``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INTERVAL_SECONDS = 0.5
_SKIPPED = frozenset({"__pycache__", "node_modules", "tests", "build", "dist"})


class SourceWatch:
    """Python files below the app's folder, ``host.json`` and the settings file, by their times of change."""

    def __init__(self, app_root: Path, settings_file: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app_root = app_root
        self._others = (app_root / "host.json", settings_file)
        self._clock = clock
        self._seen = self._stamps()
        self._looked = clock()

    def changed(self) -> bool:
        """Whether anything changed since it was last asked. Looks twice a second at most."""
        if self._clock() - self._looked < _INTERVAL_SECONDS:
            return False
        stamps = self._stamps()
        changed = stamps != self._seen
        self._seen, self._looked = stamps, self._clock()
        return changed

    def _stamps(self) -> dict[Path, int]:
        stamps = {}
        for path in self._paths():
            try:
                stamps[path] = path.stat().st_mtime_ns
            except OSError:
                continue  # Gone in between: the next look tells.
        return stamps

    def _paths(self) -> Iterator[Path]:
        yield from self._others
        for folder, folders, files in os.walk(self._app_root):
            folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
            yield from (Path(folder, name) for name in files if name.endswith(".py"))
