"""Switches the faults of a local stack's event hub, through its control port."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.stack_process import StackProcess


class HubFaults:
    """The faults of the event hub that ``stack`` runs. It may be restarted meanwhile."""

    def __init__(self, stack: StackProcess) -> None:
        self._stack = stack
        self._known: tuple[int, str] | None = None
        """The process of the stack, and its hub's control port."""

    def put(self, *faults: dict[str, Any]) -> None:
        """These faults and no others are in force from now on."""
        self._ask("PUT", list(faults))

    def clear(self) -> None:
        self._ask("DELETE")

    def in_force(self) -> list[dict[str, Any]]:
        """Those that are neither used up nor over, with how often they have struck."""
        faults: list[dict[str, Any]] = self._ask("GET")["faults"]
        return faults

    def _ask(self, method: str, body: object = None) -> Any:
        if self._known is None or self._known[0] != self._stack.pid:
            self._known = (self._stack.pid, self._control_port())
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._known[1]}/faults",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=180) as answer:  # noqa: S310 - always http
            return json.loads(answer.read())

    def _control_port(self) -> str:
        (pid,) = self._stack.children("local.event_hubs")
        command = ["ps", "-o", "args=", "-ww", "-p", str(pid)]
        arguments = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ps of the machine
        port = re.search(r"--control-port (\d+)", arguments)
        assert port, arguments
        return port[1]
