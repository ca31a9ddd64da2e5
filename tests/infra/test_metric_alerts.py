"""The alert rules on metrics: metrics that exist, and every rule with what an operator needs."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from local.paths import ROOT
from tests.infra.bicep import INFRA, bicep_files
from tests.infra.telemetry import log_rules

RULES: Final[dict[str, dict[str, Any]]] = {
    rule["key"]: rule for rule in json.loads((INFRA / "alerts" / "metric-alerts.json").read_text(encoding="utf-8"))
}
FROM_OUTSIDE: Final[dict[str, Any]] = json.loads(
    (INFRA / "alerts" / "availability-alert.json").read_text(encoding="utf-8")
)
METRICS: Final = {
    "Microsoft.EventHub/namespaces": {
        "IncomingBytes", "IncomingMessages", "QuotaExceededErrors", "ServerErrors", "ThrottledRequests", "UserErrors",
    },
    "Microsoft.Storage/storageAccounts": {"Availability", "SuccessE2ELatency", "Transactions"},
    "Microsoft.Web/sites": {"AlwaysReadyFunctionExecutionCount", "OnDemandFunctionExecutionCount"},
}  # fmt: skip
"""From Azure Monitor's list of supported metrics. FunctionExecutionCount does not exist on Flex Consumption."""


@pytest.mark.parametrize("key", RULES)
def test_rule_is_one_that_azure_takes(key: str) -> None:
    rule = RULES[key]
    assert rule["metricName"] in METRICS[rule["metricNamespace"]]
    assert rule["severity"] in range(5)
    assert rule["window"] in {"PT5M", "PT15M", "PT30M", "PT1H"}
    assert rule["frequency"] in {"PT1M", "PT5M", "PT15M"}
    assert rule["aggregation"] in {"Average", "Total", "Maximum", "Minimum"}
    assert rule["operator"] in {"LessThan", "GreaterThan"}


def test_targets_and_conditions_are_ones_that_the_module_knows() -> None:
    module = bicep_files()["modules/metric-alerts.bicep"]
    assert {rule["needs"] for rule in RULES.values()} == module.variables["holds"]["value"].keys()
    (given,) = re.findall(r"targets: \{(.+?)\}", bicep_files()["modules/watch.bicep"].code, re.DOTALL)
    assert {rule["target"] for rule in RULES.values()} == set(re.findall(r"(\w+):", given))


def test_throughput_is_compared_with_four_fifths_of_what_the_units_take() -> None:
    """A unit takes 1 MB and 1000 events a second, and the window is a quarter of an hour."""
    assert RULES["hub-bytes"]["threshold"] == 0.8 * 1_000_000 * 900
    assert RULES["hub-messages"]["threshold"] == 0.8 * 1_000 * 900
    assert {key for key, rule in RULES.items() if rule.get("perThroughputUnit")} == {"hub-bytes", "hub-messages"}
    assert {RULES[key]["window"] for key in ("hub-bytes", "hub-messages")} == {"PT15M"}


def test_every_alert_has_its_own_key_and_its_section_in_the_runbook() -> None:
    keys = [*RULES, *(rule["key"] for rule in log_rules()), FROM_OUTSIDE["key"]]
    assert len(keys) == len(set(keys))
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = re.findall(r'^#+ <a id="([\w-]+)"></a>', runbook, re.MULTILINE)
    assert set(keys) <= set(sections)


WINDOWS: Final = {
    "PT5M": "over 5 minutes",
    "PT10M": "over 10 minutes",
    "PT15M": "over 15 minutes",
    "PT30M": "over 30 minutes",
    "PT1H": "over 1 hour",
}
COMPARISONS: Final = {"GreaterThan": "above", "LessThan": "below", "GreaterOrEqual": "at least"}


def test_the_runbook_says_of_each_alert_what_it_says_itself() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for rule in [*RULES.values(), *log_rules(), FROM_OUTSIDE]:
        section = runbook.partition(f'<a id="{rule["key"]}"></a>')[2].partition("\n### ")[0]
        threshold = f"{rule['threshold']:,}".replace(",", " ")
        said = (
            f"`{rule['key']}`, severity {rule['severity']}: {COMPARISONS[rule['operator']]} {threshold} {rule['unit']}"
        )
        assert f"{said}, {WINDOWS[rule['window']]}. {rule['description']}\n" in section, rule["key"]
        assert section.startswith(rule["title"]), rule["key"]


def test_overrides_of_the_parameter_files_name_rules_and_fields() -> None:
    fields = {rule["key"]: rule.keys() for rule in [*RULES.values(), *log_rules(), FROM_OUTSIDE]}
    for path in sorted((INFRA / "parameters").glob("*.json")):
        given = json.loads(path.read_text(encoding="utf-8"))["parameters"].get("alertOverrides", {"value": {}})["value"]
        for key, changes in given.items():
            assert changes.keys() <= fields[key], (path.name, key)


def test_the_alert_from_outside_is_one_that_azure_takes() -> None:
    assert FROM_OUTSIDE["severity"] in range(5)
    assert (FROM_OUTSIDE["window"], FROM_OUTSIDE["frequency"]) == ("PT15M", "PT5M")
    places = bicep_files()["main.bicep"].parameters["availabilityPlaces"]["default"]
    assert 1 <= FROM_OUTSIDE["threshold"] <= len(places)


@pytest.mark.parametrize("module", ["log-alerts", "metric-alerts", "availability"])
def test_every_field_of_a_rule_can_be_overridden(module: str) -> None:
    """What a rule says is read after the overrides, and nothing that an operator tunes is written into the module."""
    text = bicep_files()[f"modules/{module}.bicep"].text
    assert "overrides[" in text
    for field in ("severity", "threshold", "window", "frequency", "enabled"):
        assert f"rule.{field}" in text, field


def test_the_alert_on_ticks_is_made_only_where_the_metric_counts_nothing_else() -> None:
    """The metric has the executions of every instance that is kept warm, those for HTTP too."""
    (condition,) = re.findall(r"watchesTick: (.+)", bicep_files()["main.bicep"].code)
    assert condition == "alwaysReadyTickInstances > 0 && alwaysReadyHttpInstances == 0"
