"""Runs the cases on Microsoft's worker core and prints what came of them, as JSON.

Needs Python 3.13 and ``azure-functions-runtime``: ``python record.py > expected.json`` in an environment with
``requirements.txt`` of this folder. The test runs it where a Python 3.13 is found.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import cases  # type: ignore[import-not-found]  # beside this script, which is no part of a package when it runs
from azure_functions_runtime import (  # type: ignore[import-not-found]  # in this script's own environment only
    handle_event,
    native_invocation,
    start_threadpool_executor,
    stop_threadpool_executor,
)
from azure_functions_runtime.bindings.datumdef import Datum  # type: ignore[import-not-found]  # see above
from azure_functions_runtime.bindings.meta import load_binding_registry  # type: ignore[import-not-found]  # see above

# All that indexing asks of the wire format.
_PROTOS = SimpleNamespace(BindingInfo=SimpleNamespace(inout=2, out=1, undefined=None))


async def outcome_of(case: cases.Case) -> Any:
    app = func.FunctionApp()
    case.build(app)
    (function,) = app.get_functions()
    try:
        indexed = handle_event._functions.add_indexed_function(function, _PROTOS)
    except Exception as error:  # noqa: BLE001  the worker reports any
        return {"not loaded": str(error)}
    trigger = next(iter(indexed.input_types))
    ok, returned, outputs, error_text, _ = await native_invocation.invocation_request_native(
        cases.INVOCATION_ID,
        indexed.function_id,
        [(trigger, cases.make_datum(Datum, case.input))],
        {name: cases.make_datum(Datum, pair) for name, pair in case.metadata.items()},
        cases.TRACE_PARENT,
        cases.TRACE_STATE,
    )
    if not ok:
        return cases.describe_outcome(None, error_text)
    return cases.describe_outcome({"$return": returned, **dict(outputs)}, None)


async def main() -> None:
    logging.disable(logging.CRITICAL)
    load_binding_registry()
    start_threadpool_executor()
    try:
        outcomes = {case.name: await outcome_of(case) for case in cases.CASES}
    finally:
        stop_threadpool_executor()
    sys.stdout.write(json.dumps(outcomes, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
