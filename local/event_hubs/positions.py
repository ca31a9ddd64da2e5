"""Where a consumer starts to read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from local.event_hubs.amqp.errors import Condition, LinkRefused
from local.event_hubs.amqp.values import Described

_FILTER: Final = "apache.org:selector-filter:string"
_SELECTOR: Final = re.compile(
    r"\s*amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time)\s*(>=?)\s*'([^']*)'\s*",
)
_LATEST: Final = "@latest"


class Measure(StrEnum):
    """What a position counts in."""

    OFFSET = "offset"
    SEQUENCE_NUMBER = "sequence-number"
    ENQUEUED_TIME = "enqueued-time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Read what lies behind ``value``, and at it when ``inclusive``. ``value`` None: the latest event."""

    measure: Measure = Measure.OFFSET
    value: int | None = -1
    inclusive: bool = False


EARLIEST: Final = Position()


def position_of(source: Described | None) -> Position:
    """The position that a consumer's source asks for; without a filter the earliest. Raises LinkRefused."""
    fields = source.value if source is not None else None
    filters = fields[7] if isinstance(fields, list) and len(fields) > 7 else None  # noqa: PLR2004  8th of source's fields
    if not isinstance(filters, dict):
        return EARLIEST
    for name, value in filters.items():
        if name == _FILTER:
            return parse_selector(str(value.value if isinstance(value, Described) else value))
    return EARLIEST


def parse_selector(selector: str) -> Position:
    """The position that a selector names. Raises LinkRefused when it says something else."""
    matched = _SELECTOR.fullmatch(selector)
    if matched is None:
        raise LinkRefused(Condition.INVALID_FIELD, f"the filter {selector!r} is not understood")
    measure, operator, text = matched.groups()
    if text == _LATEST:
        return Position(value=None, inclusive=operator == ">=")
    try:
        value = int(text)
    except ValueError:
        raise LinkRefused(Condition.ARGUMENT_ERROR, f"the position {text!r} is no number") from None
    return Position(measure=Measure(measure), value=value, inclusive=operator == ">=")
