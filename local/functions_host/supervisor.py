"""Runs a host: in this process, or as workers that share one listening socket and are started again."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local.functions_host.keys import load_keys
from local.functions_host.logs import configure_logging, parse_level
from local.functions_host.options import StartupError
from local.functions_host.settings import AppSettings, read_local_settings
from local.functions_host.watching import SourceWatch
from local.functions_host.worker import run_worker
from local.functions_host.worker_process import WorkerProcess

if TYPE_CHECKING:
    from types import FrameType

    from local.functions_host.options import HostOptions

_log = logging.getLogger("host")

_DEFAULT_PORT = 7071
_BACKLOG = 2048
_POLL_SECONDS = 0.1
_MOST_WORKERS = 64
_STABLE_SECONDS = 10.0
"""A worker that lived so long is started again at once; others wait, longer each time."""
_LONGEST_PAUSE_SECONDS = 30.0


def run(options: HostOptions) -> int:
    """Run a host until SIGTERM or SIGINT; returns the exit code. Raises StartupError.

    Logs ``ready: http://localhost:PORT`` when all workers serve.
    """
    options = replace(options, app_root=options.app_root.resolve())
    local_settings = read_local_settings(options.settings_path)
    settings = AppSettings(local_settings.over(os.environ))
    configure_logging(level=parse_level(settings.get("LOG_LEVEL")), log_file=options.log_file)
    workers = options.workers if options.workers is not None else _worker_count(settings)
    port = next((port for port in (options.port, local_settings.port) if port is not None), _DEFAULT_PORT)
    if options.auth and local_settings.keys is None:
        load_keys(options.data_path)  # Made once, before several workers look for it.
    with _listen(options.address, port) as listening:
        ready = f"ready: http://localhost:{listening.getsockname()[1]}"
        if workers == 1 and not options.watch:
            return run_worker(options, listening, ready=lambda: _log.info(ready))
        if sys.platform == "win32":
            raise StartupError("several workers and --watch share a socket between processes: not on Windows")
        return _Supervisor(options, listening, workers=workers, ready=ready).run()


@dataclass(slots=True, kw_only=True)
class _Place:
    """One of the workers that there should be."""

    number: int
    process: WorkerProcess
    failures: int = 0
    start_at: float | None = None
    """When to start it again; None while it runs."""


class _Supervisor:
    def __init__(self, options: HostOptions, listening: socket.socket, *, workers: int, ready: str) -> None:
        self._options = options
        self._listening = listening
        self._workers = workers
        self._ready = ready
        self._watch = SourceWatch(options.app_root, options.settings_path) if options.watch else None
        self._stop = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        while True:
            code = self._generation()
            if self._stop or self._watch is None:
                return code
            if code:
                _log.error("The app does not start: waiting for a change")
                while not self._stop and not self._watch.changed():
                    time.sleep(_POLL_SECONDS)
                if self._stop:
                    return 0
            _log.info("A file changed: reloading")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop = True

    def _generation(self) -> int:
        """Run workers until a stop, a change, or a worker that can't start. Returns the exit code."""
        places = [_Place(number=number, process=self._start(number)) for number in range(1, self._workers + 1)]
        announced = False
        try:
            while not self._stop:
                if self._watch is not None and self._watch.changed():
                    return 0
                if not announced and all(place.process.is_ready() for place in places):
                    announced = True
                    _log.info(self._ready)
                for place in places:
                    code = self._tend(place)
                    if code is not None:
                        return code
                time.sleep(_POLL_SECONDS)
            return 0
        finally:
            for place in places:
                place.process.ask_to_stop()
            for place in places:
                place.process.wait(self._options.grace_seconds)

    def _start(self, number: int) -> WorkerProcess:
        return WorkerProcess(self._options, self._listening, number=number)

    def _tend(self, place: _Place) -> int | None:
        """Start the worker again when it died. Its exit code, when it never got ready: it won't the next time."""
        now = time.monotonic()
        if place.start_at is not None:
            if now >= place.start_at:
                place.process, place.start_at = self._start(place.number), None
            return None
        code = place.process.exit_code()
        if code is None:
            return None
        if not place.process.is_ready() and code > 0 and not place.failures:
            return code
        place.failures = 0 if place.process.age_seconds() > _STABLE_SECONDS else place.failures + 1
        pause = min(2.0 ** (place.failures - 2), _LONGEST_PAUSE_SECONDS) if place.failures > 1 else 0.0
        _log.error("Worker %d died (exit code %d): started again in %g s", place.number, code, pause)
        place.process.close()
        place.start_at = now + pause
        return None


def _worker_count(settings: AppSettings) -> int:
    text = (settings.get("MAX_WORKERS") or "1").strip()
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_WORKERS:
        raise StartupError(f"MAX_WORKERS must be a number from 1 to {_MOST_WORKERS}, not {text!r}")
    return int(text)


def _listen(address: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if sys.platform != "win32":  # There it would share the port with whoever has it.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"Port {port} is taken: stop what listens there, or choose another with --port"
            ) from error
        raise StartupError(f"Can't listen on {address}:{port}: {error}") from error
    return listening
