"""docs/cost.md computes: every number of its tables follows from its prices and from what is deployed."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from local.paths import ROOT
from tests.edge.test_functions import index
from tests.infra.bicep import INFRA
from tests.infra.telemetry import log_rules

TEXT: Final = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
PRICES: Final = {key: float(price) for key, price in re.findall(r"^\| ([a-z0-9-]+) \| ([\d.]+) \|", TEXT, re.MULTILINE)}
HOURS: Final = 730
SECONDS: Final = HOURS * 3_600
GIGABYTES: Final = 2
A_MINUTE: Final = {"*/5 * * * * *": 12.0, "0 * * * * *": 1.0, "30 */5 * * * *": 0.2}
"""How often timers of these schedules run."""
RUNS_A_MINUTE: Final = 13.2
"""Of the timers that have no instance kept warm."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below ``heading``."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def number(text: str) -> float:
    return float(text.replace(" ", ""))


def alerts() -> float:
    frequencies = [rule["frequency"] for rule in log_rules()]
    metrics = json.loads((INFRA / "alerts" / "metric-alerts.json").read_text(encoding="utf-8"))
    return (
        frequencies.count("PT5M") * PRICES["alert-5m"]
        + frequencies.count("PT15M") * PRICES["alert-15m"]
        + len(metrics) * PRICES["metric-rule"]
    )


@pytest.mark.parametrize("row", rows("Four streams"), ids=lambda row: row[0])
def test_a_stream_costs_what_its_parts_cost(row: list[str]) -> None:
    rate, units, shards = number(row[0]), int(row[1].split()[0]), int(row[2]) - 1
    millions = rate * SECONDS / 1_000_000
    parts = (
        GIGABYTES * SECONDS * (PRICES["flex-baseline"] + PRICES["flex-ready"])
        + RUNS_A_MINUTE * HOURS * 60 * (GIGABYTES * PRICES["flex-demand"] + PRICES["flex-million"] / 1_000_000)
        + shards * GIGABYTES * SECONDS * PRICES["flex-demand"],
        units * HOURS * PRICES["hub-unit"] + millions * PRICES["hub-million"]
        if row[1].endswith("TU")
        else units * HOURS * PRICES["hub-premium"],
        (1 + shards) * 20 * SECONDS / 10_000 * PRICES["table-10k"],
        1.5 * (1 + shards / 2) * PRICES["log-gb"],
        alerts(),
    )
    assert [number(cell) for cell in row[3:8]] == pytest.approx(parts, abs=0.006)
    assert number(row[8]) == pytest.approx(sum(parts), abs=0.006)
    assert number(row[9]) == pytest.approx(sum(parts) / millions, abs=0.0006)


def test_the_rates_are_those_that_were_asked_for_and_fit_their_hubs() -> None:
    found = {number(row[0]): row[1].split() for row in rows("Four streams")}
    assert set(found) == {25, 200, 5_000, 50_000}
    for rate, (units, kind) in found.items():
        takes = 1_000 if kind == "TU" else 5_000_000 / 500
        assert int(units) * takes >= 1.2 * rate
        assert (kind == "TU") == (1.2 * rate / 1_000 <= 40)
        assert kind == "TU" or int(units) in {1, 2, 4, 8, 16}, "others are not sold"


def test_the_other_timers_run_as_often_as_is_said() -> None:
    triggers: dict[str, Any] = {name: function["trigger"] for name, function in index().items()}
    schedules = [
        trigger["schedule"]
        for name, trigger in triggers.items()
        if trigger["type"] == "timerTrigger" and name != "stream_tick"
    ]
    assert sum(A_MINUTE[schedule] for schedule in schedules) == pytest.approx(RUNS_A_MINUTE)


def test_looking_whether_a_stream_runs_is_computed() -> None:
    """Each look is billed as one second; the instance is warm meanwhile."""
    found = {row[0].split("`")[1]: number(row[2]) for row in rows("When no stream runs")}
    expected = {}
    for every_seconds, schedule in {1: "* * * * * *", 5: "*/5 * * * * *", 10: "*/10 * * * * *"}.items():
        looks = SECONDS / every_seconds
        warm = GIGABYTES * SECONDS * PRICES["flex-baseline"]
        expected[schedule] = warm + looks * (GIGABYTES * PRICES["flex-ready"] + PRICES["flex-million"] / 1_000_000)
    assert found == pytest.approx(expected, abs=0.006)
    dev = json.loads((INFRA / "parameters" / "dev.json").read_text(encoding="utf-8"))["parameters"]
    assert f"`{dev['streamSchedule']['value']}` (dev)" in TEXT


def test_what_the_sweeper_costs_is_computed() -> None:
    a_run = GIGABYTES * PRICES["flex-demand"] + PRICES["flex-million"] / 1_000_000
    saved = A_MINUTE["*/5 * * * * *"] * 60 * HOURS * a_run
    assert f"takes 12 of the 13.2 runs away: {saved:.2f}" in TEXT


def test_what_is_added_is_computed() -> None:
    warm = GIGABYTES * SECONDS * PRICES["flex-baseline"]
    expected = [
        warm,
        3 * 12 * HOURS * PRICES["web-test"],
        4 * HOURS * PRICES["endpoint"] + 4 * PRICES["zone"],
        1.6 * PRICES["log-gb"],
        HOURS * PRICES["capture-unit"],
    ]
    assert [number(row[2]) for row in rows("What is added")] == pytest.approx(expected, abs=0.006)
