"""Runs a district: what is due happens, and new journeys begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.retail.advertising import Advertising
from streaming.retail.agenda import Step
from streaming.retail.orders import Orders
from streaming.retail.replenishment import Replenishment
from streaming.retail.till import Till
from streaming.retail.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.retail.disruption import Disruption
    from streaming.retail.district import District


class Life:
    """The journeys of one district."""

    __slots__ = ("_advertising", "_goods", "_handlers", "_orders", "_visits", "district")

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

    def set_time(self, second: int, disruptions: tuple[Disruption, ...]) -> None:
        """Bring the district up to ``second`` since the epoch, UTC, with the disruptions in force then."""
        self.district.set_time(second, disruptions)
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
        position = (draw[0] << 16 | draw[1]) * district.traffic.total >> 32
        purchase, browse, order, advert, _ = district.traffic.starts
        if position < purchase:
            begun = self._visits.purchase(number, draw)
        elif position < browse:
            begun = self._visits.browse(number, draw)
        elif position < order:
            self._orders.place(number, draw)
            begun = True
        elif position < advert:
            begun = False
        else:
            store = self._visits.choose_store(draw[2] << 16 | draw[3])
            begun = store is not None and self._goods.count_shelf(number, store, draw)
        if not begun:
            self._advertising.show(number)
