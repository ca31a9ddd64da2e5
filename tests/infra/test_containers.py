"""Dockerfile, compose and Kubernetes: linted, and one with each other, the guide and the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.paths import ROOT
from shared.settings import read_settings
from streaming.adapters.event_hubs.connection import HubConnection, read_hub_connection
from tests.edge.test_functions import index
from tests.infra.bicep import bicep_files
from tests.infra.checkers.installing import python_environment, run, run_python

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
START: Final = ROOT / "deploy" / "container" / "start.sh"
NOT_OF_KUBERNETES: Final = {"kustomization.yaml", "scaled-object.yaml"}
"""Of kustomize and KEDA, whose schemas are in no package."""


def tool(name: str) -> str:
    return str(python_environment("tools") / name)


def documents(*paths: Path) -> dict[str, Any]:
    """The first document of each file, by the file's name."""
    parsed = json.loads(run_python("tools", "parse_yaml.py", *map(str, paths)))
    return {path.name: parsed[str(path)][0] for path in paths}


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return documents(*sorted(KUBERNETES.glob("*.yaml")))


@pytest.fixture(scope="module")
def compose() -> Any:
    return documents(ROOT / "docker-compose.yml")["docker-compose.yml"]


# --- Dockerfile ------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    run([tool("hadolint"), str(ROOT / "Dockerfile")])


def test_the_image_listens_on_8000_as_nobody_in_particular() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "ASPNETCORE_URLS=http://+:8000" in text
    assert "\nEXPOSE 8000\n" in text
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    assert "http://127.0.0.1:8000/health" in text
    assert 'ENTRYPOINT ["/bin/bash", "/home/site/start.sh"]' in text


def test_the_image_has_what_is_shipped_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == {
        "requirements.txt",
        "function_app.py",
        "host.json",
        "shared",
        "streaming",
        "deploy/container/start.sh",
    }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == names


# --- What the container does first -----------------------------------------------------------------------------------


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/bash", str(START), "/usr/bin/env"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_refuses_to_start_without_storage() -> None:
    done = start(AZURE_EVENTHUB_CONNECTION_STRING="Endpoint=sb://x")
    assert done.returncode == 64
    assert "AzureWebJobsStorage is not set" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["AzureWebJobsStorage", "AzureWebJobsStorage__tableServiceUri"])
def test_starts_with_storage_and_hands_on_the_number_of_workers(name: str) -> None:
    done = start(**{name: "somewhere", "MAX_WORKERS": "3", "AZURE_EVENTHUB_CONNECTION_STRING": "Endpoint=sb://x"})
    assert done.returncode == 0
    assert done.stderr == ""
    assert "FUNCTIONS_WORKER_PROCESS_COUNT=3" in done.stdout.splitlines()


def test_an_empty_setting_is_no_storage() -> None:
    assert start(AzureWebJobsStorage="").returncode == 64


def test_settings_with_dots_reach_the_host() -> None:
    done = start(**{"AzureWebJobsStorage": "somewhere", "AzureWebJobs.stream_tick.Disabled": "true"})
    assert "AzureWebJobs.stream_tick.Disabled=true" in done.stdout.splitlines()


def test_warns_when_there_is_nothing_to_send_to() -> None:
    done = start(AzureWebJobsStorage="somewhere")
    assert done.returncode == 0
    assert "AZURE_EVENTHUB_CONNECTION_STRING is not set" in done.stderr


# --- Compose ---------------------------------------------------------------------------------------------------------


def test_compose_is_what_compose_takes() -> None:
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")])


def test_the_app_of_compose_understands_its_settings(compose: Any) -> None:
    environment = compose["services"]["app"]["environment"]
    settings = read_settings({name: value for name, value in environment.items() if "$" not in value})
    assert settings.problems == ()
    hub = read_hub_connection(environment)
    assert isinstance(hub, HubConnection)
    assert (hub.host, hub.port, hub.use_tls) == ("event-hubs", 5672, False)
    hosts = set(re.findall(r"http://(\w+):", environment["AzureWebJobsStorage"]))
    assert hosts <= compose["services"].keys()


