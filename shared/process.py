"""What this process takes of its machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

_STATM = Path("/proc/self/statm")


def cpu_seconds() -> float:
    """Processor time used so far, user and system."""
    return time.process_time()


def resident_bytes() -> int | None:
    """Physical memory in use; None where the system doesn't say it this way (anything but Linux)."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
