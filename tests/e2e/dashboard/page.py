"""The dashboard as a test sees it: a tab, what it said on its console, and whom it asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from playwright.sync_api import expect

from tests.stack_process import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, Route

PATIENCE_MS: Final = PATIENCE_SECONDS * 1_000
WIDE: Final = (1440, 1000)
PHONE: Final = (390, 844)
expect.set_options(timeout=PATIENCE_MS)


class Dashboard:
    """One tab with the dashboard in it."""

    def __init__(self, page: Page, url: str) -> None:
        page.set_default_timeout(PATIENCE_MS)
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.overviews: list[dict[str, Any]] = []
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )
        page.on("request", lambda request: self.asked.append(request.url))

    @classmethod
    @contextmanager
    def opened(
        cls, browser: Browser, url: str, *, size: tuple[int, int] = WIDE, theme: Any = "light", load: bool = True
    ) -> Iterator[Self]:
        """``load`` False leaves the tab empty, for a test that has something to arrange first."""
        context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, timezone_id="UTC"
        )
        try:
            dashboard = cls(context.new_page(), url)
            if load:
                dashboard.load()
            yield dashboard
        finally:
            for page in context.pages:
                page.unroute_all(behavior="ignoreErrors")  # An answer may still be on its way through a test's hands.
            context.close()

    def load(self) -> None:
        self.page.goto(self.url)

    def await_answer(self) -> None:
        """Wait until an answer is on the page."""
        expect(self.page.locator("body")).to_have_attribute("data-connection", "live")

    def get(self, element_id: str) -> Locator:
        return self.page.locator(f"#{element_id}")

    def dialog(self, name: str) -> Locator:
        return self.page.get_by_role("dialog", name=name)

    def shown(self, path: str) -> Locator:
        """The first element that shows the value at ``path`` of an overview."""
        return self.page.locator(f'[data-show="{path}"], [data-show^="{path}:"]').first

    def press(self, element_id: str) -> None:
        self.get(element_id).click()

    def confirm(self, text: str) -> None:
        self.get("confirm-dialog").get_by_role("button", name=text).click()

    def notice(self, text: str) -> Locator:
        return self.get("notices").get_by_text(text)

    def next_overview(self) -> dict[str, Any]:
        with self.page.expect_response(is_overview) as answered:
            pass
        overview: dict[str, Any] = answered.value.json()
        return overview

    def answer_overviews(self, change: Callable[[dict[str, Any]], None]) -> None:
        """From now on ``change`` the overviews that the app gives."""

        def pass_on(route: Route) -> None:
            answer = route.fetch()
            overview = answer.json()
            change(overview)
            route.fulfill(response=answer, json=overview)

        self.page.route("**/api/stream/overview**", pass_on)

    def assert_nothing_went_wrong(self, *expected: str) -> None:
        """Nothing was complained of, but for what has one of ``expected`` in it; nobody else was asked anything."""
        unexpected = [each for each in self.complaints if not any(known in each for known in expected)]
        assert not unexpected
        assert [each for each in self.asked if not each.startswith((self.url, "blob:"))] == []


def is_overview(response: Response) -> bool:
    return "/api/stream/overview" in response.url and response.ok
