"""What garbage collections look at while a stream runs."""

from __future__ import annotations

import subprocess
import sys

from local.paths import ROOT

SCRIPT = """
import gc
import function_app
from streaming import wiring
wiring.application()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_what_was_imported_is_left_out() -> None:
    process = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  (the command is ours)

    left_out, looked_at = map(int, process.stdout.split())
    assert left_out > 10 * looked_at
