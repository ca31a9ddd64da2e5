"""Hands an app to Azure Functions Core Tools (``func``), where installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from local.functions_host.options import StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from local.functions_host.options import HostOptions


class CoreToolsMissingError(StartupError):
    """Azure Functions Core Tools are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "`func` was not found on PATH. Install Azure Functions Core Tools 4 "
            "(npm install -g azure-functions-core-tools@4, or brew/apt/winget: see "
            "https://learn.microsoft.com/azure/azure-functions/functions-run-local), or use --host builtin."
        )


def run_core_tools(options: HostOptions, *, environment: Mapping[str, str] | None = None) -> int:
    """Run ``func start`` until it ends; SIGTERM and SIGINT are passed on. Returns its exit code.

    Raises CoreToolsMissingError. Core Tools read the app's own ``local.settings.json``, always reload, and know no
    ``log_file``.
    """
    surroundings = dict(os.environ if environment is None else environment)
    executable = shutil.which("func", path=surroundings.get("PATH"))
    if executable is None:
        raise CoreToolsMissingError
    command = [executable, "start"]
    if options.port is not None:
        command += ["--port", str(options.port)]
    if options.auth:
        command.append("--enableAuth")
    # The worker has to be the Python that the app's packages are installed for.
    surroundings.setdefault("languageWorkers__python__defaultExecutablePath", sys.executable)
    if options.workers is not None:
        surroundings["FUNCTIONS_WORKER_PROCESS_COUNT"] = str(options.workers)
    with subprocess.Popen(command, cwd=options.app_root, env=surroundings) as process:  # noqa: S603  found on PATH

        def pass_on(number: int, frame: FrameType | None) -> None:
            del frame
            process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
