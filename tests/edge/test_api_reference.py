"""``docs/api.md`` is what the API's description says now."""

from __future__ import annotations

import re

from local.api_reference import api_reference
from local.paths import ROOT


def test_the_reference_is_current() -> None:
    """If not: ``python -m local api-reference --out docs/api.md``."""
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == api_reference()


def test_its_links_lead_somewhere() -> None:
    text = api_reference()
    titles = {title.lower() for title in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= titles
