"""The edge between HTTP and the flows: bodies in, JSON and problem documents out. No decisions.

Every answer carries the request's id: the client's, if it sent a sensible one. Every call that may change something
leaves an ``audit`` record.
"""

from __future__ import annotations

import functools
import logging
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import azure.functions as func
import orjson
from pydantic import BaseModel, ValidationError

from shared import telemetry
from shared.problems import MEDIA_TYPE, FieldError, Problem
from shared.redaction import redact, redact_known
from streaming.ports import StorageUnavailableError
from streaming.triggers.access import OPERATE_ROLE, READ_ROLE, Caller, caller_of
from streaming.wiring import SettingsError, application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
Handler = "Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]"

STORAGE_RETRY_AFTER_SECONDS = 5
REQUEST_ID: Final = "x-request-id"
_JSON = "application/json"
_SENSIBLE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_READING: Final = frozenset({"GET", "HEAD"})


class RefusedError(Exception):
    """A request that can't be answered as it is; carries the problem document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def reply(body: Any, *, status: int = 200) -> func.HttpResponse:
    """A JSON response of dataclasses, models, mappings and enums too. Never cached: it is old in a second.

    Whatever was put into it, a secret of this app does not leave with it.
    """
    return func.HttpResponse(
        redact_known(orjson.dumps(body, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()),
        status_code=status,
        mimetype=_JSON,
        headers={"Cache-Control": "no-store"},
    )


def _plain(value: Any) -> Any:
    """What the encoder doesn't know by itself."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def refuse(status: int, detail: str, *errors: FieldError, retry_after_seconds: int | None = None) -> RefusedError:
    return RefusedError(Problem(status=status, detail=detail, errors=errors, retry_after_seconds=retry_after_seconds))


async def within_limit(name: str) -> None:
    """Count a call of a limited kind; refuse it when there were as many as allowed in the last minute."""
    wait_seconds = await application().limit(name)
    if wait_seconds is not None:
        detail = f"Too many of these requests in the last minute. Try again in {wait_seconds} s."
        raise refuse(429, detail, retry_after_seconds=wait_seconds)


def answers(
    handler: Callable[..., Awaitable[func.HttpResponse]],
) -> Callable[..., Awaitable[func.HttpResponse]]:
    """Turn what a handler raises into a problem document: never a 500 for bad input, never a stack trace.

    Whatever else the platform passes a handler, such as output bindings, it gets by name.
    """

    @functools.wraps(handler)
    async def answering(req: func.HttpRequest, **bound: Any) -> func.HttpResponse:
        given = req.headers.get(REQUEST_ID, "")
        request_id = given if _SENSIBLE_ID.fullmatch(given) and redact(given) == given else uuid.uuid4().hex
        token = telemetry.request_id.set(request_id)
        try:
            caller = caller_of(req.headers)
            call = functools.partial(_answer, functools.partial(handler, **bound), req, caller)
            response = await (call() if req.method in _READING else _traced(call, handler.__name__, req))
            if req.method not in _READING:
                _audit(req, caller, response.status_code)
        finally:
            telemetry.request_id.reset(token)
        response.headers[REQUEST_ID] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return answering


async def _traced(
    call: Callable[[], Awaitable[func.HttpResponse]], name: str, req: func.HttpRequest
) -> func.HttpResponse:
    """A call that may change something is a run, in whose span is what it has sent. All others the host records."""
    with application().traces().run(name, parent=req.headers.get("traceparent")) as attributes:
        response = await call()
        attributes["status"] = response.status_code
        attributes["request_id"] = telemetry.request_id.get() or ""
        return response


async def _answer(
    handler: Callable[[func.HttpRequest], Awaitable[func.HttpResponse]], req: func.HttpRequest, caller: Caller | None
) -> func.HttpResponse:
    if caller is not None and not caller.may(change=req.method not in _READING):
        detail = f"Your roles don't allow this: reading takes {READ_ROLE}, changing takes {OPERATE_ROLE}."
        return _problem(Problem(status=403, detail=detail))
    try:
        return await handler(req)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a problem document
        return _problem(_problem_of(error))


def _problem_of(error: Exception) -> Problem:
    match error:
        case RefusedError():
            return error.problem
        case ValidationError():
            return _of_validation(error)
        case SettingsError():
            return Problem(status=503, detail=str(error), retry_after_seconds=STORAGE_RETRY_AFTER_SECONDS)
        case StorageUnavailableError():
            detail = f"Storage can't be reached: {redact(str(error))} Try again shortly."
            return Problem(status=503, detail=detail, retry_after_seconds=STORAGE_RETRY_AFTER_SECONDS)
        case _:
            logger.error("request_failed", exc_info=error)
            return Problem(status=500, detail="Something unforeseen went wrong; the log has the details.")


def _audit(req: func.HttpRequest, caller: Caller | None, status: int) -> None:
    """Say who asked for what, and what came of it. Bodies and keys are not repeated."""
    telemetry.info(
        logger,
        "audit",
        method=req.method,
        path=urlsplit(req.url).path,
        status=status,
        caller=caller.name if caller else None,
    )


def body_of(req: func.HttpRequest, model: type[Model]) -> Model:
    """The request's body as ``model``, whatever its content type; an empty body is an empty object."""
    return model.model_validate(json_of(req))


def json_of(req: func.HttpRequest) -> dict[str, Any]:
    raw = req.get_body()
    if not raw.strip():
        return {}
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise refuse(400, f"The body is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise refuse(400, "The body must be a JSON object.")
    return document


def query_of(req: func.HttpRequest, model: type[Model]) -> Model:
    """The query parameters as ``model``; unknown ones are refused, the key ``code`` excepted."""
    return model.model_validate_strings({name: value for name, value in req.params.items() if name != "code"})


def prefers_text(req: func.HttpRequest) -> bool:
    """Whether the client asks for Prometheus text: names it, and does not name JSON as well. ``*/*`` gets JSON."""
    accept = req.headers.get("accept", "").lower()
    return "json" not in accept and ("text/plain" in accept or "application/openmetrics-text" in accept)


def _problem(problem: Problem) -> func.HttpResponse:
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    return func.HttpResponse(
        redact(orjson.dumps(problem.document()).decode()),
        status_code=problem.status,
        mimetype=MEDIA_TYPE,
        headers=headers,
    )


def _of_validation(error: ValidationError) -> Problem:
    errors = [_field_error(entry) for entry in error.errors(include_url=False, include_context=False)]
    names = ", ".join(dict.fromkeys(entry.field for entry in errors if entry.field))
    detail = f"Not valid: {names}. " if names else "Not valid. "
    return Problem(status=400, detail=detail + " ".join(entry.message for entry in errors), errors=tuple(errors))


def _field_error(entry: Any) -> FieldError:
    location: Sequence[str | int] = entry["loc"]
    message = str(entry["msg"]).removeprefix("Value error, ")
    return FieldError(field=".".join(str(part) for part in location), message=f"{message}.")
