"""Names and numbers that several places have to agree on: Bicep, the app's code, its sample settings, the docs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.paths import ROOT
from shared.settings import read_settings
from streaming.adapters.event_hubs import connection
from streaming.adapters.event_hubs.connection import HubConnection, Identity, read_hub_connection
from streaming.adapters.tables import keys
from tests.edge.test_functions import index
from tests.infra.bicep import INFRA, bicep_files, config_of, is_conditional

if TYPE_CHECKING:
    from pathlib import Path

ROLES: Final = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "eventHubsDataSender": "2b629674-e913-4c01-ae53-ef4638d8f975",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
}
"""Azure's built-in roles."""

NEVER_ON_FLEX: Final = {
    "ENABLE_ORYX_BUILD", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_PROCESS_COUNT", "FUNCTIONS_WORKER_RUNTIME",
    "SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_TIME_ZONE",
}  # fmt: skip

PROPERTIES_NEVER_ON_FLEX: Final = {
    "alwaysOn", "containerSize", "ftpsState", "functionAppScaleLimit", "healthCheckPath", "javaVersion",
    "linuxFxVersion", "netFrameworkVersion", "powerShellVersion", "preWarmedInstanceCount", "use32BitWorkerProcess",
    "vnetRouteAllEnabled", "windowsFxVersion",
}  # fmt: skip
"""Of Microsoft.Web/sites: deprecated there, or replaced by functionAppConfig."""

LOCAL_ONLY: Final = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "AZURE_EVENTHUB_CONNECTION_STRING"}
"""Of the sample: Azure has an identity in place of the connection strings, and the runtime in functionAppConfig."""

QUEUE_FUNCTIONS: Final = ("outbox-stage", "outbox-drain", "shard-run")

PARAMETER_FILES: Final = ["main.parameters.json", "parameters/dev.json", "parameters/prod.json"]


def variable(file: str, name: str) -> Any:
    return bicep_files()[file].variables[name]["value"]


def deployed_settings() -> dict[str, Any]:
    """What the app gets by default: with an identity, and a hub made for it."""
    return {
        **variable("main.bicep", "streamSettings"),
        **variable("main.bicep", "eventHubIdentitySettings"),
        **variable("modules/function-app.bicep", "platformSettings"),
    }


def sample_settings() -> dict[str, str]:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
    return dict(sample["Values"])


# --- Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [ROOT / "local.settings.sample.json", ROOT / "host.json", *INFRA.rglob("*.json")], ids=str
)
def test_no_key_is_given_twice(path: Path) -> None:
    """JSON's readers take the last of two silently."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=distinct)


def test_every_setting_of_the_sample_is_deployed() -> None:
    assert sample_settings().keys() - LOCAL_ONLY <= deployed_settings().keys()


def test_no_setting_is_deployed_that_flex_consumption_refuses() -> None:
    assert deployed_settings().keys() & NEVER_ON_FLEX == set()


def test_no_property_is_deployed_that_flex_consumption_refuses() -> None:
    properties = config_of(bicep_files()["modules/function-app.bicep"].resources["app"])["properties"]
    assert (properties.keys() | properties["siteConfig"].keys()) & PROPERTIES_NEVER_ON_FLEX == set()


def test_the_default_of_every_setting_is_that_of_the_sample() -> None:
    defaults = {name: parameter.get("default") for name, parameter in bicep_files()["main.bicep"].parameters.items()}
    for setting, value in variable("main.bicep", "streamSettings").items():
        parameter = value["function"]["parameters"]["value_to_convert"] if isinstance(value, dict) else value
        assert str(defaults[parameter]) == sample_settings()[setting], setting


def test_the_app_understands_what_is_deployed() -> None:
    """The settings as Azure would hand them to the app, read by the app's own code."""
    environment = sample_settings() | {name: "x" for name in deployed_settings() if name.startswith("AzureWebJobs")}
    del environment["AZURE_EVENTHUB_CONNECTION_STRING"], environment["AzureWebJobsStorage"]
    settings = read_settings(environment)
    assert settings.problems == ()
    assert settings.storage.keys() == {"blobServiceUri", "queueServiceUri", "tableServiceUri", "credential", "clientId"}

    template = variable("main.bicep", "eventHubIdentitySettings")[connection.NAMESPACE_SETTING]
    assert template == "${eventHubNamespaceName}.${suffixes.serviceBus}"
    for cloud, suffixes in json.loads((INFRA / "clouds.json").read_text(encoding="utf-8")).items():
        hub = read_hub_connection(
            environment
            | {
                connection.NAMESPACE_SETTING: f"evhns.{suffixes['serviceBus']}",
                "AZURE_CLIENT_ID": "me",
                "IDENTITY_ENDPOINT": "x",
            }
        )
        assert isinstance(hub, HubConnection), hub
        assert isinstance(hub.credential, Identity)
        assert (hub.credential.managed, hub.credential.client_id) == (True, "me")
        assert (hub.credential.authority is None) == (cloud == "AzureCloud")


