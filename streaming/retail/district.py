"""One distribution center, its stores and their customers: the unit that the world is simulated in.

A district knows nothing of the others. Its journeys are numbered in one sequence, its ids carry its number, and its
state moves as one piece when a stream is split over more or fewer shards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.retail.agenda import Agenda, Step
from streaming.retail.draws import Draws
from streaming.retail.local_time import local_time
from streaming.retail.pace import STAGED, Pace
from streaming.retail.places import region_of
from streaming.retail.scribe import Draft, Frame, Scribe
from streaming.retail.stockroom import dc_shelf, store_shelf
from streaming.retail.traffic import BUCKET_SECONDS, Traffic, is_closed_day, store_hours, traffic
from streaming.retail.trouble import Trouble

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from streaming.retail.assortment import Assortments
    from streaming.retail.disruption import Disruption
    from streaming.retail.places import DistributionCenter
    from streaming.retail.world import World

_NO_CLOSING = 1 << 62


class District:
    """The state of a district, which its journeys read and change."""

    __slots__ = (
        "_assortments",
        "_minute",
        "_traffic_key",
        "agenda",
        "backlog",
        "busy",
        "closes_at",
        "closing",
        "dc",
        "dispatching",
        "draws",
        "frames",
        "is_open",
        "number",
        "open_orders",
        "pace",
        "picks",
        "scribe",
        "shelf",
        "shelves",
        "shipments",
        "stores",
        "tag",
        "traffic",
        "trouble",
        "visitors",
        "world",
    )  # fmt: skip

    def __init__(
        self,
        world: World,
        assortments: Assortments,
        dc: DistributionCenter,
        *,
        stream: str,
        on_hand: Sequence[array[int]] | None = None,
    ) -> None:
        """``stream`` names the session or timeline; it is part of every id.

        ``on_hand`` is the stock of the center and then of each store; None when the world begins.
        """
        self.world = world
        self._assortments = assortments
        self.dc = dc
        self.stores = [world.stores[store_id - 1] for store_id in dc.store_ids]
        self.tag = f"{stream}-{dc.dc_id:x}"
        self.draws = Draws("journey", world.spec.seed, stream, dc.dc_id)
        self.scribe = Scribe()
        self.frames = [Frame(f"store_{store.store_id}", None) for store in self.stores]
        self.pace: Pace = STAGED
        self.trouble = Trouble()
        # What a checkpoint holds:
        self.number = 0
        self.agenda = Agenda()
        self.shelf = dc_shelf(world, dc, on_hand[0] if on_hand else None)
        self.shelves = [
            store_shelf(world, store, on_hand[index] if on_hand else None) for index, store in enumerate(self.stores, 1)
        ]
        self.is_open = [False] * len(self.stores)
        self.open_orders: list[list[tuple[int, int]]] = [[] for _ in self.stores]
        self.dispatching = [False] * len(self.stores)
        self.shipments: dict[int, list[tuple[int, int]]] = {}
        self.backlog: list[Draft] = []
        # What follows from it:
        self.busy: set[int] = set()
        self.visitors = [0] * len(self.stores)
        self.closing = [False] * len(self.stores)
        self.closes_at = [_NO_CLOSING] * len(self.stores)
        self.picks: list[list[int]] = []
        self._minute = -1
        self._traffic_key: tuple[int, tuple[Disruption, ...]] | None = None
        self.traffic: Traffic

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def later(self, ticks: int, step: Step, number: int, a: int, b: int = 0, c: int = 0) -> None:
        self.agenda.add(ticks, (step, number, a, b, c))

    def occupy(self) -> None:
        """After a restore: who is in which store follows from what is in flight."""
        for step, _, store, customer, _ in self.agenda:
            if step in {Step.ZONE, Step.CHECKOUT, Step.LEAVE}:
                self.busy.add(customer)
                self.visitors[store] += 1
            elif step == Step.RESPOND:
                self.busy.add(customer)

    # Time

    def set_time(self, second: int, disruptions: tuple[Disruption, ...]) -> None:
        """Bring opening hours and traffic up to ``second``; stores open and close now."""
        key = (second // BUCKET_SECONDS, disruptions)
        if key != self._traffic_key:
            self._set_traffic(second, disruptions)
            self._traffic_key = key
        minute = second // 60
        if minute != self._minute:
            self._open_and_close(second)
            self._minute = minute

    def _set_traffic(self, second: int, disruptions: tuple[Disruption, ...]) -> None:
        self.trouble.set(self.world, self.dc.dc_id, disruptions)
        month = self.traffic.month if self._traffic_key else 0
        self.traffic = traffic(
            seed=self.world.spec.seed,
            region=region_of(self.dc.dc_id),
            stores=self.stores,
            second=second,
            visitors_permille=self.trouble.visitors_permille(self.stores),
        )
        if self.traffic.month != month:
            self.picks = [self._assortments.picks(store.format, self.traffic.month) for store in self.stores]

    def _open_and_close(self, second: int) -> None:
        clock = local_time(region_of(self.dc.dc_id), second)
        closed_day = is_closed_day(clock.day)
        for index, store in enumerate(self.stores):
            hours = store_hours(store, closed_day=closed_day)
            should = hours.opens <= clock.minute < hours.closes
            self.closes_at[index] = (
                _NO_CLOSING if store.always_open else second - second % 60 + (hours.closes - clock.minute) * 60
            )
            if should and not self.is_open[index]:
                self.is_open[index] = True
                self.scribe.store_opened(self.frames[index], store.store_id)
            self.closing[index] = self.is_open[index] and not should
            self.close_if_empty(index)

    def close_if_empty(self, index: int) -> None:
        """Close a store that is due to close once nobody is in it."""
        if self.closing[index] and not self.visitors[index]:
            self.closing[index] = self.is_open[index] = False
            self.scribe.store_closed(self.frames[index], self.stores[index].store_id)

    def admits(self, index: int) -> bool:
        return self.is_open[index] and not self.closing[index]
