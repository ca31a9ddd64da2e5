"""Advertisements: shown to customers, of whom some buy because of it, in a store or online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.retail.agenda import Step
from streaming.retail.attribution import NO_ATTRIBUTION, SHOWN, attribution_of, campaign_of
from streaming.retail.draws import FULL, share_of
from streaming.retail.marketing import CREATIVES, DEVICES
from streaming.retail.people import ad_id
from streaming.retail.scribe import Frame

if TYPE_CHECKING:
    from streaming.retail.district import District
    from streaming.retail.orders import Orders
    from streaming.retail.visits import Visits

_RESPONSE: Final = 49
"""The stage of an impression's draws after SHOWN."""

_RESPONDING: Final = FULL * 8 // 100
_ONLINE: Final = FULL * 4 // 10
_TIME_FOR_A_VISIT_SECONDS: Final = 900


class Advertising:
    """The advertisements shown to one district's customers."""

    __slots__ = ("_d", "_orders", "_visits")

    def __init__(self, district: District, visits: Visits, orders: Orders) -> None:
        self._d = district
        self._visits = visits
        self._orders = orders

    def show(self, number: int) -> None:
        """Show an advertisement to a customer; one in a dozen is about to buy because of it."""
        district = self._d
        draw = district.draws.block(number, SHOWN)
        home = share_of(draw[1], len(district.stores))
        customer = self._visits.choose_customer(home, draw[2], FULL)
        responds = customer is not None and draw[3] < _RESPONDING
        if customer is None:
            customers = district.world.customers
            customer = customers.at(customers.pool(district.stores[home].store_id)[0])
        campaign = campaign_of(district, draw)
        journey = attribution_of(district, number) if responds else NO_ATTRIBUTION
        low, high = campaign.cost_cents
        district.scribe.ad_impression(
            Frame(campaign.campaign_id, None, None, journey.correlation_id),
            campaign=campaign,
            creative=1 + share_of(draw[4], CREATIVES),
            ad=ad_id(customer),
            impression_id=f"impression_{district.tag}-{number:x}",
            cents=low + share_of(draw[5], high - low + 1),
            device=DEVICES[share_of(draw[6], len(DEVICES))],
            customer_id=customer,
        )
        if responds:
            # Busy from now on, so that no other visit is begun that would overlap with the one to come.
            district.busy.add(customer)
            after = 300 + share_of(draw[7], 3_300)
            district.later(district.pace.visit_ticks(after), Step.RESPOND, number, home, customer)

    def respond(self, number: int, home: int, customer: int, _: int) -> None:
        """Go to the store, if it is open long enough, or order online."""
        district = self._d
        draw = district.draws.block(number, _RESPONSE)
        time_left = district.closes_at[home] - district.agenda.tick
        if draw[0] >= _ONLINE and district.admits(home) and time_left > _TIME_FOR_A_VISIT_SECONDS:
            self._visits.enter(number, home, customer, draw, attributed=True)
        else:
            district.busy.discard(customer)
            self._orders.create(number, home, customer, attribution_of(district, number))
