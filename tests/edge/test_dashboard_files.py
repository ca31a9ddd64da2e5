"""The dashboard's files as a browser is given them."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import azure.functions as func
import pytest

from streaming.triggers import dashboard

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAVIEST_BYTES = 150_000


def request(path: str, headers: Mapping[str, str] | None = None, **route: str) -> func.HttpRequest:
    return func.HttpRequest("GET", path, headers=headers, route_params=route, body=b"")


async def page(headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    answer: func.HttpResponse = await dashboard.dashboard(request("/", headers))
    return answer


async def file(name: str, headers: Mapping[str, str] | None = None, version: str = "") -> func.HttpResponse:
    version = version or dashboard.site().version
    asked = request(f"/dashboard/{version}/{name}", headers, version=version, file=name)
    answer: func.HttpResponse = await dashboard.dashboard_files(asked)
    return answer


async def test_the_page_names_files_that_are_there() -> None:
    answer = await page()
    assert answer.mimetype == "text/html"
    text = answer.get_body().decode()
    named = re.findall(r'(?:href|src)="(dashboard/[^"]+)"', text)
    assert len(named) > 15
    for address in named:
        _, version, name = address.split("/", 2)
        assert version == dashboard.site().version
        assert (await file(name)).status_code == 200


async def test_every_module_that_is_imported_is_announced_by_the_page() -> None:
    text = (await page()).get_body().decode()
    files = dashboard.site().files
    for name, content in files.items():
        if name.endswith(".js"):
            for imported in re.findall(r'from "\./([^"]+)"', content.content.decode()):
                assert imported in files, (name, imported)
                assert f"/{imported}" in text, (name, imported)


async def test_nothing_in_the_page_needs_a_loose_policy() -> None:
    policy = (await page()).headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    text = (await page()).get_body().decode()
    assert not re.search(
        r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", text.replace("www.w3.org", "")
    )


@pytest.mark.parametrize("name", ["app.js", "vendor/uplot-1.6.32/LICENSE.txt", "icon.svg"])
async def test_files_are_kept_for_ever_under_their_version_only(name: str) -> None:
    assert (await file(name)).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (await file(name, version="0123456789abcdef")).headers["Cache-Control"] == "no-cache"
    assert (await page()).headers["Cache-Control"] == "no-cache"


async def test_what_a_browser_has_is_not_sent_again() -> None:
    first = await file("style.css")
    again = await file("style.css", {"if-none-match": first.headers["ETag"]})
    assert (again.status_code, again.get_body()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (await file("app.js", {"if-none-match": first.headers["ETag"]})).status_code == 200


async def test_a_file_is_compressed_for_whoever_can_read_it() -> None:
    plain = await file("app.js")
    small = await file("app.js", {"accept-encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.get_body()) == plain.get_body()
    assert plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "name", ["", "missing.js", "../triggers/http.py", "..%2f..%2fhost.json", "/etc/passwd", "vendor", "app.js/"]
)
async def test_there_is_nothing_else(name: str) -> None:
    answer = await file(name)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_the_whole_page_is_light() -> None:
    files = dashboard.site().files
    assert sum(len(each.compressed) for each in files.values()) < HEAVIEST_BYTES
    assert len({each.etag for each in files.values()}) == len(files)
