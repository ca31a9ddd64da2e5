"""Every alert rule on logs: what it reads exists, and it fires when it should and not otherwise."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.infra.bicep import bicep_files
from tests.infra.telemetry import CONTRACT, Row, Rows, bind, calm, evaluate, log_rules, record, request, trace, within

if TYPE_CHECKING:
    from collections.abc import Callable

RULES: Final = {rule["key"]: rule for rule in log_rules()}

GUIDE: Final = {
    "low-throughput": ("LessThan", 10),
    "success-rate": ("LessThan", 95),
    "failure-rate": ("GreaterThan", 5),
    "breaker-trips": ("GreaterThan", 3),
    "connection-failures": ("GreaterThan", 10),
}
"""The operations guide's own thresholds."""

COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {"LessThan": operator.lt, "GreaterThan": operator.gt}
READERS: Final = {"tostring": {"string"}, "tolong": {"long"}, "todouble": {"real", "long"}, "tobool": {"bool"}}


def summaries(**changes: Any) -> Rows:
    """A healthy half hour, then a quarter of an hour with ``changes``."""
    troubled = [record("stream_summary", ago / 2, **changes) for ago in range(30)]
    return {"traces": [*[row for row in calm()["traces"] if row["timestamp"] < troubled[-1]["timestamp"]], *troubled]}


