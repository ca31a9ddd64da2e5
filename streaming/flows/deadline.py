"""When a run in this process is to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """An instant. It may be brought forward while the run goes on, and before it has begun."""

    def __init__(self, us: int) -> None:
        self.us = us
        self._heard: Callable[[], None] = lambda: None

    def listen(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` when it is brought forward."""
        self._heard = heard

    def bring_forward(self, us: int) -> None:
        self.us = min(self.us, us)
        self._heard()