def test_a_connection_string_comes_from_the_vault_only() -> None:
    reference = variable("main.bicep", "eventHubConnectionSettings")[connection.CONNECTION_STRING_SETTING]
    assert reference == "@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=eventhub-connection-string)"
    assert (
        config_of(bicep_files()["modules/key-vault.bicep"].resources["secret"])["name"] == "eventhub-connection-string"
    )


def test_nothing_else_in_the_templates_reads_a_key() -> None:
    for file in bicep_files().values():
        assert not re.search(r"\blist(Keys|AccountSas|Secrets)\b|\.listKeys\(|AccountKey=|SharedAccessKey=", file.code)


# --- Roles -----------------------------------------------------------------------------------------------------------


def test_role_ids_are_azures() -> None:
    found = {
        (name, declared["value"])
        for file in bicep_files().values()
        for name, declared in file.variables.items()
        if isinstance(declared["value"], str)
        and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", declared["value"])
    }
    assert dict(found) == ROLES
    assert len(found) == len(ROLES)


def test_every_role_is_given_on_one_resource_and_not_on_the_group() -> None:
    scopes = {
        (name, config_of(resource).get("scope"))
        for name, file in bicep_files().items()
        for resource in file.resources.values()
        if resource["type"] == "Microsoft.Authorization/roleAssignments"
    }
    assert scopes == {
        ("modules/access.bicep", "account"),
        ("modules/access.bicep", "applicationInsights"),
        ("modules/event-hub-access.bicep", "eventHub"),
        ("modules/event-hub.bicep", "captureContainer"),
        ("modules/key-vault.bicep", "secret"),
    }


# --- Audit -----------------------------------------------------------------------------------------------------------


def test_the_hub_keeps_an_audit_log_in_every_tier() -> None:
    """The category group ``audit`` is empty below Premium."""
    file = bicep_files()["modules/event-hub.bicep"]
    assert "categoryGroup" not in file.text
    (premium, standard) = re.findall(r"auditCategories = .+ \? (\[.+\]) : (\[.+\])", file.text)[0]
    assert premium == "['OperationalLogs', 'RuntimeAuditLogs']"
    assert standard == "['OperationalLogs']"


def test_no_diagnostic_setting_is_made_that_keeps_nothing() -> None:
    """Azure refuses one without a category, and the parameter may be empty."""
    resources = bicep_files()["modules/storage.bicep"].resources
    kept = {name: resource for name, resource in resources.items() if "diagnosticSettings" in resource["type"]}
    assert len(kept) == 3
    assert all(is_conditional(resource) for resource in kept.values())


# --- Keyless ---------------------------------------------------------------------------------------------------------


def test_nothing_takes_a_key() -> None:
    files = bicep_files()
    account = config_of(files["modules/storage.bicep"].resources["account"])["properties"]
    assert (account["allowSharedKeyAccess"], account["allowBlobPublicAccess"]) == (False, False)
    assert account["minimumTlsVersion"] == "TLS1_2"
    namespace = config_of(files["modules/event-hub.bicep"].resources["namespace"])["properties"]
    assert (namespace["disableLocalAuth"], namespace["minimumTlsVersion"]) == (True, "1.2")
    insights = config_of(files["modules/monitoring.bicep"].resources["applicationInsights"])["properties"]
    assert insights["DisableLocalAuth"] is True
    app = files["modules/function-app.bicep"].resources
    assert config_of(app["app"])["properties"]["httpsOnly"] is True
    assert config_of(app["noFtpPasswords"])["properties"] == {"allow": False}
    assert config_of(app["noScmPasswords"])["properties"] == {"allow": False}


# --- Functions, tables, queues ---------------------------------------------------------------------------------------


