"""The contract of single events: envelopes, payload fields and their types, ids and the order of deliveries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.retail.checker_report import Envelope, Report

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch
_TIME_FIELDS = {
    "processing_time", "detection_time", "timestamp", "arrival_time", "departure_time", "operation_time",
    "picked_time", "shipped_time",
}  # fmt: skip
_KEY = re.compile(r"(store|dc|campaign)_[1-9]\d*|order_.+").fullmatch

# s string, i positive integer, q integer from zero, n integer, m money, l list of ids; ? may be null.
_MONEY = "gross_subtotal_cents:q discount_cents:q subtotal_cents:q tax_cents:q total_cents:q"
_PAYLOADS = {
    "receipt_created": "store_id:i customer_id:i receipt_id:s subtotal:m tax:m total:m tender_type:s item_count:i "
    f"campaign_id:s? impression_id:s? {_MONEY}",
    "receipt_line_added": "receipt_id:s line_number:i product_id:i quantity:i unit_price:m extended_price:m "
    "promo_code:s?",
    "payment_processed": "receipt_id:s? order_id:s? payment_method:s amount:m amount_cents:q transaction_id:s "
    "processing_time:s processing_time_ms:i status:s decline_reason:s? store_id:i? customer_id:i",
    "inventory_updated": "store_id:i? dc_id:i? product_id:i quantity_delta:n reason:s source:s",
    "stockout_detected": "store_id:i? dc_id:i? product_id:i last_known_quantity:i detection_time:s",
    "reorder_triggered": "store_id:i? dc_id:i? product_id:i current_quantity:q reorder_quantity:i reorder_point:i "
    "priority:s",
    "customer_entered": "store_id:i sensor_id:s zone:s customer_count:i dwell_time:i",
    "customer_zone_changed": "store_id:i customer_ble_id:s from_zone:s to_zone:s timestamp:s",
    "ble_ping_detected": "store_id:i beacon_id:s customer_ble_id:s rssi:n zone:s",
    "truck_arrived": "truck_id:s dc_id:i store_id:i shipment_id:s arrival_time:s estimated_unload_duration:i",
    "truck_departed": "truck_id:s dc_id:i store_id:i shipment_id:s departure_time:s actual_unload_duration:i",
    "store_opened": "store_id:i operation_time:s operation_type:s",
    "store_closed": "store_id:i operation_time:s operation_type:s",
    "ad_impression": "channel:s campaign_id:s creative_id:s customer_ad_id:s impression_id:s cost:m device_type:s "
    "customer_id:i",
    "promotion_applied": "receipt_id:s promo_code:s discount_amount:m discount_cents:i discount_type:s product_count:i "
    "product_ids:l store_id:i customer_id:i",
    "online_order_created": "order_id:s customer_id:i fulfillment_mode:s node_type:s node_id:i item_count:i subtotal:m "
    f"tax:m total:m tender_type:s campaign_id:s? impression_id:s? {_MONEY}",
    "online_order_picked": "order_id:s node_type:s node_id:i fulfillment_mode:s picked_time:s",
    "online_order_shipped": "order_id:s node_type:s node_id:i fulfillment_mode:s shipped_time:s",
}
EVENT_TYPES = tuple(_PAYLOADS)

_CHOICES = {
    "status": {"APPROVED", "DECLINED"},
    "priority": {"NORMAL", "HIGH", "URGENT"},
    "discount_type": {"PERCENTAGE", "FIXED_AMOUNT", "BOGO"},
    "fulfillment_mode": {"SHIP_FROM_STORE", "SHIP_FROM_DC", "BOPIS"},
    "node_type": {"STORE", "DC"},
    "operation_type": {"opened", "closed"},
}
_ENVELOPE = {
    "event_type", "payload", "trace_id", "ingest_timestamp", "schema_version", "source", "correlation_id",
    "partition_key", "session_id", "parent_event_id",
}  # fmt: skip


def _integer(value: object, least: int) -> bool:
    return type(value) is int and value >= least


def _money(value: object) -> bool:
    return type(value) is float and value >= 0 and abs(value * 100 - round(value * 100)) < 1e-6


_KINDS: dict[str, Callable[[object], bool]] = {
    "s": lambda value: type(value) is str and value != "",
    "i": lambda value: _integer(value, 1),
    "q": lambda value: _integer(value, 0),
    "n": lambda value: type(value) is int,
    "m": _money,
    "l": lambda value: isinstance(value, list) and len(value) > 0 and all(_integer(item, 1) for item in value),
}


def _fields(spec: str) -> dict[str, tuple[Callable[[object], bool], bool]]:
    fields = {}
    for field in spec.split():
        name, kind = field.split(":")
        fields[name] = (_KINDS[kind[0]], kind.endswith("?"))
    return fields


_FIELDS = {event_type: _fields(spec) for event_type, spec in _PAYLOADS.items()}


class Contract:
    """Checks events one by one."""

    def __init__(self, report: Report, event_types: frozenset[str]) -> None:
        self._report = report
        self._event_types = event_types
        self._seen: dict[str, Envelope] = {}

    def first_deliveries(self, partition: Sequence[Envelope]) -> Iterator[Envelope]:
        """The partition without duplicates. First deliveries of a key are in order; a duplicate is identical."""
        expect = self._report.expect
        latest: dict[str, str] = {}
        for envelope in partition:
            first = self._seen.get(envelope["trace_id"])
            if first is not None:
                expect(first == envelope, "10 a duplicate is identical", envelope)
                continue
            self._seen[envelope["trace_id"]] = envelope
            key, now = envelope["partition_key"], envelope["ingest_timestamp"]
            if not key.startswith("campaign_"):  # shards share campaigns, and nothing orders shards
                expect(latest.get(key, "") < now, "events of a key are in order", envelope)
                latest[key] = now
            yield envelope

    def check(self, envelope: Envelope) -> None:
        expect = self._report.expect
        event_type = envelope["event_type"]
        if event_type not in self._event_types:
            self._report.broken("9 only what was asked for", envelope)
            return
        if envelope.keys() != _ENVELOPE or envelope["payload"].keys() != _FIELDS[event_type].keys():
            self._report.broken("all fields, and no other", envelope)
            return
        expect(_TIME(envelope["ingest_timestamp"]), "ingest_timestamp has microseconds", envelope)
        expect(envelope["schema_version"] == "1.0" and envelope["source"], "schema version and source", envelope)
        expect(_KEY(envelope["partition_key"]), "partition key", envelope)
        payload, fields = envelope["payload"], _FIELDS[event_type]
        for name, (kind, nullable) in fields.items():
            value = payload[name]
            if value is None:
                expect(nullable, f"{name} is not null", envelope)
                continue
            expect(kind(value), f"{name} is well formed", envelope)
            if name in _CHOICES:
                expect(value in _CHOICES[name], f"{name} is a known word", envelope)
            elif name in _TIME_FIELDS:
                expect(value == envelope["ingest_timestamp"], f"{name} is when it happens", envelope)
        if "dc_id" in payload and "order_id" not in payload and "shipment_id" not in payload:
            expect((payload["store_id"] is None) != (payload["dc_id"] is None), "store xor center", envelope)
        self._check_context(envelope, payload)
        for name, rule in _RULES.get(event_type, ()):
            expect(rule(payload), name, envelope)
        if "store_id" in payload and payload["store_id"] and envelope["partition_key"][0] == "s":
            expect(envelope["partition_key"] == f"store_{payload['store_id']}", "the key is the store's", envelope)

    def _check_context(self, envelope: Envelope, payload: dict[str, object]) -> None:
        """parent_event_id is the receipt or the order; session_id the visit, the order or the shipment."""
        expect, event_type, source = self._report.expect, envelope["event_type"], payload.get("source")
        sale = payload.get("receipt_id") or payload.get("order_id")
        if payload.get("reason") in {"SALE", "RETURN", "ONLINE_ORDER"}:
            sale = source
        created = event_type in {"receipt_created", "online_order_created"}
        expect(envelope["parent_event_id"] == (None if created else sale), "parent_event_id", envelope)
        # Those of a visit are held to it elsewhere.
        reason = payload.get("reason")
        if event_type not in _OF_A_VISIT and not payload.get("receipt_id") and reason not in {"SALE", "RETURN"}:
            counted = reason in {"DAMAGED", "LOST"}  # on a shelf: by nobody's visit, order or shipment
            whole = None if counted else payload.get("order_id") or payload.get("shipment_id") or source
            expect(envelope["session_id"] == whole, "session_id", envelope)
        if event_type not in _OF_A_PURCHASE:
            expect(envelope["correlation_id"] is None, "correlation only of attribution", envelope)


_OF_A_VISIT = {"customer_entered", "customer_zone_changed", "ble_ping_detected"}
_OF_A_PURCHASE = {"ad_impression", "receipt_created", "online_order_created", "payment_processed"}

_RULES: dict[str, tuple[tuple[str, Callable[[dict[str, object]], bool]], ...]] = {
    "payment_processed": (
        ("receipt xor order", lambda p: (p["receipt_id"] is None) != (p["order_id"] is None)),
        ("3 a reason if declined", lambda p: (p["status"] == "DECLINED") == (p["decline_reason"] is not None)),
        ("3 amount to the cent", lambda p: round(float(str(p["amount"])) * 100) == p["amount_cents"]),
    ),
    "inventory_updated": (("a change is not zero", lambda p: p["quantity_delta"] != 0),),
    "ble_ping_detected": (("rssi", lambda p: -120 <= int(str(p["rssi"])) <= 0),),
    "truck_arrived": (("truck id ends in digits", lambda p: str(p["truck_id"])[-1].isdigit()),),
    "truck_departed": (("truck id ends in digits", lambda p: str(p["truck_id"])[-1].isdigit()),),
    "store_opened": (("opened", lambda p: p["operation_type"] == "opened"),),
    "store_closed": (("closed", lambda p: p["operation_type"] == "closed"),),
}
