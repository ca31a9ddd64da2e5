from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

from local.functions_host.watching import SourceWatch

if TYPE_CHECKING:
    from pathlib import Path


def _touch(path: Path, *, at: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))


def test_what_counts_as_a_change(tmp_path: Path) -> None:
    settings_file = tmp_path / "elsewhere" / "local.settings.json"
    _touch(tmp_path / "function_app.py", at=1)
    watch = SourceWatch(tmp_path, settings_file, clock=count().__next__)
    assert not watch.changed()

    for path in ("function_app.py", "package/new.py", "host.json", "elsewhere/local.settings.json"):
        _touch(tmp_path / path, at=2)
        assert watch.changed(), path
        assert not watch.changed()
    (tmp_path / "package" / "new.py").unlink()
    assert watch.changed()

    for path in ("notes.txt", ".venv/lib/x.py", "node_modules/x.py", "__pycache__/x.py", "tests/test_x.py", "a.json"):
        _touch(tmp_path / path, at=3)
        assert not watch.changed(), path


def test_looking_too_often_costs_nothing(tmp_path: Path) -> None:
    now = 0.0
    watch = SourceWatch(tmp_path, tmp_path / "local.settings.json", clock=lambda: now)
    _touch(tmp_path / "function_app.py", at=1)
    assert not watch.changed()
    now = 1.0
    assert watch.changed()
