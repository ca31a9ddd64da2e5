"""Holds a stream of events to its contract, from the outside: plain envelopes in, violations out.

Knows the event contract and nothing of the generator; imports nothing of the product. Give it what a consumer has
read, a list of envelopes per partition, and the exported reference data if tax, prices and phones are to be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.retail.checker_contract import EVENT_TYPES, Contract
from tests.retail.checker_places import Attribution, Stores, Trucks, Visits
from tests.retail.checker_report import Report
from tests.retail.checker_sales import Orders, Receipts
from tests.retail.checker_stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.retail.checker_report import Envelope, Reference


def violations(
    partitions: Iterable[Sequence[Envelope]],
    *,
    reference: Reference | None = None,
    event_types: frozenset[str] = frozenset(EVENT_TYPES),
) -> list[str]:
    """What is wrong with a stream, read from its beginning; nothing, if it keeps its contract.

    ``event_types`` is what the stream was asked for. Only a stream of all types is held to what binds types together.
    Identical duplicates are allowed, as at-least-once delivery makes them. What is under way at the end is allowed.
    """
    report = Report()
    contract = Contract(report, event_types)
    stream: list[Envelope] = []
    for partition in partitions:
        stream += contract.first_deliveries(partition)
    stream.sort(key=lambda envelope: envelope["ingest_timestamp"])
    for envelope in stream:
        contract.check(envelope)
    if report.violations or event_types != frozenset(EVENT_TYPES):
        return report.violations
    _check_together(report, stream, reference)
    return report.violations


def _check_together(report: Report, stream: list[Envelope], reference: Reference | None) -> None:
    stores = Stores(report)
    receipts = Receipts(report, reference)
    orders = Orders(report, reference)
    stock = Stock(report)
    trucks = Trucks(report)
    visits = Visits(report, reference, stores)
    attribution = Attribution(report, reference)
    watchers: dict[str, list[Any]] = {event_type: [] for event_type in EVENT_TYPES}
    # Stores come first, so that an opening counts for what follows it, and trucks before the goods they bring.
    for watcher in (stores, trucks, visits, receipts, orders, attribution, stock):
        for event_type in watcher.types:
            watchers[event_type].append(watcher.see)
    for envelope in stream:
        for see in watchers[envelope["event_type"]]:
            see(envelope, envelope["payload"])
    if stream:
        last = stream[-1]["ingest_timestamp"]
        for watcher in (receipts, orders, visits, stock):
            watcher.finish(last)
