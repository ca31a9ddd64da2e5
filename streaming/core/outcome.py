"""What can come of sending one batch, as values. Exceptions mean that the program is broken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCategory(StrEnum):
    """The keys of ``error_counts`` and of a dead letter's ``error_category``: a public contract."""

    CONNECTION_TIMEOUT = "connection_timeout"
    CONNECTION_ERROR = "connection_error"
    THROTTLING = "throttling"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    NOT_FOUND = "not_found"
    QUOTA_EXCEEDED = "quota_exceeded"
    MESSAGE_TOO_LARGE = "message_too_large"
    SERIALIZATION = "serialization"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The hub has accepted the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailed:
    """One attempt at one batch failed, classified once, by the adapter."""

    category: ErrorCategory
    detail: str
    """The raw text of the error, redacted."""
    retry_after_seconds: float | None = None
    """How long the service asks to be left alone (throttling)."""
    reached_hub: bool = True
    """False when no connection could be made: those attempts are counted as ``connection_failures``."""


SendResult = Sent | SendFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGuide:
    """What a category means for the program and for a person."""

    phrase: str
    """Stable, so that entries group by it."""
    retryable: bool
    """Whether the same batch may succeed when it is sent again, unchanged, soon."""
    infrastructure: bool
    """Whether it counts against the hub (the circuit breaker) rather than against the batch itself."""
    advice: str
    """What to do about it."""


GUIDE: dict[ErrorCategory, ErrorGuide] = {
    ErrorCategory.CONNECTION_TIMEOUT: ErrorGuide(
        phrase="Connection timeout",
        retryable=True,
        infrastructure=True,
        advice="The hub did not answer in time. Check the network and port 5671 (443 with "
        "EVENTHUB_TRANSPORT=websocket), or raise batch_timeout_ms.",
    ),
    ErrorCategory.CONNECTION_ERROR: ErrorGuide(
        phrase="Connection error",
        retryable=True,
        infrastructure=True,
        advice="The connection could not be made or was lost. Check the namespace's name, DNS and firewall.",
    ),
    ErrorCategory.THROTTLING: ErrorGuide(
        phrase="Throttled by the hub",
        retryable=True,
        infrastructure=True,
        advice="The hub's throughput units are used up. Reduce burst, raise emit_interval_ms, or add units.",
    ),
    ErrorCategory.AUTHENTICATION: ErrorGuide(
        phrase="Authentication failed",
        retryable=False,
        infrastructure=True,
        advice="The key, token or identity was not accepted. Check AZURE_EVENTHUB_CONNECTION_STRING or the identity.",
    ),
    ErrorCategory.AUTHORIZATION: ErrorGuide(
        phrase="Not authorized to send",
        retryable=False,
        infrastructure=True,
        advice="The policy or role may not send. Give it Send, or the role Azure Event Hubs Data Sender.",
    ),
    ErrorCategory.NOT_FOUND: ErrorGuide(
        phrase="Event hub not found",
        retryable=False,
        infrastructure=True,
        advice="No hub of this name is in the namespace. Check EVENTHUB_NAME and EntityPath.",
    ),
    ErrorCategory.QUOTA_EXCEEDED: ErrorGuide(
        phrase="Quota exceeded",
        retryable=True,
        infrastructure=True,
        advice="A quota of the namespace is used up (connections, for example). See its metrics.",
    ),
    ErrorCategory.MESSAGE_TOO_LARGE: ErrorGuide(
        phrase="Message too large",
        retryable=False,
        infrastructure=False,
        advice="The event is larger than the hub takes. Choose a tier with a larger limit.",
    ),
    ErrorCategory.SERIALIZATION: ErrorGuide(
        phrase="Serialization failed",
        retryable=False,
        infrastructure=False,
        advice="The event could not be encoded. This is a defect: report it with the dead letter.",
    ),
    ErrorCategory.UNKNOWN: ErrorGuide(
        phrase="Unknown error",
        retryable=True,
        infrastructure=True,
        advice="Read error_detail, and report it if it should be classified.",
    ),
}
