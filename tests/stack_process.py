"""A whole local stack, run as a person runs it: through its command line, in its own processes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self

from local.leash import leashed
from local.paths import ROOT
from local.stack.ports import free_ports
from tests.processes import process_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNLIMITED: Final = {f"RATE_LIMIT_{name}": "0" for name in ("START", "TEST", "DISRUPTION", "VALIDATION")}
"""Tests ask more often in a minute than people may."""
PATIENCE_SECONDS: Final = 180.0
"""When to give up: far longer than anything takes, so that a slow machine fails no test."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.02)


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One `python -m local ...` that ends by itself."""
    return subprocess.run(  # noqa: S603  (the command is ours)
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


class StackProcess:
    """`python -m local up` on free ports and its own data folder. Ends with the ``with`` statement, in any case."""

    def __init__(self, data: Path, *options: str, port: int = 0, hub_port: int = 0) -> None:
        free = free_ports(2)
        self.data = data
        self.port, self.hub_port = port or free[0], hub_port or free[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, exception: type[BaseException] | None, *_details: object) -> None:
        if exception is not None:
            print(self._last_words())  # noqa: T201 - shown with the failure
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def start(self) -> None:
        """Return when it has said that it is ready."""
        self.launch()
        try:
            self.wait_for_line(r"ready: ")
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        self._lines = []
        self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
            leashed(
                [
                    *(sys.executable, "-m", "local", "up", "--data", str(self.data)),
                    *("--port", str(self.port), "--hub-port", str(self.hub_port)),
                    *self._options,
                ]
            ),
            cwd=ROOT,
            env=UNLIMITED | os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=[self._process])
        self._reader.start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, as a service manager would, or a terminal; returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        code = process.wait(PATIENCE_SECONDS)
        self._close(process)
        return code

    def kill(self) -> None:
        """kill -9 of the one process that looks after the others."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait()
        self._close(process)

    def wait_for_line(self, pattern: str, *, times: int = 1) -> None:
        """Until so many lines match, from their beginning."""

        def said() -> bool:
            enough = sum(bool(re.match(pattern, line)) for line in list(self._lines)) >= times
            assert enough or self._process is None or self._process.poll() is None, f"it ended:\n{self.output}"
            return enough

        wait_until(said, f"{times} lines like {pattern!r}")

    def children(self, named: str = "") -> list[int]:
        """The processes that it looks after, whose command line has ``named`` in it."""
        return self._children_of(self.pid, named)

    def workers(self) -> list[int]:
        """The processes that run functions, where there are several."""
        (supervisor,) = self.children("functions_host")
        return self._children_of(supervisor)

    def _children_of(self, parent: int, named: str = "") -> list[int]:
        table = subprocess.run(
            ["ps", "-eo", "pid=,ppid=,args="],  # noqa: S607  (ps of the machine)
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [line.split(None, 2) for line in table.splitlines()]
        return [int(row[0]) for row in rows if int(row[1]) == parent and named in row[2]]

    def end_child(self, named: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the one child whose command line has ``named`` in it; returns when it has gone."""
        (pid,) = self.children(named)
        os.kill(pid, how)
        wait_until(lambda: not process_runs(pid), f"the end of process {pid}")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request: the status and the JSON that came. 0 when nobody answers."""
        request = urllib.request.Request(  # noqa: S310  (always http)
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS / 3) as answer:  # noqa: S310  (always http)
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, _json(refused)
        except (OSError, ValueError, http.client.HTTPException):
            return 0, None

    def status(self) -> dict[str, Any]:
        """The stream's status, {} while nobody answers."""
        code, body = self.ask("GET", "/api/stream/status")
        return body if code == 200 else {}

    def _last_words(self) -> str:
        """The end of what it and its host have said."""
        log = self.data / "logs" / "host.log"
        said = {
            "the stack": list(self._lines),
            "its host": log.read_text(errors="replace").splitlines() if log.exists() else [],
        }
        return "\n".join(f"{who}: {line[:300]}" for who, lines in said.items() for line in lines[-40:])

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line.rstrip("\n"))

    def _close(self, process: subprocess.Popen[str]) -> None:
        assert self._reader is not None
        assert process.stdout is not None
        self._reader.join()
        process.stdout.close()


def _json(refused: urllib.error.HTTPError) -> Any:
    """None for a body that is none: a host that is being stopped answers in plain text."""
    try:
        return json.loads(refused.read() or b"null")
    except (OSError, ValueError, http.client.HTTPException):
        return None
