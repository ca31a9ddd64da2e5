"""Structured log records: a stable event name, then its fields as JSON.

The Functions worker hands only a record's message to the host, and the host to Application Insights: so the fields are
in the message, where a query finds them (``parse_json(substring(message, …))``) as well as a person does. Event names
and fields are public contracts; secrets are taken out here, whoever logs.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any, Final

import orjson

from shared.redaction import redact

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""Names the HTTP request that is being answered; goes into every record that is made meanwhile."""


def record(logger: logging.Logger, level: int, event: str, /, **fields: Any) -> None:
    """Log ``event`` with its fields, such as ``shard_claimed {"shard":0}``."""
    if logger.isEnabledFor(level):
        if (request := request_id.get()) is not None:
            fields.setdefault("request_id", request)
        text = orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        logger.log(level, "%s %s", event, redact(text))


def debug(logger: logging.Logger, event: str, /, **fields: Any) -> None:
    record(logger, logging.DEBUG, event, **fields)


def info(logger: logging.Logger, event: str, /, **fields: Any) -> None:
    record(logger, logging.INFO, event, **fields)


def warning(logger: logging.Logger, event: str, /, **fields: Any) -> None:
    record(logger, logging.WARNING, event, **fields)


def error(logger: logging.Logger, event: str, /, **fields: Any) -> None:
    record(logger, logging.ERROR, event, **fields)
