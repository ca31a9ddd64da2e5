"""The dashboard while there is nothing to show: before the first answer, without a stream, a key, or anybody there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.e2e.dashboard.page import Dashboard, is_overview
from tests.stack_process import StackProcess

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Route

PROBLEM = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "Storage can't be reached: it is being moved. Try again shortly.",
}


def test_before_the_first_answer_nothing_is_claimed(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        held: list[Route] = []
        dashboard.page.route("**/api/stream/overview**", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
        with dashboard.page.expect_request("**/api/stream/overview**"):
            dashboard.load()
        expect(dashboard.get("status-text")).to_have_text("Connecting")
        expect(dashboard.get("main")).to_have_attribute("aria-busy", "true")
        expect(dashboard.shown("status.events_sent")).to_have_text("\N{EN DASH}")
        expect(dashboard.get("start")).to_be_disabled()
        assert held, "asked before anything was claimed"
        held[0].continue_()
        dashboard.await_answer()
        expect(dashboard.get("main")).not_to_have_attribute("aria-busy", "true")


def test_without_any_stream_it_says_what_to_do(stack: StackProcess, browser: Browser) -> None:
    def never_streamed(overview: dict[str, Any]) -> None:
        overview["status"] |= {"session_id": None, "mode": None, "status": "stopped", "events_sent": 0}
        overview["statistics"] |= {"event_type_counts": {}, "error_counts": {}, "last_event_time": None}
        overview["events"] = []
        for bucket in overview["history"]["buckets"] if overview["history"] else ():
            bucket |= {"events_per_second": 0.0, "bytes_sent": 0, "failure_rate": 0.0}
        for bucket in overview["last_minute"]["buckets"] if overview["last_minute"] else ():
            bucket |= {"events_per_second": 0.0, "bytes_sent": 0, "failure_rate": 0.0}

    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        dashboard.answer_overviews(never_streamed)
        dashboard.load()
        expect(dashboard.get("state-line")).to_have_text(
            "No stream has run yet. Start one, and its events appear here."
        )
        for empty in ("types-empty", "errors-empty", "events-empty", "disruptions-empty"):
            expect(dashboard.get(empty)).to_be_visible()
        expect(dashboard.get("rate-summary")).to_have_text("Nothing in the last 5 minutes.")
        dashboard.assert_nothing_went_wrong()


def test_what_this_version_lacks_is_said_and_breaks_nothing(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        dashboard.answer_overviews(lambda overview: overview.update(outbox=None, dlq=None))
        for path in ("dlq?**", "test"):
            dashboard.page.route(f"**/api/stream/{path}", lambda route: route.fulfill(status=404, body=""))
        dashboard.load()
        dashboard.await_answer()
        expect(dashboard.get("outbox-absent")).to_be_visible()
        expect(dashboard.get("outbox-drain")).to_be_hidden()
        dashboard.press("test")
        expect(dashboard.get("test-result")).to_have_text("Not available on this version.")
        dashboard.press("dlq-browse")
        expect(dashboard.get("dlq-dialog").get_by_role("alert")).to_have_text("Not available on this version.")
        dashboard.assert_nothing_went_wrong("404")


def test_a_refusal_is_told_in_its_words_and_forgotten_when_it_is_over(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url) as dashboard:
        dashboard.await_answer()
        dashboard.page.route(
            "**/api/stream/overview**",
            lambda route: route.fulfill(status=503, body=json.dumps(PROBLEM), content_type="application/problem+json"),
        )
        expect(dashboard.get("banner")).to_contain_text(PROBLEM["detail"])  # type: ignore[arg-type]  # a text
        expect(dashboard.get("banner")).to_contain_text("The numbers are from")
        expect(dashboard.page.locator("body")).to_have_attribute("data-connection", "stale")
        dashboard.page.unroute_all()
        dashboard.get("retry-now").dispatch_event("click")  # It may have tried by itself by now, and be hidden.
        expect(dashboard.get("banner")).to_be_hidden()
        dashboard.await_answer()


def test_the_app_goes_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream") as stack, Dashboard.opened(browser, stack.url) as dashboard:
        dashboard.await_answer()
        stack.stop()
        expect(dashboard.get("banner")).to_contain_text("The server can\N{RIGHT SINGLE QUOTATION MARK}t be reached.")
        expect(dashboard.page.locator("body")).to_have_attribute("data-connection", "stale")
        stack.start()
        expect(dashboard.get("banner")).to_be_hidden()
        expect(dashboard.get("announcer")).to_have_text("The connection is back.")


def test_in_the_background_it_asks_rarely_and_in_front_at_once(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        page = dashboard.page
        page.clock.install()
        page.add_init_script(
            "let hidden = false; Object.defineProperty(document, 'hidden', { get: () => hidden });"
            "window.hide = (value) => {"
            " hidden = value; document.dispatchEvent(new Event('visibilitychange')); return Date.now(); };"
        )
        dashboard.load()
        dashboard.await_answer()
        for _ in range(3):
            with page.expect_response(is_overview):
                page.clock.run_for(2_000)
        hidden_ms = page.evaluate("hide(true)")
        asked = len(dashboard.asked)
        page.clock.pause_at((hidden_ms + 15_000) / 1_000)  # From here on, this machine's time doesn't count.
        page.clock.run_for(14_000)
        page.evaluate("fetch('health').then((answer) => answer.json())")  # Whatever had been asked would be seen now.
        assert [url for url in dashboard.asked[asked:] if "overview" in url] == []
        with page.expect_response(is_overview):
            page.clock.run_for(2_000)
        with page.expect_response(is_overview):
            page.evaluate("hide(false)")


def test_a_key_is_asked_for_once_and_kept_to_the_tab(browser: Browser, tmp_path: Path) -> None:
    with StackProcess(tmp_path, "--no-stream", "--auth") as stack, Dashboard.opened(browser, stack.url) as dashboard:
        key = json.loads((tmp_path / "host-keys.json").read_text())["functionKeys"]["default"]
        dialog = dashboard.dialog("Function key")
        expect(dialog).to_be_visible()
        dialog.get_by_label("Key").fill("wrong")
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog.get_by_role("alert")).to_have_text("This key was not accepted.")
        dialog.get_by_label("Key").fill(key)
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog).to_be_hidden()
        dashboard.await_answer()

        dashboard.page.reload()
        dashboard.await_answer()
        expect(dialog).to_be_hidden()
        assert not [url for url in dashboard.asked if key in url]
        assert key not in dashboard.page.evaluate("JSON.stringify([{ ...localStorage }, document.cookie])")
        with Dashboard.opened(browser, stack.url) as another:
            expect(another.dialog("Function key")).to_be_visible()

        dashboard.press("forget-key")
        expect(dialog).to_be_visible()
        dashboard.assert_nothing_went_wrong("401")


def test_an_open_breaker_counts_down(stack: StackProcess, browser: Browser) -> None:
    def opened(overview: dict[str, Any]) -> None:
        soon = overview["timestamp"].replace("Z", "+00:00")
        overview["circuit_breaker"] |= {"state": "open", "opened_at": soon, "retry_at": "2199-01-01T00:00:00Z"}
        overview["status"] |= {"status": "error", "fault": "the circuit breaker is open: throttling"}

    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        dashboard.answer_overviews(opened)
        dashboard.load()
        expect(dashboard.get("status-text")).to_have_text("Error")
        expect(dashboard.get("state-line")).to_have_text(
            "The circuit breaker is open: throttling. It goes on by itself when that is over."
        )
        expect(dashboard.get("breaker-line")).to_have_text(re.compile(r"Open for \d+ s\. Next try in \d+ d\."))
