"""Receipts and online orders: that every sale adds up, is paid once, and moves its goods once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.retail.checker_report import cents, seconds_between

if TYPE_CHECKING:
    from tests.retail.checker_report import Envelope, Reference, Report, Row

_TAX_ROUNDING_CENTS = 2
_UNDER_WAY_SECONDS = 1.0
"""A sale is written in one go: only one at the very end of a stream may be cut off."""

_FORGOTTEN = 1.5
"""An order that waits so much longer than any other ever did will wait for ever."""


@dataclass(slots=True)
class Sale:
    created: Envelope
    lines: list[Row] = field(default_factory=list)
    promotion: Row | None = None
    paid: bool = False
    declined: set[str] = field(default_factory=set)
    """Tenders that were refused."""
    moved: Counter[int] = field(default_factory=Counter)
    fulfilled: str | None = None
    """When an order was shipped, or picked for collection."""


def check_totals(report: Report, envelope: Envelope) -> None:
    payload = envelope["payload"]
    for name in ("subtotal", "tax", "total"):
        report.expect(cents(payload[name]) == payload[f"{name}_cents"], f"2 {name} to the cent", envelope)
    report.expect(
        payload["gross_subtotal_cents"] - payload["discount_cents"] == payload["subtotal_cents"],
        "2 gross - discount = subtotal",
        envelope,
    )
    report.expect(
        payload["subtotal_cents"] + payload["tax_cents"] == payload["total_cents"], "2 subtotal + tax = total", envelope
    )


class Sales:
    """What holds for receipts and for orders."""

    def __init__(self, report: Report, reference: Reference | None, id_field: str) -> None:
        self._report = report
        self._reference = reference
        self._id_field = id_field
        self._sales: dict[str, Sale] = {}
        self._transactions: set[str] = set()

    def _create(self, envelope: Envelope, payload: Row) -> None:
        self._report.expect(payload[self._id_field] not in self._sales, "11 a sale's id is new", envelope)
        check_totals(self._report, envelope)
        self._sales[payload[self._id_field]] = Sale(envelope)

    def _find(self, envelope: Envelope, sale_id: str) -> Sale | None:
        sale = self._sales.get(sale_id)
        self._report.expect(sale, "1 what belongs to a sale comes after it", envelope)
        if sale is not None:
            same = sale.created["session_id"] == envelope["session_id"]
            self._report.expect(same, "what belongs to a sale is of its visit or order", envelope)
        return sale

    def _pay(self, envelope: Envelope, payload: Row) -> None:
        expect = self._report.expect
        expect(payload["transaction_id"] not in self._transactions, "11 a transaction's id is new", envelope)
        self._transactions.add(payload["transaction_id"])
        sale = self._find(envelope, payload[self._id_field])
        if sale is None:
            return
        created = sale.created["payload"]
        expect(not sale.paid, "3 paid once", envelope)
        expect(payload["amount_cents"] == created["total_cents"], "3 the payment is the total", envelope)
        expect(payload["customer_id"] == created["customer_id"], "3 the customer pays", envelope)
        expect(payload["processing_time"] >= sale.created["ingest_timestamp"], "3 paid after the sale", envelope)
        expect(envelope["correlation_id"] == sale.created["correlation_id"], "correlation of the payment", envelope)
        expect(envelope["parent_event_id"] == payload[self._id_field], "the payment's parent", envelope)
        if payload["status"] == "APPROVED":
            expect(payload["payment_method"] == created["tender_type"], "3 paid as the sale says", envelope)
            expect(payload["payment_method"] not in sale.declined, "3 another tender after a declined one", envelope)
            sale.paid = True
        else:
            sale.declined.add(payload["payment_method"])
            expect(payload["payment_method"] != "CASH", "3 cash is not declined", envelope)

    def _move(self, envelope: Envelope, payload: Row) -> None:
        sale = self._find(envelope, payload["source"])
        if sale is not None:
            self._report.expect(sale.paid, "3 an unpaid sale moves no stock", envelope)
            self._report.expect(payload["quantity_delta"] < 0, "5 a sale takes stock away", envelope)
            sale.moved[payload["product_id"]] -= payload["quantity_delta"]

    def finish(self, last: str) -> None:
        for sale in self._sales.values():
            item_count = sale.created["payload"]["item_count"]
            complete = sale.paid and sale.moved.total() == item_count
            if complete:
                self._check(sale)
            else:
                self._report.expect(
                    seconds_between(sale.created["ingest_timestamp"], last) < _UNDER_WAY_SECONDS,
                    "1 3 5 a sale is paid and its goods are taken",
                    sale.created,
                )

    def _check(self, sale: Sale) -> None:
        raise AssertionError(sale)


class Receipts(Sales):
    types = ("receipt_created", "receipt_line_added", "promotion_applied", "payment_processed", "inventory_updated")

    def __init__(self, report: Report, reference: Reference | None) -> None:
        super().__init__(report, reference, "receipt_id")

    def see(self, envelope: Envelope, payload: Row) -> None:
        match envelope["event_type"]:
            case "receipt_created":
                self._create(envelope, payload)
            case "receipt_line_added":
                if sale := self._find(envelope, payload["receipt_id"]):
                    sale.lines.append(payload)
                    self._report.expect(payload["line_number"] == len(sale.lines), "1 line numbers 1…n", envelope)
                    self._report.expect(envelope["parent_event_id"] == payload["receipt_id"], "line's parent", envelope)
            case "promotion_applied":
                if sale := self._find(envelope, payload["receipt_id"]):
                    self._report.expect(sale.promotion is None, "4 one promotion a receipt", envelope)
                    sale.promotion = payload
            case "payment_processed" if payload["receipt_id"]:
                self._pay(envelope, payload)
            case "inventory_updated" if payload["reason"] == "SALE":
                self._move(envelope, payload)
            case "inventory_updated" if payload["reason"] == "RETURN":
                if sale := self._find(envelope, payload["source"]):
                    held = sale.moved[payload["product_id"]] >= payload["quantity_delta"] > 0
                    self._report.expect(held, "5 only what was sold comes back", envelope)

    def _check(self, sale: Sale) -> None:
        expect, created = self._report.expect, sale.created["payload"]
        expect(sum(line["quantity"] for line in sale.lines) == created["item_count"], "1 item_count", sale.created)
        extended = 0
        for line in sale.lines:
            line_cents = cents(line["extended_price"])
            extended += line_cents
            expect(line_cents == cents(line["unit_price"]) * line["quantity"], "2 extended price", line)
        expect(extended == created["gross_subtotal_cents"], "2 the lines make the gross subtotal", sale.created)
        moved = Counter[int]()
        for line in sale.lines:
            moved[line["product_id"]] += line["quantity"]
        expect(moved == sale.moved, "5 the lines leave the shelf", sale.created)
        self._check_promotion(sale)
        if self._reference:
            self._check_prices(sale, self._reference)

    def _check_promotion(self, sale: Sale) -> None:
        expect, created, promotion = self._report.expect, sale.created["payload"], sale.promotion
        coded = [line["product_id"] for line in sale.lines if line["promo_code"]]
        if promotion is None:
            expect(created["discount_cents"] == 0 and not coded, "4 no promotion, no discount", sale.created)
            return
        expect(promotion["discount_cents"] == created["discount_cents"], "4 the discount", promotion)
        expect(
            cents(promotion["discount_amount"]) == promotion["discount_cents"], "4 the discount's decimals", promotion
        )
        expect(promotion["product_ids"] == coded, "4 the lines it touched bear the code", promotion)
        expect(promotion["product_count"] == len(coded), "4 product_count", promotion)
        expect({line["promo_code"] for line in sale.lines} <= {None, promotion["promo_code"]}, "4 the code", promotion)
        expect(promotion["store_id"] == created["store_id"], "4 the store", promotion)
        expect(promotion["customer_id"] == created["customer_id"], "4 the customer", promotion)

    def _check_prices(self, sale: Sale, reference: Reference) -> None:
        created = sale.created["payload"]
        touched = sum(cents(line["extended_price"]) for line in sale.lines if line["promo_code"])
        taxable = 0.0
        for line in sale.lines:
            product = reference.products[line["product_id"]]
            self._report.expect(line["unit_price"] == product["price"], "2 the price is the product's", line)
            net = float(cents(line["extended_price"]))
            if line["promo_code"]:
                net -= created["discount_cents"] * net / touched
            taxable += net * product["taxability_percent"] / 100
        rate = reference.stores[created["store_id"]]["tax_rate_percent"] / 100
        off = abs(taxable * rate - created["tax_cents"])
        self._report.expect(off <= _TAX_ROUNDING_CENTS, "8 tax is the store's rate on what is taxable", sale.created)


class Orders(Sales):
    types = (
        "online_order_created",
        "payment_processed",
        "inventory_updated",
        "online_order_picked",
        "online_order_shipped",
    )

    def __init__(self, report: Report, reference: Reference | None) -> None:
        super().__init__(report, reference, "order_id")
        self._picked: set[str] = set()
        self._shipped: set[str] = set()

    def see(self, envelope: Envelope, payload: Row) -> None:
        match envelope["event_type"]:
            case "online_order_created":
                self._create(envelope, payload)
                node = {"SHIP_FROM_DC": "DC", "SHIP_FROM_STORE": "STORE", "BOPIS": "STORE"}
                fits = node[payload["fulfillment_mode"]] == payload["node_type"]
                self._report.expect(fits, "7 the mode fits the node", envelope)
            case "payment_processed" if payload["order_id"]:
                self._pay(envelope, payload)
            case "inventory_updated" if payload["reason"] == "ONLINE_ORDER":
                self._move(envelope, payload)
            case "online_order_picked":
                self._follow(envelope, payload, self._picked, "7 picked once")
            case "online_order_shipped":
                self._follow(envelope, payload, self._shipped, "7 shipped once")
                self._report.expect(payload["order_id"] in self._picked, "7 shipped after it was picked", envelope)
                self._report.expect(payload["fulfillment_mode"] != "BOPIS", "7 BOPIS is not shipped", envelope)

    def _follow(self, envelope: Envelope, payload: Row, seen: set[str], rule: str) -> None:
        self._report.expect(payload["order_id"] not in seen, rule, envelope)
        seen.add(payload["order_id"])
        sale = self._find(envelope, payload["order_id"])
        if sale is not None:
            created = sale.created["payload"]
            for name in ("node_type", "node_id", "fulfillment_mode"):
                self._report.expect(payload[name] == created[name], f"7 the order's {name}", envelope)
            if envelope["event_type"] == "online_order_shipped" or created["fulfillment_mode"] == "BOPIS":
                sale.fulfilled = envelope["ingest_timestamp"]

    def finish(self, last: str) -> None:
        super().finish(last)
        begun = [(sale, sale.created["ingest_timestamp"]) for sale in self._sales.values()]
        longest = max((seconds_between(at, sale.fulfilled) for sale, at in begun if sale.fulfilled), default=0.0)
        for sale, at in begun:
            forgotten = longest and not sale.fulfilled and seconds_between(at, last) > _FORGOTTEN * longest
            self._report.expect(not forgotten, "7 an order is picked and shipped", sale.created)

    def _check(self, sale: Sale) -> None:
        created = sale.created["payload"]
        if self._reference is None:
            return
        gross, taxable = 0, 0.0
        for product_id, quantity in sale.moved.items():
            product = self._reference.products[product_id]
            price = cents(product["price"]) * quantity
            gross += price
            taxable += price * product["taxability_percent"] / 100
        self._report.expect(
            gross == created["gross_subtotal_cents"], "2 the goods make the gross subtotal", sale.created
        )
        home = self._reference.customers[created["customer_id"]]["home_store_id"]
        rate = self._reference.stores[home]["tax_rate_percent"] / 100
        off = abs(taxable * rate - created["tax_cents"])
        self._report.expect(off <= _TAX_ROUNDING_CENTS, "8 tax is the home store's rate", sale.created)
