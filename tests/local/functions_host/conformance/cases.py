"""Function apps and invocations that the built-in host and Microsoft's worker core must treat alike.

Imported by both sides, so it knows the Functions library only. Values of datums are (type, value) pairs; dicts of them
make an HTTP request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, List  # noqa: UP035  apps in the wild annotate with typing.List

import azure.functions as func

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DatumPair = tuple[str | None, Any]

INVOCATION_ID = "8f7f3f2c-5a7b-4f0e-9d61-0a6c0f8a2b11"
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_STATE = "congo=t61rcWkgMzE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An app with one function, and what it is invoked with."""

    name: str
    build: Callable[[func.FunctionApp], object]
    input: DatumPair = ("json", "{}")
    metadata: Mapping[str, DatumPair] = field(default_factory=dict)


def request(
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> DatumPair:
    def texts(values: Mapping[str, str] | None) -> dict[str, DatumPair]:
        return {name: ("string", value) for name, value in (values or {}).items()}

    return (
        "http",
        {
            "method": ("string", method),
            "url": ("string", "http://localhost:8000/api/it?x=1"),
            "headers": texts(headers),
            "query": texts(query),
            "params": texts(params),
            "body": ("bytes", body),
        },
    )


def timer(**content: object) -> DatumPair:
    return (
        "json",
        json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False} | content),
    )


MESSAGE_METADATA: dict[str, DatumPair] = {
    "Id": ("string", "7a1f"),
    "DequeueCount": ("json", "3"),
    "PopReceipt": ("string", "AgAAAA=="),
    "InsertionTime": ("json", '"2026-11-23T21:10:03+00:00"'),
    "ExpirationTime": ("json", '"2026-11-30T21:10:03+00:00"'),
    "NextVisibleTime": ("json", '"2026-11-23T21:20:03+00:00"'),
}


def _echo_request(app: func.FunctionApp) -> None:
    @app.route(route="it/{id:int}", methods=["POST"])
    async def echo(req: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "method": req.method,
            "url": req.url,
            "header": req.headers.get("X-Thing"),
            "headers": dict(req.headers),
            "params": dict(req.params),
            "route_params": dict(req.route_params),
            "body": req.get_body().decode(),
            "json": req.get_json(),
        }
        return func.HttpResponse(
            json.dumps(seen), status_code=201, mimetype="application/json", headers={"X-Seen": "yes"}
        )


def _plain_response(app: func.FunctionApp) -> None:
    @app.route(route="it")
    def plain(req: func.HttpRequest) -> func.HttpResponse:
        del req
        return func.HttpResponse("grüße", status_code=200)


