from __future__ import annotations

import pytest

from local.functions_host.cors import CorsPolicy, read_origins
from local.functions_host.http_message import Request, Response

_OK = Response(status=200)


def _request(method: str = "GET", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method=method, raw_path="/", query_text="", headers=named, body=b"")


def test_origins_are_a_list_with_commas() -> None:
    assert read_origins(" http://a , https://b,") == ("http://a", "https://b")
    assert read_origins(None) == read_origins("") == ()


@pytest.mark.parametrize(
    ("policy", "origin", "granted"),
    [
        (CorsPolicy(), "http://a", None),
        (CorsPolicy(origins=("*",)), "http://a", "*"),
        (CorsPolicy(origins=("*",), credentials=True), "http://a", "http://a"),
        (CorsPolicy(origins=("http://A/",)), "http://a", "http://a"),
        (CorsPolicy(origins=("http://a",)), "http://a.evil", None),
        (CorsPolicy(origins=("http://a", "http://b")), "http://b", "http://b"),
    ],
)
def test_which_origin_is_granted(policy: CorsPolicy, origin: str, granted: str | None) -> None:
    headers = dict(policy.grant(_request(origin=origin), _OK).headers)
    assert headers.get("access-control-allow-origin") == granted
    assert headers.get("access-control-allow-credentials") == ("true" if policy.credentials and granted else None)


def test_requests_of_the_same_origin_get_no_permission_headers() -> None:
    assert CorsPolicy(origins=("*",)).grant(_request(), _OK) == _OK


def test_a_preflight_is_answered_for_the_functions() -> None:
    policy = CorsPolicy(origins=("http://a",))
    asked = {"access_control_request_method": "PUT", "access_control_request_headers": "x-functions-key"}
    answer = policy.preflight(_request("OPTIONS", origin="http://a", **asked))
    assert answer is not None
    assert answer.status == 204
    assert dict(answer.headers) == {
        "access-control-allow-origin": "http://a",
        "vary": "Origin",
        "access-control-allow-methods": "PUT",
        "access-control-allow-headers": "x-functions-key",
    }
    assert policy.preflight(_request("OPTIONS", origin="http://b", **asked)) == Response(status=204)
    assert policy.preflight(_request("OPTIONS", origin="http://a")) is None
    assert policy.preflight(_request("GET", origin="http://a", **asked)) is None
    assert CorsPolicy().preflight(_request("OPTIONS", origin="http://a", **asked)) is None
