"""Where the event hub is and how to get in, read from settings, all problems at once, without touching the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from shared.settings import SettingProblem
from streaming.adapters.event_hubs.connection_string import (
    ConnectionStringParts,
    SharedAccessKey,
    SharedAccessSignature,
    parse_connection_string,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTION_STRING_SETTING: Final = "AZURE_EVENTHUB_CONNECTION_STRING"
NAMESPACE_SETTING: Final = "EVENTHUB_FULLY_QUALIFIED_NAMESPACE"
EVENT_HUB_SETTING: Final = "EVENTHUB_NAME"
TRANSPORT_SETTING: Final = "EVENTHUB_TRANSPORT"

NOT_SET: Final = "is not set."
"""How the message of a missing setting begins."""

_NAMESPACE = re.compile(r"(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:(?P<port>\d{1,5}))?")
_EVENT_HUB = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")
_AUTHORITIES: Final[Mapping[str, str]] = {
    ".servicebus.usgovcloudapi.net": "login.microsoftonline.us",
    ".servicebus.chinacloudapi.cn": "login.chinacloudapi.cn",
}
"""Who issues tokens for a sovereign cloud's namespaces; the hub's own endpoint needs nothing special."""

Transport = Literal["amqp", "websocket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A token of Microsoft Entra: the managed identity in Azure; the environment or a signed-in developer elsewhere."""

    managed: bool
    """A managed identity is offered here, so nothing else is tried."""
    client_id: str | None
    """Which user-assigned identity, or None for the system's."""
    authority: str | None
    """The cloud that issues the token, or None for the public one."""


Credential = SharedAccessKey | SharedAccessSignature | Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that WebSockets go through."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConnection:
    """An event hub that can be tried. Its ``repr`` shows no secret."""

    host: str
    """The namespace's host name, without a port."""
    port: int
    event_hub: str
    credential: Credential
    transport: Transport = "amqp"
    use_tls: bool = True
    """False only for a development emulator."""
    proxy: Proxy | None = None

    @property
    def default_port(self) -> int:
        return _default_port(self.transport, use_tls=self.use_tls)


def read_hub_connection(environment: Mapping[str, str]) -> HubConnection | tuple[SettingProblem, ...]:
    """The hub that ``environment`` names, or everything that is wrong with it, each by its setting.

    Reads AZURE_EVENTHUB_CONNECTION_STRING or EVENTHUB_FULLY_QUALIFIED_NAMESPACE, EVENTHUB_NAME, EVENTHUB_TRANSPORT,
    the usual proxy variables, and what azure-identity needs (AZURE_CLIENT_ID, AZURE_AUTHORITY_HOST, IDENTITY_ENDPOINT).
    """
    values = {name: value.strip() for name, value in environment.items()}
    problems: list[SettingProblem] = []
    place = _place(values, problems)
    event_hub = _event_hub(values, place, problems)
    transport = _transport(values, problems)
    if problems or place is None or event_hub is None:
        return tuple(problems)

    proxy = None
    if transport != "amqp":
        proxy = _proxy(values, place, problems)
        transport = "websocket" if proxy or transport else "amqp"
    if problems:
        return tuple(problems)
    return HubConnection(
        host=place.host,
        port=place.port or _default_port(transport, use_tls=not place.emulator),
        event_hub=event_hub,
        credential=place.credential or _identity(values, place.host),
        transport=transport,
        use_tls=not place.emulator,
        proxy=proxy,
    )


