"""One process of the stack: started, watched, and stopped without leaving anything behind."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from local.errors import LocalError
from local.leash import leashed
from local.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 12
_LONGEST_LINE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to start, recognise as ready, and stop one process."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]]
    """Asked again and again until it says yes. It must answer soon, and not raise."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of this process's own."""
    output: Path | None = None
    """The file that its output goes to. None: a pipe, of which only the last lines are kept."""
    start_seconds: float = 60.0
    stop_seconds: float = 20.0
    """How long it may take to end by itself after SIGTERM, before it is killed."""
    keeps_open: tuple[int, ...] = ()
    """File descriptors that it inherits."""


class Child:
    """A process that follows its ``spec``. It may be started again after it ended."""

    def __init__(self, spec: ChildSpec, *, on_line: Callable[[str], None] = lambda _line: None) -> None:
        self.spec = spec
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._reader: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Return when it is ready. Raises LocalError, with its last lines, when it ends or takes too long."""
        started = time.monotonic()
        self._process = await self._spawn()
        while True:
            answered = await self.spec.ready()
            if self._process.poll() is not None:  # Then it was somebody else who answered.
                how = describe_exit(self._process.returncode)
                await self.kill()
                raise LocalError(self._with_tail(f"the {self.name} {how} before it was ready"))
            if answered:
                return
            if time.monotonic() - started > self.spec.start_seconds:
                await self.kill()
                raise LocalError(self._with_tail(f"the {self.name} was not ready in {self.spec.start_seconds:.0f} s"))
            await asyncio.sleep(_POLL_SECONDS)

    async def ended(self) -> str:
        """Wait until it has ended; says how, with its last lines."""
        process = self._process
        assert process is not None  # noqa: S101  (for the type checker: it was started)
        await _exit(process)
        how = describe_exit(process.returncode)
        await self.kill()
        return self._with_tail(f"the {self.name} {how}")

    async def stop(self) -> None:
        """Ask it to end, wait, then kill what is left of it. Does nothing when it is not running."""
        if self._process is not None:
            self._process.terminate()
            await _exit(self._process, within_seconds=self.spec.stop_seconds)
        await self.kill()

    async def kill(self) -> None:
        """Kill it and every process of its session, at once, and read its last words."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # It leads its own group.
        process.wait()
        if self._reader is not None:
            # Whoever left the session may still hold the pipe: don't wait for that one.
            await asyncio.wait([self._reader], timeout=1.0)
            self._reader.cancel()
            self._reader = None

    async def _spawn(self) -> subprocess.Popen[bytes]:
        # Popen, not asyncio's own: the child must be started by this very thread (see local/leash.py), and asyncio
        # would take it for running as long as any grandchild holds its output.
        self._tail.clear()
        if self.spec.output is not None:
            self.spec.output.parent.mkdir(parents=True, exist_ok=True)
            with self.spec.output.open("wb") as output:
                return self._popen(output.fileno())
        process = self._popen(subprocess.PIPE)
        self._reader = asyncio.create_task(self._read(process))
        return process

    def _popen(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (the command is ours)
            leashed(self.spec.command),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # A Ctrl-C is for the stack, which stops its children in order.
            pass_fds=self.spec.keeps_open,
        )

    async def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101  (for the type checker: it was asked for)
        lines = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), process.stdout
        )
        try:
            while True:
                try:
                    line = await lines.readline()
                except ValueError:
                    continue  # Longer than anybody reads; what matters is that the child is never held up.
                if not line:
                    return
                text = line.decode(errors="replace").rstrip()
                self._tail.append(text)
                self._on_line(text)
        finally:
            transport.close()

    def _with_tail(self, message: str) -> str:
        if self.spec.output is not None and self.spec.output.exists():
            lines = self.spec.output.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        else:
            lines = list(self._tail)
        return "\n".join([message, *(f"  | {line}" for line in lines)])


async def _exit(process: subprocess.Popen[bytes], *, within_seconds: float = math.inf) -> None:
    """Wait until it has ended, or for so long."""
    deadline = time.monotonic() + within_seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(_POLL_SECONDS)


def describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
