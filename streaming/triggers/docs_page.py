"""The API's description as a page to read: one file, without scripts and without anything from elsewhere. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from streaming.triggers.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h2{border-bottom:1px solid #8886;margin-top:2rem}
details{border:1px solid #8886;border-radius:.4rem;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow:auto;background:#8882;padding:.6rem;border-radius:.4rem}
table{border-collapse:collapse}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
.method{display:inline-block;min-width:4rem;font-weight:600}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@cache
def page() -> str:
    """The whole page."""
    api = document()
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Retail Stream API</title>',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<style>{_STYLE}</style></head><body><main><h1>{escape(api['info']['title'])} API</h1>",
            f"<p>{escape(api['info']['description'])} <a href='/openapi.json'>openapi.json</a></p>",
            *_operations(api),
            "<h2>Schemas</h2>",
            *(_schema(name, schema) for name, schema in api["components"]["schemas"].items()),
            "</main></body></html>",
        )
    )


def _operations(api: Mapping[str, Any]) -> Iterable[str]:
    for tag in api["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for path, methods in api["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield _operation(method, path, operation)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td><code>{escape(_brief(parameter['schema']))}</code></td></tr>"
        for parameter in operation.get("parameters", ())
    )
    parameters = f"<h3>Parameters</h3><table>{rows}</table>" if rows else ""
    body = operation.get("requestBody")
    takes = f"<h3>Body</h3>{_content(body['content'])}" if body else ""
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer['description'])}</td>"
        f"<td>{_content(answer.get('content', {}))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<details id='{escape(operation['operationId'])}'><summary><span class='method'>{method.upper()}</span> "
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"{parameters}{takes}<h3>Answers</h3><table>{answers}</table></details>"
    )


def _content(content: Mapping[str, Any]) -> str:
    return "<br>".join(f"<code>{escape(media)}</code> {_link(media_type)}" for media, media_type in content.items())


def _link(media_type: Mapping[str, Any]) -> str:
    reference = media_type.get("schema", {}).get("$ref")
    if reference is None:
        return ""
    name = escape(reference.rpartition("/")[2])
    return f"<a href='#schema-{name}'>{name}</a>"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    text = escape(json.dumps(schema, indent=2))
    return f"<details id='schema-{escape(name)}'><summary>{escape(name)}</summary><pre>{text}</pre></details>"


def _brief(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    bounds = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    default = [f"default {schema['default']}"] if "default" in schema else []
    kind = " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))
    return ", ".join([kind, *bounds, *default])
