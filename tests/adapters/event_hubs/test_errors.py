"""Every error that the SDK is known to raise, and what it means. Expectations are written by hand."""

from __future__ import annotations

import socket
import ssl

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.eventhub._pyamqp import error as amqp
from azure.eventhub.exceptions import (
    AuthenticationError,
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    EventDataSendError,
    EventHubError,
    OperationTimeoutError,
)
from azure.identity import CredentialUnavailableError

from streaming.adapters.event_hubs.errors import SERVER_BUSY_SECONDS, classify
from streaming.core.outcome import ErrorCategory


def rejected(condition: bytes) -> EventHubError:
    """As the SDK raises it for a rejected disposition."""
    cause = amqp.MessageException(condition, description="said the hub")
    return EventDataSendError(str(cause), cause)  # type: ignore[arg-type] # the SDK itself passes the exception here


def detached(condition: bytes) -> EventHubError:
    cause = amqp.AMQPLinkError(condition=condition, description="said the hub")
    return ConnectionLostError(str(cause), cause)  # type: ignore[arg-type] # as above


def token_refused(status: int, text: bytes = b"said the hub") -> EventHubError:
    cause = amqp.TokenAuthFailure(status, text)  # type: ignore[no-untyped-call] # as the SDK has it
    error = AuthenticationError(str(cause), cause)  # type: ignore[arg-type] # as above
    error.__context__ = cause
    return error


def management(status: int, condition: amqp.ErrorCondition) -> EventHubError:
    text = f"Management request error. Status code: {status}"
    cause = amqp.AMQPConnectionError(condition, description=text)
    return ConnectError(str(cause), cause)  # type: ignore[arg-type] # as above


def not_connected(cause: BaseException) -> EventHubError:
    inner = amqp.AMQPConnectionError(amqp.ErrorCondition.SocketError, description=str(cause), error=cause)
    inner.__cause__ = cause
    error = ConnectError(str(inner), inner)  # type: ignore[arg-type] # as above
    error.__context__ = inner
    return error


def authorization_timeout() -> EventHubError:
    """As the SDK raises it when ``$cbs`` is silent: a timeout in the clothes of a refusal."""
    inner = amqp.AuthenticationException(amqp.ErrorCondition.InternalError, description="Authorization timeout.")
    error = AuthenticationError(str(inner), inner)  # type: ignore[arg-type] # as above
    error.__context__ = TimeoutError("Authentication attempt timed-out.")
    return error


def no_identity() -> EventHubError:
    """As it comes from a laptop without a managed identity, where nobody has signed in."""
    cause = CredentialUnavailableError("no managed identity endpoint found")
    cause.__context__ = ConnectionRefusedError(111, "refused")
    error = EventHubError(str(cause))
    error.__cause__ = cause
    return error


