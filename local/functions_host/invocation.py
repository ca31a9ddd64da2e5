"""Invokes functions: inputs decoded, the function run, its outputs encoded. Knows nothing of where they come from."""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.functions_host.bindings import RETURN, converter, encode
from local.functions_host.context import InvocationContext, OutValue, TraceContext, current_function

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from azure.functions.meta import Datum

    from local.functions_host.indexing import IndexedFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    outputs: dict[str, Datum]
    """What was set or returned, by binding name (``$return``)."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    error: BaseException
    seconds: float


Outcome = Completed | Failed


class Invoker:
    """Runs async functions on the running loop and sync ones on ``executor``."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running = 0
        self._in_threads: set[str] = set()

    @property
    def running(self) -> int:
        """Invocations that have not ended."""
        return self._running

    @property
    def busy_threads(self) -> int:
        """Synchronous functions that have not ended, also those whose invocation was cancelled."""
        return len(self._in_threads)

    async def invoke(
        self,
        function: IndexedFunction,
        trigger: Datum,
        *,
        metadata: Mapping[str, Datum] | None = None,
        trace_parent: str = "",
        trace_state: str = "",
        invocation_id: str = "",
    ) -> Outcome:
        """Never raises for anything the function did; a cancellation passes through."""
        started = time.perf_counter()
        self._running += 1
        named = current_function.set(function.name)
        try:
            context = InvocationContext(
                invocation_id=invocation_id or str(uuid.uuid4()),
                function_name=function.name,
                function_directory=function.directory,
                trace_context=TraceContext(trace_parent=trace_parent or new_trace_parent(), trace_state=trace_state),
            )
            arguments = _arguments(function, trigger, metadata or {}, context)
            returned = await self._run(function, arguments, context)
            return Completed(outputs=_outputs(function, arguments, returned), seconds=time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001  whatever a function raises is its outcome
            return Failed(error=error, seconds=time.perf_counter() - started)
        finally:
            current_function.reset(named)
            self._running -= 1

    async def _run(self, function: IndexedFunction, arguments: dict[str, Any], context: InvocationContext) -> Any:
        storage = context.thread_local_storage
        if function.signature.is_async:
            storage.invocation_id = context.invocation_id
            return await function.call(**arguments)

        def call() -> Any:
            storage.invocation_id = context.invocation_id
            self._in_threads.add(context.invocation_id)
            try:
                return function.call(**arguments)
            finally:
                self._in_threads.discard(context.invocation_id)
                storage.invocation_id = None

        # A copy, so that the log lines of the thread name the function too.
        copied = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, copied.run, call)


def new_trace_parent() -> str:
    """A W3C ``traceparent`` that starts a trace of its own, not sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def _arguments(
    function: IndexedFunction, trigger: Datum, metadata: Mapping[str, Datum], context: InvocationContext
) -> dict[str, Any]:
    signature = function.signature
    arguments: dict[str, Any] = {
        name: converter(parameter.binding).decode(trigger, trigger_metadata=metadata)
        for name, parameter in signature.inputs.items()
    }
    if signature.wants_context:
        arguments["context"] = context
    for name in signature.outputs:
        arguments[name] = OutValue()
    return arguments


def _outputs(function: IndexedFunction, arguments: dict[str, Any], returned: Any) -> dict[str, Datum]:
    signature = function.signature
    if returned is not None and signature.returns is None:
        raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
    outputs: dict[str, Datum] = {}
    for name, parameter in signature.outputs.items():
        value = arguments[name].get()
        if value is not None and (datum := encode(parameter.binding, value, parameter.python_type)):
            outputs[name] = datum
    if signature.returns is not None:
        datum = encode(signature.returns.binding, returned, signature.returns.python_type)
        if datum is not None:
            outputs[RETURN] = datum
    return outputs