def growing(**last: int) -> Rows:
    """A quarter of an hour in which counters grow from 0 to these."""
    return {
        "traces": [
            record("stream_summary", 15 - step / 2, **{name: value * step // 30 for name, value in last.items()})
            for step in range(1, 31)
        ]
    }


def several(name: str, count: int, every_minutes: float, **changes: Any) -> Rows:
    return {"traces": [record(name, 0.5 + index * every_minutes, **changes) for index in range(count)]}


TROUBLE: Final[dict[str, Rows]] = {
    "low-throughput": summaries(events_per_second=4.0),
    "success-rate": growing(events_generated=100_000, events_sent=90_000, events_failed=10_000),
    "failure-rate": growing(events_generated=100_000, events_sent=94_000, events_failed=6_000),
    "breaker-trips": {
        # Two sessions, with two trips each.
        "traces": [record("breaker_transition", 10 * epoch, epoch=epoch, trips=1 + epoch % 2) for epoch in range(1, 5)]
    },
    "breaker-open": summaries(
        status="error", circuit_breaker_state="open", circuit_breaker_open_seconds=400.0, events_per_second=0.0
    ),
    "connection-failures": growing(connection_failures=20),
    "achieved-rate": summaries(achieved_rate_ratio=0.8, events_per_second=160.0),
    "tick-staleness": several("stream_watch", 5, 1, tick_staleness_seconds=90.0),
    "watch-silent": {"traces": [record("stream_summary", 5)]},
    "dlq-growth": growing(dlq_size=600),
    "dlq-size": summaries(dlq_size=8_500),
    "poison-messages": several("poison_message", 1, 1),
    "outbox-age": summaries(mode="outbox", outbox_pending=5_000, outbox_oldest_pending_seconds=20_000.0),
    "connection-test": several("connection_check", 2, 5, success=False, reason="not authorized"),
    "connection-latency": several("connection_check", 6, 5, response_time_ms=2_500.0),
    "storage-unreachable": several("stream_watch", 4, 1, tick_staleness_seconds=0.0, status="storage_unavailable"),
    "http-errors": {"traces": [trace("request_failed\nTraceback (most recent call last):", ago) for ago in range(12)]},
    "function-failures": {"requests": [request(ago, name="stream_tick", code="0", success=False) for ago in range(6)]},
}
"""Telemetry that each rule has to fire on."""

NO_TROUBLE: Final[dict[str, dict[str, Rows]]] = {
    "low-throughput": {
        "a stream that was asked for little": summaries(events_per_second=4.0, configured_events_per_second=5.0),
        "a paused stream": summaries(events_per_second=0.0, status="paused", achieved_rate_ratio=None),
        "a stream that has just begun": summaries(events_per_second=4.0, uptime_seconds=60.0),
        "one low sample": {"traces": [*calm()["traces"], record("stream_summary", 0.1, events_per_second=4.0)]},
    },
    "success-rate": {
        "failures of long ago": summaries(events_generated=2_000_000, events_sent=1_000_000, events_failed=900_000),
        "nothing settled yet": growing(events_generated=0, events_sent=0, events_failed=0),
        "a summary an hour, with failures of long ago": {
            "traces": [record("stream_summary", 5, events_failed=900_000)]
        },
    },
    "failure-rate": {
        "failures of long ago": summaries(events_generated=2_000_000, events_sent=1_000_000, events_failed=900_000),
        "nothing generated": growing(events_generated=0, events_failed=0),
        "a summary an hour, with failures of long ago": {
            "traces": [record("stream_summary", 5, events_failed=900_000)]
        },
    },
    "breaker-trips": {
        "three trips, told by five instances": {
            "traces": [
                record("breaker_transition", 50 - 12 * trip, trips=trip, epoch=trip)
                for trip in range(1, 4)
                for _ in range(5)
            ]
        },
        "recoveries": several("breaker_transition", 9, 5, from_state="half_open", to_state="closed"),
    },
    "breaker-open": {
        "open for a short while": summaries(circuit_breaker_state="open", circuit_breaker_open_seconds=61.0),
    },
    "connection-failures": {
        "failures of long ago": summaries(connection_failures=500),
        "a summary an hour, with failures of long ago": {
            "traces": [record("stream_summary", 5, connection_failures=500)]
        },
    },
    "achieved-rate": {"no rate to compare": summaries(achieved_rate_ratio=None)},
    "tick-staleness": {"no stream": several("stream_watch", 5, 1, tick_staleness_seconds=0.0, status="stopped")},
    "dlq-growth": {
        "dead letters of long ago": summaries(dlq_size=7_000),
        "dead letters that another session left": {
            "traces": [
                *several("stream_summary", 9, 1, dlq_size=7_000)["traces"],
                record("stream_summary", 0.1, session_id="20260701-1159-cd34", uptime_seconds=20.0, dlq_size=7_000),
            ]
        },
        "the queue is cleared": {
            "traces": [record("stream_summary", ago, dlq_size=9_000 if ago > 5 else 0) for ago in range(1, 12)]
        },
    },
    "dlq-size": {
        "cleared meanwhile": {
            "traces": [*summaries(dlq_size=9_000)["traces"], record("stream_summary", -0.1, dlq_size=0)]
        }
    },
    "outbox-age": {"nothing pending": summaries(outbox_pending=0, outbox_oldest_pending_seconds=20_000.0)},
    "connection-test": {"one failure": several("connection_check", 1, 5, success=False, reason="timeout")},
    "connection-latency": {
        "slow failures count as failures": several("connection_check", 6, 5, success=False, response_time_ms=9_999.0)
    },
    "http-errors": {"a few": {"traces": [trace("request_failed\nTraceback", ago) for ago in range(9)]}},
    "storage-unreachable": {"once": several("stream_watch", 1, 1, status="storage_unavailable")},
    "function-failures": {
        "good ticks": {"requests": [request(ago, name="stream_tick", code="0") for ago in range(12)]}
    },
}
"""Telemetry that looks like trouble to a careless rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One look of a rule: what its query read, what it found in that, and whether the rule fires."""

    read: Rows
    found: list[Row]
    fires: bool

    def __str__(self) -> str:
        read = "\n".join(f"  {row}" for rows in self.read.values() for row in rows)
        return f"the query read\n{read}\nand found {self.found}"


def fires(rule: dict[str, Any], found: list[Row]) -> bool:
    """What Azure Monitor does with the result of a rule's query."""
    compare = COMPARE[rule["operator"]]
    if rule["aggregation"] == "Count":
        return compare(len(found), rule["threshold"])
    values = [row["value"] for row in found if row["value"] is not None]
    return any(compare(value, rule["threshold"]) for value in values)


@pytest.fixture(scope="module")
def looks() -> dict[tuple[str, str], Evaluation]:
    """What each rule makes of each telemetry."""
    cases: dict[tuple[str, str], Rows] = {}
    for key in RULES:
        cases[key, "trouble"] = TROUBLE[key]
        cases[key, "calm"] = calm()
        cases[key, "nothing"] = {}
        cases |= {(key, name): rows for name, rows in NO_TROUBLE.get(key, {}).items()}
    read = {case: within(rows, RULES[case[0]]["window"]) for case, rows in cases.items()}
    found = evaluate({"/".join(case): (RULES[case[0]]["query"], rows) for case, rows in read.items()})
    return {
        case: Evaluation(read=rows, found=found["/".join(case)], fires=fires(RULES[case[0]], found["/".join(case)]))
        for case, rows in read.items()
    }


@pytest.mark.parametrize("key", RULES)
def test_fires_on_trouble(key: str, looks: dict[tuple[str, str], Evaluation]) -> None:
    look = looks[key, "trouble"]
    assert look.fires, str(look)


@pytest.mark.parametrize("key", RULES)
def test_does_not_fire_on_a_healthy_stream(key: str, looks: dict[tuple[str, str], Evaluation]) -> None:
    look = looks[key, "calm"]
    assert not look.fires, str(look)


@pytest.mark.parametrize("key", RULES)
def test_says_nothing_where_there_is_no_telemetry_except_that_there_is_none(
    key: str, looks: dict[tuple[str, str], Evaluation]
) -> None:
    look = looks[key, "nothing"]
    assert look.fires == (key == "watch-silent")
    # Azure Monitor may take a value that is missing for a small one.
    assert RULES[key]["operator"] != "LessThan" or look.found == []


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, cases in NO_TROUBLE.items() for name in cases])
def test_does_not_fire_on(key: str, name: str, looks: dict[tuple[str, str], Evaluation]) -> None:
    look = looks[key, name]
    assert not look.fires, str(look)