C = ErrorCategory


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (rejected(b"com.microsoft:server-busy"), C.THROTTLING),
        (rejected(b"com.microsoft:timeout"), C.CONNECTION_TIMEOUT),
        (rejected(b"com.microsoft:operation-cancelled"), C.CONNECTION_ERROR),
        (rejected(b"com.microsoft:argument-out-of-range"), C.NOT_FOUND),
        (rejected(b"com.microsoft:entity-disabled"), C.NOT_FOUND),
        (rejected(b"com.microsoft:publisher-revoked"), C.AUTHORIZATION),
        (rejected(b"com.microsoft:auth-failed"), C.AUTHENTICATION),
        (rejected(amqp.ErrorCondition.LinkMessageSizeExceeded), C.MESSAGE_TOO_LARGE),
        (rejected(amqp.ErrorCondition.ResourceLimitExceeded), C.QUOTA_EXCEEDED),
        (rejected(amqp.ErrorCondition.UnauthorizedAccess), C.AUTHORIZATION),
        (rejected(amqp.ErrorCondition.DecodeError), C.SERIALIZATION),
        (rejected(amqp.ErrorCondition.UnknownError), C.CONNECTION_ERROR),
        (rejected(amqp.ErrorCondition.InternalError), C.UNKNOWN),
        (rejected(b"com.example:never-heard-of"), C.UNKNOWN),
        (detached(amqp.ErrorCondition.LinkDetachForced), C.CONNECTION_ERROR),
        (detached(amqp.ErrorCondition.LinkStolen), C.CONNECTION_ERROR),
        (detached(amqp.ErrorCondition.NotFound), C.NOT_FOUND),
        (detached(amqp.ErrorCondition.ResourceDeleted), C.NOT_FOUND),
        (detached(amqp.ErrorCondition.UnauthorizedAccess), C.AUTHORIZATION),
        (detached(amqp.ErrorCondition.ResourceLimitExceeded), C.QUOTA_EXCEEDED),
        (detached(amqp.ErrorCondition.LinkMessageSizeExceeded), C.MESSAGE_TOO_LARGE),
        (detached(amqp.ErrorCondition.InternalError), C.CONNECTION_ERROR),
        (detached(b"com.microsoft:server-busy"), C.THROTTLING),
        (detached(b"com.microsoft:argument-error"), C.NOT_FOUND),
        (detached(b"com.microsoft:container-close"), C.CONNECTION_ERROR),
        (detached(b"com.example:never-heard-of"), C.CONNECTION_ERROR),
        (token_refused(401), C.AUTHENTICATION),
        (token_refused(403), C.AUTHORIZATION),
        (token_refused(404), C.NOT_FOUND),
        (token_refused(408), C.CONNECTION_TIMEOUT),
        (token_refused(429), C.THROTTLING),
        (token_refused(503), C.THROTTLING),
        (token_refused(500), C.AUTHENTICATION),
        (management(404, amqp.ErrorCondition.NotFound), C.NOT_FOUND),
        (management(401, amqp.ErrorCondition.UnauthorizedAccess), C.AUTHORIZATION),
        (management(503, amqp.ErrorCondition.UnknownError), C.THROTTLING),
        (management(429, amqp.ErrorCondition.UnknownError), C.THROTTLING),
        (management(500, amqp.ErrorCondition.UnknownError), C.CONNECTION_ERROR),
        (authorization_timeout(), C.CONNECTION_TIMEOUT),
        (not_connected(ConnectionRefusedError(111, "refused")), C.CONNECTION_ERROR),
        (not_connected(socket.gaierror(-2, "unknown name")), C.CONNECTION_ERROR),
        (not_connected(ssl.SSLCertVerificationError("self-signed")), C.CONNECTION_ERROR),
        (not_connected(TimeoutError("connect")), C.CONNECTION_TIMEOUT),
        (ConnectionResetError(104, "reset"), C.CONNECTION_ERROR),
        (TimeoutError(), C.CONNECTION_TIMEOUT),
        (OperationTimeoutError("too late"), C.CONNECTION_TIMEOUT),
        (ConnectError("no such partition"), C.CONNECTION_ERROR),
        (ClientAuthenticationError("AADSTS70011"), C.AUTHENTICATION),
        (no_identity(), C.AUTHENTICATION),
        (CredentialUnavailableError("no managed identity"), C.AUTHENTICATION),
        (ClientClosedError("closed"), C.CONNECTION_ERROR),
        (EventHubError("Did not receive reciprocal protocol header."), C.CONNECTION_ERROR),
        (RuntimeError("what is this"), C.UNKNOWN),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value).split("\n")[0][:40] or type(value).__name__,
)
def test_every_error_has_one_category(error: BaseException, category: ErrorCategory) -> None:
    assert classify(error).category is category


@pytest.mark.parametrize(
    ("error", "survives"),
    [
        (rejected(b"com.microsoft:server-busy"), True),
        (rejected(amqp.ErrorCondition.LinkMessageSizeExceeded), True),
        (rejected(amqp.ErrorCondition.InternalError), True),
        (rejected(amqp.ErrorCondition.UnauthorizedAccess), False),
        (rejected(amqp.ErrorCondition.UnknownError), False),
        (detached(b"com.microsoft:server-busy"), False),
        (token_refused(401), False),
        (ConnectionResetError(104, "reset"), False),
    ],
)
def test_only_a_refused_batch_leaves_the_link_usable(error: BaseException, survives: bool) -> None:
    assert classify(error).link_survives is survives


def test_only_throttling_asks_for_patience() -> None:
    busy = classify(rejected(b"com.microsoft:server-busy")).as_outcome(reached_hub=True)
    lost = classify(ConnectionResetError()).as_outcome(reached_hub=False)
    assert busy.retry_after_seconds == SERVER_BUSY_SECONDS == 4.0
    assert busy.reached_hub
    assert lost.retry_after_seconds is None
    assert not lost.reached_hub


def test_the_detail_is_one_line_without_secrets_and_of_bearable_length() -> None:
    secret = "SharedAccessSignature sr=sb%3a%2f%2fns&sig=c2VjcmV0&se=1&skn=p"  # noqa: S105 - made up for this test
    detail = classify(RuntimeError(f"refused:\n  {secret}\n  SharedAccessKey=dG9w;x" + "y" * 5_000)).detail
    assert "c2VjcmV0" not in detail
    assert "dG9w" not in detail
    assert "\n" not in detail
    assert detail.startswith("refused: SharedAccessSignature ***")
    assert len(detail) <= 1_000


def test_an_error_without_text_is_named() -> None:
    assert classify(TimeoutError()).detail == "TimeoutError"


def test_a_ring_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__context__, second.__context__ = second, first
    assert classify(first).category is ErrorCategory.UNKNOWN
