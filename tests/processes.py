"""What tests ask the machine about processes."""

from __future__ import annotations

import subprocess


def process_runs(pid: int) -> bool:
    """Whether the process exists and is no zombie (which only waits for its parent to notice)."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603  (ps of the machine)
    return bool(state) and not state.startswith("Z")
