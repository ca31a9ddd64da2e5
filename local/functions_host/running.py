"""Runs a function to its end: invoked, its outputs sent, and what came of it logged."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.functions_host.invocation import Completed, Failed, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from azure.functions.meta import Datum

    from local.functions_host.indexing import IndexedFunction
    from local.functions_host.invocation import Invoker
    from local.functions_host.outputs import OutputSender

_log = logging.getLogger("host.functions")

_HOST_CODE = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRunner:
    """What HTTP, timers, queues and ``/admin`` have in common."""

    invoker: Invoker
    outputs: OutputSender

    async def run(
        self,
        function: IndexedFunction,
        trigger: Datum,
        *,
        occasion: str,
        metadata: Mapping[str, Datum] | None = None,
        trace_parent: str = "",
        trace_state: str = "",
    ) -> Outcome:
        """Completed means that the outputs are in their queues too. ``occasion`` tells, in log lines, why it ran.

        Never raises but for a cancellation.
        """
        outcome = await self.invoker.invoke(
            function, trigger, metadata=metadata, trace_parent=trace_parent, trace_state=trace_state
        )
        try:
            if isinstance(outcome, Completed) and outcome.outputs:
                await self.outputs.send(function, outcome.outputs)
        except Exception as error:  # noqa: BLE001  whatever storage says, the invocation has failed
            outcome = Failed(error=error, seconds=outcome.seconds)
        match outcome:
            case Failed(error=cause):
                _log.error(
                    "%s failed after %.1f ms (%s)",
                    function.name,
                    outcome.seconds * 1000,
                    occasion,
                    exc_info=(type(cause), cause, _traceback_of_app(cause.__traceback__)),
                )
            case Completed():
                _log.debug("%s ran for %.1f ms (%s)", function.name, outcome.seconds * 1000, occasion)
        return outcome


def _traceback_of_app(traceback: TracebackType | None) -> TracebackType | None:
    """Without the host's own frames above the function's; all of it when there are no others."""
    inner = traceback
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_HOST_CODE):
        inner = inner.tb_next
    return inner or traceback
