"""The dashboard for everybody: no violation that axe can find, nothing from elsewhere, light, and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from local.node import ensure_packages
from local.paths import ROOT, STATE
from tests.e2e.dashboard.letters import bury
from tests.e2e.dashboard.page import PHONE, WIDE, Dashboard
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

    from tests.stack_process import StackProcess

HEAVIEST_BYTES: Final = 150_000
NARROWEST: Final = (320, 640)
DIALOGS: Final = {
    "start": "Start a stream",
    "dlq-browse": "Dead letters",
    "disruption-create": "Cause a disruption",
    "outbox-drain": "Drain the outbox",
}


@pytest.fixture(scope="module")
def axe() -> str:
    """The checker, as a script."""
    modules = ensure_packages(ROOT / "tests" / "axe", STATE / "axe")
    return (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_no_violation(
    theme: str, size: tuple[int, int], stack: StackProcess, browser: Browser, axe: str
) -> None:
    assert stack.ask("POST", "/api/stream/start", {"emit_interval_ms": 500, "burst": 60})[0] == 200
    wait_until(lambda: stack.status().get("events_sent", 0) > 0, "events")
    with Dashboard.opened(browser, stack.url, size=size, theme=theme) as dashboard:
        dashboard.await_answer()
        dashboard.page.locator("#events summary").first.click()
        assert violations(dashboard.page, axe) == []
        assert dashboard.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        dashboard.press("pace")
        expect(dashboard.dialog("Change the pace")).to_be_visible()
        assert violations(dashboard.page, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_in_dialogs(theme: str, stack: StackProcess, browser: Browser, axe: str) -> None:
    with Dashboard.opened(browser, stack.url, theme=theme) as dashboard:
        dashboard.await_answer()
        for button, name in DIALOGS.items():
            dashboard.press(button)
            expect(dashboard.dialog(name)).to_be_visible()
            assert violations(dashboard.page, axe) == [], name
            dashboard.page.keyboard.press("Escape")
            expect(dashboard.dialog(name)).to_be_hidden()
        dashboard.press("breaker-open")
        assert violations(dashboard.page, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_in_dead_letters(theme: str, stack: StackProcess, browser: Browser, axe: str) -> None:
    bury(stack, bursts=1)
    with Dashboard.opened(browser, stack.url, theme=theme) as dashboard:
        dashboard.press("dlq-browse")
        entries = dashboard.dialog("Dead letters").locator("#dlq-entries > li")
        entries.first.locator("summary").click()
        assert violations(dashboard.page, axe) == []
        dashboard.page.keyboard.press("Escape")
        dashboard.press("dlq-retry")
        again = dashboard.dialog("Send dead letters again")
        expect(again).to_be_visible()
        assert violations(dashboard.page, axe) == []
        again.get_by_label("At most (events)").fill("-1")
        again.get_by_role("button", name="Send again").click()
        assert violations(dashboard.page, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_while_a_key_is_asked_for(
    theme: str, stack: StackProcess, browser: Browser, axe: str
) -> None:
    with Dashboard.opened(browser, stack.url, theme=theme, load=False) as dashboard:
        dashboard.page.route("**/api/stream/overview**", lambda route: route.fulfill(status=401, body=""))
        dashboard.load()
        dialog = dashboard.dialog("Function key")
        expect(dialog).to_be_visible()
        assert violations(dashboard.page, axe) == []
        dialog.get_by_label("Key").fill("wrong")
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog.get_by_role("alert")).to_have_text("This key was not accepted.")
        assert violations(dashboard.page, axe) == []


def test_axe_finds_no_violation_while_nobody_answers(stack: StackProcess, browser: Browser, axe: str) -> None:
    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        dashboard.page.route("**/api/stream/overview**", lambda route: route.abort())
        dashboard.load()
        expect(dashboard.get("banner")).to_be_visible()
        assert violations(dashboard.page, axe) == []


def test_nothing_is_wider_than_the_narrowest_phone(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, size=NARROWEST) as dashboard:
        dashboard.await_answer()
        assert dashboard.page.evaluate("document.documentElement.scrollWidth") <= NARROWEST[0]


def test_the_page_is_light_and_comes_from_here_alone(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, load=False) as dashboard:
        finished: list[Request] = []
        dashboard.page.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108 - Playwright marks the function
        dashboard.load()
        dashboard.await_answer()
        dashboard.page.wait_for_load_state("networkidle")
        files = [request for request in finished if "/api/" not in request.url]
        assert len(files) > 10
        assert sum(request.sizes()["responseBodySize"] for request in files) < HEAVIEST_BYTES
        dashboard.assert_nothing_went_wrong()

        finished.clear()
        dashboard.page.reload()
        dashboard.await_answer()
        for request in [each for each in finished if "/dashboard/" in each.url]:
            answer = request.response()
            assert answer is None or answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_theme_can_be_chosen_and_is_remembered(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url, theme="light") as dashboard:
        dashboard.await_answer()
        background = "getComputedStyle(document.body).backgroundColor"
        light = dashboard.page.evaluate(background)
        dashboard.page.get_by_role("button", name="Theme: auto").click()
        assert dashboard.page.evaluate(background) == light
        dashboard.page.get_by_role("button", name="Theme: light").click()
        dark = dashboard.page.evaluate(background)
        assert dark != light
        dashboard.page.reload()
        dashboard.await_answer()
        expect(dashboard.page.get_by_role("button", name="Theme: dark")).to_be_visible()
        assert dashboard.page.evaluate(background) == dark
        dashboard.assert_nothing_went_wrong()


def test_by_keyboard_alone(stack: StackProcess, browser: Browser) -> None:
    with Dashboard.opened(browser, stack.url) as dashboard:
        dashboard.await_answer()
        keyboard = dashboard.page.keyboard
        keyboard.press("Tab")
        expect(dashboard.page.get_by_role("link", name="Skip to the stream")).to_be_focused()
        keyboard.press("Enter")
        expect(dashboard.get("main")).to_be_focused()
        keyboard.press("Tab")
        expect(dashboard.get("start")).to_be_focused()
        keyboard.press("Enter")
        dialog = dashboard.dialog("Start a stream")
        expect(dialog.get_by_label("Mode")).to_be_focused()
        keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(dashboard.get("start")).to_be_focused()
