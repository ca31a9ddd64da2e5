"""Set up the virtual environment: `python -m local.bootstrap run|test`, with any Python 3.11 or newer.

Only the standard library may be imported here: nothing is installed yet. A stamp in the environment says what
was installed for which requirements, so that the second time takes no time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.errors import LocalError
from local.leash import leashed
from local.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXTRAS: Final = {"run": "local", "test": "dev"}
"""Which extra of pyproject.toml each purpose needs, on top of requirements.txt."""

_REQUIREMENTS: Final = ROOT / "requirements.txt"
_PYPROJECT: Final = ROOT / "pyproject.toml"
_SELF_REFERENCE: Final = re.compile(r"retail-stream\[(\w+)\]")
_PLAIN_REPORT_SECONDS: Final = 10
_ERROR_LINES: Final = 25


def requirements(extra: str) -> list[str]:
    """The pinned requirements of ``extra``, with the extras that it builds on."""
    extras = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    found: list[str] = []
    for requirement in extras[extra]:
        reference = _SELF_REFERENCE.fullmatch(requirement)
        found += requirements(reference[1]) if reference else [requirement]
    return found


def set_up(purpose: str, venv: Path) -> None:
    """Create ``venv`` and install what ``purpose`` needs, unless that was done before."""
    python = venv / "bin" / "python"
    stamp = venv / f".installed-for-{purpose}"
    wanted_digest = digest()
    if not _made_by_this_version(venv):
        with _step(f"creating {venv.name} (Python {sys.version_info[0]}.{sys.version_info[1]})") as output:
            _run([sys.executable, "-m", "venv", "--clear", str(venv)], output)
    elif stamp.exists() and stamp.read_text() == wanted_digest:
        return
    wanted = requirements(EXTRAS[purpose])
    with _step("installing Python packages") as output:
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        _run([*pip, "-r", str(_REQUIREMENTS), *wanted], output)
    stamp.write_text(wanted_digest)


def digest() -> str:
    """What was asked for: a change of it means that something has to be installed."""
    return hashlib.sha256(_REQUIREMENTS.read_bytes() + _PYPROJECT.read_bytes()).hexdigest()


def _made_by_this_version(venv: Path) -> bool:
    library = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages" / "pip"
    return library.exists() and (venv / "bin" / "python").exists()


class _Output:
    """What the running command last said, for the progress line and, if it fails, for the error."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def last(self) -> str:
        return self.lines[-1] if self.lines else ""


@contextmanager
def _step(name: str) -> Iterator[_Output]:
    """Show that ``name`` is under way and for how long: on a terminal in place, else in plain lines."""
    output, done, started = _Output(), threading.Event(), time.monotonic()
    on_terminal = sys.stderr.isatty()

    def show() -> None:
        if not on_terminal:
            _say(f"{name} …")
        while not done.wait(0.2 if on_terminal else _PLAIN_REPORT_SECONDS):
            elapsed = f"{time.monotonic() - started:.0f} s"
            if on_terminal:
                width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
                _say(f"\r\033[K{f'{name} … {elapsed}  {output.last}'[:width]}", end="")
            else:
                _say(f"{name} … {elapsed}")

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield output
    finally:
        done.set()
        thread.join()
        if on_terminal:
            _say("\r\033[K", end="")
    _say(f"{name}: done in {time.monotonic() - started:.0f} s")


def _run(command: Sequence[str], output: _Output) -> None:
    with subprocess.Popen(  # noqa: S603  (the command is ours)
        leashed(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  (for the type checker: it was asked for)
        for line in process.stdout:
            output.lines.append(line.strip())
    if process.returncode:
        raise LocalError("\n".join([*output.lines[-_ERROR_LINES:], f"failed: {' '.join(command)}"]))


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.bootstrap", description=__doc__)
    parser.add_argument("purpose", choices=sorted(EXTRAS))
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    options = parser.parse_args(arguments)
    try:
        set_up(options.purpose, options.venv.absolute())
    except LocalError as problem:
        _say(f"error: {problem}")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