def test_the_emulator_has_the_hub_that_the_app_sends_to(compose: Any) -> None:
    config = json.loads((ROOT / "deploy" / "container" / "event-hubs-emulator.json").read_text(encoding="utf-8"))
    (namespace,) = config["UserConfig"]["NamespaceConfig"]
    assert compose["services"]["app"]["environment"]["EVENTHUB_NAME"] in {hub["Name"] for hub in namespace["Entities"]}


def test_ports_are_open_to_this_machine_only(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_keys_of_compose_are_a_keys_file(compose: Any) -> None:
    keys = json.loads(compose["configs"]["host-keys"]["content"])
    assert keys["masterKey"]["encrypted"] is False
    assert [key["name"] for key in keys["functionKeys"]] == ["default"]


# --- Kubernetes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(KUBERNETES.glob("*.yaml")), ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    if path.name not in NOT_OF_KUBERNETES:
        run([tool("kubernetes-validate"), "--strict", "--quiet", str(path)])


def test_every_manifest_is_applied(manifests: dict[str, Any]) -> None:
    assert set(manifests["kustomization.yaml"]["resources"]) == manifests.keys() - {"kustomization.yaml"}


def test_probes_resources_and_the_secret_are_those_of_the_guide(manifests: dict[str, Any]) -> None:
    (container,) = manifests["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/health", "port": 8000},
        "initialDelaySeconds": 30,
        "periodSeconds": 10,
        "failureThreshold": 3,
    }
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/api/stream/health", "port": 8000},
        "initialDelaySeconds": 10,
        "periodSeconds": 5,
        "failureThreshold": 2,
    }
    assert container["resources"] == {
        "requests": {"memory": "512Mi", "cpu": "500m"},
        "limits": {"memory": "2Gi", "cpu": "2000m"},
    }
    secret = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"] if "valueFrom" in entry}
    assert secret["AZURE_EVENTHUB_CONNECTION_STRING"] == {"name": "azure-credentials", "key": "connection-string"}


@pytest.mark.parametrize("name", ["deployment.yaml", "workers.yaml"])
def test_pods_are_restricted(name: str, manifests: dict[str, Any]) -> None:
    pod = manifests[name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_keda_starts_workers_for_the_queues_of_the_app(manifests: dict[str, Any]) -> None:
    scaled = manifests["scaled-object.yaml"]
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == manifests["workers.yaml"]["metadata"]["name"]
    queues = {trigger["metadata"]["queueName"] for trigger in scaled["spec"]["triggers"]}
    declared = bicep_files()["modules/storage.bicep"].variables["queueNames"]["value"]
    assert queues == {name.replace("${prefix}", "retail") for name in declared if not name.endswith("-poison")}
    assert "replicas" not in manifests["workers.yaml"]["spec"], "applying the manifest again would stop workers"
    names = {entry["name"] for entry in manifests["workers.yaml"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert {trigger["metadata"]["connectionFromEnv"] for trigger in scaled["spec"]["triggers"]} <= names


def test_workers_run_the_queue_functions_and_nothing_else(manifests: dict[str, Any]) -> None:
    (container,) = manifests["workers.yaml"]["spec"]["template"]["spec"]["containers"]
    named = {
        entry["value"] for entry in container["env"] if entry["name"].startswith("AzureFunctionsJobHost__functions__")
    }
    triggers: dict[str, Any] = {name: function["trigger"]["type"] for name, function in index().items()}  # type: ignore[index]  # JSON
    assert {name for name, trigger in triggers.items() if trigger == "queueTrigger"} <= named
    assert not {name for name, trigger in triggers.items() if trigger != "queueTrigger"} & named
    assert "httpGet" not in container["livenessProbe"], "there is no route"


def test_labels_and_ports_meet(manifests: dict[str, Any]) -> None:
    labels = manifests["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["service.yaml"]["spec"]["selector"].items() <= labels.items()
    assert manifests["disruption-budget.yaml"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    selected = manifests["network-policy.yaml"]["spec"]["podSelector"]["matchLabels"]
    for name in ("deployment.yaml", "workers.yaml"):
        assert selected.items() <= manifests[name]["spec"]["template"]["metadata"]["labels"].items()
    assert manifests["network-policy.yaml"]["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8000}]
