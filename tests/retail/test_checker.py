"""The checker finds what it is there to find: every way to spoil a good stream is noticed."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.retail.checker import violations
from tests.retail.streams import live, read, reference, world

if TYPE_CHECKING:
    from collections.abc import Callable

Stream = list[dict[str, Any]]


@cache
def _recorded() -> bytes:
    return orjson.dumps(read(live(world(), 60, 500, rate=200.0)))


@pytest.fixture
def good() -> Stream:
    """A stream of its own for every test to spoil."""
    stream: Stream = orjson.loads(_recorded())
    return stream


IN_FULL_SWING = 5_000


def _one(stream: Stream, event_type: str, start: int = IN_FULL_SWING, **payload: Any) -> int:
    """Where the first event of the type is, from ``start``, whose payload has those values."""
    for index in range(start, len(stream)):
        event = stream[index]
        if event["event_type"] == event_type and all(event["payload"][k] == v for k, v in payload.items()):
            return index
    raise AssertionError(f"no {event_type} with {payload}")


def _stamp(event: dict[str, Any], at: str) -> None:
    """Let it happen at another time."""
    before, event["ingest_timestamp"] = event["ingest_timestamp"], at
    event["payload"].update({name: at for name, value in event["payload"].items() if value == before})


def _swap_times(stream: Stream, a: int, b: int) -> None:
    first, second = stream[a]["ingest_timestamp"], stream[b]["ingest_timestamp"]
    _stamp(stream[a], second)
    _stamp(stream[b], first)
    stream[a], stream[b] = stream[b], stream[a]


def _add(event_type: str, field: str, amount: float, **payload: Any) -> Callable[[Stream], None]:
    def spoil(stream: Stream) -> None:
        stream[_one(stream, event_type, **payload)]["payload"][field] += amount

    return spoil


def _put(event_type: str, field: str, value: object, **payload: Any) -> Callable[[Stream], None]:
    def spoil(stream: Stream) -> None:
        stream[_one(stream, event_type, **payload)]["payload"][field] = value

    return spoil


def _drop(event_type: str, start: int = IN_FULL_SWING, **payload: Any) -> Callable[[Stream], None]:
    def spoil(stream: Stream) -> None:
        del stream[_one(stream, event_type, start, **payload)]

    return spoil


def _repeat(event_type: str, start: int = IN_FULL_SWING, **payload: Any) -> Callable[[Stream], None]:
    """Say it again a little later, under a new trace id."""

    def spoil(stream: Stream) -> None:
        index = _one(stream, event_type, start, **payload)
        again = deepcopy(stream[index])
        again["trace_id"] += "-again"
        head, micros = again["ingest_timestamp"][:-7], int(again["ingest_timestamp"][-7:-1])
        _stamp(again, f"{head}{micros + 100_000:06d}Z")
        stream.append(again)
        stream.sort(key=lambda event: event["ingest_timestamp"])

    return spoil


def _before_receipt(event_type: str) -> Callable[[Stream], None]:
    """Let what belongs to a receipt come before it."""

    def spoil(stream: Stream) -> None:
        late = _one(stream, event_type)
        while (receipt_id := stream[late]["payload"]["receipt_id"]) is None:
            late = _one(stream, event_type, late + 1)
        _swap_times(stream, late, _one(stream, "receipt_created", 0, receipt_id=receipt_id))

    return spoil


def _same_stamp(stream: Stream) -> None:
    index = _one(stream, "receipt_created")
    assert stream[index]["partition_key"] == stream[index + 1]["partition_key"]
    stream[index + 1]["ingest_timestamp"] = stream[index]["ingest_timestamp"]


def _different_duplicate(stream: Stream) -> None:
    again = deepcopy(stream[1_000])
    again["session_id"] = "another"
    stream.append(again)


def _stranger_correlates(stream: Stream) -> None:
    for event in stream[5_000:]:
        if event["event_type"] == "receipt_created" and event["correlation_id"] is None:
            event["correlation_id"] = "journey_of-nobody"
            return


def _payment_loses_correlation(stream: Stream) -> None:
    for event in stream:
        if event["event_type"] == "payment_processed" and event["correlation_id"]:
            event["correlation_id"] = None
            return


def _two_places(stream: Stream) -> None:
    """Let a customer buy in two stores at overlapping times."""
    first: dict[str, Any] | None = None
    for event in stream[5_000:]:
        if event["event_type"] == "receipt_created":
            if first is None:
                first = event
            elif event["payload"]["store_id"] != first["payload"]["store_id"]:
                event["payload"]["customer_id"] = first["payload"]["customer_id"]
                for payment in stream:
                    if payment["payload"].get("receipt_id") == event["payload"]["receipt_id"] and (
                        "customer_id" in payment["payload"]
                    ):
                        payment["payload"]["customer_id"] = first["payload"]["customer_id"]
                return


def _tender_of_a_declined_payment(stream: Stream) -> None:
    """Let the tender that was declined be approved, consistently everywhere."""
    declined = stream[_one(stream, "payment_processed", 0, status="DECLINED")]["payload"]
    sale = {name: declined[name] for name in ("receipt_id", "order_id")}
    approved = stream[_one(stream, "payment_processed", 0, status="APPROVED", **sale)]["payload"]
    created = next(
        event["payload"]
        for event in stream
        if event["event_type"] in {"receipt_created", "online_order_created"}
        and event["payload"].get("receipt_id") == sale["receipt_id"]
        and event["payload"].get("order_id") == sale["order_id"]
    )
    approved["payment_method"] = created["tender_type"] = declined["payment_method"]


def _more_tax(stream: Stream) -> None:
    """Three cents too much, consistently everywhere."""
    sale = stream[_one(stream, "receipt_created")]["payload"]
    paid = stream[_one(stream, "payment_processed", receipt_id=sale["receipt_id"], status="APPROVED")]["payload"]
    for payload, name in ((sale, "tax"), (sale, "total"), (paid, "amount")):
        payload[f"{name}_cents"] += 3
        payload[name] = payload[f"{name}_cents"] / 100


def _closed_store(stream: Stream) -> None:
    """Let a store close between two bursts, while people are in it."""
    walked = next(
        event
        for event in stream[5_000:]
        if event["event_type"] == "customer_zone_changed" and ".500" in event["ingest_timestamp"]
    )
    closed = deepcopy(walked)
    closed["event_type"] = "store_closed"
    closed["trace_id"] += "-closed"
    closed["session_id"] = None
    closed["ingest_timestamp"] = walked["ingest_timestamp"][:-8] + ".400000Z"
    closed["payload"] = {
        "store_id": walked["payload"]["store_id"],
        "operation_time": closed["ingest_timestamp"],
        "operation_type": "closed",
    }
    stream.append(closed)
    stream.sort(key=lambda event: event["ingest_timestamp"])


SPOILED: dict[str, Callable[[Stream], object]] = {
    "1 a line before its receipt": _before_receipt("receipt_line_added"),
    "1 a payment before its receipt": _before_receipt("payment_processed"),
    "1 a promotion before its receipt": _before_receipt("promotion_applied"),
    "1 item_count": _add("receipt_created", "item_count", 1),
    "1 line number": _add("receipt_line_added", "line_number", 1),
    "1 a line is missing": _drop("receipt_line_added"),
    "2 extended price": _add("receipt_line_added", "extended_price", 0.01),
    "2 unit price": _add("receipt_line_added", "unit_price", 0.01),
    "2 subtotal": _add("receipt_created", "subtotal_cents", 1),
    "2 decimals": _add("receipt_created", "total", 0.01),
    "2 gross": _add("online_order_created", "gross_subtotal_cents", 1),
    "3 amount": _add("payment_processed", "amount", 0.01),
    "3 amount cents": _add("payment_processed", "amount_cents", 1),
    "3 paid twice": _repeat("payment_processed", status="APPROVED"),
    "3 never paid": _drop("payment_processed", status="APPROVED"),
    "3 declined for good": _put("payment_processed", "status", "DECLINED", status="APPROVED"),
    "3 the declined tender after all": _tender_of_a_declined_payment,
    "3 other tender": _put("payment_processed", "payment_method", "BARTER", status="APPROVED"),
    "4 discount": _add("promotion_applied", "discount_cents", 1),
    "4 touched lines": _put("promotion_applied", "product_ids", [1, 2, 3]),
    "4 count": _add("promotion_applied", "product_count", 1),
    "4 code": _put("promotion_applied", "promo_code", "OTHER"),
    "5 a sale's delta": _add("inventory_updated", "quantity_delta", -1, reason="SALE"),
    "5 a sale moves nothing": _drop("inventory_updated", reason="SALE"),
    "5 delivered twice": _repeat("inventory_updated", reason="INBOUND_SHIPMENT"),
    "5 delivered too much": _add("inventory_updated", "quantity_delta", 1, reason="INBOUND_SHIPMENT"),
    "5 loaded nothing": _drop("inventory_updated", reason="OUTBOUND_SHIPMENT"),
    "5 current quantity": _put("reorder_triggered", "current_quantity", 60_000),
    "5 reordered twice": _repeat("reorder_triggered"),
    "5 answered without a reorder": _add("reorder_triggered", "reorder_quantity", 1),
    "5 stockout above zero": _add("stockout_detected", "last_known_quantity", 1),
    "5 stockout twice": _repeat("stockout_detected"),
    "5 no arrival": _drop("truck_arrived"),
    "6 not entered": _drop("customer_entered"),
    "6 another phone": _put("ble_ping_detected", "customer_ble_id", "ble_0"),
    "6 another zone": _put("customer_zone_changed", "to_zone", "ROOF"),
    "6 opened twice": _repeat("store_opened", 0),
    "6 two places at once": _two_places,
    "6 closed with people inside": _closed_store,
    "7 picked twice": _repeat("online_order_picked"),
    "7 shipped unpicked": _drop("online_order_picked", fulfillment_mode="SHIP_FROM_DC"),
    "7 never shipped": _drop("online_order_shipped", start=0),
    "7 never picked": _drop("online_order_picked", start=0, fulfillment_mode="BOPIS"),
    "7 another node": _add("online_order_shipped", "node_id", 1),
    "7 another mode": _put("online_order_picked", "fulfillment_mode", "BOPIS", fulfillment_mode="SHIP_FROM_DC"),
    "8 tax": lambda stream: (
        [_add("receipt_created", field, 3)(stream) for field in ("tax_cents", "total_cents")] and None
    ),
    "9 unknown type": lambda stream: stream[500].update(event_type="store_exploded"),
    "10 a duplicate that differs": _different_duplicate,
    "11 the same receipt again": _repeat("receipt_created"),
    "11 the same impression again": _repeat("ad_impression"),
    "order of a key": _same_stamp,
    "envelope without session": lambda stream: stream[700].pop("session_id"),
    "a bare partition key": lambda stream: stream[700].update(partition_key="42"),
    "a missing column": lambda stream: stream[700]["payload"].popitem(),
    "a null column": _put("receipt_created", "customer_id", None),
    "time in the future": _put("truck_arrived", "arrival_time", "2999-01-01T00:00:00.000000Z"),
    "correlation without attribution": _stranger_correlates,
    "correlation lost on the way": _payment_loses_correlation,
    "an ad id of somebody else": _put("ad_impression", "customer_ad_id", "ad_0"),
    "correlation of a shopper": lambda stream: stream[_one(stream, "customer_entered")].update(correlation_id="x"),
    "a line of no receipt": lambda stream: stream[_one(stream, "receipt_line_added")].update(parent_event_id=None),
    "a promotion of another visit": lambda stream: stream[_one(stream, "promotion_applied")].update(
        session_id=stream[_one(stream, "customer_entered", 0)]["session_id"]
    ),
    "a shipment of another": lambda stream: stream[_one(stream, "truck_arrived")].update(session_id="shipment_0"),
    "time long ago": _put("online_order_picked", "picked_time", "2020-01-01T00:00:00.000000Z"),
    "departed before it arrived": lambda stream: stream[_one(stream, "truck_departed")]["payload"].update(
        departure_time="2020-01-01T00:00:00.000000Z"
    ),
}


def test_a_good_stream_has_no_violations(good: Stream) -> None:
    assert violations([good], reference=reference(world())) == []


def test_identical_duplicates_are_allowed(good: Stream) -> None:
    assert violations([good + good[-50:]], reference=reference(world())) == []


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_stream_is_found_out(good: Stream, what: str) -> None:
    SPOILED[what](good)

    found = violations([good], reference=reference(world()))

    rule = what.split(maxsplit=1)[0]
    assert any(rule in violation.split(":")[0].split() for violation in found) or (found and not rule.isdigit())


def test_a_subset_may_hold_nothing_else(good: Stream) -> None:
    asked = frozenset({"receipt_created", "payment_processed"})

    assert violations([good], event_types=asked) != []
    assert violations([[event for event in good if event["event_type"] in asked]], event_types=asked) == []