def test_every_query_binds() -> None:
    bound = bind({key: rule["query"] for key, rule in RULES.items()})
    assert {key: answer["problems"] for key, answer in bound.items() if answer["problems"]} == {}
    for key, rule in RULES.items():
        columns = bound[key]["columns"]
        assert columns["timestamp"] == "datetime", key
        if rule["aggregation"] != "Count":
            assert columns["value"] in {"real", "long"}, key


def test_the_binding_finds_mistakes() -> None:
    bound = bind({"column": "traces | where massage == 'x'", "function": "traces | extend a = strlenn(message)"})
    assert all(answer["problems"] for answer in bound.values())


@pytest.mark.parametrize("key", RULES)
def test_reads_only_what_the_contract_promises(key: str) -> None:
    assert_reads_the_contract(RULES[key]["query"])


def assert_reads_the_contract(query: str) -> None:
    """Records, fields and their types in ``query`` are those of infra/telemetry-contract.json."""
    for name in re.findall(r'startswith "(\w+) "', query):
        assert name in CONTRACT["records"]
        (variable,) = set(re.findall(rf'(\w+) = parse_json\(substring\(\w+, strlen\("{name} "\)', query)) or {None}
        for reader, field in re.findall(rf"(\w+)\({variable}\.(\w+)\)", query) if variable else ():
            kind = CONTRACT["records"][name]["fields"][field]
            assert kind in READERS[reader] if reader in READERS else kind == "dynamic", (reader, field)
        used = set(re.findall(rf"\b{variable}\.(\w+)", query))
        assert used <= CONTRACT["records"][name]["fields"].keys()


def test_thresholds_are_those_of_the_operations_guide() -> None:
    assert {key: (RULES[key]["operator"], RULES[key]["threshold"]) for key in GUIDE} == GUIDE


def test_every_rule_is_deployed_with_its_own_query() -> None:
    text = bicep_files()["modules/log-alerts.bicep"].text
    deployed = dict(re.findall(r"'([\w-]+)': loadTextContent\('\.\./alerts/kql/([\w-]+)\.kql'\)", text))
    assert deployed == {key: key for key in RULES}


@pytest.mark.parametrize("key", RULES)
def test_rule_is_one_that_azure_takes(key: str) -> None:
    rule = RULES[key]
    assert rule["severity"] in range(5)
    assert rule["window"] in {"PT5M", "PT10M", "PT15M", "PT30M", "PT1H"}
    assert rule["frequency"] in {"PT5M", "PT10M", "PT15M", "PT30M"}
    assert rule["aggregation"] in {"Count", "Maximum", "Minimum"}
    assert rule["title"]
    assert rule["unit"]
    assert rule["description"].endswith((".", "rate."))
