"""A functions host as a process, with an app written for a test."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import textwrap
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from local.leash import leashed
from tests.local.functions_host.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_REPOSITORY = Path(__file__).parents[3]
_READY = re.compile(r"ready: (http://\S+)")

APP_START = """
import asyncio, json, logging, os, threading, time
from pathlib import Path
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
marks = Path(os.environ["MARKS"])

def mark(text):
    with marks.open("a") as file:
        file.write(f"{text}\\n")
"""
"""What every app of a test begins with. ``mark`` leaves a line that outlives the process."""


@dataclass(slots=True, kw_only=True)
class AppFolder:
    """A function app on disk."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> list[str]:
        """What the app's functions have marked so far."""
        file = self.path / "marks"
        return file.read_text().splitlines() if file.exists() else []

    def write(
        self, code: str, *, host: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Write the app; ``host`` is host.json's ``extensions``, ``settings`` is local.settings.json.

        The port is a free one unless ``settings`` say otherwise.
        """
        (self.path / "host.json").write_text(
            json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": ""}, **(host or {})}})
        )
        given = dict(settings or {})
        (self.path / "local.settings.json").write_text(
            json.dumps({**given, "Host": {"LocalHttpPort": 0, **given.get("Host", {})}})
        )
        (self.path / "function_app.py").write_text(APP_START + textwrap.dedent(code))


@dataclass(slots=True, kw_only=True)
class RunningHost:
    process: asyncio.subprocess.Process
    output: Path
    client: httpx.AsyncClient

    @property
    def log(self) -> str:
        return self.output.read_text()

    async def logged(self, text: str) -> None:
        """Wait until ``text`` is in the log."""
        await eventually(lambda: text in self.log)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end. Returns the exit code."""
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def started(app: AppFolder, *arguments: str) -> AsyncIterator[RunningHost]:
    """The host of ``app``, whether it gets ready or not. Killed at the end, if it still runs."""
    output = app.path / "output.log"
    environment = {name: value for name, value in os.environ.items() if "AzureWebJobs" not in name}
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *leashed([sys.executable, "-m", "local.functions_host", "--app-root", str(app.path), *arguments]),
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            cwd=_REPOSITORY,
            env={**environment, "MARKS": str(app.path / "marks"), **app.environment},
        )
    async with httpx.AsyncClient(timeout=180) as client:
        try:
            yield RunningHost(process=process, output=output, client=client)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def serving(app: AppFolder, *arguments: str) -> AsyncIterator[RunningHost]:
    """The host of ``app``, ready. Raises AssertionError with its output when it ended instead."""
    async with started(app, *arguments) as host:
        found = await eventually(lambda: _READY.search(host.log) or host.process.returncode is not None)
        assert isinstance(found, re.Match), host.log
        host.client.base_url = httpx.URL(found[1].replace("localhost", "127.0.0.1"))
        yield host
