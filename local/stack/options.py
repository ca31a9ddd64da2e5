"""What a local stack is started with, and the addresses that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from local.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT: Final = 8000
DEFAULT_HUB_PORT: Final = 5672
HUB_NAME: Final = "retail-events"
SETTINGS: Final = ROOT / "local.settings.json"
SAMPLE_SETTINGS: Final = ROOT / "local.settings.sample.json"


class HostKind(StrEnum):
    """Who runs the function app."""

    AUTO = "auto"
    """Core Tools where they are installed, else the built-in host."""
    BUILTIN = "builtin"
    FUNC = "func"


class HubKind(StrEnum):
    """Where the events go."""

    BUILTIN = "builtin"
    """The broker of this repository, started with the stack."""
    SETTINGS = "settings"
    """What AZURE_EVENTHUB_CONNECTION_STRING says, in the environment or in local.settings.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """One local stack."""

    port: int = DEFAULT_PORT
    hub_port: int = DEFAULT_HUB_PORT
    storage_port: int | None = None
    """Blobs; queues and tables have the two ports after it. None: any free ones."""
    settings: Path
    """A local.settings.json, or the sample of it."""
    data: Path
    """What a restarted stack goes on with. One stack at a time may use it."""
    host: HostKind = HostKind.BUILTIN
    hub: HubKind = HubKind.BUILTIN
    stream: bool = True
    """Start a stream once everything is ready, unless one goes on from the last time."""
    auth: bool = False
    workers: int | None = None
    watch: bool = False

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def logs(self) -> Path:
        """The folder of the log files: beside the data, which is theirs to explain."""
        return self.data / "logs"

    @property
    def host_log(self) -> Path:
        return self.logs / "host.log"


def default_settings() -> Path:
    """The person's own settings; where there are none, the sample."""
    return SETTINGS if SETTINGS.exists() else SAMPLE_SETTINGS
