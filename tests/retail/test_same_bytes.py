"""The same recorded inputs make the same bytes, in every process and on every supported Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.retail.same_bytes import fingerprint

GOLDEN = "ab12889dbdb4d4d37957991bffe171d6a5607c276ba0d9b911c90849568cd36a"
"""Change it only with a change of the world that is meant, and say so in the changelog."""

ROOT = Path(__file__).parents[2]
_FIND_PYENV = Path.home() / ".pyenv" / "versions"


def _interpreters() -> list[str]:
    """Pythons 3.11 to 3.13 of this machine, one of each version, beside the one that runs the tests."""
    found: dict[str, str] = {}
    for minor in ("3.11", "3.12", "3.13"):
        candidates = [which(f"python{minor}"), *map(str, sorted(_FIND_PYENV.glob(f"{minor}.*/bin/python{minor}")))]
        runs = next((path for path in candidates if path and _runs(path, minor)), None)
        if runs:
            found[minor] = runs
    return list(found.values())


def _runs(path: str, minor: str) -> bool:
    script = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    done = subprocess.run([path, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return done.stdout.strip() == minor


def test_this_process_makes_the_golden_bytes() -> None:
    assert fingerprint() == GOLDEN


@pytest.mark.parametrize("python", _interpreters())
def test_every_python_of_this_machine_makes_the_golden_bytes(python: str) -> None:
    # Hash randomisation on purpose: no order of a set may show.
    done = subprocess.run(  # noqa: S603 - our own script
        [python, "-m", "tests.retail.same_bytes"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4242", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.strip() == GOLDEN


def test_the_world_needs_nothing_installed() -> None:
    script = (
        "import sys, tests.retail.same_bytes; print([m for m in ('orjson', 'pydantic', 'azure') if m in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
