"""The rules for Prometheus: promtool takes them, they fire when they should, and read metrics that there are."""

from __future__ import annotations

import re
from typing import Final

from local.paths import ROOT
from tests.infra.checkers.installing import promtool, run

FOLDER: Final = ROOT / "deploy" / "prometheus"


def test_promtool_takes_rules_and_config() -> None:
    run([str(promtool()), "check", "rules", "--lint-fatal", "alerts.yml"], folder=FOLDER)
    run([str(promtool()), "check", "config", "prometheus.yml"], folder=FOLDER)


def test_rules_fire_on_trouble_and_not_otherwise() -> None:
    run([str(promtool()), "test", "rules", "alerts.test.yml"], folder=FOLDER)
    rules = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text(encoding="utf-8")))
    tested = re.findall(
        r"alertname: (\w+)(?= \}|\n\s+exp_alerts)", (FOLDER / "alerts.test.yml").read_text(encoding="utf-8")
    )
    assert {name for name in rules if tested.count(name) >= 2} == rules


def test_the_guides_rules_are_there_with_their_thresholds() -> None:
    rules = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    for name, expression, duration in (
        ("StreamingHighFailureRate", "(streaming_events_failed / streaming_events_generated) > 0.05", "5m"),
        ("StreamingCircuitBreakerOpen", "streaming_circuit_breaker_trips > 3", "10m"),
        ("StreamingLowThroughput", "streaming_events_per_second < 10", "10m"),
    ):
        (rule,) = re.findall(rf"alert: {name}\n\s+expr: (.+)\n\s+for: (\w+)", rules)
        assert rule[0].startswith(expression)
        assert rule[1] == duration


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
