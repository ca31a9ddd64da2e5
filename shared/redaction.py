"""Takes secrets out of text before it goes to a log, a response, a span or a stored error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REDACTED = "***"
SHORTEST: Final = 12
"""A secret shorter than this might be a word, and is taken out only where something names it. Keys are longer."""
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


_known: Final[set[str]] = set()
"""This process's own secrets. The one state of a module: redaction has to hold for whoever logs, also for who knows
nothing of the settings."""


def keep(secrets: Iterable[str]) -> None:
    """From now on, take ``secrets`` out of any text, also where nothing names them."""
    _known.update(secrets)


def redact(text: str) -> str:
    """``text`` with the value of every key, signature, password and token that it names replaced by ``***``.

    So is each secret that was given to ``keep``, whatever stands beside it.
    """
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return redact_known(text)


def redact_known(text: str) -> str:
    """``text`` without the secrets that were given to ``keep``: for what has to stay as it is otherwise."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


_PARTS: Final = frozenset({"sharedaccesskey", "accountkey", "sharedaccesssignature", "instrumentationkey"})
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_SIGNATURE: Final = re.compile(r"\bsig=([^&;\s]+)")


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """The secrets of all connection strings, shared access signatures and proxies that the environment holds."""
    found: set[str] = set()
    for name, value in environment.items():
        if name.lower() in _PROXIES:
            found.add(_password(value))
        for part in value.split(";"):
            key, _, secret = part.strip().partition("=")
            if key.strip().lower() in _PARTS:
                found |= {secret.strip(), *_SIGNATURE.findall(secret)}
    spelled = {spelling for secret in found for spelling in (secret, quote(secret, safe=""), unquote(secret))}
    return frozenset(secret for secret in spelled if len(secret) >= SHORTEST)


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""
