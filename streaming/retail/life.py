"""Runs a district: what is due happens, and new journeys begin."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from streaming.retail import event_types as t
from streaming.retail.advertising import Advertising
from streaming.retail.agenda import Step
from streaming.retail.orders import Orders
from streaming.retail.replenishment import Replenishment
from streaming.retail.till import Till
from streaming.retail.traffic import Start
from streaming.retail.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.retail.disruption import Disruption
    from streaming.retail.district import District


_GOODS = {t.INVENTORY_UPDATED, t.STOCKOUT_DETECTED, t.REORDER_TRIGGERED, t.TRUCK_ARRIVED, t.TRUCK_DEPARTED}
_SHOPPERS = {t.CUSTOMER_ENTERED, t.CUSTOMER_ZONE_CHANGED, t.BLE_PING_DETECTED}
_RECEIPTS = {t.RECEIPT_CREATED, t.RECEIPT_LINE_ADDED, t.PROMOTION_APPLIED, t.PAYMENT_PROCESSED}
_ORDERS = {t.ONLINE_ORDER_CREATED, t.ONLINE_ORDER_PICKED, t.ONLINE_ORDER_SHIPPED, t.PAYMENT_PROCESSED}
_LEADS_TO = {
    Start.PURCHASE: _SHOPPERS | _RECEIPTS | _GOODS,
    Start.BROWSE: _SHOPPERS,
    Start.ORDER: _ORDERS | _GOODS,
    Start.ADVERT: {t.AD_IMPRESSION} | _RECEIPTS | _ORDERS,
    Start.COUNT: _GOODS,
}
"""What comes of each start, so that a stream of few types is not made of journeys that nobody sees."""


class Life:
    """The journeys of one district."""

    __slots__ = ("_advertising", "_goods", "_handlers", "_kinds", "_orders", "_starts", "_visits", "district")

    def __init__(self, district: District) -> None:
        self.district = district
        self._goods = goods = Replenishment(district)
        till = Till(district, goods)
        self._visits = visits = Visits(district, till)
        self._orders = orders = Orders(district, goods)
        self._advertising = advertising = Advertising(district, visits, orders)
        handlers: dict[Step, Callable[[int, int, int, int], None]] = {
            Step.ZONE: visits.walk,
            Step.CHECKOUT: visits.check_out,
            Step.LEAVE: visits.leave,
            Step.RESPOND: advertising.respond,
            Step.PICK: orders.pick,
            Step.SHIP: orders.ship,
            Step.RETURN: till.take_back,
            Step.DISPATCH: goods.dispatch,
            Step.ARRIVE: goods.arrive,
            Step.UNLOAD: goods.unload,
            Step.SUPPLY: goods.supply,
        }
        self._handlers = tuple(handlers[step] for step in Step)
        self._kinds = frozenset(Start)
        self._starts: tuple[int, ...] = ()

    def want(self, event_types: frozenset[str]) -> None:
        """Write these types from now on, and begin only what leads to them, if anything does. Before ``set_time``."""
        self.district.scribe.want(event_types)
        self._kinds = frozenset(kind for kind in Start if _LEADS_TO[kind] & event_types) or frozenset(Start)

    def set_time(self, second: int, disruptions: tuple[Disruption, ...]) -> None:
        """Bring the district up to ``second`` since the epoch, UTC, with the disruptions in force then."""
        self.district.set_time(second, disruptions)
        starts = (0, *self.district.traffic.starts)
        self._starts = tuple(accumulate(starts[k + 1] - starts[k] if k in self._kinds else 0 for k in Start))
        if disruptions:
            self._goods.strike_shortages()

    def tick(self, starts: int) -> None:
        """Let one tick pass, in which ``starts`` journeys begin."""
        handlers = self._handlers
        for step, number, a, b, c in self.district.agenda.advance():
            handlers[step](number, a, b, c)
        for _ in range(starts):
            self._start()

    def _start(self) -> None:
        """Begin whatever the traffic says; an advertisement, if what it says can't be now."""
        district = self.district
        number = district.next_number()
        draw = district.draws.block(number)
        purchase, browse, order, advert, count = self._starts
        position = (draw[0] << 16 | draw[1]) * count >> 32
        if position < purchase:
            begun = self._visits.purchase(number, draw)
        elif position < browse:
            begun = self._visits.browse(number, draw)
        elif position < order:
            self._orders.place(number, draw)
            begun = True
        elif position < advert or position == count:
            begun = False
        else:
            store = self._visits.choose_store(draw[2] << 16 | draw[3])
            begun = store is not None and self._goods.count_shelf(number, store, draw)
        if not begun:
            self._advertising.show(number)
