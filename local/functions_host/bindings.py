"""Triggers and output bindings that this host serves, and the conversion of values between host and function."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum, get_binding_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GENERIC = "generic"
"""The converter of parameters annotated ``str`` or ``bytes``, whatever their binding."""

RETURN = "$return"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTrigger:
    parameter: str
    route: str
    methods: frozenset[str]
    """Upper case. Empty: all."""
    auth_level: str
    """anonymous, function or admin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerTrigger:
    parameter: str
    schedule: str
    """May hold ``%SETTING%``."""
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTrigger:
    parameter: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOutput:
    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOutput:
    parameter: str
    queue: str
    connection: str


Trigger = HttpTrigger | TimerTrigger | QueueTrigger
Output = HttpOutput | QueueOutput


class UnsupportedBindingError(Exception):
    """The function needs an extension that only Core Tools or Azure has."""


def read_binding(declared: Mapping[str, Any]) -> Trigger | Output:
    """One binding of a function's ``function.json``. Raises UnsupportedBindingError."""
    name = str(declared["name"])
    match declared["type"]:
        case "httpTrigger":
            return HttpTrigger(
                parameter=name,
                route=str(declared.get("route") or ""),
                methods=frozenset(str(method).upper() for method in declared.get("methods") or ()),
                auth_level=str(declared.get("authLevel", "function")).lower(),
            )
        case "timerTrigger":
            return TimerTrigger(
                parameter=name,
                schedule=str(declared["schedule"]),
                run_on_startup=declared.get("runOnStartup") is True,
                use_monitor=declared.get("useMonitor") is not False,
            )
        case "queueTrigger":
            return QueueTrigger(
                parameter=name,
                queue=str(declared["queueName"]),
                connection=str(declared.get("connection") or ""),
            )
        case "http":
            return HttpOutput(parameter=name)
        case "queue":
            return QueueOutput(
                parameter=name,
                queue=str(declared["queueName"]),
                connection=str(declared.get("connection") or ""),
            )
        case unknown:
            raise UnsupportedBindingError(
                f"the built-in host has no {unknown} binding: run this app on Core Tools (--host func)"
            )


class _GenericConverter:
    """What the platform does where no converter of the library applies."""

    @staticmethod
    def has_trigger_support() -> bool:
        return False

    @staticmethod
    def has_implicit_output() -> bool:
        return True

    @staticmethod
    def check_input_type_annotation(python_type: type) -> bool:
        return issubclass(python_type, str | bytes)

    @staticmethod
    def check_output_type_annotation(python_type: type) -> bool:
        return issubclass(python_type, str | bytes | bytearray)

    @staticmethod
    def decode(datum: Datum, *, trigger_metadata: Mapping[str, Datum]) -> Any:
        del trigger_metadata
        return datum.value

    @staticmethod
    def encode(value: Any, *, expected_type: Any) -> Datum:
        del expected_type
        match value:
            case str():
                return Datum(type="string", value=value)
            case bytes() | bytearray():
                return Datum(type="bytes", value=bytes(value))
            case None:
                return Datum(type=None, value=None)
            case dict() | list():
                return Datum(type="json", value=json.dumps(value))
            case int():
                return Datum(type="int", value=int(value))
            case float():
                return Datum(type="double", value=value)
        raise NotImplementedError


# The library is typed in part, and not in the same part in all its versions.
_registry: Callable[[], Any] = get_binding_registry


def converter(binding: str) -> Any:
    """The library's own converter of a binding type, as the Python worker picks it."""
    return _registry().get(binding) or _GenericConverter


def encode(binding: str, value: Any, python_type: Any) -> Datum | None:
    """The datum of an output. Raises TypeError when the binding does not take such a value."""
    try:
        encoded = converter(binding).encode(value, expected_type=python_type)
    except NotImplementedError:
        raise TypeError(
            f'unable to encode outgoing TypedData: unsupported type "{binding}" for Python type '
            f'"{type(value).__name__}"'
        ) from None
    return encoded if encoded is None or isinstance(encoded, Datum) else Datum(encoded.value, encoded.type)