def _empty_response(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def empty(req: func.HttpRequest) -> func.HttpResponse:
        del req
        return func.HttpResponse(status_code=204)


def _text_response(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def text(req: func.HttpRequest) -> str:
        return f"hello {req.params['x']}"


def _no_response(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def nothing(req: func.HttpRequest) -> None:
        del req


def _unannotated_response_of_dict(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def mapping(req: func.HttpRequest):  # type: ignore[no-untyped-def]  # noqa: ANN202  as apps in the wild
        del req
        return {"a": 1}


def _raising(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def raising(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError(f"no {req.method} today")


def _body_is_no_json(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def reading(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(json.dumps(req.get_json()))


def _cookies(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def cookies(req: func.HttpRequest) -> func.HttpResponse:
        del req
        response = func.HttpResponse("ok")
        response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
        response.headers.add("Set-Cookie", "b=2; Max-Age=60; SameSite=Lax")
        return response


def _context(app: func.FunctionApp) -> None:
    @app.function_name("contextual")
    @app.route(route="it")
    async def seen(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        del req
        return func.HttpResponse(_told(context))


def _context_in_a_thread(app: func.FunctionApp) -> None:
    @app.route(route="it")
    def seen(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        del req
        return func.HttpResponse(_told(context))


def _told(context: Any) -> str:
    return json.dumps(
        {
            "invocation_id": context.invocation_id,
            "thread_local": getattr(context.thread_local_storage, "invocation_id", "none"),
            "function_name": context.function_name,
            "directory_ends_with": context.function_directory.replace("\\", "/").rsplit("/", 1)[-1],
            "trace_parent": context.trace_context.trace_parent,
            "Traceparent": context.trace_context.Traceparent,
            "trace_state": context.trace_context.trace_state,
            "attributes": dict(context.trace_context.attributes),
            "retry_count": context.retry_context.retry_count,
            "max_retry_count": context.retry_context.max_retry_count,
        }
    )


def _timer(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="tick", schedule="* * * * * *")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def ticking(tick: func.TimerRequest, out: func.Out[str]) -> None:
        request: Any = tick  # Its type names past_due only.
        # None and {} for "no status" mean the same to a function: compare their truth.
        out.set(json.dumps([request.past_due, request.schedule_status or {}, request.schedule]))


def _timer_returning(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="tick", schedule="* * * * * *")
    async def returning(tick: func.TimerRequest) -> str:
        return f"not bound: {tick.past_due}"


def _queue_message(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="out", queue_name="q2", connection="C")
    def reading(msg: func.QueueMessage, out: func.Out[str]) -> None:
        times = (msg.insertion_time, msg.expiration_time, msg.time_next_visible)
        out.set(
            json.dumps(
                [msg.id, msg.get_body().decode(), msg.dequeue_count, msg.pop_receipt, *(str(time) for time in times)]
            )
        )


def _queue_text(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="$return", queue_name="q2", connection="C")
    async def reading(msg: str) -> str:
        return f"{type(msg).__name__} {msg}"


def _queue_return_list(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="$return", queue_name="q2", connection="C")
    async def several(msg: func.QueueMessage):  # type: ignore[no-untyped-def]  # noqa: ANN202  as apps in the wild
        return ["one", msg.get_body().decode(), func.QueueMessage(id="i", body=b"three")]


def _queue_return_message(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="$return", queue_name="q2", connection="C")
    async def message(msg: func.QueueMessage) -> func.QueueMessage:
        return func.QueueMessage(body=msg.get_body() * 2)


def _queue_return_bytes(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="$return", queue_name="q2", connection="C")
    async def raw(msg: func.QueueMessage) -> bytes:
        return b"\x00\xff" + msg.get_body()


def _queue_return_nothing(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
    @app.queue_output(arg_name="$return", queue_name="q2", connection="C")
    async def nothing(msg: func.QueueMessage) -> str:
        del msg
        return None  # type: ignore[return-value]  # what is tried


def _out_list(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def several(req: func.HttpRequest, out: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006  see import
        out.set([req.method, "second"])
        return func.HttpResponse("sent")


def _out_last_value(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    def twice(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
        del req
        out.set("first")
        out.set(out.get() + ", then second")
        return func.HttpResponse("sent")


def _out_never_set(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def silent(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
        del req, out
        return func.HttpResponse("nothing sent")


def _out_bytes(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def raw(req: func.HttpRequest, out: func.Out[bytes]) -> func.HttpResponse:
        out.set(req.get_body())
        return func.HttpResponse("sent")


def _out_of_a_dict(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def mapping(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
        del req
        out.set({"a": 1})  # type: ignore[arg-type]  # what is tried
        return func.HttpResponse("sent")


def _out_of_a_number_list(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def numbers(req: func.HttpRequest, out: func.Out[func.QueueMessage]) -> func.HttpResponse:
        del req
        out.set([1, 2])  # type: ignore[arg-type]  # what is tried
        return func.HttpResponse("sent")


def _http_by_parameter(app: func.FunctionApp) -> None:
    @app.route(route="it", binding_arg_name="resp")
    @app.queue_output(arg_name="$return", queue_name="q", connection="C")
    async def both(req: func.HttpRequest, resp: func.Out[func.HttpResponse]) -> str:
        resp.set(func.HttpResponse("by parameter", status_code=202))
        return str(req.method)


def _unbound_parameter(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def unbound(req: func.HttpRequest, extra: str) -> func.HttpResponse:
        return func.HttpResponse(req.method + extra)


def _missing_parameter(app: func.FunctionApp) -> None:
    @app.route(route="it", trigger_arg_name="request")
    async def missing() -> func.HttpResponse:
        return func.HttpResponse()


def _context_of_another_type(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def odd(req: func.HttpRequest, context: int) -> func.HttpResponse:
        return func.HttpResponse(f"{req.method} {context}")


def _output_without_out(app: func.FunctionApp) -> None:
    @app.route(route="it")
    @app.queue_output(arg_name="out", queue_name="q", connection="C")
    async def odd(req: func.HttpRequest, out: str) -> func.HttpResponse:
        return func.HttpResponse(req.method + out)


def _input_with_out(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def odd(req: func.Out[func.HttpRequest]) -> func.HttpResponse:
        return func.HttpResponse(repr(req))


def _wrong_input_type(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def odd(req: func.TimerRequest) -> func.HttpResponse:
        return func.HttpResponse(repr(req))


def _wrong_return_type(app: func.FunctionApp) -> None:
    @app.route(route="it")
    async def odd(req: func.HttpRequest) -> int:
        return len(req.method)


MESSAGE: DatumPair = ("string", "hello wörld")

CASES: tuple[Case, ...] = (
    Case(
        name="http request",
        build=_echo_request,
        input=request(
            "post",
            headers={"x-thing": "a,b", "content-type": "application/json"},
            query={"x": "1,2", "Y": "z"},
            params={"id": "7"},
            body=b'{"a": [1, 2]}',
        ),
    ),
    Case(name="plain response", build=_plain_response, input=request()),
    Case(name="empty response", build=_empty_response, input=request()),
    Case(name="text response", build=_text_response, input=request(query={"x": "you"})),
    Case(name="no response", build=_no_response, input=request()),
    Case(name="response of a dict", build=_unannotated_response_of_dict, input=request()),
    Case(name="raising", build=_raising, input=request("DELETE")),
    Case(name="body is no json", build=_body_is_no_json, input=request("POST", body=b"{")),
    Case(name="cookies", build=_cookies, input=request()),
    Case(name="context", build=_context, input=request()),
    Case(name="context in a thread", build=_context_in_a_thread, input=request()),
    Case(name="timer", build=_timer, input=timer()),
    Case(
        name="timer past due",
        build=_timer,
        input=timer(IsPastDue=True, ScheduleStatus={"Last": "a", "Next": "b", "LastUpdated": "c"}),
    ),
    Case(name="timer returning a value", build=_timer_returning, input=timer()),
    Case(name="queue message", build=_queue_message, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="queue message of bytes", build=_queue_message, input=("bytes", b"raw"), metadata=MESSAGE_METADATA),
    Case(name="queue text", build=_queue_text, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="queue return of a list", build=_queue_return_list, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="queue return of a message", build=_queue_return_message, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="queue return of bytes", build=_queue_return_bytes, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="queue return of nothing", build=_queue_return_nothing, input=MESSAGE, metadata=MESSAGE_METADATA),
    Case(name="out of a list", build=_out_list, input=request()),
    Case(name="out set twice", build=_out_last_value, input=request()),
    Case(name="out never set", build=_out_never_set, input=request()),
    Case(name="out of bytes", build=_out_bytes, input=request("POST", body=b"\x00\xfe")),
    Case(name="out of a dict", build=_out_of_a_dict, input=request()),
    Case(name="out of numbers", build=_out_of_a_number_list, input=request()),
    Case(name="http by parameter", build=_http_by_parameter, input=request()),
    Case(name="unbound parameter", build=_unbound_parameter),
    Case(name="missing parameter", build=_missing_parameter),
    Case(name="context of another type", build=_context_of_another_type),
    Case(name="output without Out", build=_output_without_out),
    Case(name="input with Out", build=_input_with_out),
    Case(name="wrong input type", build=_wrong_input_type),
    Case(name="wrong return type", build=_wrong_return_type),
)


def make_datum(datum_class: Callable[[Any, Any], Any], pair: DatumPair) -> Any:
    """The pair as a datum of the side that asks."""
    kind, value = pair
    if kind == "http":
        value = {
            name: {key: make_datum(datum_class, one) for key, one in item.items()}
            if isinstance(item, dict)
            else make_datum(datum_class, item)
            for name, item in value.items()
        }
    return datum_class(value, kind)


def describe_datum(datum: Any) -> Any:
    """A datum of either side as JSON."""
    if datum is None or datum.value is None:
        return None
    kind, value = datum.type, datum.value
    if kind in {"dict", "list"}:  # The wire has no such types: they are sent as JSON.
        kind = "json"
    elif kind == "json":  # How it is spaced depends on which JSON library is installed.
        value = json.loads(value)
    if kind == "http":
        value = {
            "status_code": describe_datum(value["status_code"]),
            "headers": {name: describe_datum(header) for name, header in sorted(value["headers"].items())},
            "cookies": [morsel.OutputString() for cookie in value.get("cookies") or () for morsel in cookie.values()],
            "body": describe_datum(value["body"]),
        }
    return {"type": kind, "value": value.decode("latin-1") if isinstance(value, bytes) else value}


def describe_outcome(outputs: Mapping[str, Any] | None, error: str | None) -> dict[str, Any]:
    """What an invocation came to, as JSON; outputs without a value are left out."""
    if error is not None:
        return {"failed": error}
    described = {name: describe_datum(datum) for name, datum in sorted((outputs or {}).items())}
    return {"completed": {name: datum for name, datum in described.items() if datum is not None}}
