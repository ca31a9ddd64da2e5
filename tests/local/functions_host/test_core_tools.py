"""Handing the app to Core Tools, with a stand-in that tells how it was called."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from local.functions_host import CoreToolsMissingError, HostOptions, run_core_tools
from local.functions_host.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def _stand_in(folder: Path, code: str) -> str:
    """A PATH with a ``func`` that runs ``code``."""
    executable = folder / "bin" / "func"
    executable.parent.mkdir()
    executable.write_text(f"#!{sys.executable}\nimport json, os, sys\n{code}\n")
    executable.chmod(0o755)
    return str(executable.parent)


def test_core_tools_are_started_in_the_app_with_its_python(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    path = _stand_in(
        tmp_path,
        f"json.dump([sys.argv[1:], os.getcwd(), dict(os.environ)], open({str(told)!r}, 'w'))\nsys.exit(3)",
    )
    options = HostOptions(app_root=tmp_path, port=7099, auth=True, workers=2)
    assert run_core_tools(options, environment={"PATH": path, "KEPT": "yes"}) == 3
    arguments, folder, environment = json.loads(told.read_text())
    assert arguments == ["start", "--port", "7099", "--enableAuth"]
    assert folder == str(tmp_path)
    assert environment["KEPT"] == "yes"
    assert environment["FUNCTIONS_WORKER_PROCESS_COUNT"] == "2"
    assert environment["languageWorkers__python__defaultExecutablePath"] == sys.executable


def test_without_core_tools_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(CoreToolsMissingError, match="npm install -g azure-functions-core-tools@4"):
        run_core_tools(HostOptions(app_root=tmp_path), environment={"PATH": str(tmp_path)})


def test_the_command_line_hands_over_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", _stand_in(tmp_path, "sys.exit(0)") + os.pathsep + os.environ["PATH"])
    assert main(["--host", "func", "--app-root", str(tmp_path)]) == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--host", "func", "--app-root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("functions host: `func` was not found")


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--port", "70000"], ["--workers", "0"], ["--host", "other"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
