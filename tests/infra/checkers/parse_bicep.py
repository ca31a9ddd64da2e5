"""Parses Bicep files with pycep, in the environment that requirements/checkov.txt describes.

Takes files as arguments; prints {file: {"parsed": …} or {"error": …}}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lark.exceptions import LarkError  # type: ignore[import-not-found]  # installed in this program's own environment
from pycep import BicepParser  # type: ignore[import-not-found]  # likewise


def parse(path: str) -> dict[str, Any]:
    try:
        return {"parsed": BicepParser().parse(text=Path(path).read_text(encoding="utf-8"))}
    except LarkError as error:
        return {"error": str(error)}


json.dump({path: parse(path) for path in sys.argv[1:]}, sys.stdout)
