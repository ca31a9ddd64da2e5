"""A worker as a child process: how the supervisor starts, hears and stops it. ``main`` is the child's side."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from local.functions_host.options import HostOptions, StartupError
from local.functions_host.worker import run_worker

if TYPE_CHECKING:
    from collections.abc import Sequence

_REPOSITORY = Path(__file__).parents[2]
_READY = b"R"
_MARGIN_SECONDS = 5.0
_PATHS = ("app_root", "log_file", "settings_file", "data_folder")


class WorkerProcess:
    """A running worker. The two hold the ends of a socket pair: ready is told there, and a death is seen there."""

    def __init__(self, options: HostOptions, listening: socket.socket, *, number: int) -> None:
        self._lifeline, theirs = socket.socketpair()
        self._lifeline.setblocking(False)
        self._ready = False
        self._started = time.monotonic()
        described = {key: str(value) if key in _PATHS and value else value for key, value in asdict(options).items()}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [
                    sys.executable,
                    "-m",
                    "local.functions_host.worker_process",
                    json.dumps(described),
                    str(number),
                    str(listening.fileno()),
                    str(theirs.fileno()),
                ],
                pass_fds=(listening.fileno(), theirs.fileno()),
                # Its own group: Ctrl-C reaches the supervisor only, which then asks once.
                process_group=0,
                env={**os.environ, "PYTHONPATH": _python_path()},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_ready(self) -> bool:
        """Whether it serves, or has served."""
        if not self._ready:
            with suppress(BlockingIOError, ConnectionError):
                self._ready = self._lifeline.recv(1) == _READY
        return self._ready

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def age_seconds(self) -> float:
        return time.monotonic() - self._started

    def ask_to_stop(self) -> None:
        if self.exit_code() is None:
            self._process.terminate()

    def wait(self, grace_seconds: float) -> None:
        """Wait for its end; kill it when it outlives its own grace."""
        try:
            self._process.wait(grace_seconds + _MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.close()

    def close(self) -> None:
        self._lifeline.close()


def main(arguments: Sequence[str]) -> int:
    described, number, listening, lifeline = arguments
    content = json.loads(described)
    content.update({key: Path(content[key]) for key in _PATHS if content[key]})
    telling = socket.socket(fileno=int(lifeline))
    try:
        return run_worker(
            HostOptions(**content),
            socket.socket(fileno=int(listening)),
            number=int(number),
            lifeline=telling,
            ready=lambda: telling.sendall(_READY),
        )
    except StartupError as error:
        print(error, file=sys.stderr)  # noqa: T201  the last words of a worker
        return 2


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
