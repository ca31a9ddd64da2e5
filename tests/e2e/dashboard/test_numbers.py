"""Every number on the dashboard is the API's."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.dashboard.page import Dashboard

ROUTES = {
    "status": "/api/stream/status",
    "statistics": "/api/stream/statistics",
    "pause": "/api/stream/pause-status",
    "health": "/api/stream/health",
    "circuit_breaker": "/api/stream/circuit-breaker",
    "config": "/api/stream/config",
    "dlq": "/api/stream/dlq/summary",
    "outbox": "/api/stream/outbox/status",
}
"""Where each part of an overview comes from."""


def stream_to_its_end(stack: StackProcess, **request: object) -> None:
    code, answer = stack.ask("POST", "/api/stream/start", {"emit_interval_ms": 100, "burst": 40, **request})
    assert code == 200, answer
    wait_until(lambda: stack.status().get("status") == "stopped", "the end of the session")


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def half_up(value: float, digits: int) -> str:
    """As people round, a five upwards: 0.15 is one, though as a binary number it is a little less."""
    return f"{Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"


def rounded(value: float, digits: int) -> str:
    """Without needless zeros."""
    text = half_up(value, digits)
    return text.rstrip("0").rstrip(".") if digits else text


def one_digit(value: float) -> str:
    return half_up(value, 1)


def percent(value: float) -> str:
    return "< 0.01 %" if 0 < value < 0.0001 else f"{rounded(value * 100, 2)} %"


def size(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{rounded(value, 0) if unit == 'B' else one_digit(value)} {unit}"
        value /= 1000
    return f"{one_digit(value)} TB"


FORMS: dict[str, Callable[[Any], str]] = {
    "count": lambda value: rounded(value, 0),
    "rate": one_digit,
    "number": lambda value: rounded(value, 3),
    "percent": percent,
    "bytes": size,
    "duration": lambda value: f"{value // 3600}:{value // 60 % 60:02}:{value % 60:02}",
    "words": lambda value: str(value).replace("_", " "),
    "": str,
}


def written(value: Any, form: str) -> str:
    """What a person should read, worked out anew in another language."""
    return "\u2013" if value is None else FORMS[form](value)


def test_every_number_is_that_of_its_route(stack: StackProcess, dashboard: Dashboard) -> None:
    stream_to_its_end(stack, duration_minutes=0.1)
    answers = {}
    for part, route in ROUTES.items():
        code, answers[part] = stack.ask("GET", route)
        assert code == 200 or part == "outbox", (route, code)
    dashboard.load()
    dashboard.await_answer()
    expect(dashboard.shown("statistics.events_generated")).to_have_text("2,400")

    places = dashboard.page.locator("[data-show]")
    assert places.count() > 40
    for place in places.all():
        path, _, form = (place.get_attribute("data-show") or "").partition(":")
        value = at(answers, path)
        assert json.loads(place.get_attribute("data-value") or "") == value, path
        text = place.text_content() or ""
        if form == "ago" and value is not None:
            assert re.fullmatch(r"\d+ (s|min|h|d) ago", text), path
        else:
            assert text == written(value, form), path


def test_fives_are_rounded_upwards(dashboard: Dashboard) -> None:
    fives: dict[str, list[float]] = {
        "bytes": [9_850, 448_150, 884_550, 1_000_050, 753_050_000],
        "rate": [0.05, 0.15, 0.25, 0.35, 8.35, 66.05, 5_420.45],
        "percent": [0.00015, 0.71315, 0.71325],
        "number": [0.0005, 1.0005, 2.5],
    }
    shown = dashboard.page.evaluate(
        "async (fives) => { const { write } = await import(document.querySelector('script[type=module]').src"
        ".replace('app.js', 'format.js'));"
        " return Object.entries(fives).map(([form, values]) => [form, values.map((value) => write(value, form))]); }",
        fives,
    )
    assert dict(shown) == {form: [written(value, form) for value in values] for form, values in fives.items()}


def test_an_overview_says_what_the_routes_say(stack: StackProcess) -> None:
    stream_to_its_end(stack, duration_minutes=0.05)
    code, overview = stack.ask("GET", "/api/stream/overview?window_minutes=60&events=100")
    assert code == 200
    for part, route in ROUTES.items():
        code, answer = stack.ask("GET", route)
        if code != 200:
            assert (part, overview[part]) == ("outbox", None)
            continue
        # The clock has gone on since, and nothing else has.
        assert {**overview[part], "timestamp": 0} == {**answer, "timestamp": 0}, part
    assert overview["events"] == stack.ask("GET", "/api/stream/events/recent")[1]["events"]
    assert overview["disruptions"] == stack.ask("GET", "/api/disruption/list")[1]["disruptions"]
    _, history = stack.ask("GET", "/api/stream/statistics/history?window_minutes=60&bucket_seconds=60")
    sent = {bucket["timestamp"]: bucket["events_sent"] for bucket in history["buckets"]}
    for bucket in overview["history"]["buckets"]:
        assert sent.get(bucket["timestamp"], 0) == bucket["events_sent"]


def test_an_overview_leaves_out_what_is_not_wanted(stack: StackProcess) -> None:
    stream_to_its_end(stack, duration_minutes=0.05)
    _, whole = stack.ask("GET", "/api/stream/overview?window_minutes=5")
    assert whole["history"]["window_minutes"] == 6
    assert whole["last_minute"]["bucket_seconds"] == 5
    _, bare = stack.ask("GET", "/api/stream/overview?events=0&details=false")
    assert (bare["events"], bare["history"], bare["last_minute"], bare["dlq"]) == ([], None, None, None)
    newest = whole["events"][0]["timestamp"]
    _, later = stack.ask("GET", f"/api/stream/overview?after={newest}")
    assert later["events"] == whole["events"], "all of them may be late: the session lasted three seconds"
    _, much_later = stack.ask("GET", "/api/stream/overview?after=2199-01-01T00:00:00Z")
    assert much_later["events"] == []


def test_an_overview_refuses_what_it_does_not_know(stack: StackProcess) -> None:
    for query, field in (
        ("window_minutes=7", "window_minutes"),
        ("events=101", "events"),
        ("after=yesterday", "after"),
        ("details=perhaps", "details"),
        ("limit=5", "limit"),
    ):
        code, problem = stack.ask("GET", f"/api/stream/overview?{query}")
        assert (code, [error["field"] for error in problem["errors"]]) == (400, [field])


def test_types_checks_and_events_are_listed_in_full(stack: StackProcess, dashboard: Dashboard) -> None:
    stream_to_its_end(stack, duration_minutes=0.1)
    dashboard.load()
    dashboard.await_answer()
    _, statistics = stack.ask("GET", "/api/stream/statistics")
    counts: dict[str, int] = statistics["event_type_counts"]
    rows = dashboard.page.locator("#types tbody tr")
    expect(rows).to_have_count(len(counts))
    on_page = {}
    for row in rows.all():
        name, count, share = (cell.text_content() or "" for cell in row.locator("th, td").all())
        on_page[name] = int(count.replace(",", ""))
        assert share == written(counts[name] / sum(counts.values()), "percent")
    assert on_page == counts
    assert list(on_page.values()) == sorted(counts.values(), reverse=True)

    _, health = stack.ask("GET", "/api/stream/health")
    for name, check in health["checks"].items():
        expect(dashboard.page.locator(f'[data-check="{name}"] .check-status')).to_have_text(
            check["status"].replace("_", " ")
        )

    _, recent = stack.ask("GET", "/api/stream/events/recent")
    lines = dashboard.page.locator("#events li")
    expect(lines).to_have_count(100)
    assert [line.get_attribute("data-trace") for line in lines.all()] == [
        event["trace_id"] for event in recent["events"]
    ]
    kinds = Counter(event["event_type"] for event in recent["events"])
    chosen, times = kinds.most_common()[-1]
    dashboard.get("event-filter").select_option(chosen)
    expect(lines).to_have_count(times)
    expect(dashboard.get("events-note")).to_have_text(f"{times} of the last 100 shown.")


def test_the_graphs_end_in_the_words_of_the_history(stack: StackProcess, dashboard: Dashboard) -> None:
    stream_to_its_end(stack, duration_minutes=0.1)
    dashboard.load()
    dashboard.await_answer()
    with dashboard.page.expect_response(lambda answer: "window_minutes=1440" in answer.url) as answered:
        dashboard.page.get_by_role("button", name="24 h").click()
    buckets = answered.value.json()["history"]["buckets"]
    assert 144 <= len(buckets) <= 145
    expect(dashboard.get("rate-summary")).to_contain_text("in the last 24 hours")
    named = re.search(r"at most ([\d,.]+)/s", dashboard.get("rate-summary").text_content() or "")
    assert named
    rates = [bucket["events_per_second"] for bucket in buckets]
    # The bucket that is being filled may have only just begun: the line then ends before it.
    assert named[1] in {one_digit(max(rates)), one_digit(max(rates[:-1]))}


def test_numbers_follow_a_running_stream(stack: StackProcess, dashboard: Dashboard) -> None:
    assert stack.ask("POST", "/api/stream/start", {"emit_interval_ms": 100, "burst": 30})[0] == 200
    expect(dashboard.get("status-text")).to_have_text("Running")
    seen = set()
    for _ in range(90):  # As many answers as it takes: a busy machine commits some seconds late.
        overview = dashboard.next_overview()
        for path, form in (("status.events_sent", "count"), ("statistics.bytes_sent", "bytes")):
            # One that comes after the next answer would be right as well: only then is it asked for again.
            newer = dashboard.page.wait_for_function(
                "([path, raw]) => { const shown = document.querySelector(`[data-show^='${path}:']`);"
                " return Number(shown.dataset.value) >= raw && [shown.dataset.value, shown.textContent]; }",
                arg=[path, at(overview, path)],
            ).json_value()
            assert newer[1] == written(int(newer[0]), form)
        seen.add(overview["status"]["events_sent"])
        if len(seen) == 3:
            break
    assert len(seen) == 3
    expect(dashboard.shown("status.configured_events_per_second")).to_have_text("300")
    expect(dashboard.page).to_have_title(re.compile(r"Running · [\d.]+/s · Retail Stream"))
