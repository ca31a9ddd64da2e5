"""Route templates of HTTP functions, with ASP.NET's inline constraints. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    name: str
    pattern: str
    optional: bool
    catch_all: bool
    default: str | None
    constraints: tuple[Callable[[str], bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTemplate:
    """A compiled template. Matching ignores case, a trailing slash, and percent-encoding (but of ``/``)."""

    text: str
    expression: re.Pattern[str]
    parameters: tuple[_Parameter, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route values of ``path`` (from `decoded_path`), or None. Optional ones without a value are absent."""
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for parameter, value in zip(self.parameters, found.groups(), strict=True):
            given = value or parameter.default
            if given:
                if not all(holds(given) for holds in parameter.constraints):
                    return None
                values[parameter.name] = given
            elif parameter.constraints and not parameter.optional:
                return None
        return values


def decoded_path(raw_path: str) -> str:
    """A request's path, ready to be matched: decoded except for ``%2F``, without its first and last slash."""
    path = raw_path
    if "%" in path:
        path = unquote(re.sub("(?i)%2f", "%252F", path))
    return path.removeprefix("/").removesuffix("/")


def compile_template(text: str) -> RouteTemplate:
    """Raises ValueError for a template that is not well-formed or has an unknown constraint."""
    parameters: list[_Parameter] = []
    expression = ""
    segments = _split(text.strip("/"), "/") if text.strip("/") else []
    for index, segment in enumerate(segments):
        pieces = _pieces(segment)
        whole = pieces[0] if len(pieces) == 1 and isinstance(pieces[0], _Parameter) else None
        parameters += [piece for piece in pieces if isinstance(piece, _Parameter)]
        slash = "/" if index else ""
        if whole is not None and (whole.catch_all or whole.optional or whole.default is not None):
            if whole.catch_all and index != len(segments) - 1:
                raise ValueError(f"{text!r}: a catch-all parameter must come last")
            expression += f"(?:{slash}{whole.pattern})?"
        else:
            expression += slash + "".join(
                piece.pattern if isinstance(piece, _Parameter) else re.escape(piece) for piece in pieces
            )
    names = [parameter.name.lower() for parameter in parameters]
    if len(names) != len(set(names)):
        raise ValueError(f"{text!r}: a parameter is named twice")
    return RouteTemplate(
        text=text, expression=re.compile(expression, re.IGNORECASE | re.DOTALL), parameters=tuple(parameters)
    )


def _pieces(segment: str) -> list[str | _Parameter]:
    """The literals and parameters of one segment. ``{{`` and ``}}`` stand for braces."""
    pieces: list[str | _Parameter] = []
    literal, position = "", 0
    while position < len(segment):
        if segment[position : position + 2] in {"{{", "}}"}:
            literal += segment[position]
            position += 2
        elif segment[position] == "{":
            end = _closing(segment, position)
            if literal:
                pieces.append(literal)
                literal = ""
            pieces.append(_parameter(segment[position + 1 : end]))
            position = end + 1
        elif segment[position] == "}":
            raise ValueError(f"{segment!r}: a brace is closed that was not opened")
        else:
            literal += segment[position]
            position += 1
    return [*pieces, literal] if literal else pieces


def _closing(segment: str, opening: int) -> int:
    position = opening + 1
    while position < len(segment):
        if segment[position : position + 2] in {"{{", "}}"} and segment[position + 1 : position + 2]:
            position += 2
        elif segment[position] == "}":
            return position
        else:
            position += 1
    raise ValueError(f"{segment!r}: a brace is not closed")


def _parameter(inside: str) -> _Parameter:
    catch_all = inside.startswith("*")
    name, *constraints = _split(inside.lstrip("*"), ":")
    last = constraints[-1] if constraints else name
    optional = last.endswith("?")
    default: str | None = None
    if optional:
        last = last[:-1]
    elif "=" in last and not last.startswith("regex("):
        last, default = last.split("=", 1)
    if constraints:
        constraints[-1] = last
    else:
        name = last
    if not name or set(name) & set("/{}?*"):
        raise ValueError(f"{{{inside}}}: no valid parameter name")
    return _Parameter(
        name=name,
        pattern="(.*)" if catch_all else "([^/]+?)",
        optional=optional or catch_all,
        catch_all=catch_all,
        default=default,
        constraints=tuple(_constraint(text) for text in constraints),
    )


def _split(text: str, separator: str) -> list[str]:
    """Split outside of parentheses and, for slashes, braces."""
    parts, depth, current = [], 0, ""
    opening, closing = ("{(", "})") if separator == "/" else ("(", ")")
    for character in text:
        depth += (character in opening) - (character in closing)
        if character == separator and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


_CONSTRAINT = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)


def _constraint(text: str) -> Callable[[str], bool]:
    found = _CONSTRAINT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no route constraint")
    name, argument = found[1].lower(), found[2]
    if argument is None:
        if name in _PLAIN:
            return _PLAIN[name]
    elif name == "regex":
        expression = re.compile(argument.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
        return lambda value: expression.search(value) is not None
    elif name in _WITH_NUMBERS:
        return _WITH_NUMBERS[name](*(int(number) for number in argument.split(",")))
    raise ValueError(f"{text!r} is no known route constraint")


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return holds


def _whole_number(bits: int) -> Callable[[str], bool]:
    limit = 2 ** (bits - 1)
    return lambda value: re.fullmatch(r"[+-]?[0-9]{1,20}", value) is not None and -limit <= int(value) < limit


def _number_within(least: int | None, most: int | None) -> Callable[[str], bool]:
    is_number = _whole_number(64)
    return lambda value: (
        is_number(value) and (least is None or int(value) >= least) and (most is None or int(value) <= most)
    )


def _length_within(least: int, most: int | None) -> Callable[[str], bool]:
    return lambda value: len(value) >= least and (most is None or len(value) <= most)


_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)

_PLAIN: dict[str, Callable[[str], bool]] = {
    "int": _whole_number(32),
    "long": _whole_number(64),
    "bool": lambda value: value.lower() in {"true", "false"},
    "guid": _parses(uuid.UUID),
    "datetime": _parses(datetime.fromisoformat),
    "decimal": lambda value: _NUMBER.fullmatch(value) is not None,
    "double": lambda value: _NUMBER.fullmatch(value) is not None,
    "float": lambda value: _NUMBER.fullmatch(value) is not None,
    "alpha": lambda value: re.fullmatch("[A-Za-z]*", value) is not None,
    "required": bool,
}

_WITH_NUMBERS: dict[str, Callable[..., Callable[[str], bool]]] = {
    "minlength": lambda least: _length_within(least, None),
    "maxlength": lambda most: _length_within(0, most),
    "length": lambda least, most=None: _length_within(least, least if most is None else most),
    "min": lambda least: _number_within(least, None),
    "max": lambda most: _number_within(None, most),
    "range": _number_within,
}
