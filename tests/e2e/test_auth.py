"""Who may call what, with the keys asked for as in Azure."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

import pytest

from streaming.triggers.operations import OPERATIONS
from tests.stack_process import StackProcess, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: Final = {
    "masterKey": "a-master-key",
    "functionKeys": {"operators": "a-host-key"},
    "functions": {
        name: {"readers": "a-readers-key"} for name, operation in OPERATIONS.items() if operation.method == "get"
    },
}
"""A reader's key opens each function that only reads: the same value, under the same name, for each of them."""


@pytest.fixture(scope="module")
def behind_entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """As if the platform's authentication were in front, which sets this and the principal's header."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WEBSITE_AUTH_ENABLED", "True")
        with StackProcess(tmp_path_factory.mktemp("stack"), "--no-stream") as running:
            yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    data = tmp_path_factory.mktemp("stack")
    (data / "host-keys.json").write_text(json.dumps(KEYS), encoding="utf-8")
    with StackProcess(data, "--auth", "--no-stream") as running:
        yield running


def status_of(
    stack: StackProcess, name: str, *, key: str | None = None, in_query: bool = False, principal: str | None = None
) -> int:
    operation = OPERATIONS[name]
    path = operation.path.format(**dict.fromkeys(operation.path_parameters, "stores"))
    query = f"?code={key}" if key and in_query else ""
    request = urllib.request.Request(  # noqa: S310 - http
        f"{stack.url}{path}{query}",
        method=operation.method.upper(),
        data=b"[]" if operation.body else None,  # Refused by whoever is let in: nothing is changed here.
        headers=({"x-functions-key": key} if key and not in_query else {})
        | ({"x-ms-client-principal": principal} if principal else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http
            status: int = answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            status = refused.code
    return status


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_key_or_a_wrong_one_opens_only_what_is_anonymous(name: str, stack: StackProcess) -> None:
    for key in (None, "a-wrong-key"):
        status = status_of(stack, name, key=key)
        assert (status == 401) is not OPERATIONS[name].anonymous, status


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("key", ["a-host-key", "a-master-key"])
def test_a_host_key_opens_everything(name: str, key: str, stack: StackProcess) -> None:
    def opens(*, in_query: bool) -> bool:
        status = status_of(stack, name, key=key, in_query=in_query)
        assert status in {200, 400, 404, 503}
        return status != 503  # While storage is slow: asked again.

    wait_until(lambda: opens(in_query=False), name)
    wait_until(lambda: opens(in_query=True), name)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_readers_key_opens_what_only_reads(name: str, stack: StackProcess) -> None:
    operation = OPERATIONS[name]
    may = operation.method == "get" or operation.anonymous
    assert (status_of(stack, name, key="a-readers-key") != 401) is may


def principal(*roles: str) -> str:
    """The header as the platform makes it, with claims of other kinds around the roles."""
    claims = [
        {"typ": "aud", "val": "api"},
        *({"typ": "roles", "val": role} for role in roles),
        {"typ": "ver", "val": "2"},
    ]
    document = {"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims}
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if name != "liveness"])
def test_roles_open_what_they_are_for(name: str, behind_entra: StackProcess) -> None:
    reads = OPERATIONS[name].method == "get"
    for roles, may in (
        ((), False),
        (("Stream.Admin", "stream.read"), False),
        (("Stream.Read",), reads),
        (("Other", "Stream.Read"), reads),
        (("Stream.Operate",), True),
        (("Stream.Read", "Stream.Operate"), True),
    ):
        assert (status_of(behind_entra, name, principal=principal(*roles)) != 403) is may, roles
    for garbage in ("§".encode().hex(), "bm8=", principal("Stream.Operate")[:-5]):
        assert status_of(behind_entra, name, principal=garbage) == 403, garbage


@pytest.mark.parametrize("name", OPERATIONS)
def test_nobody_makes_himself_an_operator_by_a_header(name: str, stack: StackProcess) -> None:
    """Where the platform isn't in front, the header opens nothing, and closes nothing."""
    anonymous = OPERATIONS[name].anonymous
    assert (status_of(stack, name, principal=principal("Stream.Operate")) == 401) is not anonymous
    assert status_of(stack, name, key="a-master-key", principal=principal()) != 403
