"""The rules for Prometheus: promtool takes them, they fire when they should, and read metrics that there are."""

from __future__ import annotations

import re
from typing import Final

import pytest

from local.paths import ROOT
from tests.infra.checkers.installing import promtool, run

FOLDER: Final = ROOT / "deploy" / "prometheus"


def test_promtool_takes_rules_and_config() -> None:
    run([str(promtool()), "check", "rules", "--lint-fatal", "alerts.yml", "rules-as-printed.yml"], folder=FOLDER)
    run([str(promtool()), "check", "config", "prometheus.yml"], folder=FOLDER)


@pytest.mark.parametrize("name", ["alerts", "rules-as-printed"])
def test_rules_fire_on_trouble_that_lasts_and_not_otherwise(name: str) -> None:
    run([str(promtool()), "test", "rules", f"{name}.test.yml"], folder=FOLDER)
    rules = set(re.findall(r"alert: (\w+)", (FOLDER / f"{name}.yml").read_text(encoding="utf-8")))
    tests = (FOLDER / f"{name}.test.yml").read_text(encoding="utf-8")
    fires = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", tests))
    stays_silent = set(re.findall(r"alertname: (\w+) \}", tests))
    assert fires == stays_silent == rules


def test_the_printed_rules_are_the_guides() -> None:
    rules = (FOLDER / "rules-as-printed.yml").read_text(encoding="utf-8")
    assert re.findall(r"alert: (\w+)\n\s+expr: (.+)\n\s+for: (\w+)", rules) == [
        ("StreamingHighFailureRate", "(streaming_events_failed / streaming_events_generated) > 0.05", "5m"),
        ("StreamingCircuitBreakerOpen", "streaming_circuit_breaker_trips > 3", "10m"),
        ("StreamingLowThroughput", "streaming_events_per_second < 10", "10m"),
    ]


def test_every_metric_is_one_that_the_app_has() -> None:
    rules = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    served = (ROOT / "streaming" / "flows" / "metrics.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\bstreaming_\w+", rules))
    assert read
    assert {metric for metric in read if f'"{metric}"' not in served} == set()


def test_every_runbook_link_leads_somewhere() -> None:
    rules = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    links = re.findall(r"runbook: docs/operations\.md#([\w-]+)", rules)
    assert len(links) == rules.count("alert: ")
    assert all(f'<a id="{link}"></a>' in runbook for link in links)
