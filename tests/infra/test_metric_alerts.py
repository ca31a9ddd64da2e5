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
    (given,) = re.findall(r"targets: \{(.+?)\}", bicep_files()["main.bicep"].code, re.DOTALL)
    assert {rule["target"] for rule in RULES.values()} == set(re.findall(r"(\w+):", given))


def test_throughput_is_compared_with_four_fifths_of_what_the_units_take() -> None:
    """A unit takes 1 MB and 1000 events a second, and the window is a quarter of an hour."""
    assert RULES["hub-bytes"]["threshold"] == 0.8 * 1_000_000 * 900
    assert RULES["hub-messages"]["threshold"] == 0.8 * 1_000 * 900
    assert {key for key, rule in RULES.items() if rule.get("perThroughputUnit")} == {"hub-bytes", "hub-messages"}
    assert {RULES[key]["window"] for key in ("hub-bytes", "hub-messages")} == {"PT15M"}


def test_every_alert_has_its_own_key_and_its_section_in_the_runbook() -> None:
    keys = [*RULES, *(rule["key"] for rule in log_rules()), "health-from-outside"]
    assert len(keys) == len(set(keys))
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = re.findall(r'^#+ <a id="([\w-]+)"></a>', runbook, re.MULTILINE)
    assert set(keys) <= set(sections)


def test_overrides_of_the_parameter_files_name_rules_and_fields() -> None:
    fields = {rule["key"]: rule.keys() for rule in [*RULES.values(), *log_rules()]}
    for path in sorted((INFRA / "parameters").glob("*.json")):
        given = json.loads(path.read_text(encoding="utf-8"))["parameters"].get("alertOverrides", {"value": {}})["value"]
        for key, changes in given.items():
            assert changes.keys() <= fields[key], (path.name, key)
