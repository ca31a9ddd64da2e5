"""Installs the checkers of this folder under ``.local``, pinned, once; several test runs at once may ask for them."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.chromium import APT_GET, APT_LOCK
from local.file_lock import exclusively
from local.node import ensure_node, ensure_packages
from local.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE: Final = Path(__file__).parent
_STATE: Final = STATE / "checkers"


def python_environment(name: str) -> Path:
    """The ``bin`` folder of a virtual environment with what ``requirements/<name>.txt`` asks for."""
    requirements = HERE / "requirements" / f"{name}.txt"
    folder = _STATE / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / ".installed"
    with exclusively(_STATE / f".{name}.lock"):
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
            run([sys.executable, "-m", "venv", "--clear", str(folder)])
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            # Most of what is installed is never imported: compiling it all would take longer than fetching it.
            run([*pip, "--no-compile", "--no-input", "-r", str(requirements)])
            stamp.write_text(digest, encoding="utf-8")
    return folder / "bin"


def node_modules() -> Path:
    """The folder with what ``npm/package-lock.json`` asks for."""
    return ensure_packages(HERE / "npm", _STATE / "npm")


def run_node(program: str, *arguments: str, standard_input: str = "") -> str:
    """The output of a program of this folder, run by Node.js; its first argument is the ``node_modules`` folder."""
    return run([str(ensure_node().node), str(HERE / program), str(node_modules()), *arguments], standard_input)


def run_python(environment: str, program: str, *arguments: str, standard_input: str = "") -> str:
    """The output of a program of this folder, run in one of the environments."""
    return run([str(python_environment(environment) / "python"), str(HERE / program), *arguments], standard_input)


def promtool() -> Path:
    """Prometheus' own checker."""
    return _of_prometheus("promtool")


def prometheus() -> Path:
    """The server itself."""
    return _of_prometheus("prometheus")


def _of_prometheus(name: str) -> Path:
    """A program of Prometheus': the machine's, else Debian's, unpacked and not installed.

    It is in no package of PyPI or npm; elsewhere than on Debian and its kin it has to be on the PATH.
    """
    if found := shutil.which(name):
        return Path(found)
    program = _STATE / "prometheus" / "usr" / "bin" / name
    with exclusively(APT_LOCK):
        if not program.exists():
            if shutil.which("apt-get") is None:
                raise AssertionError(f"{name} is not on the PATH: install Prometheus, then try again")
            downloads = _STATE / "prometheus-download"
            shutil.rmtree(downloads, ignore_errors=True)
            downloads.mkdir(parents=True)
            try:
                run([*APT_GET, "download", "prometheus"], folder=downloads)
            except AssertionError:  # The lists of packages were never fetched, or are old.
                run([*APT_GET, "update"])
                run([*APT_GET, "download", "prometheus"], folder=downloads)
            (package,) = downloads.glob("*.deb")
            run(["dpkg-deb", "--extract", str(package), str(_STATE / "prometheus")])
            shutil.rmtree(downloads)
    return program


def run(command: Sequence[str], standard_input: str = "", *, folder: Path | None = None, passes: bool = True) -> str:
    """What ``command`` prints. With ``passes``, an AssertionError with all it said when it fails."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        input=standard_input,
        cwd=folder,
        # azmcp reports home unless told not to, and unpacks itself below HOME.
        env={**os.environ, "AZURE_MCP_COLLECT_TELEMETRY": "false", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    if passes and done.returncode:
        raise AssertionError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return done.stdout


def azmcp() -> Path:
    """Microsoft's Azure MCP server, for the resource schemas that it carries."""
    system = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = node_modules() / "@azure" / f"mcp-{system}-{machine}"
    (program,) = [path for path in folder.rglob("azmcp*") if path.name in {"azmcp", "azmcp.exe"}]
    return program


def cached(name: str, make: Callable[[], str]) -> str:
    """What ``make`` returns, kept in a file: starting azmcp takes longer than all that is checked with its answer."""
    kept = _STATE / "answers" / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        answer = make()
        if not answer.startswith("{"):
            return answer  # No schema, or no answer at all: whoever is next asks again.
        draft = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        draft.write_text(answer, encoding="utf-8")
        draft.replace(kept)
    return kept.read_text(encoding="utf-8")
