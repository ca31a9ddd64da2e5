"""Online orders: placed, paid, picked and shipped, from a store or from the distribution center."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.retail import event_types as t
from streaming.retail.agenda import Step
from streaming.retail.attribution import NO_ATTRIBUTION
from streaming.retail.disruption import DisruptionType
from streaming.retail.draws import share_of
from streaming.retail.sale import QUANTITIES, Line, Totals, choose_tenders, gross_cents, processing_ms, tax_cents
from streaming.retail.scribe import Frame

if TYPE_CHECKING:
    from streaming.retail.attribution import Attribution
    from streaming.retail.district import District
    from streaming.retail.replenishment import Replenishment

# Stages of an order's draws.
_ORDER: Final = 32
_FULFIL: Final = 33

MODES: Final = ("SHIP_FROM_STORE", "SHIP_FROM_DC", "BOPIS")
_FROM_STORE, _FROM_DC, _BOPIS = range(3)
_MODE_OF_TENTH: Final = (_FROM_STORE,) * 6 + (_FROM_DC,) * 3 + (_BOPIS,)
_CENTER: Final = -1
"""The node of what the distribution center fulfils; other nodes are indices of stores."""
_HOUR: Final = 3_600
_FIRST_LINE: Final = 10
_MOST_LINES: Final = 6


class Orders:
    """The online orders of one district."""

    __slots__ = ("_d", "_goods")

    def __init__(self, district: District, replenishment: Replenishment) -> None:
        self._d = district
        self._goods = replenishment

    def place(self, number: int, draw: tuple[int, ...]) -> None:
        """Let any customer of the district order something."""
        district = self._d
        home = share_of(draw[2], len(district.stores))
        customers = district.world.customers
        first, size = customers.pool(district.stores[home].store_id)
        self.create(number, home, customers.at(first + (draw[3] * size >> 16)), NO_ATTRIBUTION)

    def create(self, number: int, home: int, customer: int, attribution: Attribution) -> None:
        """Create the order of ``customer``, whose nearest store is ``home``; nothing, if nobody has the goods."""
        district = self._d
        draw = district.draws.block(number, _ORDER)
        mode = _MODE_OF_TENTH[share_of(draw[0], 10)]
        if mode != _FROM_DC and not district.admits(home):
            mode = _FROM_DC
        node = _CENTER if mode == _FROM_DC else home
        lines = self._fill(node, home, draw)
        if not lines and node != _CENTER:
            mode, node = _FROM_DC, _CENTER
            lines = self._fill(node, home, draw)
        if not lines:
            return
        products = district.world.products
        order = f"order_{district.tag}-{number:x}"
        store = district.stores[home]
        node_type, node_id = self._named(node)
        totals = Totals(
            gross=gross_cents(products, lines),
            discount=0,
            tax=tax_cents(products, lines, None, store.tax_basis_points),
        )
        tenders = choose_tenders(draw[4], draw[5], draw[6], online=True)
        district.scribe.order_created(
            Frame(order, order, None, attribution.correlation_id),
            order_id=order,
            customer_id=customer,
            mode=MODES[mode],
            node_type=node_type,
            node_id=node_id,
            item_count=sum(line.quantity for line in lines),
            totals=totals,
            tender=tenders.approved,
            attribution=attribution,
        )
        paying = Frame(order, order, order, attribution.correlation_id)
        for attempt, (method, reason) in enumerate(tenders.attempts(), 1):
            district.scribe.payment_processed(
                paying,
                receipt_id=None,
                order_id=order,
                method=method,
                cents=totals.total,
                transaction_id=f"txn_{district.tag}-{number:x}-{attempt}",
                milliseconds=processing_ms(method, draw[7]),
                decline_reason=reason,
                store_id=None,
                customer_id=customer,
            )
        self._reserve(node, lines, order)
        pick = _HOUR // 2 + share_of(district.draws.block(number, _FULFIL)[0], 3 * _HOUR)
        district.later(district.pace.lead_ticks(pick), Step.PICK, number, node, mode)

    def _fill(self, node: int, home: int, draw: tuple[int, ...]) -> list[Line]:
        """What is ordered and the node has."""
        district = self._d
        wanted: dict[int, int] = {}
        for pick in draw[_FIRST_LINE : _FIRST_LINE + 1 + share_of(draw[1], _MOST_LINES)]:
            product = district.picks[home][pick >> 3]
            wanted[product] = wanted.get(product, 0) + QUANTITIES[pick & 7]
        on_hand = district.shelf.on_hand if node == _CENTER else district.shelves[node].on_hand
        return [
            Line(product, min(quantity, on_hand[product])) for product, quantity in wanted.items() if on_hand[product]
        ]

    def _reserve(self, node: int, lines: list[Line], order: str) -> None:
        """Take the goods out of the node's stock; those events keep the order of the node's other stock events."""
        if node == _CENTER:
            frame = Frame(f"dc_{self._d.dc.dc_id}", order, order)
            for line in lines:
                self._goods.take_from_center(
                    frame, product=line.product, quantity=line.quantity, reason="ONLINE_ORDER", source=order
                )
        else:
            frame = Frame(f"store_{self._d.stores[node].store_id}", order, order)
            for line in lines:
                self._goods.take_from_store(
                    node, frame, product=line.product, quantity=line.quantity, reason="ONLINE_ORDER", source=order
                )

    def _named(self, node: int) -> tuple[str, int]:
        return ("DC", self._d.dc.dc_id) if node == _CENTER else ("STORE", self._d.stores[node].store_id)

    def pick(self, number: int, node: int, mode: int, _: int) -> None:
        """Pick the goods; what is collected by the customer needs no shipping."""
        district = self._d
        if node == _CENTER and self._held_up(number):
            district.later(district.pace.lead_ticks(2 * _HOUR), Step.PICK, number, node, mode)
            return
        self._moved(t.ONLINE_ORDER_PICKED, number, node, mode)
        if mode != _BOPIS:
            ship = _HOUR + share_of(district.draws.block(number, _FULFIL)[1], 7 * _HOUR)
            district.later(district.pace.lead_ticks(ship), Step.SHIP, number, node, mode)

    def ship(self, number: int, node: int, mode: int, _: int) -> None:
        district = self._d
        if node == _CENTER and self._held_up(number):
            district.later(district.pace.lead_ticks(2 * _HOUR), Step.SHIP, number, node, mode)
            return
        self._moved(t.ONLINE_ORDER_SHIPPED, number, node, mode)

    def _held_up(self, number: int) -> bool:
        """Whether an outage of the distribution center stops the order for now."""
        district = self._d
        return district.trouble.any and district.trouble.hits(
            DisruptionType.DC_OUTAGE, district.draws.block(number, district.agenda.tick & 0x7FFF)[3]
        )

    def _moved(self, event_type: str, number: int, node: int, mode: int) -> None:
        order = f"order_{self._d.tag}-{number:x}"
        node_type, node_id = self._named(node)
        self._d.scribe.order_moved(
            event_type,
            Frame(order, order, order),
            order_id=order,
            node_type=node_type,
            node_id=node_id,
            mode=MODES[mode],
        )
