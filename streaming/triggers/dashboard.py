"""The dashboard: one page, its files, and the one request that each of its refreshes makes."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import azure.functions as func

from shared.clock import from_datetime
from streaming import wiring
from streaming.flows.overview import OverviewRequest
from streaming.triggers.http import answers, query_of, refuse, reply
from streaming.triggers.requests import OverviewQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).resolve().parent.parent / "dashboard"
PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_CONTENT_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in _CONTENT_POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_EACH_TIME: Final = "no-cache"
_VERSION_PLACE: Final = b"{version}"

blueprint = func.Blueprint()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One file, ready to be sent."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All files of the page, by their path below ``FOLDER``, and the version that their contents make."""

    version: str
    files: Mapping[str, PageFile]


@cache
def site() -> Site:
    """Read on the first request, then kept: some sixty kilobytes that change only with a deployment.

    The page names its files by version. A browser keeps them for ever, and never mixes two deployments.
    """
    contents = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    version = digest.hexdigest()[:16]
    contents[PAGE] = contents[PAGE].replace(_VERSION_PLACE, version.encode())
    return Site(version=version, files={name: _file(name, content) for name, content in contents.items()})


@blueprint.function_name("dashboard")
@blueprint.route(route="{ignored:maxlength(0)?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def dashboard(req: func.HttpRequest) -> func.HttpResponse:
    """The page. An empty template would match nothing on the platform; this one matches the empty path alone."""
    return _send(req, site().files[PAGE], _ASK_EACH_TIME)


@blueprint.function_name("dashboard_files")
@blueprint.route(route="dashboard/{version}/{*file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers
async def dashboard_files(req: func.HttpRequest) -> func.HttpResponse:
    """A file of the page. Another version than this one's is asked for in the middle of a deployment."""
    known = site()
    file = known.files.get(req.route_params.get("file", ""))
    if file is None:
        raise refuse(404, "The dashboard has no such file.")
    return _send(req, file, _FOR_EVER if req.route_params["version"] == known.version else _ASK_EACH_TIME)


@blueprint.function_name("stream_overview")
@blueprint.route(route="api/stream/overview", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers
async def overview(req: func.HttpRequest) -> func.HttpResponse:
    query = query_of(req, OverviewQuery)
    return reply(
        await wiring.application()
        .overview()
        .look(
            OverviewRequest(
                window=query.window_minutes,
                events=query.events,
                after_us=None if query.after is None else from_datetime(query.after),
                details=query.details,
            )
        )
    )


def _file(name: str, content: bytes) -> PageFile:
    return PageFile(
        content=content,
        compressed=gzip.compress(content, mtime=0),
        media_type=MEDIA_TYPES[Path(name).suffix],
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    )


def _send(req: func.HttpRequest, file: PageFile, cache_control: str) -> func.HttpResponse:
    headers = {**SECURITY_HEADERS, "Cache-Control": cache_control, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in req.headers.get("if-none-match", ""):
        return func.HttpResponse(status_code=304, headers=headers)
    content = file.content
    if "gzip" in req.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = file.compressed
    return func.HttpResponse(content, mimetype=file.media_type, charset="utf-8", headers=headers)
