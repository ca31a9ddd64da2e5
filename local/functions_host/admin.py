"""The host's own routes below ``/admin``."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum

from local.functions_host.bindings import HttpTrigger, QueueTrigger, TimerTrigger
from local.functions_host.http_message import Response, json_response
from local.functions_host.listing import url_of
from local.functions_host.queue_message import manual_message_metadata
from local.functions_host.timer_request import timer_datum

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from local.functions_host.http_message import Request
    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.invocation import Outcome
    from local.functions_host.running import FunctionRunner

HOST_VERSION = "4.0.0-local"
_BY_HAND = "run by hand"


class AdminApi:
    """Runs functions now, lists them, and tells the host's state."""

    def __init__(
        self,
        functions: Sequence[IndexedFunction],
        *,
        disabled: Collection[str],
        errors: Mapping[str, str],
        host_id: str,
        base_url: str,
        route_prefix: str,
        runner: FunctionRunner,
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._disabled = disabled
        self._errors = errors
        self._host_id = host_id
        self._base_url = base_url
        self._route_prefix = route_prefix
        self._runner = runner
        self._started = time.monotonic()
        self._runs: set[asyncio.Task[Outcome]] = set()

    async def respond(self, request: Request, path: str) -> Response:
        match request.method, path.lower().split("/")[1:]:
            case "GET", ["host", "status"]:
                return json_response(self._status())
            case "GET" | "POST", ["host", "ping"]:
                return Response(status=200)
            case "GET", ["functions"]:
                return json_response([self._describe(function) for function in self._functions.values()])
            case "GET", ["functions", name] if name in self._functions:
                return json_response(self._describe(self._functions[name]))
            case "POST", ["functions", name] if name in self._functions:
                return self._run_now(self._functions[name], request.body)
        return Response(status=404)

    async def finish(self) -> None:
        """Wait for the runs that were asked for."""
        await asyncio.gather(*self._runs, return_exceptions=True)

    def _status(self) -> dict[str, Any]:
        return {
            "id": self._host_id,
            "state": "Running",
            "version": HOST_VERSION,
            "versionDetails": "built-in host of Retail Stream",
            "platformVersion": "",
            "instanceId": self._host_id,
            "processUptime": int((time.monotonic() - self._started) * 1000),
            "errors": [f"{name}: {problem}" for name, problem in self._errors.items()],
        }

    def _describe(self, function: IndexedFunction) -> dict[str, Any]:
        link = f"{self._base_url}/admin/functions/{function.name}"
        description = {
            "name": function.name,
            "language": "python",
            "isDisabled": function.name in self._disabled,
            "href": link,
            "config": {"name": function.name, "bindings": list(function.bindings)},
        }
        if isinstance(function.trigger, HttpTrigger):
            description["invoke_url_template"] = url_of(function.trigger, self._base_url, self._route_prefix)
        return description

    def _run_now(self, function: IndexedFunction, body: bytes) -> Response:
        try:
            content = json.loads(body or b"{}")
            given = str(content.get("input") or "")
        except (ValueError, AttributeError):
            return json_response({"message": 'The body must be a JSON object: {"input": "…"}'}, 400)
        match function.trigger:
            case HttpTrigger():
                return json_response({"message": f"{function.name} is an HTTP function: call its route"}, 400)
            case TimerTrigger():
                run = self._runner.run(function, timer_datum(), occasion=_BY_HAND)
            case QueueTrigger():
                message = Datum(given, "string")
                run = self._runner.run(function, message, metadata=manual_message_metadata(), occasion=_BY_HAND)
        task = asyncio.ensure_future(run)
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)
        return Response(status=202)
