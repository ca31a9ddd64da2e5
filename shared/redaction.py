"""Takes secrets out of text before it goes to a log, a response, a span or a stored error."""

from __future__ import annotations

import re

REDACTED = "***"
_KEYS = "SharedAccessKey|AccountKey|InstrumentationKey|client_?secret"
_PATTERNS = tuple(
    # The first group is kept. What is secret ends where such a value can't go on, so that the rest stays readable.
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"((?:{_KEYS})\s*=\s*[\"']?)[^;\s\"']+",
        rf"((?:{_KEYS}|SharedAccessSignature)[\"']\s*:\s*[\"'])[^\"']+",  # as JSON, or a dictionary printed
        r"(SharedAccessSignature\s*=\s*[\"']?)[^;\"'\r\n]+",
        r"(SharedAccessSignature\s+)\w+=[^\s;\"']+",
        r"((?:\b|%26|%3F)sig(?:=|%3D))[^&;\s\"']+",
        r"([?&]code=)[^&\s\"']+",
        r"(Bearer\s+)[A-Za-z0-9._~+/=-]+",
        r"(Authorization[\"']?\s*[:=]\s*[\"']?(?:Basic|SharedKey|SharedKeyLite)\s+)[^\s\"',}]+",
        r"(x-functions-key[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+",
        r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)",  # a proxy's user and password
        r"(\b)eyJ[\w-]{8,}\.[\w-]+\.[\w-]*",  # a JSON web token without anything to announce it
    )
)


def redact(text: str) -> str:
    """``text`` with the value of every key, signature, password and token that it names replaced by ``***``."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text
