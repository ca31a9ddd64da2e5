"""``docs/api.md``, generated from the API's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streaming.triggers.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def api_reference() -> str:
    """The whole page."""
    api = document()
    return "\n".join([*_head(api), *_routes(api), *_schemas(api)]).rstrip() + "\n"


def _head(api: Mapping[str, Any]) -> Iterable[str]:
    yield "<!-- Generated: python -m local api-reference --out docs/api.md -->"
    yield "# HTTP API"
    yield ""
    yield api["info"]["description"]
    yield ""
    yield (
        "Routes ask for a function key (`x-functions-key`, or `?code=`) unless they say *no key*; the local host asks "
        "for one only with `--auth`. The same description for programs is at `/openapi.json`, for reading at `/docs`."
    )
    yield ""


def _routes(api: Mapping[str, Any]) -> Iterable[str]:
    for tag in api["tags"]:
        yield f"## {tag['name']}\n"
        for path, methods in api["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterable[str]:
    yield f"### {method.upper()} {path}\n"
    yield operation["summary"] + (" (*no key*)." if operation.get("security") == [] else ".") + "\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| parameter | in | value |\n|---|---|---|"
        for parameter in parameters:
            yield f"| `{parameter['name']}` | {parameter['in']} | {_value(parameter['schema'])} |"
        yield ""
    body = operation.get("requestBody")
    if body:
        yield f"Body: {_media(body['content'])}\n"
    yield "| status | when | answer |\n|---|---|---|"
    for status, answer in operation["responses"].items():
        yield f"| {status} | {answer['description']} | {_media(answer.get('content', {}))} |"
    yield ""


def _schemas(api: Mapping[str, Any]) -> Iterable[str]:
    yield "## Schemas\n"
    for name, schema in api["components"]["schemas"].items():
        yield f"### {name}\n"
        if schema.get("description"):
            yield schema["description"].replace("``", "`") + "\n"
        if "enum" in schema:
            yield ", ".join(f"`{value}`" for value in schema["enum"]) + "\n"
        if schema.get("properties"):
            required = set(schema.get("required", ()))
            yield "| field | value | |\n|---|---|---|"
            for field, described in schema["properties"].items():
                what = described.get("description", "")
                yield f"| `{field}` | {_value(described)} | {what}{'' if field in required else ' *optional*'} |"
            yield ""


def _media(content: Mapping[str, Any]) -> str:
    return ", ".join(
        f"`{media}` {_value(described['schema'])}" if described.get("schema") else f"`{media}`"
        for media, described in content.items()
    )


def _value(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_value(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = str(schema.get("type", "anything"))
    if kind == "array" and schema.get("items"):
        kind = f"array of {_value(schema['items'])}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("maxLength", "length ≤"))
        if key in schema
    ]
    default = [f"default `{schema['default']}`"] if schema.get("default") is not None else []
    return ", ".join([kind, *bounds, *default])
