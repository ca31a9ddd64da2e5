"""``Host.CORS``: which pages of other origins may call the functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.functions_host.http_message import Response

if TYPE_CHECKING:
    from local.functions_host.http_message import Request


def read_origins(text: str | None) -> tuple[str, ...]:
    """The origins of a comma-separated list, such as the setting ALLOWED_ORIGINS."""
    return tuple(origin.strip() for origin in (text or "").split(",") if origin.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsPolicy:
    """No origins: requests of other origins get no permission, and preflights go to the functions."""

    origins: tuple[str, ...] = ()
    credentials: bool = False

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight request; None when ``request`` is none, or there is no policy."""
        asked = request.headers.get("access-control-request-method")
        if not self.origins or request.method != "OPTIONS" or "origin" not in request.headers or not asked:
            return None
        granted = self._origin_headers(request)
        if not granted:
            return Response(status=204)
        wanted = request.headers.get("access-control-request-headers")
        return Response(
            status=204,
            headers=(
                *granted,
                ("access-control-allow-methods", asked),
                *((("access-control-allow-headers", wanted),) if wanted else ()),
            ),
        )

    def grant(self, request: Request, response: Response) -> Response:
        """``response`` with the permission headers that ``request``'s origin has a right to."""
        if not self.origins or "origin" not in request.headers:
            return response
        return response.with_headers(*self._origin_headers(request))

    def _origin_headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        origin = request.headers["origin"]
        if "*" in self.origins and not self.credentials:
            return (("access-control-allow-origin", "*"),)
        allowed = "*" in self.origins or any(origin.lower() == known.rstrip("/").lower() for known in self.origins)
        if not allowed:
            return ()
        credentials = (("access-control-allow-credentials", "true"),) if self.credentials else ()
        return (("access-control-allow-origin", origin), ("vary", "Origin"), *credentials)
