"""Every function that the platform will see: its name, trigger, route, methods, and who may call it."""

from __future__ import annotations

import os
import subprocess
import sys

import orjson
import pytest

from local.paths import ROOT

FUNCTION, ANONYMOUS = "function", "anonymous"

HTTP = {
    "config_get": ("api/stream/config", ["GET"], FUNCTION),
    "config_put": ("api/stream/config", ["PUT"], FUNCTION),
    "config_validate": ("api/config/validate", ["POST"], FUNCTION),
    "connection_validate": ("api/stream/validate-connection", ["POST"], FUNCTION),
    "dashboard": ("{ignored:maxlength(0)?}", ["GET"], ANONYMOUS),
    "dashboard_files": ("dashboard/{version}/{*file}", ["GET"], ANONYMOUS),
    "disruption_clear_all": ("api/disruption/clear-all", ["POST"], FUNCTION),
    "disruption_create": ("api/disruption/create", ["POST"], FUNCTION),
    "disruption_delete": ("api/disruption/{disruption_id}", ["DELETE"], FUNCTION),
    "disruption_list": ("api/disruption/list", ["GET"], FUNCTION),
    "reference": ("api/reference/{table}", ["GET"], FUNCTION),
    "breaker_get": ("api/stream/circuit-breaker", ["GET"], FUNCTION),
    "breaker_open": ("api/stream/circuit-breaker/open", ["POST"], FUNCTION),
    "breaker_reset": ("api/stream/circuit-breaker/reset", ["POST"], FUNCTION),
    "dlq_clear": ("api/stream/dlq", ["DELETE"], FUNCTION),
    "dlq_export": ("api/stream/dlq/export", ["GET"], FUNCTION),
    "dlq_list": ("api/stream/dlq", ["GET"], FUNCTION),
    "dlq_retry": ("api/stream/dlq/retry", ["POST"], FUNCTION),
    "dlq_summary": ("api/stream/dlq/summary", ["GET"], FUNCTION),
    "outbox_clear": ("api/stream/outbox/clear", ["DELETE"], FUNCTION),
    "outbox_drain_order": ("api/stream/outbox/drain", ["POST"], FUNCTION),
    "outbox_preview": ("api/stream/outbox/preview", ["GET"], FUNCTION),
    "outbox_status": ("api/stream/outbox/status", ["GET"], FUNCTION),
    "liveness": ("health", ["GET"], ANONYMOUS),
    "docs": ("docs", ["GET"], FUNCTION),
    "metrics": ("metrics", ["GET"], ANONYMOUS),
    "openapi": ("openapi.json", ["GET"], ANONYMOUS),
    "state_export": ("api/state/export", ["GET"], FUNCTION),
    "state_import": ("api/state/import", ["POST"], FUNCTION),
    "stream_books": ("api/stream/books", ["GET"], FUNCTION),
    "stream_diagnostics": ("api/stream/diagnostics", ["GET"], FUNCTION),
    "stream_event_types": ("api/stream/event-types", ["GET"], FUNCTION),
    "stream_events_recent": ("api/stream/events/recent", ["GET"], FUNCTION),
    "stream_health": ("api/stream/health", ["GET"], ANONYMOUS),
    "stream_overview": ("api/stream/overview", ["GET"], FUNCTION),
    "stream_pause": ("api/stream/pause", ["POST"], FUNCTION),
    "stream_pause_status": ("api/stream/pause-status", ["GET"], FUNCTION),
    "stream_resume": ("api/stream/resume", ["POST"], FUNCTION),
    "stream_start": ("api/stream/start", ["POST"], FUNCTION),
    "stream_statistics": ("api/stream/statistics", ["GET"], FUNCTION),
    "stream_statistics_history": ("api/stream/statistics/history", ["GET"], FUNCTION),
    "stream_status": ("api/stream/status", ["GET"], FUNCTION),
    "stream_stop": ("api/stream/stop", ["POST"], FUNCTION),
    "stream_test": ("api/stream/test", ["POST"], FUNCTION),
}
TIMERS = {
    "connection_check": "30 */5 * * * *",
    "outbox_sweep": "*/5 * * * * *",
    "stream_tick": "* * * * * *",
    "stream_watch": "0 * * * * *",
}
QUEUES = {
    "outbox_drain": "retail-outbox-drain",
    "outbox_drain_poison": "retail-outbox-drain-poison",
    "outbox_stage": "retail-outbox-stage",
    "outbox_stage_poison": "retail-outbox-stage-poison",
    "shard_run": "retail-shard-run",
    "shard_run_poison": "retail-shard-run-poison",
}

