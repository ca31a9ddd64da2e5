"""Storage that kills the process at a chosen write, just before it takes effect or just after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WRITES = frozenset(
    {
        *("save_session", "save_config", "save_breaker", "create", "commit", "change"),
        *("save_timeline", "save_order", "save_pulse", "stage", "settle", "purge"),
    }
)


class Killed(BaseException):
    """The process is gone: nothing that it had in memory counts any more."""


class Writes:
    """Counts the writes of a process to all its stores, and ends it at one of them."""

    def __init__(self, *, fatal: int | None = None, takes_effect: bool = False) -> None:
        self.count = 0
        self.reads = 0
        self._fatal = fatal
        self._takes_effect = takes_effect
        self.dead = False
        """Whether the process is gone: what is left of its tasks writes no more."""

    def end_at(self, number: int) -> None:
        """End the process at its ``number``-th write from now on."""
        self._fatal = self.count + number

    def watch(self, store: Any) -> Any:
        return _Watched(store, self)

    async def around(self, write: Callable[[], Any]) -> Any:
        if self.dead:
            raise Killed
        self.count += 1
        self.dead = self.count == self._fatal
        if self.dead and not self._takes_effect:
            raise Killed
        result = await write()
        if self.dead:
            raise Killed
        return result


class _Watched:
    def __init__(self, store: Any, writes: Writes) -> None:
        self._store = store
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in WRITES:
            return lambda *args, **kwargs: self._writes.around(lambda: method(*args, **kwargs))
        self._writes.reads += 1
        return method
