"""Spans: what operators see of how long work took and what came of it, beside the records of ``shared.telemetry``.

Per invocation, never per event, and told by exception: of what is usual one example an invocation, of what is not all
of it (up to a bound). So a stream in good health costs a handful of spans each half minute, whatever its rate.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import MutableMapping

Value = str | int | float | bool
"""What an attribute may be."""


class Traces(Protocol):
    """Records spans. Never raises, and never waits for whoever receives them."""

    def run(self, name: str, *, parent: str | None) -> AbstractContextManager[MutableMapping[str, Value]]:
        """An invocation: a span around what is done inside, with the attributes that are put into the mapping.

        ``parent``: the platform's W3C ``traceparent``. A run without attributes, in which nothing was noted, has done
        nothing and leaves no span. An exception that passes through makes it a failed one.
        """

    def note(self, name: str, *, began_us: int, ended_us: int, failure: str | None, **attributes: Value) -> None:
        """A piece of work inside the run that surrounds the caller; outside of any it is not recorded.

        ``failure`` says what went wrong; None: nothing did, and the piece is one of many like it.
        """


class NoTraces:
    """Where nobody wants any."""

    def run(self, name: str, *, parent: str | None) -> AbstractContextManager[MutableMapping[str, Value]]:  # noqa: ARG002 - the port's names
        return nullcontext({})

    def note(self, name: str, *, began_us: int, ended_us: int, failure: str | None, **attributes: Value) -> None:
        pass


NO_TRACES: Final = NoTraces()
