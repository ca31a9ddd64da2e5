"""The dashboard while 5 000 events/s stream: how soon it can be used, what its tab costs, and what it weighs."""

from __future__ import annotations

import time
from typing import Final

import httpx
from playwright.sync_api import expect, sync_playwright

from bench.screenshots import running_stack
from local.chromium import ARGUMENTS, ensure_chromium
from streaming.triggers.dashboard import site

PACE: Final = {"profile": "high"}
SETTLE_SECONDS: Final = 20
WATCHED_SECONDS: Final = 30
LOADS: Final = 5


def main() -> dict[str, float]:
    with running_stack() as url, sync_playwright() as playwright:
        httpx.put(f"{url}/api/stream/config", json=PACE, timeout=30).raise_for_status()
        time.sleep(SETTLE_SECONDS)
        browser = playwright.chromium.launch(executable_path=ensure_chromium(print), args=list(ARGUMENTS))
        usable = []
        for _ in range(LOADS):
            context = browser.new_context()  # With an empty cache each time.
            page = context.new_page()
            started = time.perf_counter()
            page.goto(url, wait_until="commit")
            expect(page.locator("body")).to_have_attribute("data-connection", "live", timeout=60_000)
            usable.append(time.perf_counter() - started)
            context.close()
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.goto(url)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")

        def busy_seconds() -> float:
            metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
            return float(metrics["ProcessTime"])

        page.wait_for_timeout(2_000)
        before, started = busy_seconds(), time.perf_counter()
        page.wait_for_timeout(WATCHED_SECONDS * 1_000)
        share = (busy_seconds() - before) / (time.perf_counter() - started)
        rate = httpx.get(f"{url}/api/stream/status", timeout=30).json()["events_per_second"]
        browser.close()
    weight = sum(len(file.compressed) for file in site().files.values())
    print(f"usable within {sorted(usable)[LOADS // 2]:.2f} s (median of {LOADS}), at {rate:.0f} events/s")
    print(f"the tab takes {share:.1%} of a core; the page weighs {weight / 1000:.0f} kB compressed")
    return {
        "dashboard_usable_seconds": sorted(usable)[LOADS // 2],
        "dashboard_tab_core_share": share,
        "dashboard_weight_share_of_150_kb": weight / 150_000,
    }