INDEX = """
import json, function_app
functions = [
    {
        "name": function.get_function_name(),
        "trigger": function.get_trigger().get_dict_repr(),
        "outputs": [
            binding.get_dict_repr()["queueName"]
            for binding in function.get_bindings()
            if binding.get_dict_repr()["direction"].value == 1 and binding.get_dict_repr()["type"] == "queue"
        ],
    }
    for function in function_app.app.get_functions()
]
print(json.dumps(functions, default=lambda value: getattr(value, "value", str(value))))
"""


def index(**environment: str) -> dict[str, dict[str, object]]:
    """The functions, indexed in a process of their own with nothing but ``environment`` set."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", INDEX],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return {function["name"]: function for function in orjson.loads(done.stdout)}


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, object]]:
    return index()


def test_every_function_is_known(functions: dict[str, dict[str, object]]) -> None:
    assert set(functions) == set(HTTP) | set(TIMERS) | set(QUEUES)


@pytest.mark.parametrize("name", HTTP)
def test_http_functions(name: str, functions: dict[str, dict[str, object]]) -> None:
    trigger = functions[name]["trigger"]
    assert isinstance(trigger, dict)
    route, methods, level = HTTP[name]
    assert (trigger["route"], trigger["methods"], trigger["authLevel"]) == (route, methods, level)


@pytest.mark.parametrize("name", TIMERS)
def test_timers(name: str, functions: dict[str, dict[str, object]]) -> None:
    trigger = functions[name]["trigger"]
    assert isinstance(trigger, dict)
    assert trigger["schedule"] == TIMERS[name]
    assert not trigger.get("runOnStartup")


@pytest.mark.parametrize("name", QUEUES)
def test_queue_functions(name: str, functions: dict[str, dict[str, object]]) -> None:
    trigger = functions[name]["trigger"]
    assert isinstance(trigger, dict)
    assert (trigger["type"], trigger["queueName"]) == ("queueTrigger", QUEUES[name])
    assert trigger["connection"] == "AzureWebJobsStorage"


def test_every_queue_has_its_poison_function() -> None:
    assert {f"{queue}-poison" for queue in QUEUES.values() if not queue.endswith("-poison")} <= set(QUEUES.values())


def test_the_timer_asks_for_runners_by_the_queue_that_they_wait_for(functions: dict[str, dict[str, object]]) -> None:
    assert functions["stream_tick"]["outputs"] == [QUEUES["shard_run"]]


def test_queues_follow_the_prefix() -> None:
    assert index(STREAM_TABLE_PREFIX="Shop")["outbox_stage"]["trigger"]["queueName"] == "shop-outbox-stage"  # type: ignore[index]  # JSON


def test_the_timer_follows_its_setting() -> None:
    assert index(STREAM_SCHEDULE="*/2 * * * * *")["stream_tick"]["trigger"]["schedule"] == "*/2 * * * * *"  # type: ignore[index]  # JSON
    assert index(STREAM_SCHEDULE="soon")["stream_tick"]["trigger"]["schedule"] == "* * * * * *"  # type: ignore[index]  # JSON


def test_garbage_in_every_setting_stops_nothing_from_loading() -> None:
    garbage = dict.fromkeys(
        (
            "AzureWebJobsStorage",
            "AZURE_EVENTHUB_CONNECTION_STRING",
            "EVENTHUB_NAME",
            "EVENTHUB_TRANSPORT",
            "LOG_LEVEL",
            "REALTIME_BURST",
            "STREAM_TABLE_PREFIX",
            "WORLD_STORES",
        ),
        "\u00a7 garbage;;==",
    )
    assert set(index(**garbage)) == set(HTTP) | set(TIMERS) | set(QUEUES)
