"""Azure Table Storage's limits, enforced before anything is sent: the emulator accepts what Azure refuses.

https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_KEY_CHARACTERS: Final = 512
MAX_PROPERTY_BYTES: Final = 64 * 1024
MAX_PROPERTIES: Final = 252
MAX_ENTITY_BYTES: Final = 1024 * 1024
MAX_OPERATIONS: Final = 100
MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024

_FORBIDDEN: Final = frozenset("/\\#?") | {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}
_KEYS: Final = ("PartitionKey", "RowKey")
_FRAMING_BYTES: Final = 1024
"""What a transaction adds to each operation: part headers, address and keys. Generous."""


class StorageLimitError(ValueError):
    """What is to be stored exceeds a limit of Azure Table Storage: a defect of the caller, not of the storage."""


def check_transaction(entities: Sequence[Mapping[str, Any]], removed: Sequence[str] = ()) -> None:
    """Raise ``StorageLimitError`` if Azure would refuse to write ``entities``, and remove rows, in one transaction."""
    operations = len(entities) + len(removed)
    if operations > MAX_OPERATIONS:
        raise StorageLimitError(f"A transaction of {operations} operations; Azure takes {MAX_OPERATIONS}.")
    rows = [*(entity["RowKey"] for entity in entities), *removed]
    if len(set(rows)) != len(rows):
        raise StorageLimitError("A transaction names the same row twice.")
    payload_bytes = sum(_check_entity(entity) for entity in entities)
    if payload_bytes >= MAX_TRANSACTION_BYTES:
        raise StorageLimitError(
            f"A transaction of {payload_bytes} bytes, as encoded; Azure takes less than {MAX_TRANSACTION_BYTES}."
        )


def _check_entity(entity: Mapping[str, Any]) -> int:
    """Check one entity; returns its size on the wire."""
    for name in _KEYS:
        _check_key(name, entity[name])
    row = entity["RowKey"]
    if len(entity) - len(_KEYS) > MAX_PROPERTIES:
        raise StorageLimitError(f"Row {row!r} has {len(entity) - len(_KEYS)} properties; Azure takes {MAX_PROPERTIES}.")
    stored_bytes = 4 + sum(2 * len(entity[name]) for name in _KEYS)
    payload_bytes = _FRAMING_BYTES
    for name, value in entity.items():
        if name in _KEYS:
            continue
        stored, encoded = _sizes(value)
        if stored > MAX_PROPERTY_BYTES:
            raise StorageLimitError(
                f"Property {name!r} of row {row!r} takes {stored} bytes; Azure takes {MAX_PROPERTY_BYTES}."
            )
        stored_bytes += 8 + 2 * len(name) + 4 + stored
        payload_bytes += 2 * len(name) + 32 + encoded
    entity_bytes = max(stored_bytes, payload_bytes)  # Azure counts what it stores, the emulator what it is sent.
    if entity_bytes > MAX_ENTITY_BYTES:
        raise StorageLimitError(f"Row {row!r} takes {entity_bytes} bytes; a row may take {MAX_ENTITY_BYTES}.")
    return payload_bytes


def _check_key(name: str, key: str) -> None:
    if len(key) > MAX_KEY_CHARACTERS:
        raise StorageLimitError(f"A {name} of {len(key)} characters; {MAX_KEY_CHARACTERS} are allowed.")
    if not _FORBIDDEN.isdisjoint(key):
        raise StorageLimitError(f"The {name} {key!r} has a character that Azure forbids in keys (/ \\ # ? or control).")


def _sizes(value: object) -> tuple[int, int]:
    """The bytes that a property's value takes where it is stored (text as UTF-16), and in a request."""
    if isinstance(value, bytes):
        return len(value), (len(value) + 2) // 3 * 4
    if isinstance(value, str):
        return 2 * len(value) if value.isascii() else len(value.encode("utf-16-le")), len(json.dumps(value))
    return 8, 24  # numbers and booleans, at most
