"""YAML files as JSON, in the environment that requirements/tools.txt describes: {file: [document]}."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

yaml: Any = import_module("yaml")  # Installed in this program's own environment only.

json.dump({path: list(yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))) for path in sys.argv[1:]}, sys.stdout)
