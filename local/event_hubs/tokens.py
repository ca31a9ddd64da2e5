"""Shared-access signatures: what a client must show before it may send or listen."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.event_hubs.config import Claim, SharedAccessPolicy

SAS_TOKEN: Final = "servicebus.windows.net:sastoken"  # noqa: S105  the name of a kind of token, not a token
_SCHEME: Final = "SharedAccessSignature "


class TokenRefused(Exception):  # noqa: N818  it is the outcome, not a defect
    """Why a token is worth nothing. Becomes a 401."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token has opened: everything at and below ``path``, until ``expires_at`` (seconds since 1970)."""

    path: tuple[str, ...]
    claims: frozenset[Claim]
    expires_at: float

    def covers(self, path: tuple[str, ...]) -> bool:
        """Whether ``path`` is at or below this grant's."""
        return path[: len(self.path)] == self.path


def path_of(address: str) -> tuple[str, ...]:
    """The parts of what ``address`` names, as grants compare them: ``amqps://host/Hub/a`` and ``hub/A`` are one."""
    return tuple(part.lower() for part in split_address(address))


def split_address(address: str) -> list[str]:
    """The parts of an address behind its host, as they are written."""
    path = urlsplit(address).path if "://" in address else address
    return [part for part in path.split("/") if part]


def verify(token: str, audience: str, policies: Mapping[str, SharedAccessPolicy], now: float) -> Grant:
    """The grant that ``token`` proves for ``audience``. Raises :class:`TokenRefused` with the reason."""
    if not token.startswith(_SCHEME):
        raise TokenRefused("the token is no SharedAccessSignature")
    fields = dict(part.partition("=")[::2] for part in token.removeprefix(_SCHEME).split("&"))
    missing = [name for name in ("sr", "sig", "se", "skn") if not fields.get(name)]
    if missing:
        raise TokenRefused(f"the token lacks {', '.join(missing)}")
    policy = policies.get(unquote(fields["skn"]))
    if policy is None:
        raise TokenRefused(f"there is no shared-access policy {unquote(fields['skn'])!r}")
    digest = hmac.digest(policy.key.encode(), f"{fields['sr']}\n{fields['se']}".encode(), hashlib.sha256)
    if not hmac.compare_digest(base64.b64encode(digest), unquote(fields["sig"]).encode()):
        raise TokenRefused("the signature does not match: wrong key")
    try:
        expires_at = float(fields["se"])
    except ValueError:
        raise TokenRefused("the token's expiry is no number") from None
    if not expires_at > now:
        raise TokenRefused("the token has expired")
    resource = unquote(fields["sr"])
    grant = Grant(path=path_of(resource), claims=policy.claims, expires_at=expires_at)
    if _host_of(resource) != _host_of(audience) or not grant.covers(path_of(audience)):
        raise TokenRefused(f"the token is for {resource!r}, not for {audience!r}")
    return grant


def _host_of(address: str) -> str | None:
    return urlsplit(address).hostname
