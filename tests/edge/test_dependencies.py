"""One list of runtime dependencies, everything pinned, and no lock file that names a registry."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*==\d+(\.\d+)+(b\d+)?(; [a-z_]+ (<|>=|!=) ['\"][\w.]+['\"])?")
LOCKS = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*package-lock.json"],  # noqa: S607  (git of the machine)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
]


def _requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_txt_is_the_one_list_of_runtime_dependencies() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["dependencies"]
    assert "dependencies" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


@pytest.mark.parametrize("requirement", _requirements())
def test_every_runtime_dependency_is_pinned(requirement: str) -> None:
    assert PINNED.fullmatch(requirement)


@pytest.mark.parametrize(
    "requirement",
    [
        requirement
        for extra in PYPROJECT["project"]["optional-dependencies"].values()
        for requirement in extra
        if not requirement.startswith("retail-stream[")
    ],
)
def test_every_further_dependency_is_pinned_and_no_second_pin_of_a_runtime_one(requirement: str) -> None:
    assert PINNED.fullmatch(requirement)
    assert requirement.partition("==")[0] not in {line.partition("==")[0] for line in _requirements()}


def test_there_are_lock_files() -> None:
    assert ROOT / "local" / "azurite" / "package-lock.json" in LOCKS


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_file_fixes_every_package_and_names_no_registry(lock: Path) -> None:
    packages = {name: package for name, package in json.loads(lock.read_text())["packages"].items() if name}
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_package_json_pins_exactly(lock: Path) -> None:
    manifest = json.loads((lock.parent / "package.json").read_text())
    wanted = {**manifest.get("dependencies", {}), **manifest.get("devDependencies", {})}
    assert wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version) for version in wanted.values())
