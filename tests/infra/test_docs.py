"""The guides to Azure: every parameter and setting is in them, and what they point to exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from local.paths import ROOT
from shared.settings import SETTINGS
from streaming.core.config import RealtimeConfig
from tests.infra.bicep import INFRA, bicep_files
from tests.infra.telemetry import bind
from tests.infra.test_names import ROLES, deployed_settings
from tests.infra.test_package import SHIPPED
from tests.infra.test_workflows import WORKFLOWS

if TYPE_CHECKING:
    from pathlib import Path

DOCS: Final = ROOT / "docs"
GUIDES: Final = ("setup", "credentials", "deployment", "cost", "security", "containers", "operations")


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_every_parameter_is_in_the_deployment_guide() -> None:
    section = text_of("deployment").partition("## Parameters")[2].partition("\n### ")[0]
    listed = set(re.findall(r"`(\w+)`", section.partition("|---|---|")[2]))
    assert listed == set(bicep_files()["main.bicep"].parameters)


def test_every_setting_is_in_the_setup_guide() -> None:
    guide = text_of("setup")
    parts = {name for name in deployed_settings() if name.startswith("AzureWebJobsStorage__")}
    for name in {*SETTINGS, *deployed_settings()} - parts:
        assert f"`{name}`" in guide, name
    for name in parts:
        assert f"`{name}`" in guide or f"`{name.removeprefix('AzureWebJobsStorage')}`" in guide, name
    named = set(re.findall(r"`REALTIME_(\w+)`", guide))
    assert named == {key.upper() for key in RealtimeConfig.model_fields}


def test_every_role_is_in_the_security_guide() -> None:
    section = text_of("security").partition("## Least privilege")[2].partition("\n## ")[0]
    listed = {
        re.sub(r"^Azure ", "", row.split("|")[2].strip()) for row in section.splitlines() if row.startswith("| the app")
    }
    spelled = {re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in ROLES} - {"storage blob data contributor"}
    assert {role.lower() for role in listed} == spelled


@pytest.mark.parametrize("name", GUIDES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(name)):
        file, _, anchor = target.partition("#")
        path = DOCS / file if file else DOCS / f"{name}.md"
        assert path.exists(), target
        if anchor:
            page = path.read_text(encoding="utf-8")
            titles = {
                re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
                for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
            }
            assert f'id="{anchor}"' in page or anchor in titles, target


@pytest.mark.parametrize("name", GUIDES)
def test_files_that_are_named_exist(name: str) -> None:
    for path in re.findall(r"`((?:infra|deploy|tests|shared|docs|streaming)/[\w./-]*\w)`", text_of(name)):
        assert (ROOT / path).exists(), path


def test_the_package_of_the_plain_way_is_what_is_shipped() -> None:
    (names,) = re.findall(r"git archive --format zip --output app.zip HEAD (.+)", text_of("deployment"))
    assert set(names.split()) == SHIPPED


@pytest.mark.parametrize("path", [*sorted(DOCS.glob("*.md")), *WORKFLOWS], ids=lambda path: path.name)
def test_no_command_combines_what_the_azure_cli_refuses(path: Path) -> None:
    """``az resource list`` takes ``--tag`` alone, and an argument with a secret can be seen by others."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"\baz [^\n`]+", text)
    assert not [command for command in commands if "--tag " in command]
    assert not [command for command in commands if re.search(r"--value (?!@-)|ConnectionString=(?!@-)", command)]


def test_every_file_of_the_infrastructure_is_on_its_page() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    for path in (*INFRA.rglob("*.bicep"), *INFRA.glob("*.json"), *INFRA.glob("parameters/*")):
        assert path.name in page, path.name
    for name in re.findall(r"`([\w./-]+\.(?:bicep|json))`", page):
        assert (INFRA / name).exists() or (INFRA / "modules" / name).exists(), name


def test_the_guide_says_what_was_not_tried() -> None:
    assert "Nothing here has been deployed" in text_of("deployment")
    assert "They have not been built or run" in text_of("containers")


def test_the_guides_queries_are_understood() -> None:
    queries = dict(enumerate(re.findall(r"```kusto\n(.*?)```", text_of("operations"), re.DOTALL)))
    assert queries
    for number, found in bind({str(number): query for number, query in queries.items()}).items():
        assert found["problems"] == [], queries[int(number)]
