"""Azurite, Azure's storage emulator, as a child process: tables, queues and blobs on this machine."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from local.errors import LocalError
from local.leash import leashed
from local.node import ensure_node, ensure_packages
from local.paths import ROOT, STATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCOUNT: Final = "devstoreaccount1"
ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published by Microsoft, the same in every emulator on earth: no secret."""

_LISTENING: Final = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at \S+:(\d+)")
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePorts:
    """Zero means any free port."""

    blob: int = 0
    queue: int = 0
    table: int = 0

    @property
    def connection_string(self) -> str:
        addresses = {"BlobEndpoint": self.blob, "QueueEndpoint": self.queue, "TableEndpoint": self.table}
        return ";".join(
            [
                "DefaultEndpointsProtocol=http",
                f"AccountName={ACCOUNT}",
                f"AccountKey={ACCOUNT_KEY}",
                *(f"{name}=http://127.0.0.1:{port}/{ACCOUNT}" for name, port in addresses.items()),
            ]
        )


def command(*, modules: Path, node: Path, ports: StoragePorts, location: Path | None) -> list[str]:
    """How Azurite is started. ``location`` None keeps everything in memory."""
    return [
        str(node),
        str(modules / "azurite" / "dist" / "src" / "azurite.js"),
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",  # Today's SDKs ask for newer versions of the API than it knows.
        *("--blobPort", str(ports.blob), "--queuePort", str(ports.queue), "--tablePort", str(ports.table)),
        *(("--location", str(location)) if location else ("--inMemoryPersistence",)),
    ]


class Azurite:
    """One Azurite. It ends with the process that started it, and by SIGTERM: a SIGKILL loses its last writes.

    ``location`` is its data folder; None keeps everything in memory, which a restart loses.
    Its output goes to ``log_path``.
    """

    def __init__(
        self,
        *,
        log_path: Path,
        location: Path | None = None,
        ports: StoragePorts | None = None,
        report: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.ports = ports or StoragePorts()
        self._location = location
        self._log_path = log_path
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """In full, with the ports that it listens on; valid once started."""
        return self.ports.connection_string

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Return when it listens on all three ports. Installs Azurite first where it is missing."""
        modules = install(self._report)
        arguments = command(modules=modules, node=ensure_node().node, ports=self.ports, location=self._location)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
                leashed(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # A Ctrl-C is for the parent, which stops it in order.
            )
        self.ports = self._await_ports(self._process)

    def stop(self) -> None:
        """Ask it to end and wait until it has written everything. Does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop, then start on the same ports and data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _await_ports(self, process: subprocess.Popen[bytes]) -> StoragePorts:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            output = self._log_path.read_text(errors="replace")
            found = {service.lower(): int(port) for service, port in _LISTENING.findall(output)}
            if len(found) == len(("blob", "queue", "table")):
                return StoragePorts(**found)
            if ended:
                self._process = None
                raise LocalError(f"Azurite ended at once: {_last_line(output)} (log: {self._log_path})")
            time.sleep(_POLL_SECONDS)
        self.stop()
        raise LocalError(f"Azurite was not ready within {_START_SECONDS} s (log: {self._log_path})")


def install(report: Callable[[str], None] = lambda _line: None) -> Path:
    """Install Azurite where it is missing; returns the ``node_modules`` folder it is in."""
    return ensure_packages(ROOT / "local" / "azurite", STATE / "azurite", report)


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
