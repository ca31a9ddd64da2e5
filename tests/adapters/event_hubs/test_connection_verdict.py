"""Judging connection strings: what they say comes out, their secret doesn't."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from streaming.adapters.event_hubs.connection_verdict import ConnectionVerdict, validate_connection

NOW_US = 1_772_366_400_000_000
KEY = "c2VjcmV0LXZhbHVl"
GOOD = (
    f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={KEY};EntityPath=retail-events"
)


def judge(connection_string: str, event_hub: str | None = None) -> ConnectionVerdict:
    verdict = validate_connection(connection_string, event_hub=event_hub, now_us=NOW_US)
    assert KEY not in TypeAdapter(ConnectionVerdict).dump_json(verdict).decode()
    return verdict


def test_a_good_one() -> None:
    verdict = judge(GOOD)
    assert verdict.valid
    assert verdict.warnings == []
    assert verdict.metadata is not None
    assert (verdict.metadata.namespace, verdict.metadata.event_hub) == ("ns.servicebus.windows.net", "retail-events")
    assert (verdict.metadata.policy, verdict.metadata.port, verdict.metadata.emulator) == ("send", 5671, False)


@pytest.mark.parametrize(
    ("connection_string", "event_hub", "field", "word"),
    [
        ("nonsense", None, "connection_string", "malformed"),
        (GOOD.replace(";EntityPath=retail-events", ""), None, "event_hub", "not set"),
        (GOOD, "another", "event_hub", "EntityPath"),
        (GOOD.replace(f";SharedAccessKey={KEY}", ""), None, "connection_string", "no SharedAccessKey"),
        (f"DefaultEndpointsProtocol=https;AccountKey={KEY}", None, "connection_string", "storage account"),
    ],
)
def test_what_is_wrong_is_said_by_field(connection_string: str, event_hub: str | None, field: str, word: str) -> None:
    verdict = judge(connection_string, event_hub)
    assert not verdict.valid
    assert verdict.metadata is None
    assert any(error.field == field and word in error.message for error in verdict.errors)


@pytest.mark.parametrize(
    ("connection_string", "word"),
    [
        (GOOD.replace("=send;", "=RootManageSharedAccessKey;"), "may manage"),
        (f"{GOOD};UseDevelopmentEmulator=true".replace("ns.servicebus.windows.net", "localhost"), "not encrypted"),
        (
            (
                "Endpoint=sb://ns.servicebus.windows.net/;EntityPath=e;"
                f"SharedAccessSignature=SharedAccessSignature sr=x&sig={KEY}&se=1&skn=n"
            ),
            "expired",
        ),
        (
            (
                "Endpoint=sb://ns.servicebus.windows.net/;EntityPath=e;"
                f"SharedAccessSignature=SharedAccessSignature sr=x&sig={KEY}&se=1893456000&skn=n"
            ),
            "ends at 2030-01-01T00:00:00Z",
        ),
    ],
)
def test_what_is_unwise_is_said(connection_string: str, word: str) -> None:
    verdict = judge(connection_string)
    assert verdict.valid
    assert any(word in warning for warning in verdict.warnings)
