"""The check at start-up: it passes for the SDK that is installed, and notices one that is different."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import azure.eventhub._pyamqp._encode as sdk_encode
import pytest
from azure.core.settings import settings
from azure.eventhub import EventDataBatch
from azure.eventhub.aio import EventHubProducerClient

from streaming.adapters.event_hubs import sdk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _checked_anew() -> Iterator[None]:
    sdk.fast_path_problem.cache_clear()
    yield
    sdk.fast_path_problem.cache_clear()


def test_the_installed_sdk_takes_prebuilt_batches() -> None:
    assert sdk.fast_path_problem() is None


class Span:
    """As little of a tracer as the SDK asks for when it traces a message."""

    def __init__(self, **_: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def to_header(self) -> dict[str, str]:
        return {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    def add_attribute(self, *_: object) -> None: ...


def test_tracing_does_not_turn_the_fast_path_off() -> None:
    """The SDK's ``add`` then puts trace headers into every event; monitoring must not cost the speed."""
    settings.tracing_implementation.set_value(Span)  # type: ignore[arg-type] # it has what the SDK calls
    try:
        traced = sdk.public_batch(sdk._SAMPLE, partition_id="0", max_bytes=1 << 20)
        assert isinstance(traced, EventDataBatch)
        assert b"traceparent" in sdk.wire_bytes(traced)
        assert sdk.fast_path_problem() is None
    finally:
        settings.tracing_implementation.unset_value()


def test_an_sdk_that_encodes_differently_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that asks the content for its bytes by its length would."""
    original = sdk_encode.encode_payload

    def by_length(output: bytearray, message: Any) -> bytes:
        message[sdk.DATA_SECTIONS][:] = [bytes(part)[: len(part)] for part in message[sdk.DATA_SECTIONS]]
        return original(output, message)

    monkeypatch.setattr(sdk_encode, "encode_payload", by_length)
    assert sdk.fast_path_problem() == "the SDK encodes a batch differently"


def test_an_sdk_without_the_inner_producer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(EventHubProducerClient, "_create_producer")
    assert sdk.fast_path_problem() == "the SDK no longer has EventHubProducerClient._create_producer"


def test_an_sdk_whose_batches_are_made_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "DATA_SECTIONS", 99)
    problem = sdk.fast_path_problem()
    assert problem is not None
    assert problem.startswith("the SDK's internals have changed")
