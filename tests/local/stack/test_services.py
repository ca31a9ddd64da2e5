"""What is planned follows from the options and the settings, and nothing of a person's own cloud leaks in."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import LocalError
from local.event_hubs import EventHubsBroker
from local.stack.options import HubKind, StackOptions
from local.stack.ports import free_ports
from local.stack.services import Services, plan_services

if TYPE_CHECKING:
    from pathlib import Path

OWN_HUB = (
    "Endpoint=sb://own.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0;EntityPath=own-hub"
)


def _plan(folder: Path, values: dict[str, str], *, host: dict[str, Any] | None = None, **options: Any) -> Services:
    settings = folder / "local.settings.json"
    settings.write_text(json.dumps({"Values": values, "Host": host or {}}))
    port, hub_port = free_ports(2)
    ports = {"port": port, "hub_port": hub_port}
    return plan_services(
        StackOptions(settings=settings, data=folder / "data", **(ports | options)),
        keeps_open=(),
        say=lambda _line: None,
        warn=lambda _line: None,
    )


@pytest.fixture(autouse=True)
def _no_hub_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_EVENTHUB_CONNECTION_STRING", "EVENTHUB_FULLY_QUALIFIED_NAMESPACE", "EVENTHUB_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_storage_starts_first_and_the_host_last(tmp_path: Path) -> None:
    services = _plan(tmp_path, {})
    assert [child.name for child in services.in_order] == ["storage (Azurite)", "event hub", "functions host"]


def test_nothing_leaves_the_machine_unless_asked_for(tmp_path: Path) -> None:
    """The host's environment wins over the settings file, which may name a real hub."""
    services = _plan(
        tmp_path,
        {
            "AZURE_EVENTHUB_CONNECTION_STRING": OWN_HUB,
            "EVENTHUB_FULLY_QUALIFIED_NAMESPACE": "own.servicebus.windows.net",
            "AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=own;AccountKey=c2VjcmV0",
        },
    )
    environment = services.in_order[-1].spec.environment
    assert environment["AZURE_EVENTHUB_CONNECTION_STRING"].startswith(f"Endpoint=sb://{services.hub_address};")
    assert environment["EVENTHUB_FULLY_QUALIFIED_NAMESPACE"] == ""
    assert "AccountName=devstoreaccount1" in environment["AzureWebJobsStorage"]
    assert "own" not in "".join(environment.values())


def test_the_hub_of_the_settings_is_used_when_asked_for(tmp_path: Path) -> None:
    services = _plan(tmp_path, {"AZURE_EVENTHUB_CONNECTION_STRING": OWN_HUB}, hub=HubKind.SETTINGS)
    assert [child.name for child in services.in_order] == ["storage (Azurite)", "functions host"]
    assert services.hub_address == "own.servicebus.windows.net:5671"
    assert services.hub_name == "own-hub"
    assert services.control_url is None
    assert "AZURE_EVENTHUB_CONNECTION_STRING" not in services.in_order[-1].spec.environment


def test_a_wrong_hub_of_the_settings_is_named_without_its_secret(tmp_path: Path) -> None:
    wrong = {"AZURE_EVENTHUB_CONNECTION_STRING": OWN_HUB, "EVENTHUB_NAME": "another"}
    with pytest.raises(LocalError, match="EVENTHUB_NAME") as raised:
        _plan(tmp_path, wrong, hub=HubKind.SETTINGS)
    assert "c2VjcmV0" not in str(raised.value)


def test_the_broker_serves_the_hub_that_the_settings_name(tmp_path: Path) -> None:
    services = _plan(tmp_path, {"EVENTHUB_NAME": "my-events"})
    assert services.hub_name == "my-events"
    assert "my-events:4" in services.in_order[1].spec.command
    assert services.in_order[-1].spec.environment["EVENTHUB_NAME"] == "my-events"


def _control_port(services: Services) -> str:
    command = services.in_order[1].spec.command
    return command[command.index("--control-port") + 1]


def test_only_the_usual_hub_has_the_usual_control_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks that start at once would both find it free."""
    usual_hub, usual = free_ports(2)
    monkeypatch.setattr("local.stack.services.DEFAULT_HUB_PORT", usual_hub)
    monkeypatch.setattr("local.stack.services._CONTROL_PORT", usual)
    assert _control_port(_plan(tmp_path, {})) != str(usual)
    assert _control_port(_plan(tmp_path, {}, hub_port=usual_hub)) == str(usual)
    with socket.create_server(("127.0.0.1", usual)):
        assert _control_port(_plan(tmp_path, {}, hub_port=usual_hub)) != str(usual)


async def test_another_broker_on_the_control_port_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (usual_hub,) = free_ports(1)
    async with EventHubsBroker() as another:
        monkeypatch.setattr("local.stack.services.DEFAULT_HUB_PORT", usual_hub)
        monkeypatch.setattr("local.stack.services._CONTROL_PORT", another.control_port)
        monkeypatch.setattr("local.stack.services.is_free", lambda _port: True)  # It was, a moment ago.
        services = _plan(tmp_path, {}, hub_port=usual_hub)
        assert _control_port(services) == str(another.control_port)
        assert not await services.in_order[1].spec.ready()


def test_without_auth_there_is_no_key(tmp_path: Path) -> None:
    assert _plan(tmp_path, {}).read_key() is None


def test_keys_are_read_from_where_the_host_has_them(tmp_path: Path) -> None:
    made = _plan(tmp_path, {}, auth=True)
    assert made.keys_file == tmp_path / "data" / "host-keys.json"
    own = _plan(tmp_path, {}, host={"Keys": {"masterKey": "mine"}}, auth=True)
    assert own.read_key() == "mine"
