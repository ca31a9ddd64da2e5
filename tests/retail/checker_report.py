"""What the parts of the checker share: the list of violations, and reference data as exported."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Envelope = dict[str, Any]
Row = dict[str, Any]

ENOUGH = 50
"""No more violations than a person would read."""


@dataclass(slots=True)
class Report:
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: object, rule: str, envelope: Envelope) -> None:
        if not holds:
            self.broken(rule, envelope)

    def broken(self, rule: str, envelope: object) -> None:
        if len(self.violations) < ENOUGH:
            self.violations.append(f"{rule}: {envelope}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Exported reference data by id."""

    stores: dict[int, Row]
    products: dict[int, Row]
    customers: dict[int, Row]


def cents(decimal: float) -> int:
    return round(decimal * 100)


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
