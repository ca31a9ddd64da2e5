"""When timers fire: NCRONTAB expressions of five or six fields, and time spans. Pure; UTC as in Azure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # it ships no types

from local.functions_host.host_json import parse_time_span

_MONITORED_FROM = timedelta(minutes=1)
_FIELD = re.compile(
    r"(?:[0-9*,/-]|\b(?:SUN|MON|TUE|WED|THU|FRI|SAT|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]*\b)+"
)
_LONG_NAMES = re.compile(r"([A-Z]{3})[A-Z]+")
_WITH_SECONDS = 6


class Schedule(Protocol):
    def next_after(self, instant: datetime) -> datetime:
        """The first occurrence later than ``instant``. Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A time span: so long after the start of the last run."""

    interval: timedelta

    def next_after(self, instant: datetime) -> datetime:
        return instant + self.interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Second, minute, hour, day, month, day of week (0 or SUN is Sunday). Day and weekday must both match."""

    expression: str

    def next_after(self, instant: datetime) -> datetime:
        found: datetime = croniter(self.expression, instant, second_at_beginning=True, day_or=False).get_next(datetime)
        return found


def parse_schedule(text: str) -> Schedule:
    """Raises ValueError for what NCRONTAB and .NET do not take either."""
    fields = text.upper().split()
    if len(fields) == 1 and ":" in text:
        interval = parse_time_span(text)
        if not interval:
            raise ValueError(f"{text!r}: a timer's time span must be longer than zero")
        return Interval(interval=interval)
    if len(fields) not in {_WITH_SECONDS - 1, _WITH_SECONDS}:
        raise ValueError(f"{text!r} is no schedule: five or six fields, or hh:mm:ss")
    if len(fields) < _WITH_SECONDS:
        fields = ["0", *fields]
    # croniter knows more than NCRONTAB: `?`, `L`, weekday 7. Those would fail in Azure.
    weekdays = fields[-1].split("/")[0]
    if not all(_FIELD.fullmatch(field) for field in fields) or "7" in weekdays:
        raise ValueError(f"{text!r} is no NCRONTAB expression")
    expression = " ".join(_LONG_NAMES.sub(r"\1", field) for field in fields)
    try:
        croniter(expression, second_at_beginning=True, day_or=False).get_next(datetime)
    except (CroniterError, ValueError) as error:
        raise ValueError(f"{text!r} is no NCRONTAB expression: {error}") from error
    return Cron(expression=expression)


def is_monitored(schedule: Schedule, now: datetime) -> bool:
    """Whether the platform keeps a status of the schedule. Below one minute it never does."""
    occurrences = [now]
    for _ in range(6):
        occurrences.append(schedule.next_after(occurrences[-1]))
    # The first step starts anywhere between two occurrences, so it says nothing.
    return min(later - earlier for earlier, later in pairwise(occurrences[1:])) >= _MONITORED_FROM
