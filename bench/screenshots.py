"""``python -m bench.screenshots``: pictures of the dashboard, from a stream that really runs, into ``docs/images``.

Takes about four minutes: a stack of its own streams at three paces, so that the graphs have something to show.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import httpx
from playwright.sync_api import expect, sync_playwright

from local.chromium import ARGUMENTS, ensure_chromium
from local.leash import leashed
from local.paths import ROOT
from local.stack.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

FOLDER: Final = ROOT / "docs" / "images"
SIZES: Final = {"wide": (1440, 900), "phone": (390, 844)}
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PACES: Final = (
    ({"emit_interval_ms": 500, "burst": 100}, 75),
    ({"emit_interval_ms": 200, "burst": 90}, 60),
    ({"emit_interval_ms": 250, "burst": 80}, 75),
)
"""Each pace, and the seconds it is held."""
SETTLING_MS: Final = 12_000
"""How long a page is looked at before its picture is taken: every part of it has been asked for by then."""


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_stack() as url, sync_playwright() as playwright:
        with httpx.Client(base_url=url, timeout=30) as api:
            for pace, seconds in PACES:
                api.put("/api/stream/config", json=pace).raise_for_status()
                print(f"{pace} for {seconds} s", flush=True)
                time.sleep(seconds)
            trouble = {"disruption_type": "weather_delay", "target_id": "store_12", "severity": 0.6}
            api.post("/api/disruption/create", json=trouble).raise_for_status()
        browser = playwright.chromium.launch(executable_path=ensure_chromium(print), args=list(ARGUMENTS))
        for theme in THEMES:
            for size in SIZES:
                print(take(browser, url, theme, size).relative_to(ROOT), flush=True)
        browser.close()


def take(browser: Browser, url: str, theme: Literal["light", "dark"], size: str) -> Path:
    """One picture: all of the page on a wide display, the first screen of it on a phone."""
    width, height = SIZES[size]
    picture = FOLDER / f"dashboard-{theme}-{size}.png"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    page.goto(url)
    expect(page.locator("body")).to_have_attribute("data-connection", "live", timeout=30_000)
    page.wait_for_timeout(SETTLING_MS)
    page.screenshot(path=picture, full_page=size == "wide")
    context.close()
    return picture


@contextmanager
def running_stack() -> Iterator[str]:
    """A local stack with a stream, gone afterwards."""
    port, hub_port = free_ports(2)
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            "-m",
            "local",
            "up",
            "--data",
            data,
            "--port",
            str(port),
            "--hub-port",
            str(hub_port),
        ]
        with subprocess.Popen(leashed(command), cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:  # noqa: S603 - ours
            assert stack.stdout is not None  # noqa: S101 - it was asked for
            try:
                if not any(line.startswith("ready: ") for line in stack.stdout):
                    raise SystemExit("the local stack did not start")
                yield f"http://127.0.0.1:{port}"
            finally:
                stack.terminate()
                stack.communicate()


if __name__ == "__main__":
    main()
