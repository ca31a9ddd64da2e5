"""Does a Python function fit its bindings? The checks of the Python worker, with its messages."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.functions_host.bindings import GENERIC, RETURN, converter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class FunctionLoadError(Exception):
    """The function and its bindings don't fit; the platform then loads none of the app's functions."""

    def __init__(self, function_name: str, problem: str) -> None:
        super().__init__(f"cannot load the {function_name} function: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter, or the return value."""

    binding: str
    """Which converter serves it."""
    python_type: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    inputs: dict[str, Parameter]
    outputs: dict[str, Parameter]
    returns: Parameter | None
    """None: only None may be returned."""
    wants_context: bool
    is_async: bool


def read_signature(name: str, function: Callable[..., Any], bindings: list[Mapping[str, Any]]) -> Signature:
    """Raises FunctionLoadError."""
    parameters = list(inspect.signature(function).parameters)
    annotations = typing.get_type_hints(function)
    bound = {str(binding["name"]): binding for binding in bindings if binding["name"] != RETURN}
    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        parameters.remove("context")
        annotation = annotations.get("context")
        if annotation is not None and getattr(annotation, "__name__", "") != "Context":
            raise FunctionLoadError(
                name,
                f'the "context" parameter is expected to be of type azure.functions.Context, got "{annotation!r}"',
            )
    _match_names(name, set(parameters), set(bound))
    inputs: dict[str, Parameter] = {}
    outputs: dict[str, Parameter] = {}
    for parameter in parameters:
        is_output = bound[parameter]["direction"] == "OUT"
        found = _parameter(name, parameter, str(bound[parameter]["type"]), is_output, annotations)
        (outputs if is_output else inputs)[parameter] = found
    return Signature(
        inputs=inputs,
        outputs=outputs,
        returns=_returns(name, bindings, annotations),
        wants_context=wants_context,
        is_async=inspect.iscoroutinefunction(function),
    )


def _match_names(name: str, parameters: set[str], bound: set[str]) -> None:
    if parameters - bound:
        raise FunctionLoadError(
            name,
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators):  {parameters - bound!r}",
        )
    if bound - parameters:
        raise FunctionLoadError(
            name,
            "Extra parameters in binding definition — the following parameters are declared as bindings "
            f"but are not present in Python: {bound - parameters!r}",
        )


def _parameter(name: str, parameter: str, binding: str, is_output: bool, annotations: dict[str, Any]) -> Parameter:
    if parameter not in annotations:
        return Parameter(binding=binding, python_type=None)
    annotation = annotations[parameter]
    is_out = _is_out(annotation)
    if is_output and not is_out:
        raise FunctionLoadError(
            name,
            f'binding {parameter} is declared to have the "out" direction, but its annotation in Python '
            "is not a subclass of azure.functions.Out",
        )
    if is_out and not is_output:
        raise FunctionLoadError(
            name,
            f'binding {parameter} is declared to have the "in" direction in the binding decorator, but its '
            "annotation is azure.functions.Out in Python",
        )
    python_type = annotation
    if is_out:
        arguments = typing.get_args(annotation)
        if len(arguments) != 1:
            raise FunctionLoadError(name, f"binding {parameter} has invalid Out annotation {annotation!r}")
        python_type = arguments[0]
    if not isinstance(python_type, type) and typing.get_origin(python_type) is None:
        raise FunctionLoadError(name, f"binding {parameter} has invalid non-type annotation {annotation!r}")
    served_by = GENERIC if python_type in (str, bytes) and not _implicit_output(binding) else binding
    check = "check_output_type_annotation" if is_out else "check_input_type_annotation"
    if not getattr(converter(served_by), check)(python_type):
        raise FunctionLoadError(
            name,
            f'type of {parameter} binding in the binding decorator "{binding}" does not match its '
            f'Python annotation "{getattr(python_type, "__name__", python_type)}"',
        )
    return Parameter(binding=served_by, python_type=python_type)


def _returns(name: str, bindings: list[Mapping[str, Any]], annotations: dict[str, Any]) -> Parameter | None:
    explicit = next((str(binding["type"]) for binding in bindings if binding["name"] == RETURN), None)
    if explicit is None:
        return None
    annotation = annotations.get("return")
    if annotation is not None:
        if _is_out(annotation):
            raise FunctionLoadError(name, "return annotation should not be azure.functions.Out")
        if not isinstance(annotation, type):
            raise FunctionLoadError(name, f"has invalid non-type return annotation {annotation!r}")
        if not converter(explicit).check_output_type_annotation(annotation):
            raise FunctionLoadError(
                name,
                f'Python return annotation "{annotation.__name__}" does not match binding type "{explicit}"',
            )
    return Parameter(binding=explicit, python_type=annotation)


def _implicit_output(binding: str) -> bool:
    found = getattr(converter(binding), "has_implicit_output", None)
    return bool(found()) if found else False


def _is_out(annotation: Any) -> bool:
    return getattr(typing.get_origin(annotation) or annotation, "__name__", "") == "Out"
