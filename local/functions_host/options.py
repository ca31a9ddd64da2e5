"""What a host is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path


class StartupError(LocalError):
    """The host can't start; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """One host. What is None comes from ``local.settings.json``, the environment, or the platform's default."""

    app_root: Path
    """The folder of ``function_app.py`` and ``host.json``."""
    port: int | None = None
    """The port of all HTTP functions; 0 takes a free one. None: ``Host.LocalHttpPort``, else 7071."""
    address: str = "127.0.0.1"
    auth: bool = False
    """Enforce the functions' auth levels with the keys of ``host-keys.json``."""
    workers: int | None = None
    """Worker processes. None: the setting ``MAX_WORKERS``, else 1."""
    watch: bool = False
    """Reload when a Python file, ``host.json`` or the settings file changes."""
    log_file: Path | None = None
    settings_file: Path | None = None
    """None: ``local.settings.json`` in the app root, if there is one."""
    data_folder: Path | None = None
    """Where ``host-keys.json`` lives. None: ``.local`` in the app root."""
    grace_seconds: float = 10.0
    """How long running invocations may go on after a stop was asked for. Then they are cancelled."""

    @property
    def settings_path(self) -> Path:
        return self.settings_file or self.app_root / "local.settings.json"

    @property
    def data_path(self) -> Path:
        return self.data_folder or self.app_root / ".local"
