"""Stores, shoppers, trucks and advertisements: that everything happens in an order that the world allows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.retail.checker_report import Envelope, Reference, Report, Row


class Stores:
    types = ("store_opened", "store_closed")

    def __init__(self, report: Report) -> None:
        self._report = report
        self.open: set[int] = set()

    def see(self, envelope: Envelope, payload: Row) -> None:
        store = payload["store_id"]
        if envelope["event_type"] == "store_opened":
            self._report.expect(store not in self.open, "6 opened and closed alternate", envelope)
            self.open.add(store)
        else:
            self._report.expect(store in self.open, "6 opened and closed alternate", envelope)
            self.open.discard(store)


@dataclass(slots=True)
class Visit:
    store: int
    entered: str
    last: str
    zone: str
    ble: str | None = None
    customer: int | None = None
    paid: bool = False


class Visits:
    types = (
        "customer_entered",
        "customer_zone_changed",
        "ble_ping_detected",
        "receipt_created",
        "receipt_line_added",
        "promotion_applied",
        "payment_processed",
    )

    def __init__(self, report: Report, reference: Reference | None, stores: Stores) -> None:
        self._report = report
        self._reference = reference
        self._stores = stores
        self._visits: dict[str, Visit] = {}

    def see(self, envelope: Envelope, payload: Row) -> None:
        expect, event_type, session = self._report.expect, envelope["event_type"], envelope["session_id"]
        if event_type == "payment_processed" and payload["receipt_id"] is None:
            return
        now = envelope["ingest_timestamp"]
        if event_type == "customer_entered":
            expect(session not in self._visits, "6 a visit begins once", envelope)
            expect(payload["store_id"] in self._stores.open, "6 nobody enters a closed store", envelope)
            self._visits[session] = Visit(payload["store_id"], now, now, payload["zone"])
            return
        visit = self._visits.get(session)
        if visit is None:
            self._report.broken("6 a visit begins at the entrance", envelope)
            return
        expect(visit.store in self._stores.open, "6 nobody shops in a closed store", envelope)
        visit.last = now
        match event_type:
            case "customer_zone_changed" | "ble_ping_detected":
                self._walk(visit, envelope, payload)
            case "receipt_created":
                expect(visit.customer is None, "6 one receipt a visit", envelope)
                expect(visit.store == payload["store_id"], "6 bought where they shop", envelope)
                visit.customer = payload["customer_id"]
            case "payment_processed":
                expect(visit.customer is not None, "6 the receipt comes first", envelope)
                expect(visit.store == payload["store_id"], "6 paid where they shop", envelope)
                visit.paid = visit.paid or payload["status"] == "APPROVED"

    def _walk(self, visit: Visit, envelope: Envelope, payload: Row) -> None:
        expect = self._report.expect
        expect(visit.store == payload["store_id"], "6 one store a visit", envelope)
        expect(visit.ble in {None, payload["customer_ble_id"]}, "6 one phone a visit", envelope)
        expect(visit.customer is None, "6 zones and pings come before the till", envelope)
        visit.ble = payload["customer_ble_id"]
        if envelope["event_type"] == "ble_ping_detected":
            expect(payload["zone"] == visit.zone, "6 heard where they are", envelope)
        else:
            expect(payload["from_zone"] == visit.zone, "6 from where they were", envelope)
            expect(payload["to_zone"] != visit.zone, "6 to somewhere else", envelope)
            visit.zone = payload["to_zone"]

    def finish(self, _last: str) -> None:
        by_customer: defaultdict[int, list[Visit]] = defaultdict(list)
        owners = (
            {row["ble_id"]: row["customer_id"] for row in self._reference.customers.values()} if self._reference else {}
        )
        for visit in self._visits.values():
            owner = owners.get(visit.ble) if visit.ble else None
            if self._reference and visit.ble:
                known = owner is not None and visit.customer in {None, owner}
                self._report.expect(known, "6 the phone is the customer's", {"visit": visit})
            customer = visit.customer or owner
            if customer is not None:
                by_customer[customer].append(visit)
        for visits in by_customer.values():
            visits.sort(key=lambda visit: visit.entered)
            for earlier, later in pairwise(visits):
                apart = earlier.last < later.entered
                self._report.expect(apart, "6 nobody is in two stores at once", {"visits": (earlier, later)})


class Trucks:
    types = ("truck_arrived", "truck_departed", "inventory_updated")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._here: dict[str, Row] = {}
        self._by_truck: dict[str, str] = {}
        self._gone: set[str] = set()
        self._loaded: set[str] = set()

    def see(self, envelope: Envelope, payload: Row) -> None:
        expect = self._report.expect
        match envelope["event_type"]:
            case "truck_arrived":
                shipment = payload["shipment_id"]
                expect(
                    shipment not in self._here and shipment not in self._gone, "11 a shipment arrives once", envelope
                )
                expect(shipment in self._loaded, "5 a truck arrives after it was loaded", envelope)
                expect(payload["truck_id"] not in self._by_truck, "a truck is in one place", envelope)
                self._here[shipment] = payload
                self._by_truck[payload["truck_id"]] = shipment
            case "truck_departed":
                arrived = self._here.pop(payload["shipment_id"], None)
                if arrived is None:
                    self._report.broken("5 a truck departs after it arrived", envelope)
                    return
                self._gone.add(payload["shipment_id"])
                self._by_truck.pop(payload["truck_id"], None)
                for name in ("truck_id", "dc_id", "store_id"):
                    expect(arrived[name] == payload[name], f"the shipment's {name}", envelope)
                expect(arrived["arrival_time"] < payload["departure_time"], "departure after arrival", envelope)
            case _ if payload["reason"] == "OUTBOUND_SHIPMENT":
                self._loaded.add(payload["source"])
            case _ if payload["reason"] == "INBOUND_SHIPMENT":
                arrived = self._here.get(payload["source"])
                at_the_door = arrived is not None and arrived["store_id"] == payload["store_id"]
                expect(at_the_door, "5 goods come off a truck that is there", envelope)


class Attribution:
    types = (
        "ad_impression",
        "receipt_created",
        "online_order_created",
    )

    def __init__(self, report: Report, reference: Reference | None) -> None:
        self._report = report
        self._reference = reference
        self._impressions: dict[str, Envelope] = {}
        self._used: set[str] = set()

    def see(self, envelope: Envelope, payload: Row) -> None:
        expect = self._report.expect
        impression_id = payload["impression_id"]
        if envelope["event_type"] == "ad_impression":
            expect(impression_id not in self._impressions, "11 an impression's id is new", envelope)
            expect(envelope["partition_key"] == payload["campaign_id"], "the key is the campaign's", envelope)
            if self._reference:
                shown_to = self._reference.customers[payload["customer_id"]]
                expect(payload["customer_ad_id"] == shown_to["ad_id"], "the ad id is the customer's", envelope)
            self._impressions[impression_id] = envelope
            return
        attributed = impression_id is not None
        expect(attributed == (payload["campaign_id"] is not None), "campaign and impression go together", envelope)
        expect(attributed == (envelope["correlation_id"] is not None), "correlation only of attribution", envelope)
        if not attributed:
            return
        shown = self._impressions.get(impression_id)
        if shown is None:
            self._report.broken("1 the impression comes first", envelope)
            return
        expect(impression_id not in self._used, "one purchase an impression", envelope)
        self._used.add(impression_id)
        expect(shown["correlation_id"] == envelope["correlation_id"], "correlation of the impression", envelope)
        for name in ("campaign_id", "customer_id"):
            expect(shown["payload"][name] == payload[name], f"the impression's {name}", envelope)
