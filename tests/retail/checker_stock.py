"""Stock as a consumer can follow it: changes, reorders, stockouts and deliveries of every product at every node."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.retail.checker_report import Envelope, Report, Row

_Cell = tuple[int | None, int | None, int]


@dataclass(slots=True)
class Balance:
    """Relative to the unknown stock at the beginning, until a reorder or a stockout tells what it is."""

    now: int = 0
    least: int = 0
    before: int = 0
    known: bool = False
    point: int | None = None
    crossed: bool = False
    """A reorder is due, if the reorder point is known."""
    ran_out: bool = False
    """A stockout is due."""
    ordered: list[tuple[int, str]] = field(default_factory=list)
    """Quantities that are yet to come, and when each was ordered."""

    def learn(self, truth: int) -> bool:
        """The stock is ``truth`` now; whether that can be."""
        if self.known:
            return self.now == truth
        shift = truth - self.now
        self.now, self.least, self.before, self.known = truth, self.least + shift, self.before + shift, True
        return self.least >= 0


class Stock:
    types = ("inventory_updated", "reorder_triggered", "stockout_detected")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._cells: defaultdict[_Cell, Balance] = defaultdict(Balance)
        self._on_trucks: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        self._loaded_at: dict[str, str] = {}

    def see(self, envelope: Envelope, payload: Row) -> None:
        balance = self._cells[payload["store_id"], payload["dc_id"], payload["product_id"]]
        match envelope["event_type"]:
            case "inventory_updated":
                self._change(balance, envelope, payload)
            case "reorder_triggered":
                self._reorder(balance, envelope, payload)
            case _:
                self._stockout(balance, envelope, payload)

    def _change(self, balance: Balance, envelope: Envelope, payload: Row) -> None:
        expect, delta = self._report.expect, payload["quantity_delta"]
        expect(not balance.crossed, "5 a reorder when crossing the reorder point", envelope)
        expect(not balance.ran_out, "5 a stockout at zero", envelope)
        balance.before = balance.now
        balance.now += delta
        balance.least = min(balance.least, balance.now)
        if balance.known:
            expect(balance.now >= 0, "5 stock is never below zero", envelope)
            balance.ran_out = balance.now == 0 and delta < 0
            if balance.point is not None:
                balance.crossed = balance.now <= balance.point < balance.before
        match payload["reason"]:
            case "OUTBOUND_SHIPMENT":
                expect(payload["dc_id"] and delta < 0, "5 shipments leave a center", envelope)
                self._on_trucks[payload["source"]][payload["product_id"], -delta] += 1
                self._loaded_at.setdefault(payload["source"], envelope["ingest_timestamp"])
            case "INBOUND_SHIPMENT":
                expect(payload["store_id"] and delta > 0, "5 shipments reach a store", envelope)
                goods = self._on_trucks[payload["source"]]
                line = (payload["product_id"], delta)
                expect(goods[line] > 0, "5 a delivery brings what was loaded, once", envelope)
                goods[line] -= 1
                self._deliver(balance, envelope, delta, self._loaded_at.get(payload["source"], ""))
            case "SUPPLIER_DELIVERY":
                expect(payload["dc_id"] and delta > 0, "5 suppliers deliver to a center", envelope)
                self._deliver(balance, envelope, delta, envelope["ingest_timestamp"])
            case "RETURN":
                expect(payload["store_id"] and delta > 0, "5 returns come to a store", envelope)
            case _:
                expect(delta < 0, "5 everything else takes stock away", envelope)

    def _deliver(self, balance: Balance, envelope: Envelope, quantity: int, set_out: str) -> None:
        """Goods come because they were ordered before they set out, and in that quantity."""
        answered = next((order for order in balance.ordered if order[0] == quantity and order[1] < set_out), None)
        self._report.expect(answered, "5 a delivery answers a reorder before it", envelope)
        if answered:
            balance.ordered.remove(answered)

    def _reorder(self, balance: Balance, envelope: Envelope, payload: Row) -> None:
        expect, point = self._report.expect, payload["reorder_point"]
        expect(balance.learn(payload["current_quantity"]), "5 current_quantity is the running balance", envelope)
        expect(balance.now <= point < balance.before, "5 a reorder only when crossing the reorder point", envelope)
        expect(balance.point in {None, point}, "5 the reorder point stays", envelope)
        expect(balance.crossed or balance.point is None, "5 one reorder per crossing", envelope)
        balance.point, balance.crossed = point, False
        balance.ran_out = balance.now == 0
        balance.ordered.append((payload["reorder_quantity"], envelope["ingest_timestamp"]))

    def _stockout(self, balance: Balance, envelope: Envelope, payload: Row) -> None:
        expect = self._report.expect
        expect(balance.ran_out or not balance.known, "5 one stockout each time", envelope)
        expect(balance.learn(0), "5 a stockout only at zero", envelope)
        expect(payload["last_known_quantity"] == balance.before, "5 last_known_quantity", envelope)
        balance.ran_out = False

    def finish(self, _last: str) -> None:
        late = sum(balance.crossed or balance.ran_out for balance in self._cells.values())
        # One unfinished tick in each of a few districts.
        self._report.expect(late < 10, "5 reorders and stockouts follow at once", {"late": late})
