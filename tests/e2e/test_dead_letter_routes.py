"""The routes of dead letters and of the breaker, on the whole local stack, as the operations guide uses them."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.stack.services import hub_connection_string
from tests.e2e.delivered import account_of, ask, start, stop
from tests.hub_faults import HubFaults
from tests.hub_reader import read_all
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = {"batch_timeout_ms": 2_000, "retry_attempts": 1, "circuit_breaker_enabled": False, "dlq_max_size": 150}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """With two workers: what one of them is told the other has to hear of."""
    with StackProcess(tmp_path_factory.mktemp("stack"), "--no-stream", "--workers", "2") as running:
        yield running


def stream_with_dead_letters(stack: StackProcess, count: int) -> str:
    """A stream that has ended, some hundred events of which failed in each of two ways."""
    session_id = start(stack, emit_interval_ms=100, burst=20)
    wait_until(lambda: stack.status().get("events_sent", 0) > 0, "the first events")
    hub = HubFaults(stack)
    for kind in ("reject", "no-disposition"):
        failed = ask(stack, "GET", "/api/stream/statistics")["events_failed"]
        hub.put({"kind": kind, "stores": False})
        wait_until(
            lambda failed=failed: ask(stack, "GET", "/api/stream/statistics")["events_failed"] >= failed + count,  # type: ignore[misc]  # bound now
            "dead letters",
        )
        hub.clear()
    stop(stack)
    return session_id


def test_the_queue_is_shown_bounded_sent_again_and_cleared(stack: StackProcess) -> None:
    ask(stack, "PUT", "/api/stream/config", SETTINGS)
    session_id = stream_with_dead_letters(stack, 100)
    wait_until(lambda: ask(stack, "GET", "/api/stream/dlq/summary")["size"] <= 150, "the eviction")

    queue = ask(stack, "GET", "/api/stream/dlq")
    summary = ask(stack, "GET", "/api/stream/dlq/summary")
    assert queue["count"] == len(queue["events"]) == summary["size"] == 150
    assert Counter(entry["error"] for entry in queue["events"]) == summary["by_error"]
    assert Counter(entry["error_category"] for entry in queue["events"]) == summary["by_category"]
    assert Counter(entry["event"]["event_type"] for entry in queue["events"]) == summary["by_event_type"]
    assert {entry["retry_count"] for entry in queue["events"]} == {1}
    assert summary["evicted"] == ask(stack, "GET", "/api/stream/books")["evicted"] > 0
    with urllib.request.urlopen(f"{stack.url}/api/stream/dlq/export") as exported:  # noqa: S310 - always http
        assert [json.loads(line) for line in exported] == queue["events"]
    assert pages(stack, 40) == queue["events"]
    check = ask(stack, "GET", "/api/stream/health")["checks"]["dead_letter_queue"]
    assert (check["status"], check["size"], check["max_size"]) == ("filling", 150, 150)
    statistics = ask(stack, "GET", "/api/stream/statistics")
    assert statistics["dlq_size"] == 150

    assert ask(stack, "DELETE", "/api/stream/dlq?category=quota_exceeded")["cleared"] == 0
    planned = ask(stack, "POST", "/api/stream/dlq/retry", {"dry_run": True})
    assert (planned["total_attempted"], planned["succeeded"]) == (150, 0)
    ask(stack, "PUT", "/api/stream/config", {"batch_timeout_ms": 10_000})  # Enough for every batch.
    first = ask(stack, "POST", "/api/stream/dlq/retry", {"max_events": 7})
    assert (first["succeeded"], first["still_in_dlq"]) == (7, 143)
    second = ask(stack, "POST", "/api/stream/dlq/retry", {"max_events": 93})
    assert (second["succeeded"], second["failed"], second["still_in_dlq"]) == (93, 0, 50)
    assert ask(stack, "DELETE", "/api/stream/dlq")["cleared"] == 50

    account = account_of(stack, session_id)
    books = account.books
    assert (books["redriven"], books["cleared"], books["in_dlq"]) == (100, 50, 0)
    assert len(account.in_hub) >= books["generated"] - books["cleared"] - books["evicted"]
    assert ask(stack, "GET", "/api/stream/statistics")["events_redriven"] == books["redriven"]


def pages(stack: StackProcess, limit: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    more = ""
    while True:
        page = ask(stack, "GET", f"/api/stream/dlq?limit={limit}{more}")
        entries += page["events"]
        if page["continuation"] is None:
            return entries
        more = f"&continuation={page['continuation']}"


def test_a_disabled_queue_keeps_nothing_and_the_books_balance(stack: StackProcess) -> None:
    ask(stack, "DELETE", "/api/stream/dlq")
    ask(stack, "PUT", "/api/stream/config", {**SETTINGS, "enable_dead_letter_queue": False})
    session_id = stream_with_dead_letters(stack, 20)
    ask(stack, "PUT", "/api/stream/config", {"enable_dead_letter_queue": True})

    account = account_of(stack, session_id)
    assert account.books["discarded"] == account.books["dead_lettered"] > 0
    assert ask(stack, "GET", "/api/stream/dlq")["count"] == 0


def test_an_operator_opens_the_breaker_for_all_instances_and_resets_it(stack: StackProcess) -> None:
    # With time enough for every batch: none is to become a dead letter.
    settings = {**SETTINGS, "circuit_breaker_enabled": True, "batch_timeout_ms": 10_000}
    ask(stack, "PUT", "/api/stream/config", settings)
    session_id = start(stack, emit_interval_ms=100, burst=20)
    wait_until(lambda: stack.status().get("events_sent", 0) > 100, "the first events")

    forced = ask(stack, "POST", "/api/stream/circuit-breaker/open", {"reason": "maintenance"})
    assert (forced["state"], forced["retry_at"]) == ("open", None)
    wait_until(lambda: stack.status().get("status") == "error", "the stream to say so")
    wait_until(lambda: ask(stack, "GET", "/api/stream/books")["pending"] > 0, "events to be put off")
    # What was under way when it opened has ended: it was put off.
    quiet_from = datetime.now(UTC)
    wait_until(lambda: datetime.now(UTC) > quiet_from + timedelta(seconds=2), "a while in which nothing may arrive")
    reset_at = datetime.now(UTC)
    assert ask(stack, "POST", "/api/stream/circuit-breaker/reset")["state"] == "closed"
    wait_until(lambda: stack.status().get("status") == "running", "the stream to go on")
    sent = ask(stack, "GET", "/api/stream/status")["events_sent"]
    wait_until(lambda: stack.status().get("events_sent", 0) > sent + 200, "what was put off to be sent")
    stop(stack)

    account = account_of(stack, session_id)
    assert len(account.in_hub) == account.books["generated"] == account.books["sent_first"]
    messages = [m for each in asyncio.run(read_all(hub_connection_string(stack.hub_port))).values() for m in each]
    arrivals = [message.enqueued_time for message in messages if message.enqueued_time is not None]
    assert not [at for at in arrivals if quiet_from < at < reset_at]
    transitions = ask(stack, "GET", "/api/stream/circuit-breaker")["transitions"][-2:]
    assert [(each["to_state"], each["by"]) for each in transitions] == [("open", "operator"), ("closed", "operator")]
    assert transitions[0]["reason"] == "maintenance"


def test_the_breaker_can_not_be_opened_while_it_is_switched_off(stack: StackProcess) -> None:
    ask(stack, "PUT", "/api/stream/config", {"circuit_breaker_enabled": False})
    code, problem = stack.ask("POST", "/api/stream/circuit-breaker/open")
    assert code == 409
    assert "circuit_breaker_enabled" in problem["detail"]


def finding(stack: StackProcess) -> dict[str, Any]:
    """What the connection test finds, but for a machine that stood still: that looks like a hub without an answer."""
    found: list[dict[str, Any]] = []

    def is_found() -> bool:
        found.append(ask(stack, "POST", "/api/stream/test"))
        return bool(found[-1]["reason"] != "no_answer")

    wait_until(is_found, "an answer of the hub")
    return found[-1]


def test_the_connection_test_answers_with_200_whatever_it_finds(stack: StackProcess) -> None:
    fine = finding(stack)
    assert (fine["success"], fine["reason"], fine["details"]["partition_count"]) == (True, "ok", 4)
    assert fine["details"]["event_hub"] == "retail-events"
    hub = HubFaults(stack)
    for fault, reason in (("refuse-token", "authentication_failed"), ("refuse-connections", "nothing_listening")):
        hub.put({"kind": fault})
        found = finding(stack)
        hub.clear()
        assert (found["success"], found["reason"]) == (False, reason)
        assert found["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/api/stream/dlq?limit=0", None, "limit"),
        ("GET", "/api/stream/dlq?limit=10001", None, "limit"),
        ("GET", "/api/stream/dlq?category=unheard-of", None, "category"),
        ("GET", "/api/stream/dlq?page=2", None, "page"),
        ("DELETE", "/api/stream/dlq?category=unheard-of", None, "category"),
        ("POST", "/api/stream/dlq/retry", {"max_events": "5"}, "max_events"),
        ("POST", "/api/stream/dlq/retry", {"max_per_second": 0}, "max_per_second"),
        ("POST", "/api/stream/dlq/retry", {"dry_run": 1}, "dry_run"),
        ("POST", "/api/stream/circuit-breaker/open", {"reason": ""}, "reason"),
    ],
)
def test_what_is_wrong_is_named(method: str, path: str, body: object, field: str, stack: StackProcess) -> None:
    code, problem = stack.ask(method, path, body)
    assert code == 400
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("query", ["event_type=unheard_of", "continuation=abc"])
def test_what_is_unknown_is_refused(query: str, stack: StackProcess) -> None:
    code, problem = stack.ask("GET", f"/api/stream/dlq?{query}")
    assert code == 400
    assert query.partition("=")[0].partition("_")[0] in problem["detail"]
