"""The ASGI application: routes requests to HTTP functions and to the host's own ``/admin`` routes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.functions_host.bindings import HttpOutput, HttpTrigger
from local.functions_host.http_message import (
    BodyTooLargeError,
    ClientGoneError,
    Response,
    read_request,
    response_of,
)
from local.functions_host.invocation import Failed
from local.functions_host.routes import RouteTemplate, compile_template, decoded_path

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from azure.functions.meta import Datum

    from local.functions_host.admin import AdminApi
    from local.functions_host.cors import CorsPolicy
    from local.functions_host.http_message import Receive, Request, Send
    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.keys import HostKeys
    from local.functions_host.running import FunctionRunner

_log = logging.getLogger("host.http")

_NOT_FOUND = Response(status=404)
_SERVER_ERROR = Response(status=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    function: IndexedFunction
    trigger: HttpTrigger
    template: RouteTemplate


def route_of(function: IndexedFunction, trigger: HttpTrigger, prefix: str) -> Route:
    """Raises ValueError when the template can't be served."""
    text = "/".join(part for part in (prefix, trigger.route.strip("/")) if part)
    if text.split("/")[0].lower() == "admin":
        raise ValueError(f"the route {text!r} conflicts with the host's own routes below /admin")
    return Route(function=function, trigger=trigger, template=compile_template(text))


class HttpApp:
    """Raw ASGI. The first route that matches path and method serves a request; none: 404."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        runner: FunctionRunner,
        admin: AdminApi,
        cors: CorsPolicy,
        keys: HostKeys | None,
    ) -> None:
        # An empty route matches nothing on the platform: `{ignored:maxlength(0)?}` is the way to serve "/".
        self._routes = [route for route in routes if route.template.text]
        self._runner = runner
        self._admin = admin
        self._cors = cors
        self._keys = keys

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            request = await read_request(scope, receive)
        except BodyTooLargeError:
            await Response(status=413, headers=(("connection", "close"),)).send(send)
            return
        except ClientGoneError:
            return
        response = self._cors.preflight(request)
        if response is None:
            response = self._cors.grant(request, await self._respond(request))
        await response.send(send)

    async def _respond(self, request: Request) -> Response:
        path = decoded_path(request.raw_path)
        if path.lower().startswith("admin/"):
            if self._keys is not None and not self._keys.is_master(_key_of(request)):
                return Response(status=401)
            return await self._admin.respond(request, path)
        for route in self._routes:
            if route.trigger.methods and request.method not in route.trigger.methods:
                continue
            values = route.template.match(path)
            if values is not None:
                return await self._serve(route, request, values)
        return _NOT_FOUND

    async def _serve(self, route: Route, request: Request, values: dict[str, str]) -> Response:
        name = route.function.name
        if self._keys is not None and not self._keys.allow(route.trigger.auth_level, name, _key_of(request)):
            return Response(status=401)
        outcome = await self._runner.run(
            route.function,
            request.datum(values),
            occasion=f"{request.method} {request.raw_path}",
            trace_parent=request.headers.get("traceparent", ""),
            trace_state=request.headers.get("tracestate", ""),
        )
        if isinstance(outcome, Failed):
            return _SERVER_ERROR
        try:
            response = response_of(_http_output(route.function, outcome.outputs))
        except (ValueError, TypeError):
            _log.exception("%s: what it returned is no HTTP response", name)
            return _SERVER_ERROR
        level = logging.DEBUG if request.method in {"GET", "HEAD"} else logging.INFO
        milliseconds = outcome.seconds * 1000
        _log.log(level, "%s %s %d in %.1f ms", request.method, request.raw_path, response.status, milliseconds)
        return response


def _http_output(function: IndexedFunction, outputs: dict[str, Datum]) -> Datum | None:
    return next(
        (outputs.get(output.parameter) for output in function.outputs if isinstance(output, HttpOutput)),
        None,
    )


def _key_of(request: Request) -> str | None:
    return request.headers.get("x-functions-key") or request.query().get("code")
