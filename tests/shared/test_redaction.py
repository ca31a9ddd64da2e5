"""No secret survives in any of the forms in which the SDKs, the platform or a person write it."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redaction import keep, redact, redact_known, secrets_of

FORMS = [
    "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={};EntityPath=retail",
    "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKey={}",
    "sharedaccesskey = {}",
    'SharedAccessKey="{}"',
    '{{"SharedAccessKeyName": "send", "SharedAccessKey": "{}"}}',
    "{{'SharedAccessKey': '{}', 'EntityPath': 'retail'}}",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
    "InstrumentationKey={};IngestionEndpoint=https://x.in.applicationinsights.azure.com/",
    "client_secret={}",
    "AZURE_CLIENT_SECRET={}",
    '{{"clientSecret": "{}"}}',
    "Authorization: Bearer {}",
    "'Authorization': 'Bearer {}'",
    "authorization: Basic {}",
    "Authorization: SharedKey account:{}",
    "x-functions-key: {}",
    '{{"x-functions-key": "{}"}}',
    "http://user:{}@proxy.example:8080/",
    "could not connect to amqps://send:{}@n.servicebus.windows.net:5671",
]
URL_FORMS = [
    "SharedAccessSignature sr=sb%3A%2F%2Fn&sig={}&se=1767225600&skn=send",
    "SharedAccessSignature sig={}&se=1767225600&skn=send&sr=sb%3A%2F%2Fn",
    "Endpoint=sb://n/;SharedAccessSignature=SharedAccessSignature sr=sb%3A%2F%2Fn&sig={}&se=1&skn=send;EntityPath=r",
    '{{"SharedAccessSignature": "SharedAccessSignature sr=sb%3A%2F%2Fn&sig={}&se=1&skn=send"}}',
    "https://a.table.core.windows.net/t?sv=2024-08-04&sig={}&se=2026-01-01",
    "https://a.table.core.windows.net/t?sig={}",
    "sv=2024-08-04;sig={}",
    "?next=https%3A%2F%2Fa%3Fsv%3D1%26sig%3D{}",
    "POST http://localhost:8000/api/stream/start?code={}",
    "GET /api/stream/status?a=1&code={}&b=2",
]

keys = st.binary(min_size=12, max_size=64).map(lambda raw: base64.b64encode(raw).decode())
"""Base64, with ``+``, ``/`` and padding, as Azure makes its keys."""
url_keys = st.binary(min_size=12, max_size=64).map(lambda raw: base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize("form", FORMS)
@given(key=st.one_of(keys.filter(lambda key: "/" not in key), url_keys))
def test_no_secret_survives(form: str, key: str) -> None:
    cleaned = redact("it said: " + form.format(key))
    assert key not in cleaned
    assert key.rstrip("=") not in cleaned
    assert "***" in cleaned


@pytest.mark.parametrize("form", [form for form in FORMS if "://" not in form.split("{}", maxsplit=1)[0]])
@given(key=keys)
def test_no_secret_with_slashes_survives(form: str, key: str) -> None:
    assert key not in redact(form.format(key))


@pytest.mark.parametrize("form", URL_FORMS)
@given(key=st.one_of(keys.map(lambda key: quote(key, safe="")), url_keys))
def test_no_signature_or_key_of_an_address_survives(form: str, key: str) -> None:
    assert key not in redact(form.format(key))


@given(raw=st.tuples(st.binary(min_size=8), st.binary(min_size=8), st.binary(min_size=8)))
def test_no_json_web_token_survives(raw: tuple[bytes, bytes, bytes]) -> None:
    parts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in raw]
    token = f"eyJ{parts[0]}.{parts[1]}.{parts[2]}"
    assert redact(f"the hub refused {token} with 401") == "the hub refused *** with 401"


@given(key=keys, form=st.sampled_from(FORMS + URL_FORMS), before=st.text(max_size=30), after=st.text(max_size=30))
def test_redacting_twice_is_redacting_once(key: str, form: str, before: str, after: str) -> None:
    once = redact(before + form.format(key) + after)
    assert redact(once) == once


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (
            "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=abc=;EntityPath=retail",
            "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=***;EntityPath=retail",
        ),
        ("two: SharedAccessKey=a; and AccountKey=b", "two: SharedAccessKey=***; and AccountKey=***"),
        ("/t?sv=2024-08-04&sig=abc%3D&se=2026", "/t?sv=2024-08-04&sig=***&se=2026"),
        ("SharedAccessSignature sr=a&sig=b refused", "SharedAccessSignature *** refused"),
        ("http://user:pass@proxy:8080/x", "http://user:***@proxy:8080/x"),
    ],
)
def test_the_rest_stays_readable(text: str, cleaned: str) -> None:
    assert redact(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the hub did not answer in time",
        "authorization: the policy may not send",
        "SharedAccessKeyName=RootManageSharedAccessKey is not allowed to send",
        "SharedAccessSignature is expired",
        "the connection string has no SharedAccessKey",
        "SharedAccessKey: is missing",
        "status code=401, status_code=401",
        "design=1 and assign=2",
        "http://localhost:8000/api/stream/status",
        "amqps://n.servicebus.windows.net:5671/retail/Partitions/0",
        "Basic tier, 256 KB",
    ],
)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


ENVIRONMENT = {
    "AZURE_EVENTHUB_CONNECTION_STRING": "Endpoint=sb://n/;SharedAccessKeyName=send;SharedAccessKey=YS1odWIta2V5/+==",
    "ANOTHER_ONE": "Endpoint=sb://n;SharedAccessSignature=SharedAccessSignature sr=n&sig=c2lnbmF0dXJl%2Bbg%3D&se=1",
    "AzureWebJobsStorage": "AccountName=a; AccountKey = c3RvcmFnZS1rZXk=;EndpointSuffix=core.windows.net",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=0f0e0d0c-0000-4000-8000-00000000abcd",
    "HTTPS_PROXY": "http://me:pro%40xy-password@proxy.example.com:8080",
    "https_proxy": "http://[broken",
    "LOG_LEVEL": "INFO",
    "SharedAccessKey": "not a part of a connection string",
}
SECRETS = {
    *("YS1odWIta2V5/+==", "YS1odWIta2V5%2F%2B%3D%3D"),
    *("c2lnbmF0dXJl%2Bbg%3D", "c2lnbmF0dXJl+bg=", "c2lnbmF0dXJl%252Bbg%253D"),
    *("c3RvcmFnZS1rZXk=", "c3RvcmFnZS1rZXk%3D"),
    "0f0e0d0c-0000-4000-8000-00000000abcd",
    *("pro%40xy-password", "pro@xy-password", "pro%2540xy-password"),
}


def test_the_secrets_of_an_environment_are_found_in_each_spelling() -> None:
    found = secrets_of(ENVIRONMENT)
    assert found >= SECRETS
    assert {secret for secret in found - SECRETS if "sharedaccesssignature" not in secret.lower()} == set()


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_a_secret_that_is_known_is_taken_out_wherever_it_stands(secret: str) -> None:
    keep(secrets_of(ENVIRONMENT))
    for text in (secret, f"There is no session {secret}.", f"/api/{secret}/x", f'{{"a": "{secret}"}}'):
        assert secret not in redact(text)
        assert redact_known(text) == text.replace(secret, "***")


def test_short_ones_are_not_looked_for() -> None:
    assert secrets_of({"HTTP_PROXY": "http://me:retail@p", "A": "AccountKey=k"}) == frozenset()
