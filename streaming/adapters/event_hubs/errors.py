"""What each error of the SDK means, said once, as tables.

The SDK wraps: an ``EventHubError`` carries the condition that the service sent (``error``, without its namespace), the
causes behind it say what the socket or the token service said. The most specific of these decides.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import ClientAuthenticationError
from azure.eventhub.exceptions import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    EventDataSendError,
    EventHubError,
    OperationTimeoutError,
)

from shared.redaction import redact
from streaming.core.outcome import ErrorCategory, SendFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CATEGORY_OF_CONDITION: Final[Mapping[str, ErrorCategory]] = {
    # amqp:…
    "unauthorized-access": ErrorCategory.AUTHORIZATION,
    "not-found": ErrorCategory.NOT_FOUND,
    "resource-deleted": ErrorCategory.NOT_FOUND,
    "resource-limit-exceeded": ErrorCategory.QUOTA_EXCEEDED,
    "decode-error": ErrorCategory.SERIALIZATION,
    "connection:forced": ErrorCategory.CONNECTION_ERROR,
    "connection:framing-error": ErrorCategory.CONNECTION_ERROR,
    "link:detach-forced": ErrorCategory.CONNECTION_ERROR,
    "link:stolen": ErrorCategory.CONNECTION_ERROR,
    "link:message-size-exceeded": ErrorCategory.MESSAGE_TOO_LARGE,
    # com.microsoft:…
    "server-busy": ErrorCategory.THROTTLING,
    "timeout": ErrorCategory.CONNECTION_TIMEOUT,
    "container-close": ErrorCategory.CONNECTION_ERROR,
    "operation-cancelled": ErrorCategory.CONNECTION_ERROR,
    "auth-failed": ErrorCategory.AUTHENTICATION,
    "entity-disabled": ErrorCategory.NOT_FOUND,
    # The service's words for a partition that the hub does not have.
    "argument-out-of-range": ErrorCategory.NOT_FOUND,
    "argument-error": ErrorCategory.NOT_FOUND,
    "publisher-revoked": ErrorCategory.AUTHORIZATION,
}
"""By the AMQP condition without its namespace. Conditions that say nothing (internal-error, client-error, …) are left
to the tables below."""

CATEGORY_OF_STATUS: Final[Mapping[int, ErrorCategory]] = {
    401: ErrorCategory.AUTHENTICATION,
    403: ErrorCategory.AUTHORIZATION,
    404: ErrorCategory.NOT_FOUND,
    408: ErrorCategory.CONNECTION_TIMEOUT,
    429: ErrorCategory.THROTTLING,
    503: ErrorCategory.THROTTLING,
    504: ErrorCategory.CONNECTION_TIMEOUT,
}
"""By the status of ``$cbs`` or ``$management``."""

CATEGORY_OF_TYPE: Final[tuple[tuple[type[BaseException], ErrorCategory], ...]] = (
    # An identity that can't sign in, whatever it met on its way (often a refused connection to where a token could be).
    (ClientAuthenticationError, ErrorCategory.AUTHENTICATION),
    # What the machine itself said, the most certain first.
    (TimeoutError, ErrorCategory.CONNECTION_TIMEOUT),
    (ssl.SSLError, ErrorCategory.CONNECTION_ERROR),
    (OSError, ErrorCategory.CONNECTION_ERROR),
    (UnicodeError, ErrorCategory.SERIALIZATION),
    # What the SDK made of it.
    (OperationTimeoutError, ErrorCategory.CONNECTION_TIMEOUT),
    (AuthenticationError, ErrorCategory.AUTHENTICATION),
    (ConnectError, ErrorCategory.CONNECTION_ERROR),
    (ConnectionLostError, ErrorCategory.CONNECTION_ERROR),
    (EventDataSendError, ErrorCategory.CONNECTION_ERROR),  # without a condition: the link went before the answer
    (EventHubError, ErrorCategory.CONNECTION_ERROR),  # closed meanwhile, or nonsense instead of a handshake
)
"""The first entry that any error of the chain is an instance of."""

SERVER_BUSY_SECONDS: Final = 4.0
"""How long Event Hubs asks clients to wait after server-busy (Microsoft's SDKs do)."""

_LINK_LOST: Final = frozenset({None, "unknown-error", "client-error"})
"""The conditions that the SDK itself gives to a batch whose link went before the hub had answered."""
_SIGN_IN_AGAIN: Final = frozenset(
    {
        ErrorCategory.CONNECTION_ERROR,
        ErrorCategory.CONNECTION_TIMEOUT,
        ErrorCategory.AUTHENTICATION,
        ErrorCategory.AUTHORIZATION,
        ErrorCategory.NOT_FOUND,
    }
)
"""After these, the link itself is in doubt, also where only a batch was refused."""
_STATUS = re.compile(r"Status code: (\d{3})\b")
_LONGEST_DETAIL = 1_000
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One error, understood."""

    category: ErrorCategory
    detail: str
    """The error's text in one line, redacted and cut to a bearable length."""
    condition: str | None
    """The AMQP condition without its namespace, when the service sent one."""
    link_survives: bool
    """The hub refused the batch but kept the link: the next batch can use it."""

    def as_outcome(self, *, reached_hub: bool) -> SendFailed:
        throttled = self.category is ErrorCategory.THROTTLING
        return SendFailed(
            category=self.category,
            detail=self.detail,
            retry_after_seconds=SERVER_BUSY_SECONDS if throttled else None,
            reached_hub=reached_hub,
        )


def classify(error: BaseException) -> Failure:
    """What ``error``, with all that caused it, means."""
    chain = tuple(_chain(error))
    condition = next((c for c in map(_condition, chain) if c is not None), None)
    refused = isinstance(error, EventDataSendError) and condition not in _LINK_LOST
    category = _category(chain, condition, refused=refused)
    return Failure(
        category=category,
        detail=_one_line(error),
        condition=condition,
        link_survives=refused and category not in _SIGN_IN_AGAIN,
    )


def _category(chain: tuple[BaseException, ...], condition: str | None, *, refused: bool) -> ErrorCategory:
    if condition is not None and condition in CATEGORY_OF_CONDITION:
        return CATEGORY_OF_CONDITION[condition]
    if refused:
        return ErrorCategory.UNKNOWN
    for status in map(_status, chain):
        if status is not None and status in CATEGORY_OF_STATUS:
            return CATEGORY_OF_STATUS[status]
    for kind, category in CATEGORY_OF_TYPE:
        if any(isinstance(link, kind) for link in chain):
            return category
    return ErrorCategory.UNKNOWN


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it came from, also where the SDK says ``from None``."""
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _condition(error: BaseException) -> str | None:
    return error.error if isinstance(error, EventHubError) else None


def _status(error: BaseException) -> int | None:
    """The status that ``$cbs`` or ``$management`` gave; the SDK keeps that of the latter in its text only."""
    found = _STATUS.search(str(error)) if isinstance(error, EventHubError) else None
    return int(found[1]) if found else None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return redact(text)[:_LONGEST_DETAIL]
