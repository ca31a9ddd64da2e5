"""Set-up finds a Python, installs what is pinned, and does nothing the second time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local import bootstrap
from local.errors import LocalError
from local.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def _python(folder: Path, name: str, version: tuple[int, int]) -> Path:
    """A program that is a Python of ``version`` as far as `python -c` goes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = {(*version, 0)}; $2"\n')
    path.chmod(0o755)
    return path


def _find(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  (the command is ours)
        ["/bin/sh", str(ROOT / "local" / "find_python.sh")],
        env={"PATH": str(path), "VENV": str(path / "none"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_python_that_the_dependencies_are_tested_on_is_taken(tmp_path: Path) -> None:
    _python(tmp_path, "python3", (3, 14))
    _python(tmp_path, "python3.12", (3, 12))
    assert _find(tmp_path).stdout == "python3.12\n"


def test_a_newer_one_is_better_than_none(tmp_path: Path) -> None:
    _python(tmp_path, "python3", (3, 14))
    assert _find(tmp_path).stdout == "python3\n"


def test_an_existing_environment_is_kept(tmp_path: Path) -> None:
    _python(tmp_path, "python3", (3, 13))
    own = _python(tmp_path / "venv" / "bin", "python", (3, 11))
    assert _find(tmp_path, VENV=str(tmp_path / "venv")).stdout == f"{own}\n"


def test_the_named_one_is_taken_or_refused(tmp_path: Path) -> None:
    named, old = _python(tmp_path, "mine", (3, 12)), _python(tmp_path, "old", (3, 10))
    assert _find(tmp_path, PYTHON=str(named)).stdout == f"{named}\n"
    refused = _find(tmp_path, PYTHON=str(old))
    assert refused.returncode == 2
    assert f"PYTHON={old} is not a Python 3.11 or newer" in refused.stderr


def test_no_python_is_said_with_what_to_do(tmp_path: Path) -> None:
    _python(tmp_path, "python3", (3, 9))
    refused = _find(tmp_path)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "make PYTHON=" in line


def test_tests_need_what_the_stack_needs_and_more() -> None:
    run, test = (set(bootstrap.requirements(bootstrap.EXTRAS[purpose])) for purpose in ("run", "test"))
    assert run < test
    assert not [requirement for requirement in test if requirement.startswith("retail-stream")]


def test_what_pip_says_of_a_failure_is_said_and_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    venv = tmp_path / "venv"
    with pytest.raises(LocalError, match="No matching distribution found"):
        bootstrap.set_up("run", venv)
    assert (venv / "bin" / "python").exists()
    assert "installing Python packages" in capsys.readouterr().err
    with pytest.raises(LocalError, match="No matching distribution found"):
        bootstrap.set_up("run", venv)


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_purpose: str, _venv: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "set_up", interrupted)
    assert bootstrap.main(["run"]) == 130


def test_nothing_is_done_the_second_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)  # noqa: S603  (the command is ours)
    (venv / ".installed-for-run").write_text(bootstrap.digest())
    assert bootstrap.main(["run", "--venv", str(venv)]) == 0
    assert capsys.readouterr().err == ""
