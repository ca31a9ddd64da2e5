"""One local stack for all tests of the dashboard, one Chromium for a module of them, a tab for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from local.chromium import ARGUMENTS, ensure_chromium
from tests.e2e.dashboard.page import PATIENCE_MS, Dashboard
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone before another module's tests: Playwright's event loop would be in the way of asynchronous ones."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=ensure_chromium(), args=list(ARGUMENTS), timeout=PATIENCE_MS
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def dashboard_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with StackProcess(tmp_path_factory.mktemp("dashboard"), "--no-stream") as running:
        yield running


@pytest.fixture
def stack(dashboard_stack: StackProcess) -> Iterator[StackProcess]:
    """The stack, without a stream before and after each test."""
    yield dashboard_stack
    dashboard_stack.ask("POST", "/api/stream/stop")
    wait_until(lambda: dashboard_stack.status().get("status") == "stopped", "the stream to stop")


@pytest.fixture
def dashboard(stack: StackProcess, browser: Browser) -> Iterator[Dashboard]:
    """The page, opened, before anything has answered for sure."""
    with Dashboard.opened(browser, stack.url) as page:
        yield page
        page.assert_nothing_went_wrong()
