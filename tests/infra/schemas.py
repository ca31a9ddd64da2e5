"""What Azure's resources may hold: Microsoft's Bicep types, as azmcp carries them, and its SDKs where that has none.

A schema is {"properties": {name: schema}, "required": [name]}, {"items": schema}, {"values": schema} for a map,
{"enum": [value]} or {} for anything else.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tests.infra.checkers.installing import HERE, azmcp, cached, run, run_python

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

AZMCP_VERSION: Final = json.loads((HERE / "npm" / "package.json").read_text(encoding="utf-8"))["dependencies"][
    "@azure/mcp"
]

_BY_HAND: Final[dict[str, Schema]] = {
    # In neither of them; from the reference of Microsoft.Insights/diagnosticSettings 2021-05-01-preview.
    "Microsoft.Insights/diagnosticSettings": {
        "properties": {
            "name": {},
            "properties": {
                "properties": {
                    "workspaceId": {},
                    "storageAccountId": {},
                    "eventHubAuthorizationRuleId": {},
                    "eventHubName": {},
                    "logAnalyticsDestinationType": {"enum": ["Dedicated", "AzureDiagnostics"]},
                    "logs": {"items": {"properties": {"category": {}, "categoryGroup": {}, "enabled": {}}}},
                    "metrics": {"items": {"properties": {"category": {}, "enabled": {}, "timeGrain": {}}}},
                }
            },
        }
    },
    # azmcp has one branch for each name of configuration; this is the branch of application settings.
    "Microsoft.Web/sites/config": {"properties": {"name": {}, "kind": {}, "properties": {"values": {}}}},
}


@cache
def _from_sdks() -> dict[str, Schema]:
    return dict(json.loads(run_python("tools", "describe_models.py")))


def schema_of(resource_type: str) -> Schema:
    """Fails for a type that nobody here knows."""
    for known in (_BY_HAND, _from_sdks()):
        if resource_type in known:
            return known[resource_type]
    return _from_azmcp(resource_type)


def look_up(resource_types: Iterable[str]) -> None:
    """Ask azmcp for all of these at once: one question takes it longer than everything else here."""
    known = {*_BY_HAND, *_from_sdks()}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(_ask_azmcp, sorted(set(resource_types) - known)))


def _ask_azmcp(resource_type: str) -> str:
    return cached(
        f"schema-{AZMCP_VERSION}-{resource_type.replace('/', '-')}.json",
        lambda: run([str(azmcp()), "bicepschema", "get", "--resource-type", resource_type], passes=False),
    )


@cache
def _from_azmcp(resource_type: str) -> Schema:
    answer = _ask_azmcp(resource_type)
    assert answer.startswith("{"), f"azmcp has no schema of {resource_type}"
    types = json.loads(answer)["results"]["BicepSchemaResult"]
    named = {one["name"]: one for one in types if one["$type"] in {"Object", "DiscriminatedObject"}}
    (resource,) = [
        one
        for one in types
        if one["$type"] == "Resource" and one["name"].lower().startswith(resource_type.lower() + "@")
    ]
    return _described(resource["bodyType"], named, ())


def _described(one: dict[str, Any], named: dict[str, Any], inside: tuple[str, ...]) -> Schema:
    members = list(one.get("properties", ())) + list(one.get("baseProperties", ()))
    for variant in one.get("elements", ()):
        members += variant.get("properties", ())
    described: Schema = {
        "properties": {member["name"]: _typed(member["type"], named, inside) for member in members},
        "required": [
            member["name"] for member in one.get("properties", ()) if "Required" in str(member.get("flags", ""))
        ],
    }
    more = one.get("additionalPropertiesType")
    if not members or more:
        return {"values": _typed(str(more), named, inside) if more else {}}
    return described


def _typed(kind: str, named: dict[str, Any], inside: tuple[str, ...]) -> Schema:
    if kind.endswith("[]"):
        return {"items": _typed(kind[:-2], named, inside)}
    if kind in named:
        return {} if kind in inside else _described(named[kind], named, (*inside, kind))
    choices = kind.split(" | ")
    if len(choices) > 1 and set(choices) != {"true", "false"}:
        return {"enum": [choice for choice in choices if choice != "string"]}
    return {}


def problems(value: Any, schema: Schema, path: str, names: frozenset[str] = frozenset()) -> list[str]:
    """What ``value``, a part of pycep's tree, has that ``schema`` does not know. Expressions are looked into.

    ``names`` are what the file declares: pycep writes a reference like a text.
    """
    if isinstance(value, dict):
        if (branches := _branches(value, schema)) is not None:
            return [found for branch, its in branches for found in problems(branch, its, path, names)]
        return _object_problems(value, schema, path, names)
    if isinstance(value, list):
        return [found for item in value for found in problems(item, schema.get("items", {}), f"{path}[]", names)]
    if isinstance(value, str) and "enum" in schema and value not in {*schema["enum"], *names} and "${" not in value:
        return [f"{path}: {value!r} is none of {schema['enum']}"]
    return []


def _branches(value: dict[str, Any], schema: Schema) -> list[tuple[Any, Schema]] | None:
    """What an expression may come to, each with its schema; None when ``value`` is an object."""
    if "loop_type" in value:
        return [(value["config"], schema.get("items", {}))]
    (kind, *others) = value or ("",)
    content = value.get(kind)
    if others or kind not in {"operator", "function"} or not isinstance(content, dict) or "type" not in content:
        return None
    match content["type"]:
        case "conditional":
            return [(content["operands"][branch], schema) for branch in ("true_value", "false_value")]
        case "union":
            return [(part, {**schema, "required": []}) for part in content["parameters"].values()]
        case _:
            return []


def _object_problems(value: dict[str, Any], schema: Schema, path: str, names: frozenset[str]) -> list[str]:
    if "properties" not in schema:
        values = schema.get("values", {})
        return [found for name, one in value.items() for found in problems(one, values, f"{path}.{name}", names)]
    found = [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    for key, one in value.items():
        name = key.strip("'")
        if name in schema["properties"]:
            found += problems(one, schema["properties"][name], f"{path}.{name}", names)
        else:
            found.append(f"{path}.{name} is not known")
    return found