def test_the_instance_kept_warm_is_that_of_the_stream_timer() -> None:
    text = bicep_files()["modules/function-app.bicep"].text
    (name,) = re.findall(r"'function:(\w+)'", text)
    assert name in index()
    assert index()[name]["trigger"]["type"] == "timerTrigger"  # type: ignore[index]  # described as JSON


def test_updates_drain_and_the_package_has_its_container() -> None:
    config = config_of(bicep_files()["modules/function-app.bicep"].resources["app"])["properties"]["functionAppConfig"]
    assert config["siteUpdateStrategy"] == {"type": "updateStrategy"}
    assert bicep_files()["main.bicep"].parameters["updateStrategy"]["default"] == "RollingUpdate"
    assert config["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"


def test_tables_are_those_of_the_code() -> None:
    names = variable("modules/storage.bicep", "tableNames")
    assert set(names) == {f"${{tablePrefix}}{name}" for name in (keys.STREAMS, keys.OUTBOX)}


def test_queues_are_those_that_functions_wait_for() -> None:
    names = variable("modules/storage.bicep", "queueNames")
    assert set(names) == {f"${{prefix}}-{name}{end}" for name in QUEUE_FUNCTIONS for end in ("", "-poison")}
    waited_for = {
        str(function["trigger"]["queueName"])  # type: ignore[index]  # described as JSON
        for function in index().values()
        if function["trigger"]["type"] == "queueTrigger"  # type: ignore[index]  # likewise
    }
    assert waited_for <= {name.replace("${prefix}", "retail") for name in names}


# --- Parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameter_files_give_what_main_declares(name: str) -> None:
    given = json.loads((INFRA / name).read_text(encoding="utf-8"))["parameters"]
    declared = bicep_files()["main.bicep"].parameters
    required = {parameter for parameter, entry in declared.items() if entry.get("default") is None}
    assert required <= given.keys() <= declared.keys()
    for parameter, entry in given.items():
        assert_fits(parameter, entry["value"], declared[parameter])


def assert_fits(name: str, value: object, declared: dict[str, Any]) -> None:
    kinds = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}
    assert type(value) is kinds[declared["type"]], name
    bounds = {decorator["type"]: decorator.get("argument") for decorator in declared["decorators"]}
    if "allowed" in bounds and not str(value).startswith("${"):
        assert value in bounds["allowed"], name
    if isinstance(value, int) and not isinstance(value, bool):
        assert bounds.get("min_value", value) <= value <= bounds.get("max_value", value), name
    if isinstance(value, str) and not value.startswith("${"):
        assert bounds.get("min_length", 0) <= len(value) <= bounds.get("max_length", len(value)), name


def test_bounds_of_the_world_are_those_of_the_code() -> None:
    declared = bicep_files()["main.bicep"].parameters
    for parameter, setting in {
        "worldStores": "WORLD_STORES",
        "worldDistributionCenters": "WORLD_DISTRIBUTION_CENTERS",
        "worldProducts": "WORLD_PRODUCTS",
        "worldCustomers": "WORLD_CUSTOMERS",
    }.items():
        bounds = {decorator["type"]: decorator.get("argument") for decorator in declared[parameter]["decorators"]}
        base = sample_settings() | {"WORLD_STORES": "1000", "WORLD_DISTRIBUTION_CENTERS": "1"}
        for edge, beyond in (("min_value", -1), ("max_value", 1)):
            assert read_settings(base | {setting: str(bounds[edge])}).problems == (), (setting, edge)
            assert read_settings(base | {setting: str(bounds[edge] + beyond)}).problems != (), (setting, edge)


def test_names_of_resources_are_as_long_as_azure_allows() -> None:
    """``uniqueString`` has 13 letters; storage accounts and vaults have 24 at most, sites 60, namespaces 50."""
    longest = {"token": 13, "shortName": 20}
    for name, most in {
        "storageAccountName": 24,
        "keyVaultName": 24,
        "functionAppName": 60,
        "newEventHubNamespaceName": 50,
    }.items():
        template = str(variable("main.bicep", name))
        taken = re.sub(r"\$\{take\(\w+, (\d+)\)\}", lambda found: "x" * int(found[1]), template)
        filled = re.sub(r"\$\{(\w+)\}", lambda found: "x" * longest[found[1]], taken)
        assert len(filled) <= most, name
