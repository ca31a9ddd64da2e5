"""What the platform injects into a function: its ``context``, and ``Out`` parameters."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func

current_function: ContextVar[str | None] = ContextVar("current_function", default=None)
"""The function that the running code was invoked for: log lines name it."""

_thread_local_storage = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    trace_parent: str
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def Traceparent(self) -> str:  # noqa: N802  the platform's older name
        return self.trace_parent

    @property
    def Tracestate(self) -> str:  # noqa: N802  the platform's older name
        return self.trace_state

    @property
    def Attributes(self) -> dict[str, str]:  # noqa: N802  the platform's older name
        return self.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryContext:
    """This host runs no retry policies, so these stay at the first attempt's values."""

    retry_count: int = 0
    max_retry_count: int = 0
    rpc_exception: None = None

    @property
    def exception(self) -> None:
        return self.rpc_exception


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationContext:
    """The attributes of ``azure.functions.Context``."""

    invocation_id: str
    function_name: str
    function_directory: str
    trace_context: TraceContext
    retry_context: RetryContext = field(default_factory=RetryContext)
    thread_local_storage: threading.local = _thread_local_storage


class OutValue(func.Out[Any]):
    """An output parameter: what was last set, None when nothing was."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value
