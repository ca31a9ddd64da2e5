"""An Event Hubs connection string, taken apart; what is wrong with one, said so that it can be mended."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

_SCHEMES = ("sb", "amqps", "amqp")
_NAMES = frozenset(
    {
        "endpoint",
        "entitypath",
        "sharedaccesskey",
        "sharedaccesskeyname",
        "sharedaccesssignature",
        "usedevelopmentemulator",
    }
)
"""What a part may be called. Any other name may be half of a key, and isn't repeated."""
_EXAMPLE = "Endpoint=sb://<namespace>.servicebus.windows.net/;SharedAccessKeyName=<policy>;SharedAccessKey=<key>"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccessKey:
    """A policy's name and key; tokens are made from it as needed."""

    policy: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccessSignature:
    """A token made by somebody else, which can't be renewed here."""

    token: str = field(repr=False)
    expires_at: int | None
    """Seconds since the epoch, or None when the token does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStringParts:
    """What a well-formed connection string says."""

    host: str
    port: int | None
    entity_path: str | None
    credential: SharedAccessKey | SharedAccessSignature | None
    """None when an identity is to be used (only a bare namespace says so)."""
    emulator: bool

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, which no proxy reaches."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_connection_string(text: str) -> ConnectionStringParts | tuple[str, ...]:
    """The parts of ``text``, or every reason why it can't be used. No message repeats a secret."""
    text = text.strip()
    if text.startswith("@Microsoft.KeyVault"):
        return ("is a Key Vault reference that was not resolved. Check the app's access to the vault.",)
    if text[:1] in {'"', "'"}:
        return ("is wrapped in quotes. Remove them.",)

    problems: list[str] = []
    values = _pairs(text, problems)
    if "accountkey" in values or "defaultendpointsprotocol" in values:
        return ("is a storage account's connection string. Use the event hub's.",)
    if not values:
        return (f"is malformed. It looks like {_EXAMPLE}",)

    host, port = _endpoint(values.get("endpoint", ""), problems)
    credential = _credential(values, problems)
    emulator = values.get("usedevelopmentemulator", "false").lower()
    if emulator not in {"true", "false"}:
        problems.append("has a UseDevelopmentEmulator that is neither true nor false.")
    if problems or host is None or credential is None:
        return tuple(problems)
    return ConnectionStringParts(
        host=host,
        port=port,
        entity_path=values.get("entitypath") or None,
        credential=credential,
        emulator=emulator == "true",
    )


def _pairs(text: str, problems: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for position, pair in enumerate(filter(None, (piece.strip() for piece in text.split(";"))), start=1):
        name, separator, value = pair.partition("=")
        name = name.strip().lower()
        if not separator or not name:
            problems.append(f"has a part without '=' (the {position}. one).")
        elif name in values:
            problems.append(f"says {name if name in _NAMES else 'something'} twice (the {position}. part).")
        else:
            values[name] = value.strip()
    return values


def _endpoint(endpoint: str, problems: list[str]) -> tuple[str | None, int | None]:
    if not endpoint:
        problems.append("has no Endpoint. It begins with Endpoint=sb://<namespace>.servicebus.windows.net/")
        return None, None
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if parts is None or parts.scheme not in _SCHEMES or not host or parts.username is not None:
        problems.append("has a malformed Endpoint. It looks like sb://<namespace>.servicebus.windows.net/")
        return None, None
    return host, port


def _credential(values: dict[str, str], problems: list[str]) -> SharedAccessKey | SharedAccessSignature | None:
    policy, key = values.get("sharedaccesskeyname"), values.get("sharedaccesskey")
    signature = values.get("sharedaccesssignature")
    if signature and (policy or key):
        problems.append("has both a SharedAccessSignature and a SharedAccessKey. Keep one.")
    elif signature:
        return _signature(signature, problems)
    elif policy and key:
        return SharedAccessKey(policy=policy, key=key)
    elif policy:
        problems.append("has a SharedAccessKeyName but no SharedAccessKey.")
    elif key:
        problems.append("has a SharedAccessKey but no SharedAccessKeyName.")
    else:
        problems.append("has neither SharedAccessKeyName with SharedAccessKey nor a SharedAccessSignature.")
    return None


def _signature(token: str, problems: list[str]) -> SharedAccessSignature | None:
    fields = parse_qs(token.removeprefix("SharedAccessSignature").strip())
    if "sr" not in fields or "sig" not in fields:
        problems.append("has a malformed SharedAccessSignature. It looks like SharedAccessSignature sr=…&sig=…&se=…")
        return None
    expiry = fields.get("se", [""])[0]
    return SharedAccessSignature(token=token, expires_at=int(expiry) if expiry.isdecimal() else None)
