"""How long a new process takes until it has answered its first request, beside importing what it can't do without.

Each time in a fresh interpreter, with compiled files in place as in a deployed app: the functions are imported and
indexed, then the first ``GET /api/stream/status`` is answered, which connects to Azurite. The yardstick is a fresh
interpreter that only imports the SDKs and libraries that the app is made of.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from local.azurite import Azurite
from local.paths import ROOT

_ROUNDS: Final = 7
_APP: Final = """
import asyncio, time
started = time.perf_counter()
import function_app
functions = {each.get_function_name(): each for each in function_app.app.get_functions()}
imported = time.perf_counter()
import azure.functions as func
request = func.HttpRequest(method="GET", url="http://localhost/api/stream/status", body=b"")
answer = asyncio.run(functions["stream_status"].get_user_function()(request))
assert answer.status_code == 200, answer.get_body()
print(imported - started, time.perf_counter() - imported)
"""
_LIBRARIES: Final = """
import time
started = time.perf_counter()
import aiohttp, azure.functions, azure.eventhub.aio, azure.data.tables.aio, orjson, pydantic
print(time.perf_counter() - started)
"""


def _run(script: str, environment: dict[str, str]) -> list[float]:
    """What ``script`` prints, in a fresh interpreter: seconds."""
    # Warnings of connections that nobody closes: the process ends, as a functions host's does.
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return [float(seconds) for seconds in done.stdout.split()]


def main() -> dict[str, float]:
    """Print the parts of a cold start and return their comparison with the bare imports."""
    with tempfile.TemporaryDirectory() as folder, Azurite(log_path=Path(folder) / "azurite.log") as azurite:
        environment = {**os.environ, "AzureWebJobsStorage": azurite.connection_string, "STREAM_TABLE_PREFIX": "cold"}
        rounds = [(*_run(_APP, environment), *_run(_LIBRARIES, environment)) for _ in range(_ROUNDS + 1)][1:]
    imported, answered, libraries = (median(column) for column in zip(*rounds, strict=True))
    print(f"import and indexing of the app   {imported * 1_000:>7.0f} ms")
    print(f"first request                    {answered * 1_000:>7.0f} ms")
    print(f"import of its libraries alone    {libraries * 1_000:>7.0f} ms")
    return {
        "cold_start_seconds": imported + answered,
        "cold_import_vs_libraries": imported / libraries,
    }
