"""Where the local stack keeps what it installs and writes. All of it is git-ignored and may be deleted."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
"""The repository: the Functions app's root."""

STATE: Final = ROOT / ".local"
DATA: Final = STATE / "data"
"""What a restarted stack goes on with: Azurite's files and the host's keys."""
