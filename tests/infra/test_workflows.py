"""The workflows: linted, pinned, with no more permission than they need, and one with the rest of the repository."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.node import ensure_node
from local.paths import ROOT
from tests.infra.checkers.installing import node_modules, python_environment, run, run_python
from tests.infra.test_package import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ROOT / ".github"
WORKFLOWS: Final = sorted((FOLDER / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def workflows() -> dict[str, Any]:
    parsed = json.loads(run_python("tools", "parse_yaml.py", *map(str, WORKFLOWS)))
    return {path.name: parsed[str(path)][0] for path in WORKFLOWS}


def actionlint(*paths: Path) -> str:
    """actionlint, as WebAssembly; raises AssertionError with what it finds."""
    program = node_modules() / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    return run([str(ensure_node().node), str(program), *(path.name for path in paths)], folder=paths[0].parent)


def test_actionlint_finds_nothing() -> None:
    actionlint(*WORKFLOWS)


def test_actionlint_is_awake(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    job = "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ matrix.no }}\n"
    wrong.write_text(f"on: push\n{job}", encoding="utf-8")
    with pytest.raises(AssertionError, match='property "no" is not defined'):
        actionlint(wrong)


def test_zizmor_finds_nothing() -> None:
    zizmor = str(python_environment("tools") / "zizmor")
    run([zizmor, "--offline", "--no-progress", "--persona", "pedantic", str(FOLDER)])


def test_files_are_what_github_takes() -> None:
    check = str(python_environment("tools") / "check-jsonschema")
    run([check, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)])
    run([check, "--builtin-schema", "vendor.dependabot", str(FOLDER / "dependabot.yml")])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    for action in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_no_workflow_has_a_secret_or_more_permissions_than_it_needs(workflows: dict[str, Any]) -> None:
    for path in WORKFLOWS:
        assert "secrets." not in path.read_text(encoding="utf-8")
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {}, name
        for job in workflow["jobs"].values():
            signs_in = any("azure/login" in step.get("uses", "") for step in job["steps"])
            assert job["permissions"] == {"contents": "read", **({"id-token": "write"} if signs_in else {})}, name
            assert job["timeout-minutes"] <= 60, name


def test_conditions_of_jobs_read_no_variable_of_their_environment(workflows: dict[str, Any]) -> None:
    """Those are not known before the job runs, so that it would never run."""
    of_the_environment = {
        name
        for workflow in workflows.values()
        for job in workflow["jobs"].values()
        if "environment" in job
        for step in [job, *job["steps"]]
        for name in re.findall(r"vars\.(\w+)", json.dumps(step.get("with", {})) + json.dumps(step.get("env", {})))
    }
    assert "AZURE_CLIENT_ID" in of_the_environment
    for workflow in workflows.values():
        for job in workflow["jobs"].values():
            assert not set(re.findall(r"vars\.(\w+)", job.get("if", ""))) & of_the_environment


def test_three_pythons_are_tested(workflows: dict[str, Any]) -> None:
    assert workflows["checks.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_what_is_deployed_is_what_is_shipped(workflows: dict[str, Any]) -> None:
    steps = {step.get("name"): step for step in workflows["deploy.yml"]["jobs"]["deploy"]["steps"]}
    (names,) = re.findall(r"git archive .* HEAD (.+)", steps["App"]["run"])
    assert set(names.split()) == SHIPPED


def test_parameter_files_of_the_deployment_exist(workflows: dict[str, Any]) -> None:
    trigger = workflows["deploy.yml"].get("on") or workflows["deploy.yml"].get("true")
    offered = trigger["workflow_dispatch"]["inputs"]["parameters"]["options"]
    assert {f"{name}.json" for name in offered} == {
        path.name for path in (ROOT / "infra" / "parameters").glob("*.json")
    }
