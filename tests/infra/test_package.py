"""What is shipped to Azure: only what runs, small, and enough to run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import orjson
import pytest

from local.paths import ROOT
from tests.edge.test_functions import INDEX, index
from tests.infra.checkers.installing import run

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1_000_000
SHIPPED = {"function_app.py", "host.json", "requirements.txt", "shared", "streaming"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files that Core Tools would pack: all there are, also those that git ignores, less .funcignore."""
    repository = tmp_path_factory.mktemp("empty-repository")
    run(["git", "init", "--quiet", "--bare", str(repository)])
    listing = run(
        ["git", f"--git-dir={repository}", f"--work-tree={ROOT}", "ls-files", "--others", "--exclude-from=.funcignore"],
        folder=ROOT,
    )
    return listing.splitlines()


@pytest.fixture(scope="module")
def package(shipped: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in shipped:
            archive.write(ROOT / name, name)
    return path


def test_only_what_runs_is_shipped(shipped: list[str]) -> None:
    assert {name.partition("/")[0] for name in shipped} == SHIPPED


def test_everything_of_the_code_is_shipped(shipped: list[str]) -> None:
    tracked = run(["git", "ls-files", "--", *sorted(SHIPPED)], folder=ROOT).splitlines()
    assert set(tracked) - set(shipped) == {name for name in tracked if not (ROOT / name).exists()}
    assert not [name for name in shipped if name.endswith((".pyc", ".md")) or "settings.json" in name]


def test_the_package_is_small(package: Path) -> None:
    assert package.stat().st_size < MOST_BYTES


def test_the_package_indexes_every_function(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", INDEX],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {function["name"] for function in orjson.loads(done.stdout)} == index().keys()
