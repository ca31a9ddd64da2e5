"""The API's description, OpenAPI 3.1, generated from the table of operations and the models in it. Pure."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from streaming.core.breaker import BreakerStatus
from streaming.core.capacity import Capacity
from streaming.core.config import RealtimeConfig
from streaming.core.session import Status
from streaming.flows import reports
from streaming.flows.health import HealthReport
from streaming.flows.history import HistoryBucket
from streaming.flows.state import OutboxState, ShardState
from streaming.retail.disruption import DisruptionType
from streaming.triggers.operations import JSON, OPERATIONS, Operation
from streaming.triggers.responses import ProblemDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
REFERENCE: Final = "#/components/schemas/{model}"
_PROBLEM: Final = "application/problem+json"
_NAMES: Final[Mapping[str, Any]] = {
    # What the reports' annotations name; their modules import some of it for the type checker alone.
    "BreakerStatus": BreakerStatus,
    "Capacity": Capacity,
    "DisruptionType": DisruptionType,
    "HealthReport": HealthReport,
    "HistoryBucket": HistoryBucket,
    "RealtimeConfig": RealtimeConfig,
    "OutboxState": OutboxState,
    "ShardState": ShardState,
    "Status": Status,
    "reports": reports,
}
_DESCRIPTION: Final = (
    "A live retail event feed for Azure Event Hubs. Times are UTC, ISO 8601, in whole seconds. Unknown fields are "
    "refused. Every error is a problem document (RFC 9457); every answer names its request in x-request-id."
)


@cache
def document() -> dict[str, Any]:
    """The whole document. Paths are in the order of the table."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        paths.setdefault(operation.path, {})[operation.method] = _operation(name, operation, schemas)
    _schema(ProblemDocument, schemas)
    tags = dict.fromkeys(operation.tag for operation in OPERATIONS.values())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retail Stream",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "security": [{"key_header": []}, {"key_query": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "key_header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "key_query": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


def _operation(name: str, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": _responses(operation, schemas),
    }
    parameters = [*_path_parameters(operation), *_query_parameters(operation, schemas)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {JSON: {"schema": _schema(operation.body, schemas, mode="validation")}}
        required = bool(schemas[operation.body.__name__].get("required"))
        described["requestBody"] = {"required": required, "content": content}
    if operation.anonymous:
        described["security"] = []
    return described


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answer = {"schema": _schema(operation.answer, schemas)} if operation.answer is not None else {}
    content = {
        media_type: answer if media_type == JSON else {"schema": {"type": "string"}}
        for media_type in operation.media_types
    }
    refusals: dict[int, str] = {400: "The request is not valid; the problem names each field."}
    if not operation.anonymous:
        refusals |= {401: "No key, or a wrong one."}
    if operation.needs_storage:
        refusals |= {503: "Storage, or a setting, is missing; see Retry-After."}
    refusals |= operation.refusals
    described: dict[str, Any] = {str(operation.status): {"description": "OK", "content": content}}
    for status, when in sorted(refusals.items()):
        described[str(status)] = {"description": when}
        if status != HTTPStatus.UNAUTHORIZED:  # That one is the platform's, and has no body.
            is_report = status == HTTPStatus.SERVICE_UNAVAILABLE and not operation.needs_storage
            problem = {_PROBLEM: {"schema": {"$ref": REFERENCE.format(model="ProblemDocument")}}}
            described[str(status)]["content"] = {JSON: answer} if is_report else problem
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in operation.path_parameters.items()
    ]


def _query_parameters(operation: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template=REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(described)}
        for name, described in schema.get("properties", {}).items()
    ]


def _without_null(described: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be left out, but no text means null."""
    described = {key: value for key, value in described.items() if (key, value) != ("default", None)}
    kinds = [kind for kind in described.pop("anyOf", []) if kind != {"type": "null"}]
    return {**described, **kinds[0]} if kinds else described


def _schema(model: Any, schemas: dict[str, Any], *, mode: Any = "serialization") -> dict[str, Any]:
    """A reference to ``model``, whose schema and those that it needs are added to ``schemas``."""
    adapter = TypeAdapter(model)
    adapter.rebuild(raise_errors=True, _types_namespace=dict(_NAMES))
    schema = adapter.json_schema(ref_template=REFERENCE, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    name = getattr(model, "__name__", "")
    if "$ref" in schema or name == "dict":
        return schema
    schemas[name] = schema
    return {"$ref": REFERENCE.format(model=name)}
