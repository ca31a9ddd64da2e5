"""Shared-access signatures: what opens, and every reason why one does not."""

from __future__ import annotations

import pytest
from azure.eventhub._pyamqp.utils import generate_sas_token
from hypothesis import given
from hypothesis import strategies as st

from local.event_hubs.config import ALL_CLAIMS, Claim, SharedAccessPolicy
from local.event_hubs.tokens import Grant, TokenRefused, path_of, verify
from tests.local.event_hubs.peer import sas_token

NOW = 1_800_000_000.0
POLICIES = {
    "all": SharedAccessPolicy(key="secret"),
    "sender": SharedAccessPolicy(key="another", claims=frozenset({Claim.SEND})),
}
HUB = "sb://localhost:5672/retail-events"


def _token(resource: str = HUB, *, key: str = "secret", policy: str = "all", expires_in: float = 60) -> str:
    return sas_token(resource, key=key, policy=policy, expires_at=NOW + expires_in)


def test_a_token_opens_its_resource_with_its_policy_s_claims_until_it_expires() -> None:
    grant = verify(_token(policy="sender", key="another"), HUB, POLICIES, NOW)
    assert grant == Grant(path=("retail-events",), claims=frozenset({Claim.SEND}), expires_at=NOW + 60)


def test_the_sdk_s_own_token_is_accepted() -> None:
    token = generate_sas_token(HUB, "all", "secret", int(NOW) + 60)  # type: ignore[no-untyped-call]  # likewise untyped
    assert verify(token, HUB, POLICIES, NOW).claims == ALL_CLAIMS


@pytest.mark.parametrize(
    ("token", "audience", "why"),
    [
        (_token(key="wrong"), HUB, "wrong key"),
        (_token(policy="nobody"), HUB, "no shared-access policy 'nobody'"),
        (_token(expires_in=0), HUB, "expired"),
        (_token(expires_in=-1), HUB, "expired"),
        (_token("sb://localhost:5672/other"), HUB, "is for 'sb://localhost:5672/other'"),
        (_token("sb://elsewhere/retail-events"), HUB, "is for 'sb://elsewhere/retail-events'"),
        (_token(HUB + "/ConsumerGroups/a"), HUB, "is for"),
        (_token().replace("&skn=all", ""), HUB, "lacks skn"),
        (_token().replace("SharedAccessSignature ", "Bearer "), HUB, "no SharedAccessSignature"),
        ("SharedAccessSignature ", HUB, "lacks sr, sig, se, skn"),
        ("", HUB, "no SharedAccessSignature"),
    ],
)
def test_a_token_is_refused_for_a_reason_that_is_named(token: str, audience: str, why: str) -> None:
    with pytest.raises(TokenRefused, match=why):
        verify(token, audience, POLICIES, NOW)


def test_an_expiry_that_is_no_number_is_refused_although_it_is_signed() -> None:
    import base64  # noqa: PLC0415
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    for expiry in ("never", "nan"):
        signature = base64.b64encode(hmac.digest(b"secret", f"x\n{expiry}".encode(), hashlib.sha256)).decode()
        with pytest.raises(TokenRefused):
            verify(f"SharedAccessSignature sr=x&sig={signature}&se={expiry}&skn=all", "x", POLICIES, NOW)


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_is_refused_and_breaks_nothing(token: str, audience: str) -> None:
    for text in (token, "SharedAccessSignature " + token):
        with pytest.raises(TokenRefused):
            verify(text, audience, POLICIES, NOW)


@pytest.mark.parametrize(
    ("granted", "wanted", "covered"),
    [
        ("sb://h", "sb://h/hub/Partitions/0", True),
        ("sb://h/hub", "amqps://h:5671/hub/Partitions/0", True),
        ("sb://h/hub", "hub", True),
        ("sb://h/HUB/consumergroups/$default", "hub/ConsumerGroups/$Default/Partitions/1", True),
        ("sb://h/hub/Partitions/0", "hub/Partitions/1", False),
        ("sb://h/hub", "hub2", False),
    ],
)
def test_a_grant_covers_what_is_at_and_below_it(granted: str, wanted: str, covered: bool) -> None:
    grant = Grant(path=path_of(granted), claims=ALL_CLAIMS, expires_at=NOW)
    assert grant.covers(path_of(wanted)) is covered
