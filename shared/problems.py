"""Problem documents (RFC 9457): what every error of the HTTP API looks like."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One field of a request that is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error for the client. ``detail`` says what is wrong and what to do, and never holds a secret."""

    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after_seconds: int | None = None

    def document(self) -> dict[str, object]:
        body: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return body
