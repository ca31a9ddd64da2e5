"""The built-in host treats functions as Microsoft's worker core does.

``expected.json`` was recorded from Microsoft's core; every Python holds the built-in host to it. Where a Python 3.13 is
found, the recording itself is held to Microsoft's core again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from local.functions_host.indexing import index_function
from local.functions_host.invocation import Completed, Failed, Invoker
from local.functions_host.signature import FunctionLoadError
from tests.local.functions_host.conformance import cases

_FOLDER = Path(__file__).parent
_STATE = Path(__file__).parents[4] / ".local"
_EXPECTED: dict[str, Any] = json.loads((_FOLDER / "expected.json").read_text(encoding="utf-8"))


async def _outcome_of(case: cases.Case) -> dict[str, Any]:
    app = func.FunctionApp()
    case.build(app)
    (declared,) = app.get_functions()
    try:
        function = index_function(declared)
    except FunctionLoadError as error:
        return {"not loaded": str(error)}
    with ThreadPoolExecutor(max_workers=1) as executor:
        outcome = await Invoker(executor).invoke(
            function,
            cases.make_datum(Datum, case.input),
            metadata={name: cases.make_datum(Datum, pair) for name, pair in case.metadata.items()},
            invocation_id=cases.INVOCATION_ID,
            trace_parent=cases.TRACE_PARENT,
            trace_state=cases.TRACE_STATE,
        )
    match outcome:
        case Completed(outputs=outputs):
            return cases.describe_outcome(outputs, None)
        case Failed(error=cause):
            return cases.describe_outcome(None, repr(cause))


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
async def test_the_host_does_what_microsofts_core_did(case: cases.Case) -> None:
    assert await _outcome_of(case) == _EXPECTED[case.name]


def test_the_recording_covers_every_case_and_holds_on_microsofts_core() -> None:
    assert set(_EXPECTED) == {case.name for case in cases.CASES}
    for python in _pythons_of_microsofts_core():
        assert _record(python) == _EXPECTED


def _pythons_of_microsofts_core() -> list[str]:
    """A Python 3.13: this one, on PATH, or of pyenv. None found is none to compare with."""
    candidates = [
        sys.executable if sys.version_info[:2] == (3, 13) else None,
        shutil.which("python3.13"),
        *map(str, sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python"))),
    ]
    return [candidate for candidate in candidates if candidate and _is_python_313(candidate)][:1]


def _is_python_313(python: str) -> bool:
    # A pyenv shim exists for versions that are not selected, and fails.
    asked = [python, "-c", "import sys, venv; print(sys.version_info[:2] == (3, 13))"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "True"  # noqa: S603  found on this machine


def _record(python: str) -> Any:
    requirements = (_FOLDER / "requirements.txt").read_bytes()
    environment = _STATE / f"conformance-{hashlib.sha256(requirements).hexdigest()[:12]}"
    installed = environment / "installed"
    own_python = str(environment / "bin" / "python")
    if not installed.exists():
        subprocess.run([python, "-m", "venv", "--clear", str(environment)], check=True)  # noqa: S603  found on this machine
        pip = [own_python, "-m", "pip", "install", "--quiet", "--requirement", str(_FOLDER / "requirements.txt")]
        subprocess.run(pip, check=True)  # noqa: S603  of this environment
        installed.touch()
    command = [own_python, "-W", "ignore", str(_FOLDER / "record.py")]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603  of this environment
    return json.loads(done.stdout)
