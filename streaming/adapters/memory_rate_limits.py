"""The ``RateLimitStore`` port in memory, as strict about versions as the real one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from streaming.adapters.memory_stores import Faults
from streaming.ports import ConflictError, Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryRateLimitStore:
    """One row a limit."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._versions = count(1)
        self._rows: dict[str, Versioned[tuple[int, ...]]] = {}

    async def calls(self, name: str) -> Versioned[tuple[int, ...]] | None:
        await self.faults.read()
        return self._rows.get(name)

    async def save_calls(self, name: str, calls_us: Sequence[int], *, version: str | None) -> str:
        def put(calls: tuple[int, ...]) -> str:
            self._rows[name] = Versioned(value=calls, version=f"l{next(self._versions)}")
            return self._rows[name].version

        def overtake() -> None:
            put(self._rows[name].value if name in self._rows else ())

        def apply() -> str:
            stored = self._rows.get(name)
            if (stored and stored.version) != version:
                raise ConflictError("The row was written by somebody else.")
            return put(tuple(calls_us))

        return await self.faults.write("save_calls", overtake=overtake, apply=apply)
