"""Names of streams: sessions and timelines. They are part of every id."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def require_name(what: str, name: str) -> None:
    """Raises ValueError for a name that ids can't carry."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} has 1 to 80 letters, digits, - and _, unlike {name!r}")
