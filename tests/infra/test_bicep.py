"""What a Bicep compiler would say of infra/, as far as it can be said without one, and what checkov says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.bicep import INFRA, BicepFile, bare, bicep_files, config_of, is_conditional
from tests.infra.checkers.installing import python_environment, run
from tests.infra.schemas import look_up, problems, schema_of

FUNCTIONS = {
    "concat", "contains", "empty", "environment", "guid", "loadJsonContent", "loadTextContent", "max", "replace",
    "resourceGroup", "resourceId", "split", "string", "subscription", "subscriptionResourceId", "take", "tenant",
    "toLower", "union", "uniqueString",
}  # fmt: skip
"""The functions of the language that are used. Another one is added here once it was looked up."""

FILES = sorted(path.relative_to(INFRA).as_posix() for path in INFRA.rglob("*.bicep"))


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> BicepFile:
    return bicep_files()[request.param]


def test_every_name_is_declared(file: BicepFile) -> None:
    assert file.references - file.declared - file.loop_names - {"resourceGroup", "subscription"} == set()


def test_everything_declared_is_used(file: BicepFile) -> None:
    kept_for_their_effect = {
        name for name, resource in file.resources.items() if not resource["existing"]
    } | file.modules.keys()
    assert file.declared - file.references - kept_for_their_effect == set()


def test_only_functions_of_the_language_are_called(file: BicepFile) -> None:
    assert file.functions <= FUNCTIONS


def test_every_parameter_is_described(file: BicepFile) -> None:
    for name, parameter in file.parameters.items():
        assert "description" in {decorator["type"] for decorator in parameter["decorators"]}, name
        if parameter["type"] == "int" and file.path.name == "main.bicep":
            assert {"min_value", "allowed"} & {decorator["type"] for decorator in parameter["decorators"]}, name


def test_secrets_are_marked(file: BicepFile) -> None:
    for name, parameter in file.parameters.items():
        if re.search(r"connectionstring$|webhookurl$|password|secret$", name, re.IGNORECASE):
            assert "secure" in {decorator["type"] for decorator in parameter["decorators"]}, name


def test_modules_get_what_they_ask_for(file: BicepFile) -> None:
    for name, module in file.modules.items():
        asked = file.module(name).parameters
        given = config_of(module)["params"].keys()
        required = {parameter for parameter, declared in asked.items() if declared.get("default") is None}
        assert given - asked.keys() == set(), name
        assert required - given == set(), name


def test_outputs_that_are_read_exist_and_always_have_a_value(file: BicepFile) -> None:
    for module, output in re.findall(r"\b(\w+)\.outputs\.(\w+)", file.code):
        entry = file.modules[module]
        assert output in file.module(module).outputs, (module, output)
        assert not is_conditional(entry), f"{module} may not be deployed, and {output} is read from it"


def test_no_deployment_waits_for_itself(file: BicepFile) -> None:
    waits = {
        name: {
            other for other in file.modules if re.search(rf"\b{other}\b(?!\s*:)", file.block(name).partition("=")[2])
        }
        for name in file.modules
    }
    settled: set[str] = set()
    while ready := {name for name, others in waits.items() if name not in settled and others <= settled}:
        settled |= ready
    assert settled == waits.keys()


@pytest.fixture(scope="module")
def _schemas() -> None:
    look_up(resource["type"] for file in bicep_files().values() for resource in file.resources.values())


@pytest.mark.usefixtures("_schemas")
def test_every_property_is_one_that_azure_knows(file: BicepFile) -> None:
    found = []
    for name, resource in file.resources.items():
        if resource["existing"]:
            continue
        config = {
            key: value
            for key, value in config_of(resource).items()
            if key not in {"parent", "scope", "dependsOn", "depends_on"}
        }
        schema = schema_of(resource["type"])
        found += problems(config, {**schema, "required": []}, name, frozenset(file.declared))
        properties = schema["properties"].get("properties", {})
        found += [
            f"{name}.properties.{required} is missing"
            for required in properties.get("required", ())
            if required not in config.get("properties", {})
        ]
    assert found == []


def test_the_check_of_properties_finds_a_wrong_one() -> None:
    schema = schema_of("Microsoft.EventHub/namespaces")
    wrong: dict[str, Any] = {"properties": {"disableLocalAuthentication": True, "minimumTlsVersion": "1.4"}}
    assert problems(wrong, {**schema, "required": []}, "namespace") == [
        "namespace.properties.disableLocalAuthentication is not known",
        "namespace.properties.minimumTlsVersion: '1.4' is none of ['1.0', '1.1', '1.2']",
    ]


def test_names_are_found_in_code_and_in_holes_of_texts_only() -> None:
    code = "var a = concat('b ${c} \\'d', e.f) // g\nvar h = { i: flag ? j : k }\n"
    file = BicepFile(path=INFRA, text=code, code=bare(code), tree={})
    assert file.references == {"c", "e", "flag", "j", "k"}
    assert file.functions == {"concat"}


# --- checkov ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkov_report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    command = [str(python_environment("checkov") / "checkov"), "--directory", str(INFRA), "--framework", "bicep"]
    folder = tmp_path_factory.mktemp("checkov")
    run([*command, "--skip-download", "--output", "json", "--output-file-path", str(folder)], passes=False)
    return json.loads((folder / "results_json.json").read_text(encoding="utf-8"))


def test_checkov_reads_every_file(checkov_report: dict[str, Any]) -> None:
    """It ends well even when it could not read a file, or when a check of its own broke: nothing of that is missed."""
    assert checkov_report["summary"]["parsing_errors"] == 0
    declared = sum(len(file.resources) for file in bicep_files().values())
    assert checkov_report["summary"]["resource_count"] >= declared


def test_checkov_finds_nothing_that_is_not_explained(checkov_report: dict[str, Any]) -> None:
    failed = checkov_report["results"]["failed_checks"]
    assert [(check["check_id"], check["file_path"], check["check_name"]) for check in failed] == []


def test_every_exception_is_explained_and_still_needed(checkov_report: dict[str, Any]) -> None:
    written = [
        (f"/{name}", check, reason)
        for name, file in bicep_files().items()
        for check, reason in re.findall(r"// checkov:skip=(\w+): (.+)", file.text)
    ]
    assert all(len(reason) > len("because it is so") for _, _, reason in written)
    skipped = {(check["file_path"], check["check_id"]) for check in checkov_report["results"]["skipped_checks"]}
    assert {(name, check) for name, check, _ in written} == skipped
