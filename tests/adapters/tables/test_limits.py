"""Azure's limits, at their edges."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.adapters.tables.entities import int64
from streaming.adapters.tables.limits import StorageLimitError, check_transaction

KIB = 1024


def row(key: str = "row", /, **properties: Any) -> dict[str, Any]:
    return {"PartitionKey": "partition", "RowKey": key, **properties}


@pytest.mark.parametrize(
    "entities",
    [
        [row()],
        [row("k" * 512)],
        [row("a|b-c_d.e:f g'h(ä)%")],
        [row(data=bytes(64 * KIB))],
        [row(text="x" * 32 * KIB)],
        [row(text="🛒" * 16 * KIB)],
        [row(number=int64(2**62), flag=True, small=1, real=0.5)],
        [row(**{f"p{index}": 1 for index in range(252)})],
        [row(str(index)) for index in range(100)],
        [row(str(index), **{f"p{part}": bytes(64 * KIB) for part in range(11)}) for index in range(4)],
    ],
    ids=["empty", "key", "characters", "bytes", "text", "utf-16", "numbers", "properties", "operations", "transaction"],
)
def test_what_is_just_within_a_limit_passes(entities: list[dict[str, Any]]) -> None:
    check_transaction(entities)


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([row("k" * 513)], "513 characters"),
        ([row("a/b")], "forbids"),
        ([row("a\\b")], "forbids"),
        ([row("a#b")], "forbids"),
        ([row("a?b")], "forbids"),
        ([row("a\x1fb")], "forbids"),
        ([row("a\x7fb")], "forbids"),
        ([row("a\x9fb")], "forbids"),
        ([{"PartitionKey": "a/b", "RowKey": "row"}], "PartitionKey 'a/b'"),
        ([row(data=bytes(64 * KIB + 1))], "'data' of row 'row' takes 65537 bytes"),
        ([row(text="x" * (32 * KIB + 1))], "65538 bytes"),
        ([row(text="🛒" * 16 * KIB + "x")], "65538 bytes"),
        ([row(**{f"p{index}": 1 for index in range(253)})], "253 properties"),
        ([row(**{f"p{index}": "x" * 32 * KIB for index in range(16)})], "a row may take 1048576"),
        ([row(**{f"p{index}": bytes(64 * KIB) for index in range(12)})], "a row may take 1048576"),
        ([row(str(index)) for index in range(101)], "101 operations"),
        ([row("a"), row("b"), row("a")], "same row twice"),
        ([row(str(index), **{f"p{part}": bytes(64 * KIB) for part in range(11)}) for index in range(5)], "4194304"),
    ],
)
def test_what_is_just_beyond_a_limit_is_refused_with_its_name(entities: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(StorageLimitError, match=message):
        check_transaction(entities)
