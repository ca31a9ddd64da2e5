"""Who is asking, and whether their role lets them: for apps that put the platform's authentication in front.

Function keys are checked by the platform, before any of this. With App Service authentication switched on, the platform
also vouches for the caller in headers that nobody else can set; two app roles then tell readers from operators.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_ROLE: Final = "Stream.Read"
OPERATE_ROLE: Final = "Stream.Operate"
_SWITCH: Final = "WEBSITE_AUTH_ENABLED"
_PRINCIPAL: Final = "x-ms-client-principal"
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom the platform vouches for."""

    name: str | None
    roles: frozenset[str]

    def may(self, *, change: bool) -> bool:
        """Whether the roles allow reading, or changing something. An operator may read."""
        return OPERATE_ROLE in self.roles or (not change and READ_ROLE in self.roles)


def caller_of(headers: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Caller | None:
    """The signed-in caller; None where the platform's authentication is off, or let the request pass anonymously.

    Without the platform in front, anybody could send these headers: then they mean nothing.
    """
    if environment.get(_SWITCH, "").lower() != "true" or _PRINCIPAL not in headers:
        return None
    try:
        principal: Any = orjson.loads(base64.b64decode(headers[_PRINCIPAL], validate=True))
        claims = [(str(claim["typ"]), str(claim["val"])) for claim in principal["claims"]]
        role_type = str(principal.get("role_typ") or "roles")
    except (binascii.Error, ValueError, LookupError, TypeError, AttributeError):
        return Caller(name=None, roles=frozenset())
    name = headers.get("x-ms-client-principal-name") or dict(claims).get("appid")
    return Caller(
        name=name[:_LONGEST_NAME] if name else None,
        roles=frozenset(value for kind, value in claims if kind in {role_type, "roles"}),
    )
