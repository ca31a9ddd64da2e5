"""Every way to say where the hub is, and everything that can be wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.eventhub.aio import EventHubProducerClient
from hypothesis import given
from hypothesis import strategies as st

from streaming.adapters.event_hubs.client import connection_string, make_producer_client, make_token_credential
from streaming.adapters.event_hubs.connection import HubConnection, Identity, Proxy, read_hub_connection
from streaming.adapters.event_hubs.connection_string import (
    SharedAccessKey,
    SharedAccessSignature,
    parse_connection_string,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "c2VjcmV0LWtleQ=="
PLAIN = f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={KEY}"
SIGNATURE = "SharedAccessSignature sr=sb%3A%2F%2Fns.servicebus.windows.net%2Fhub&sig=c2ln%3D&se=1700000000&skn=send"
SIGNED = f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessSignature={SIGNATURE}"
EMULATOR = f"Endpoint=sb://localhost:5673;SharedAccessKeyName=send;SharedAccessKey={KEY};UseDevelopmentEmulator=true"


def environment(connection_string: str | None = None, hub: str | None = "hub", **others: str) -> dict[str, str]:
    values = {"AZURE_EVENTHUB_CONNECTION_STRING": connection_string, "EVENTHUB_NAME": hub, **others}
    return {name: value for name, value in values.items() if value is not None}


def read(values: Mapping[str, str]) -> HubConnection:
    hub = read_hub_connection(values)
    assert isinstance(hub, HubConnection), hub
    return hub


def problems(values: Mapping[str, str]) -> dict[str, str]:
    found = read_hub_connection(values)
    assert not isinstance(found, HubConnection)
    return {problem.setting: problem.message for problem in found}


def test_a_connection_string_without_entity_path_takes_the_hub_from_its_own_setting() -> None:
    assert read(environment(PLAIN)) == HubConnection(
        host="ns.servicebus.windows.net",
        port=5671,
        event_hub="hub",
        credential=SharedAccessKey(policy="send", key=KEY),
        transport="amqp",
        use_tls=True,
        proxy=None,
    )


def test_an_entity_path_names_the_hub() -> None:
    assert read(environment(f"{PLAIN};EntityPath=orders", hub=None)).event_hub == "orders"
    assert read(environment(f"{PLAIN};EntityPath=hub", hub="hub")).event_hub == "hub"


def test_a_signature_keeps_its_expiry() -> None:
    assert read(environment(SIGNED)).credential == SharedAccessSignature(token=SIGNATURE, expires_at=1_700_000_000)


@pytest.mark.parametrize("spelling", ["true", "True", "TRUE"])
def test_the_emulator_has_no_tls_and_any_port(spelling: str) -> None:
    hub = read(environment(EMULATOR.replace("true", spelling)))
    assert (hub.host, hub.port, hub.use_tls) == ("localhost", 5673, False)
    assert read(environment(EMULATOR.replace(":5673", ""))).port == 5672


@pytest.mark.parametrize(
    ("namespace", "authority"),
    [
        ("ns.servicebus.windows.net", None),
        ("ns.servicebus.usgovcloudapi.net", "login.microsoftonline.us"),
        ("NS.servicebus.chinacloudapi.cn", "login.chinacloudapi.cn"),
        ("hub.contoso.example", None),
    ],
)
def test_a_namespace_is_signed_in_to_in_its_own_cloud(namespace: str, authority: str | None) -> None:
    hub = read(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE=namespace))
    assert hub.host == namespace
    assert hub.credential == Identity(managed=False, client_id=None, authority=authority)


def test_in_azure_the_managed_identity_is_used_and_may_be_chosen() -> None:
    azure = {"IDENTITY_ENDPOINT": "http://localhost/token", "AZURE_CLIENT_ID": "1234"}
    hub = read(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE="ns.servicebus.windows.net", **azure))
    assert hub.credential == Identity(managed=True, client_id="1234", authority=None)


def test_a_namespace_may_have_a_port() -> None:
    assert read(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE="ns.example.net:5680")).port == 5680


def test_a_sovereign_connection_string_is_as_good_as_any() -> None:
    hub = read(environment(PLAIN.replace("servicebus.windows.net", "servicebus.chinacloudapi.cn")))
    assert hub.host == "ns.servicebus.chinacloudapi.cn"


def test_websockets_go_through_port_443_and_the_proxy() -> None:
    hub = read(environment(PLAIN, EVENTHUB_TRANSPORT="websocket", HTTPS_PROXY="http://me:pw@proxy.example:3128"))
    assert (hub.transport, hub.port) == ("websocket", 443)
    assert hub.proxy == Proxy(host="proxy.example", port=3128, username="me", password="pw")  # noqa: S106 - made up


@pytest.mark.parametrize(
    ("others", "transport", "proxied"),
    [
        ({"HTTPS_PROXY": "http://proxy:1"}, "websocket", True),
        ({"https_proxy": "proxy:1"}, "websocket", True),
        ({"HTTPS_PROXY": "http://proxy:1", "EVENTHUB_TRANSPORT": "amqp"}, "amqp", False),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "windows.net"}, "amqp", False),
        ({"HTTPS_PROXY": "http://proxy:1", "no_proxy": "a.example, .servicebus.windows.net"}, "amqp", False),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, "amqp", False),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "s.net"}, "websocket", True),
        ({"HTTP_PROXY": "http://proxy:1"}, "amqp", False),
        ({"EVENTHUB_TRANSPORT": "WebSocket"}, "websocket", False),
        ({}, "amqp", False),
    ],
)
def test_a_proxy_is_used_where_it_applies(others: dict[str, str], transport: str, proxied: bool) -> None:
    hub = read(environment(PLAIN, **others))
    assert (hub.transport, hub.proxy is not None) == (transport, proxied)


def test_no_proxy_leads_to_this_machine() -> None:
    assert read(environment(EMULATOR, HTTP_PROXY="http://proxy:1")).proxy is None
    loopback = EMULATOR.replace("localhost", "127.0.0.1")
    assert read(environment(loopback, HTTP_PROXY="http://proxy:1")).proxy is None


def test_an_emulator_elsewhere_is_reached_by_the_plain_proxy() -> None:
    elsewhere = EMULATOR.replace("localhost", "emulator")
    assert read(environment(elsewhere, HTTP_PROXY="http://proxy:1")).proxy == Proxy(host="proxy", port=1)


def test_everything_that_is_missing_is_reported_at_once() -> None:
    found = problems({})
    assert list(found) == ["AZURE_EVENTHUB_CONNECTION_STRING", "EVENTHUB_NAME"]
    assert all(message.startswith("is not set.") for message in found.values())
    assert "EVENTHUB_FULLY_QUALIFIED_NAMESPACE" in found["AZURE_EVENTHUB_CONNECTION_STRING"]


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    found = problems(environment("Endpoint=ns;SharedAccessKey=x", hub="-", EVENTHUB_TRANSPORT="carrier pigeon"))
    assert set(found) == {"AZURE_EVENTHUB_CONNECTION_STRING", "EVENTHUB_NAME", "EVENTHUB_TRANSPORT"}


def test_a_conflict_of_names_names_both() -> None:
    message = problems(environment(f"{PLAIN};EntityPath=orders", hub="returns"))["EVENTHUB_NAME"]
    assert "'returns'" in message
    assert "'orders'" in message
    assert "EntityPath in AZURE_EVENTHUB_CONNECTION_STRING" in message


def test_a_connection_string_and_a_namespace_exclude_each_other() -> None:
    found = problems(environment(PLAIN, EVENTHUB_FULLY_QUALIFIED_NAMESPACE="ns.servicebus.windows.net"))
    assert "EVENTHUB_FULLY_QUALIFIED_NAMESPACE" in found["AZURE_EVENTHUB_CONNECTION_STRING"]


@pytest.mark.parametrize("namespace", ["sb://ns.servicebus.windows.net", "ns/", "ns:99999", "-ns", "n s", "ns:0"])
def test_a_namespace_is_a_bare_host_name(namespace: str) -> None:
    assert (
        "without sb://"
        in (problems(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE=namespace))["EVENTHUB_FULLY_QUALIFIED_NAMESPACE"])
    )


@pytest.mark.parametrize("proxy", ["socks5://proxy:1", "http://proxy:no", "https://proxy", "http://"])
def test_a_proxy_that_cant_be_used_is_named(proxy: str) -> None:
    assert "http://host:port" in problems(environment(PLAIN, HTTPS_PROXY=proxy))["HTTPS_PROXY"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", ("is malformed",)),
        (f"{PLAIN};hello", ("part without '='",)),
        (";;", ("is malformed",)),
        (f'"{PLAIN}"', ("wrapped in quotes",)),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)", ("Key Vault reference",)),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k", ("storage account",)),
        (PLAIN.replace("Endpoint", "Endpoin"), ("no Endpoint",)),
        (PLAIN.replace("sb://", "https://"), ("malformed Endpoint",)),
        (PLAIN.replace("sb://", ""), ("malformed Endpoint",)),
        (PLAIN.replace(".net/", ".net:port/"), ("malformed Endpoint",)),
        (PLAIN.replace("SharedAccessKeyName=send;", ""), ("no SharedAccessKeyName",)),
        (PLAIN.replace(f";SharedAccessKey={KEY}", ""), ("no SharedAccessKey",)),
        ("Endpoint=sb://ns.servicebus.windows.net/", ("neither",)),
        (f"{PLAIN};SharedAccessSignature={SIGNATURE}", ("both",)),
        (SIGNED.replace("sig=", "gis="), ("malformed SharedAccessSignature",)),
        (f"{PLAIN};EntityPath=a;EntityPath=b", ("says entitypath twice",)),
        (EMULATOR.replace("true", "yes"), ("neither true nor false",)),
        ("Endpoint=ns;SharedAccessKeyName=send", ("malformed Endpoint", "no SharedAccessKey")),
    ],
)
def test_what_is_wrong_with_a_connection_string_is_said(text: str, expected: tuple[str, ...]) -> None:
    found = parse_connection_string(text)
    assert isinstance(found, tuple)
    assert len(found) >= len(expected)
    for phrase in expected:
        assert any(phrase in message for message in found), found


def test_spaces_and_the_case_of_names_do_not_matter() -> None:
    spaced = f"  {PLAIN.replace(';', ' ; ').replace('SharedAccessKeyName', 'sharedaccesskeyname')} ; "
    assert parse_connection_string(spaced) == parse_connection_string(PLAIN)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    for value in (text, f"Endpoint={text};SharedAccessKeyName=a;SharedAccessKey=b", f"{PLAIN};{text}"):
        assert parse_connection_string(value) is not None
        assert read_hub_connection(environment(value)) is not None


def test_no_secret_is_shown() -> None:
    for text in (PLAIN, SIGNED):
        assert KEY not in repr(read(environment(text)))
        assert "c2ln" not in repr(read(environment(text)))
    proxied = read(environment(PLAIN, HTTPS_PROXY="http://me:hush@proxy:1"))
    assert "hush" not in repr(proxied)
    broken = f"Endpoint=ns;SharedAccessKey={KEY};{KEY}"
    assert KEY not in " ".join(problems(environment(broken)).values())


@pytest.mark.parametrize("text", [PLAIN, SIGNED, EMULATOR, PLAIN.replace(".net/", ".net:5680/")])
@pytest.mark.parametrize("transport", ["amqp", "websocket"])
async def test_the_sdk_makes_a_client_of_every_kind(text: str, transport: str) -> None:
    client = make_producer_client(read(environment(text, EVENTHUB_TRANSPORT=transport)), None)
    assert client.eventhub_name == "hub"
    await client.close()


def test_a_connection_string_survives_being_written_out() -> None:
    for text in (PLAIN, SIGNED, EMULATOR):
        hub = read(environment(text))
        assert read(environment(connection_string(hub))) == hub


def test_an_identity_has_no_connection_string() -> None:
    with pytest.raises(TypeError):
        connection_string(read(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE="ns.servicebus.windows.net")))


@pytest.mark.parametrize("managed", [True, False])
async def test_an_identity_is_signed_in_with_azure_identity(managed: bool) -> None:
    extra = {"IDENTITY_ENDPOINT": "http://localhost/token"} if managed else {}
    hub = read(environment(EVENTHUB_FULLY_QUALIFIED_NAMESPACE="ns.servicebus.usgovcloudapi.net", **extra))
    credential = make_token_credential(hub)
    assert credential is not None
    assert type(credential).__name__ == ("ManagedIdentityCredential" if managed else "DefaultAzureCredential")
    async with credential:
        client = make_producer_client(hub, credential)
        assert isinstance(client, EventHubProducerClient)
        await client.close()


def test_a_key_needs_no_identity() -> None:
    assert make_token_credential(read(environment(PLAIN))) is None
