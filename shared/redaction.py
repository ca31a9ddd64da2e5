"""Takes secrets out of text before it goes to a log, a response, a span or a stored error."""

from __future__ import annotations

import re

REDACTED = "***"
_PATTERNS = (
    re.compile(r"(SharedAccessKey\s*=\s*)[^;\s\"']+", re.IGNORECASE),
    re.compile(r"(SharedAccessSignature\s*=\s*)[^;\"']+", re.IGNORECASE),
    re.compile(r"(SharedAccessSignature\s+)sr=[^\s;\"']+", re.IGNORECASE),
    re.compile(r"(AccountKey\s*=\s*)[^;\s\"']+", re.IGNORECASE),
    re.compile(r"(InstrumentationKey\s*=\s*)[^;\s\"']+", re.IGNORECASE),
    re.compile(r"([?&;]sig=)[^&;\s\"']+", re.IGNORECASE),
    re.compile(r"([?&]code=)[^&\s\"']+", re.IGNORECASE),
    re.compile(r"(Bearer\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE),
    re.compile(r"(x-functions-key[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+", re.IGNORECASE),
)


def redact(text: str) -> str:
    """``text`` with the value of every key, signature and token that it names replaced by ``***``."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text
