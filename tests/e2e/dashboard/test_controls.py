"""Each control of the dashboard does what it says, and a refusal is shown in the API's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.letters import bury
from tests.hub_faults import HubFaults
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Route

    from tests.e2e.dashboard.page import Dashboard
    from tests.stack_process import StackProcess


@pytest.fixture(autouse=True)
def _as_it_was(stack: StackProcess) -> Iterator[None]:
    """Leave the stack configured as it was found."""
    _, before = stack.ask("GET", "/api/stream/config")
    yield
    settings = {name: value for name, value in before["realtime"].items() if name != "azure_connection_string"}
    assert stack.ask("PUT", "/api/stream/config", settings)[0] == 200


def start(stack: StackProcess, dashboard: Dashboard, **request: object) -> None:
    code, answer = stack.ask("POST", "/api/stream/start", {"emit_interval_ms": 100, "burst": 20, **request})
    assert code == 200, answer
    expect(dashboard.get("status-text")).to_have_text("Running")


def test_a_stream_is_started_as_the_form_says(stack: StackProcess, dashboard: Dashboard) -> None:
    dashboard.await_answer()
    expect(dashboard.get("pause")).to_be_disabled()
    dashboard.press("start")
    dialog = dashboard.dialog("Start a stream")
    dialog.get_by_label("Interval (ms)").fill("200")
    dialog.get_by_label("Burst (events)").fill("30")
    expect(dialog.get_by_text("150 events per second")).to_be_visible()
    dialog.get_by_label("Duration (minutes)").fill("5")
    dialog.get_by_text("Event types: all").click()
    dialog.get_by_role("button", name="None", exact=True).click()
    dialog.get_by_label("receipt_created").check()
    dialog.get_by_label("ble_ping_detected").check()
    expect(dialog.get_by_text("Event types: 2 of 18")).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()

    expect(dialog).to_be_hidden()
    expect(dashboard.get("status-text")).to_have_text("Running")
    expect(dashboard.get("start")).to_be_disabled()
    status = stack.status()
    assert (status["configured_events_per_second"], status["mode"]) == (150, "live")
    chosen = {"receipt_created", "ble_ping_detected"}
    wait_until(
        lambda: set(stack.ask("GET", "/api/stream/statistics")[1]["event_type_counts"]) == chosen,
        "events of both types",
    )
    expect(dashboard.page.locator("#types tbody tr")).to_have_count(2)


def test_a_profile_sets_the_configuration_and_the_pace(stack: StackProcess, dashboard: Dashboard) -> None:
    dashboard.await_answer()
    dashboard.press("start")
    dialog = dashboard.dialog("Start a stream")
    dialog.get_by_label("Profile").select_option("low")
    expect(dialog.get_by_label("Interval (ms)")).to_have_value("2000")
    expect(dialog.get_by_text("25 events per second", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(dashboard.get("status-text")).to_have_text("Running")
    assert stack.status()["configured_events_per_second"] == 25
    assert stack.ask("GET", "/api/stream/config")[1]["realtime"]["max_batch_size"] == 128


def test_a_refused_start_stays_open_with_the_reason(stack: StackProcess, dashboard: Dashboard) -> None:
    request = {"emit_interval_ms": 10, "burst": 100_000}
    code, problem = stack.ask("POST", "/api/stream/start", request)
    assert code == 400
    dashboard.await_answer()
    dashboard.press("start")
    dialog = dashboard.dialog("Start a stream")
    dialog.get_by_label("Interval (ms)").fill("10")
    dialog.get_by_label("Burst (events)").fill("100000")
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text(problem["detail"])
    assert stack.status()["status"] == "stopped"
    dialog.get_by_role("button", name="Cancel").click()
    dashboard.assert_nothing_went_wrong("400")
    dashboard.complaints.clear()


def test_pause_resume_pace_and_stop(stack: StackProcess, dashboard: Dashboard) -> None:
    start(stack, dashboard)
    dashboard.press("pause")
    expect(dashboard.get("status-text")).to_have_text("Paused")
    assert stack.ask("GET", "/api/stream/pause-status")[1]["is_paused"]
    expect(dashboard.get("pause")).to_be_hidden()
    dashboard.press("resume")
    expect(dashboard.get("status-text")).to_have_text("Running")
    assert not stack.ask("GET", "/api/stream/pause-status")[1]["is_paused"]

    dashboard.press("pace")
    dialog = dashboard.dialog("Change the pace")
    expect(dialog.get_by_label("Burst (events)")).to_have_value("20")
    dialog.get_by_label("Burst (events)").fill("35")
    dialog.get_by_role("button", name="Apply").click()
    expect(dashboard.shown("status.configured_events_per_second")).to_have_text("350")
    assert stack.status()["configured_events_per_second"] == 350

    dashboard.press("stop")
    dashboard.confirm("Cancel")
    assert stack.status()["status"] == "running"
    dashboard.press("stop")
    dashboard.confirm("Stop it")
    expect(dashboard.get("status-text")).to_have_text("Stopped")
    assert not stack.status()["is_streaming"]


def test_the_breaker_is_opened_and_reset(stack: StackProcess, dashboard: Dashboard) -> None:
    start(stack, dashboard)
    expect(dashboard.get("breaker-reset")).to_be_disabled()
    dashboard.press("breaker-open")
    dashboard.confirm("Open it")
    expect(dashboard.get("breaker")).to_have_text("open")
    assert stack.ask("GET", "/api/stream/circuit-breaker")[1]["state"] == "open"
    expect(dashboard.get("status-text")).to_have_text("Error")
    expect(dashboard.get("breaker-line")).to_contain_text("It stays open until it is reset.")
    dashboard.page.get_by_text("Transitions").click()
    expect(dashboard.get("transitions").get_by_role("listitem").first).to_contain_text("closed → open")
    dashboard.press("breaker-reset")
    dashboard.confirm("Reset it")
    expect(dashboard.get("breaker")).to_have_text("closed")
    assert stack.ask("GET", "/api/stream/circuit-breaker")[1]["state"] == "closed"
    expect(dashboard.get("status-text")).to_have_text("Running")


def test_the_connection_is_tested(stack: StackProcess, dashboard: Dashboard) -> None:
    _, answer = stack.ask("POST", "/api/stream/test")
    assert answer["success"]
    dashboard.await_answer()
    dashboard.press("test")
    expect(dashboard.get("test-result")).to_contain_text(answer["message"])
    expect(dashboard.get("test-result")).to_contain_text("4 partitions")
    HubFaults(stack).put({"kind": "refuse-connections"})
    try:
        dashboard.press("test")
        expect(dashboard.get("test-result")).to_have_attribute("data-level", "unhealthy")
    finally:
        HubFaults(stack).clear()


def test_disruptions_are_caused_and_ended(stack: StackProcess, dashboard: Dashboard) -> None:
    dashboard.await_answer()
    dashboard.press("disruption-create")
    dialog = dashboard.dialog("Cause a disruption")
    dialog.get_by_label("Target").fill("dc_99")
    dialog.get_by_role("button", name="Cause it").click()
    wrong = {"disruption_type": "dc_outage", "target_id": "dc_99"}
    refused = stack.ask("POST", "/api/disruption/create", wrong)[1]["detail"]
    expect(dialog.get_by_role("alert")).to_have_text(refused)

    dialog.get_by_label("Kind").select_option("inventory_shortage")
    dialog.get_by_label("Target").fill("store_7")
    dialog.get_by_label("Severity (0.1 to 1)").fill("0.8")
    dialog.get_by_label("Products (shortage only)").fill("12, 40")
    dialog.get_by_role("button", name="Cause it").click()
    expect(dashboard.page.locator("#disruptions li")).to_have_count(1)
    (created,) = stack.ask("GET", "/api/disruption/list")[1]["disruptions"]
    assert (created["disruption_type"], created["target_id"]) == ("inventory_shortage", "store_7")
    assert (created["severity"], created["product_ids"]) == (0.8, [12, 40])
    dashboard.page.get_by_role("button", name="End inventory shortage at store_7").click()
    expect(dashboard.get("disruptions-empty")).to_be_visible()
    assert stack.ask("GET", "/api/disruption/list")[1]["count"] == 0

    for target in ("dc_1", "dc_2"):
        body = {"disruption_type": "dc_outage", "target_id": target}
        assert stack.ask("POST", "/api/disruption/create", body)[0] == 200
    expect(dashboard.page.locator("#disruptions li")).to_have_count(2)
    dashboard.press("disruptions-clear")
    dashboard.confirm("End them")
    expect(dashboard.get("disruptions-empty")).to_be_visible()
    dashboard.assert_nothing_went_wrong("400")
    dashboard.complaints.clear()


def test_dead_letters_are_read_sent_again_and_cleared(
    stack: StackProcess, dashboard: Dashboard, tmp_path: Path
) -> None:
    bury(stack, bursts=3)
    size = stack.ask("GET", "/api/stream/dlq/summary")[1]["size"]
    assert size >= 60
    dashboard.load()
    expect(dashboard.shown("statistics.dlq_size")).to_have_text(str(size))
    expect(dashboard.page.locator("#dlq-categories tbody tr")).not_to_have_count(0)

    dashboard.press("dlq-browse")
    dialog = dashboard.dialog("Dead letters")
    rows = dialog.locator("#dlq-entries > li")
    expect(rows).to_have_count(50)
    dialog.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(min(100, size))
    rows.first.locator("summary").click()
    first = stack.ask("GET", "/api/stream/dlq?limit=1")[1]["events"][0]
    assert json.loads(rows.first.locator("pre").text_content() or "") == first["event"]
    with dashboard.page.expect_download() as exported:
        dialog.get_by_role("button", name="Export all").click()
    exported.value.save_as(tmp_path / "letters.jsonl")
    assert len((tmp_path / "letters.jsonl").read_text().splitlines()) == size
    dialog.get_by_role("button", name="Close").click()

    dashboard.press("dlq-retry")
    again = dashboard.dialog("Send dead letters again")
    again.get_by_label("At most (events)").fill("20")
    again.get_by_role("button", name="Send again").click()
    expect(dashboard.notice(" sent, ")).to_be_visible()
    left = stack.ask("GET", "/api/stream/dlq/summary")[1]["size"]
    assert left < size
    expect(dashboard.shown("statistics.dlq_size")).to_have_text(str(left))

    dashboard.press("dlq-clear")
    dashboard.confirm("Clear them")
    expect(dashboard.shown("statistics.dlq_size")).to_have_text("0")
    assert stack.ask("GET", "/api/stream/dlq/summary")[1]["size"] == 0
    expect(dashboard.get("dlq-clear")).to_be_disabled()


def test_an_outbox_is_drained_and_cleared(dashboard: Dashboard) -> None:
    """Whether or not this app has one yet: its answers are given here."""
    dashboard.answer_overviews(lambda overview: overview.update(outbox=OUTBOX))
    sent: list[tuple[str, str, Any]] = []

    def answer(route: Route) -> None:
        request = route.request
        sent.append((request.method, request.url.rpartition("/")[2], request.post_data_json))
        route.fulfill(json={"success": True, "message": f"{request.method} is done."})

    for path in ("drain", "clear"):
        dashboard.page.route(f"**/api/stream/outbox/{path}", answer)
    dashboard.load()
    expect(dashboard.shown("outbox.pending")).to_have_text("12,345")
    expect(dashboard.shown("outbox.generated_day")).to_have_text("2026-01-02")
    dashboard.press("outbox-drain")
    dialog = dashboard.dialog("Drain the outbox")
    dialog.get_by_label("Burst (events)").fill("500")
    dialog.get_by_role("button", name="Drain", exact=True).click()
    expect(dashboard.notice("POST is done.")).to_be_visible()
    dashboard.press("outbox-clear")
    dashboard.confirm("Clear it")
    expect(dashboard.notice("DELETE is done.")).to_be_visible()
    assert sent == [("POST", "drain", {"burst": 500}), ("DELETE", "clear", None)]


def test_a_staged_day_is_seen_drained_and_cleared(stack: StackProcess, dashboard: Dashboard) -> None:
    def pending() -> int:
        code, outbox = stack.ask("GET", "/api/stream/outbox/status")
        return int(outbox["pending"]) if code == 200 else 0

    def staged() -> bool:
        code, outbox = stack.ask("GET", "/api/stream/outbox/status")
        return code == 200 and outbox["pending"] > 1_000 and outbox["staging_day"] is None

    start(stack, dashboard, mode="outbox", emit_interval_ms=1_000, burst=1)
    wait_until(staged, "a day to be staged")
    expect(dashboard.shown("status.mode")).to_have_text("outbox")
    assert stack.ask("POST", "/api/stream/stop")[0] == 200
    wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")
    expect(dashboard.shown("outbox.pending")).not_to_have_text("0")
    before = pending()
    dashboard.press("outbox-drain")
    dashboard.dialog("Drain the outbox").get_by_role("button", name="Drain", exact=True).click()
    wait_until(lambda: 0 < pending() < before, "the drain to begin")
    dashboard.press("outbox-clear")
    dashboard.confirm("Clear it")
    expect(dashboard.shown("outbox.pending")).to_have_text("0")
    assert pending() == 0
    assert stack.ask("GET", "/api/stream/books")[1]["balanced"]


OUTBOX = {
    "pending": 12_345,
    "processing": 256,
    "sent": 50_000,
    "failed": 0,
    "oldest_pending_ts": "2026-01-02T08:00:00Z",
    "latest_sent_ts": "2026-01-02T12:00:00Z",
    "generated_day": "2026-01-02",
}


def test_an_event_is_expanded_copied_and_held(stack: StackProcess, dashboard: Dashboard) -> None:
    dashboard.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    start(stack, dashboard)
    first = dashboard.page.locator("#events li").first
    expect(first).to_be_visible()
    dashboard.press("hold")
    expect(dashboard.get("events-note")).to_contain_text("Held")
    trace = first.get_attribute("data-trace")
    dashboard.next_overview()
    assert first.get_attribute("data-trace") == trace
    first.locator("summary").click()
    first.get_by_role("button", name="Copy payload").click()
    expect(dashboard.notice("The payload was copied.")).to_be_visible()
    copied = json.loads(dashboard.page.evaluate("navigator.clipboard.readText()"))
    assert json.loads(first.locator("pre").text_content() or "") == copied
    assert copied
    reading = dashboard.page.locator(f'#events li[data-trace="{trace}"]')
    dashboard.press("hold")
    expect(dashboard.page.locator("#events li").first).not_to_have_attribute("data-trace", trace or "")
    dashboard.next_overview()
    expect(reading.locator("pre")).to_be_visible()