def _place(values: Mapping[str, str], problems: list[SettingProblem]) -> ConnectionStringParts | None:
    connection_string, namespace = values.get(CONNECTION_STRING_SETTING), values.get(NAMESPACE_SETTING)
    if connection_string and namespace:
        problems.append(
            SettingProblem(
                setting=CONNECTION_STRING_SETTING,
                message=f"and {NAMESPACE_SETTING} are both set. Keep one: a connection string, or a namespace that an "
                "identity signs in to.",
            )
        )
        return None
    if connection_string:
        parsed = parse_connection_string(connection_string)
        if isinstance(parsed, ConnectionStringParts):
            return parsed
        problems += (SettingProblem(setting=CONNECTION_STRING_SETTING, message=message) for message in parsed)
        return None
    if namespace:
        matched = _NAMESPACE.fullmatch(namespace)
        if matched is None or int(matched["port"] or 1) not in range(1, 65_536):
            problems.append(
                SettingProblem(
                    setting=NAMESPACE_SETTING,
                    message="must be a host name such as mynamespace.servicebus.windows.net, without sb:// and path.",
                )
            )
            return None
        return ConnectionStringParts(
            host=matched["host"],
            port=int(matched["port"]) if matched["port"] else None,
            entity_path=None,
            credential=None,
            emulator=False,
        )
    problems.append(
        SettingProblem(
            setting=CONNECTION_STRING_SETTING,
            message=f"{NOT_SET} Set it to the hub's connection string, or set {NAMESPACE_SETTING} to sign in with an "
            "identity.",
        )
    )
    return None


def _event_hub(
    values: Mapping[str, str], place: ConnectionStringParts | None, problems: list[SettingProblem]
) -> str | None:
    named, entity_path = values.get(EVENT_HUB_SETTING), place.entity_path if place else None
    if named and entity_path and named != entity_path:
        problems.append(
            SettingProblem(
                setting=EVENT_HUB_SETTING,
                message=f"is '{named}', but EntityPath in {CONNECTION_STRING_SETTING} is '{entity_path}'. "
                "Make them the same, or remove one.",
            )
        )
        return None
    if event_hub := named or entity_path:
        if not _EVENT_HUB.fullmatch(event_hub):
            problems.append(
                SettingProblem(
                    setting=EVENT_HUB_SETTING if named else CONNECTION_STRING_SETTING,
                    message=f"'{event_hub}' is no name of an event hub: letters, digits, '.', '-' and '_', beginning "
                    "and ending with a letter or digit, 256 at most.",
                )
            )
            return None
        return event_hub
    if place is not None or not values.get(CONNECTION_STRING_SETTING):
        problems.append(
            SettingProblem(
                setting=EVENT_HUB_SETTING,
                message=f"{NOT_SET} Set it to the event hub's name, or add EntityPath to the connection string.",
            )
        )
    return None


def _transport(values: Mapping[str, str], problems: list[SettingProblem]) -> Transport | None:
    """The transport that was asked for, or None when that was left open."""
    match values.get(TRANSPORT_SETTING, "").lower():
        case "":
            return None
        case "amqp":
            return "amqp"
        case "websocket":
            return "websocket"
        case _:
            problems.append(
                SettingProblem(setting=TRANSPORT_SETTING, message="must be amqp (port 5671) or websocket (port 443).")
            )
            return None


def _proxy(values: Mapping[str, str], place: ConnectionStringParts, problems: list[SettingProblem]) -> Proxy | None:
    """The proxy that the environment prescribes for this host. A proxy speaks HTTP, so it implies WebSockets."""
    name = "HTTP_PROXY" if place.emulator else "HTTPS_PROXY"
    url = values.get(name.lower()) or values.get(name)
    if not url or place.is_loopback:
        return None
    excluded = values.get("no_proxy") or values.get("NO_PROXY") or ""
    if _is_excluded(place.host, excluded):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host = None
    if host is None or parts.scheme != "http":
        problems.append(SettingProblem(setting=name, message="must look like http://host:port."))
        return None
    return Proxy(host=host, port=port, username=parts.username, password=parts.password)


def _is_excluded(host: str, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names ``host`` or a domain that it belongs to; ``*`` names all."""
    domains = (entry.strip().lower().removeprefix(".") for entry in no_proxy.split(","))
    return any(domain == "*" or f".{host.lower()}".endswith(f".{domain}") for domain in domains if domain)


def _identity(values: Mapping[str, str], host: str) -> Identity:
    authority = next((name for suffix, name in _AUTHORITIES.items() if host.lower().endswith(suffix)), None)
    return Identity(
        managed="IDENTITY_ENDPOINT" in values,
        client_id=values.get("AZURE_CLIENT_ID") or None,
        authority=values.get("AZURE_AUTHORITY_HOST") or authority,
    )


def _default_port(transport: Transport, *, use_tls: bool) -> int:
    if transport == "websocket":
        return 443
    return 5671 if use_tls else 5672
