"""The input of timer functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.functions.meta import Datum


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """What is kept of a monitored timer between runs, and over restarts."""

    last: datetime | None
    """The start of the last run."""
    next: datetime
    last_updated: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "Last": self.last.isoformat() if self.last else "0001-01-01T00:00:00+00:00",
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ScheduleStatus:
        """Raises KeyError or ValueError for anything `to_json` did not write."""
        last = datetime.fromisoformat(content["Last"])
        return cls(
            last=last if last.year > 1 else None,
            next=datetime.fromisoformat(content["Next"]),
            last_updated=datetime.fromisoformat(content["LastUpdated"]),
        )


def timer_datum(status: ScheduleStatus | None = None, *, past_due: bool = False) -> Datum:
    return Datum(
        json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": status.to_json() if status else None,
                "IsPastDue": past_due,
            }
        ),
        "json",
    )
