"""Error categories are a public contract, and what each means is decided once."""

from __future__ import annotations

import pytest

from streaming.core.outcome import GUIDE, ErrorCategory

CASES = [
    # category, phrase, may the same batch succeed soon, does it count against the hub
    ("connection_timeout", "Connection timeout", True, True),
    ("connection_error", "Connection error", True, True),
    ("throttling", "Throttled by the hub", True, True),
    ("authentication", "Authentication failed", False, True),
    ("authorization", "Not authorized to send", False, True),
    ("not_found", "Event hub not found", False, True),
    ("quota_exceeded", "Quota exceeded", True, True),
    ("message_too_large", "Message too large", False, False),
    ("serialization", "Serialization failed", False, False),
    ("unknown", "Unknown error", True, True),
]


@pytest.mark.parametrize(("category", "phrase", "retryable", "infrastructure"), CASES)
def test_what_a_category_means(category: str, phrase: str, retryable: bool, infrastructure: bool) -> None:
    guide = GUIDE[ErrorCategory(category)]
    assert (guide.phrase, guide.retryable, guide.infrastructure) == (phrase, retryable, infrastructure)


def test_the_categories_are_the_contracts() -> None:
    assert [category.value for category in ErrorCategory] == [case[0] for case in CASES]
    assert set(GUIDE) == set(ErrorCategory)


def test_dead_letters_of_different_categories_never_group_together() -> None:
    assert len({guide.phrase for guide in GUIDE.values()}) == len(CASES)


@pytest.mark.parametrize("category", ErrorCategory)
def test_each_says_what_to_do(category: ErrorCategory) -> None:
    assert GUIDE[category].advice.endswith(".")
