"""What an AMQP peer is told when something is refused, and the exceptions that carry it."""

from __future__ import annotations

from enum import StrEnum


class Condition(StrEnum):
    """The error conditions that this broker uses: those of the specification and of Azure Event Hubs."""

    INTERNAL_ERROR = "amqp:internal-error"
    NOT_FOUND = "amqp:not-found"
    UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
    DECODE_ERROR = "amqp:decode-error"
    RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
    NOT_ALLOWED = "amqp:not-allowed"
    INVALID_FIELD = "amqp:invalid-field"
    NOT_IMPLEMENTED = "amqp:not-implemented"
    ILLEGAL_STATE = "amqp:illegal-state"
    CONNECTION_FORCED = "amqp:connection:forced"
    FRAMING_ERROR = "amqp:connection:framing-error"
    HANDLE_IN_USE = "amqp:session:handle-in-use"
    UNATTACHED_HANDLE = "amqp:session:unattached-handle"
    DETACH_FORCED = "amqp:link:detach-forced"
    MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"
    LINK_STOLEN = "amqp:link:stolen"
    SERVER_BUSY = "com.microsoft:server-busy"
    ARGUMENT_ERROR = "com.microsoft:argument-error"


class AmqpError(Exception):
    """An error with the condition and the description that the peer gets to see."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


class DecodeError(AmqpError):
    """The bytes are no AMQP value, or not the one that belongs here. Fatal for the connection that sent them."""

    def __init__(self, description: str) -> None:
        super().__init__(Condition.DECODE_ERROR, description)


class ProtocolViolation(AmqpError):  # noqa: N818  named for what the peer did
    """The peer broke the protocol: its connection is closed with this error."""


class LinkRefused(AmqpError):  # noqa: N818  named for what the broker does
    """The attach is answered, and the link closed at once with this error."""
