"""Bicep files as the tests read them: pycep's tree for structure, the bare code for what refers to what.

pycep writes a reference and a text of the same letters alike, so references are found in the code with its texts and
comments taken out. What is inside ``${…}`` stays.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from local.paths import ROOT
from tests.infra.checkers.installing import run_python

if TYPE_CHECKING:
    from pathlib import Path

INFRA: Final = ROOT / "infra"

_DECLARATION = re.compile(r"^(?:param|var|resource|module|output)\s+(\w+)", re.MULTILINE)
_KEY = re.compile(r"(?:(?<=[{,])|^)\s*\w+\s*:(?!:)", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.@])[A-Za-z_]\w*(?!\w|\s*\()")
_LOOP = re.compile(r"\bfor\s+(?:\((\w+),\s*(\w+)\)|(\w+))\s+in\b")
_KEYWORDS = frozenset(
    {"existing", "if", "for", "in", "true", "false", "null", "targetScope", "metadata", "description"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BicepFile:
    """One file."""

    path: Path
    text: str
    code: str
    """``text`` without comments and without what texts say."""
    tree: dict[str, Any]

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return dict(self.tree.get("parameters", {}))

    @property
    def variables(self) -> dict[str, dict[str, Any]]:
        return dict(self.tree.get("variables", {}))

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        return dict(self.tree.get("resources", {}))

    @property
    def modules(self) -> dict[str, dict[str, Any]]:
        return dict(self.tree.get("modules", {}))

    def module(self, name: str) -> BicepFile:
        """The file of a module."""
        path = (self.path.parent / self.modules[name]["detail"]["path"]).resolve()
        return bicep_files()[path.relative_to(INFRA).as_posix()]

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        return dict(self.tree.get("outputs", {}))

    @property
    def declared(self) -> set[str]:
        return {*self.parameters, *self.variables, *self.resources, *self.modules}

    @property
    def loop_names(self) -> set[str]:
        return {name for found in _LOOP.findall(self.code) for name in found if name}

    @property
    def references(self) -> set[str]:
        """Every name that is used where a value is."""
        without_declarations = re.sub(
            r"^(?:param\s+\w+\s+\w+|var\s+\w+|resource\s+\w+|module\s+\w+|output\s+\w+\s+\w+)",
            "",
            self.code,
            flags=re.MULTILINE,
        )
        return set(_NAME.findall(_KEY.sub("", without_declarations))) - _KEYWORDS

    @property
    def functions(self) -> set[str]:
        """Every function that is called."""
        return set(re.findall(r"(?<![\w.@])([a-z]\w*)\s*\(", self.code)) - _KEYWORDS

    def block(self, name: str) -> str:
        """The code of one declaration."""
        start = re.search(rf"^(?:resource|module|var|output|param)\s+{name}\b", self.code, re.MULTILINE)
        assert start is not None, name
        following = _DECLARATION.search(self.code, start.end())
        return self.code[start.start() : following.start() if following else len(self.code)]


def config_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The body of a resource or module, without its loop and condition."""
    config = entry["config"]
    while "config" in config and set(config) <= {"config", "condition", "loop_type"}:
        config = config["config"]
    return dict(config)


def is_conditional(entry: dict[str, Any]) -> bool:
    config = entry["config"]
    return set(config) <= {"config", "condition", "loop_type"} and config.get("condition") is not None


@cache
def _parsed() -> dict[str, dict[str, Any]]:
    """Kept also when there are errors, so that a hundred tests don't look for the same one again."""
    return dict(json.loads(run_python("checkov", "parse_bicep.py", *map(str, sorted(INFRA.rglob("*.bicep"))))))


def bicep_files() -> dict[str, BicepFile]:
    """All of them by their path below ``infra``; fails when one can't be parsed."""
    parsed = _parsed()
    errors = {path: found["error"] for path, found in parsed.items() if "error" in found}
    assert not errors, errors
    return _read()


@cache
def _read() -> dict[str, BicepFile]:
    files = {}
    for path in sorted(INFRA.rglob("*.bicep")):
        text = path.read_text(encoding="utf-8")
        files[path.relative_to(INFRA).as_posix()] = BicepFile(
            path=path, text=text, code=bare(text), tree=_parsed()[str(path)]["parsed"]
        )
    return files


def bare(text: str) -> str:
    """``text`` without comments and without what its texts say, apart from ``${…}`` in them."""
    kept: list[str] = []
    position = 0
    inside: list[str] = []  # "text" and "hole", from the outermost to the innermost
    while position < len(text):
        rest = text[position:]
        if inside and inside[-1] == "text":
            if rest.startswith("\\"):
                position += 2
            elif rest.startswith("${"):
                inside.append("hole")
                kept.append(" ")
                position += 2
            else:
                if rest.startswith("'"):
                    inside.pop()
                    kept.append("'")
                position += 1
            continue
        if rest.startswith("//"):
            position += rest.index("\n") if "\n" in rest else len(rest)
        elif rest.startswith("'''"):
            position += rest.index("'''", 3) + 3
        elif rest.startswith("'"):
            inside.append("text")
            kept.append("'")
            position += 1
        elif rest.startswith("}") and inside and inside[-1] == "hole":
            inside.pop()
            kept.append(" ")
            position += 1
        else:
            kept.append(rest[0])
            position += 1
    return "".join(kept)
