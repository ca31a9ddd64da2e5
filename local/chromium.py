"""Chromium for whoever looks at the dashboard without a person: its tests, and the pictures of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.errors import LocalError
from local.file_lock import exclusively
from local.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ON_MACOS: Final = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)
_PACKAGES: Final = ("chromium", "fonts-dejavu-core")
APT_LOCK: Final = STATE / ".apt.lock"
"""Around every use of apt-get here: at the lock of its lists it gives up at once, whatever it is told."""
APT_GET: Final = ("apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3")
"""Waits for others who install something."""

ARGUMENTS: Final = (
    "--no-sandbox",  # As root there is none, and it opens nothing but our own page.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)
"""It stays on this machine, and starts with nothing of anybody's."""


def ensure_chromium(report: Callable[[str], None] = lambda _line: None) -> Path:
    """The machine's Chromium; on a Debian, for root, installed when it is missing.

    ``report`` is told, in one line, of anything that takes a while.
    """
    if (found := _installed()) is not None:
        return found
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise LocalError("no Chromium: install it (on Debian: apt-get install chromium), then try again")
    with exclusively(APT_LOCK):
        if (found := _installed()) is not None:
            return found
        report("installing Chromium (apt-get)")
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *_PACKAGES)
        if (found := _installed()) is None:
            raise LocalError("no Chromium: apt-get has installed it, and it is not there")
        return found


def _installed() -> Path | None:
    on_path = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return Path(on_path) if on_path else next((path for path in _ON_MACOS if path.exists()), None)


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - the command is ours
        [*APT_GET, *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"apt-get {arguments[0]} failed:\n{(done.stderr or done.stdout).strip()}")
