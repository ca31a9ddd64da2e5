"""Loads a function app as the Python worker does: importing ``function_app.py`` is indexing."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.functions import FunctionRegister

from local.functions_host.bindings import (
    HttpOutput,
    HttpTrigger,
    Output,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    Trigger,
    UnsupportedBindingError,
    read_binding,
)
from local.functions_host.signature import FunctionLoadError, Signature, read_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFunction:
    """One function of the app, ready to be invoked."""

    name: str
    call: Callable[..., Any]
    directory: str
    trigger: Trigger
    outputs: tuple[Output, ...]
    signature: Signature
    bindings: tuple[Mapping[str, Any], ...]
    """As in ``function.json``."""


def load_app(app_root: Path, *, script: str = "function_app.py") -> list[IndexedFunction]:
    """Import the app's script and index its one FunctionApp, ordered by function name.

    Whatever the import raises is raised; ValueError and FunctionLoadError tell what does not fit.
    Puts ``app_root`` first on ``sys.path``.
    """
    root = str(app_root)
    if root not in sys.path:
        sys.path.insert(0, root)
    app = _only_app(importlib.import_module(Path(script).stem), script)
    # Called once: the library refuses a second time.
    functions = [index_function(function) for function in app.get_functions()]
    return sorted(functions, key=lambda function: function.name.lower())


def index_function(function: Any) -> IndexedFunction:
    """Index one ``azure.functions`` Function."""
    name = str(function.get_function_name())
    declared = [json.loads(binding) for binding in function.get_raw_bindings()]
    call = function.get_user_function()
    signature = read_signature(name, call, declared)
    trigger: Trigger | None = None
    outputs: list[Output] = []
    for binding in declared:
        try:
            read = read_binding(binding)
        except UnsupportedBindingError as error:
            raise FunctionLoadError(name, str(error)) from error
        match read:
            case HttpTrigger() | TimerTrigger() | QueueTrigger():
                trigger = read
            case HttpOutput() | QueueOutput():
                outputs.append(read)
    if trigger is None:
        raise FunctionLoadError(name, "it has no trigger")
    return IndexedFunction(
        name=name,
        call=call,
        directory=str(Path(inspect.getfile(call)).parent),
        trigger=trigger,
        outputs=tuple(outputs),
        signature=signature,
        bindings=tuple(declared),
    )


def _only_app(module: ModuleType, script: str) -> FunctionRegister:
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if not apps:
        raise ValueError(f"Could not find top level function app instances in {script}.")
    if len(apps) > 1:
        raise ValueError(
            f"More than one {type(apps[0]).__name__} or other top level function app instances are defined."
        )
    return apps[0]
