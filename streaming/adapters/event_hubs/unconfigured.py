"""Stands where a publisher would, while the settings name no event hub: everything fails, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.adapters.event_hubs.encoder import encoded_size
from streaming.core.outcome import ErrorCategory, SendFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.settings import SettingProblem
    from streaming.core.event import Event

_STANDARD_LIMIT_BYTES: Final = 1 << 20


class UnconfiguredPublisher:
    """A stream that was started before the settings broke keeps its events pending, and shows the reason."""

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        detail = " ".join(f"{problem.setting} {problem.message}" for problem in problems)
        self._failure = SendFailed(category=ErrorCategory.NOT_FOUND, detail=detail, reached_hub=False)

    @property
    def max_batch_bytes(self) -> int:
        return _STANDARD_LIMIT_BYTES

    def encoded_size(self, event: Event) -> int:
        return encoded_size(event)

    async def partition_count(self) -> SendFailed:
        return self._failure

    async def warm(self, partitions: Iterable[int]) -> None:
        """There is nothing to connect to."""

    async def send(self, events: Sequence[Event], *, partition: int, timeout_seconds: float) -> SendFailed:  # noqa: ARG002 - the port's shape
        return self._failure

    async def close(self) -> None:
        """Nothing is open."""
