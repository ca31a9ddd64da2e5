"""Writes events down as drafts: all of the envelope but its trace id and its timestamp.

Those two are known only when an event takes its place in a burst. ``@`` in a draft's text stands for the timestamp;
no text that the world makes contains one. Types that nobody asked for are counted and not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streaming.retail import event_types as t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.retail.attribution import Attribution
    from streaming.retail.marketing import Campaign, Promotion
    from streaming.retail.sale import Totals

Draft = tuple[str, str, str]
"""Event type, partition key, and the text that follows the timestamp in the envelope."""

NOW: Final = "@"

HEADS: Final = {
    event_type: f'{{"event_type":"{event_type}","schema_version":"1.0","source":"retail-stream","trace_id":"'
    for event_type in t.EVENT_TYPES
}


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


class Frame:
    """What the envelopes of one journey have in common at one key: encoded once, used for many events."""

    __slots__ = ("key", "text")

    def __init__(
        self, key: str, session: str | None, parent: str | None = None, correlation: str | None = None
    ) -> None:
        self.key = key
        self.text = (
            f'"correlation_id":{quoted(correlation)},"partition_key":"{key}","session_id":{quoted(session)},'
            f'"parent_event_id":{quoted(parent)},"payload":{{'
        )


def _decimals(totals: Totals) -> str:
    return f'"subtotal":{money(totals.subtotal)},"tax":{money(totals.tax)},"total":{money(totals.total)}'


def _cents(totals: Totals) -> str:
    return (
        f'"gross_subtotal_cents":{totals.gross},"discount_cents":{totals.discount},'
        f'"subtotal_cents":{totals.subtotal},"tax_cents":{totals.tax},"total_cents":{totals.total}'
    )


class Scribe:
    """Collects the drafts of one district."""

    __slots__ = ("drafts", "dropped", "walks_wanted", "wanted")

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.dropped = 0
        self.wanted: frozenset[str]
        self.walks_wanted: bool
        """Whether anybody wants to know where shoppers are; if not, nobody needs to walk."""
        self.want(frozenset(t.EVENT_TYPES))

    def want(self, event_types: frozenset[str]) -> None:
        """Write these types from now on, and no others."""
        self.wanted = event_types
        self.walks_wanted = t.CUSTOMER_ZONE_CHANGED in event_types or t.BLE_PING_DETECTED in event_types

    def take(self) -> list[Draft]:
        drafts, self.drafts = self.drafts, []
        return drafts

    def write(self, event_type: str, frame: Frame, payload: str) -> None:
        self.drafts.append((event_type, frame.key, f"{frame.text}{payload}}}}}"))

    def wants(self, event_type: str) -> bool:
        """Whether to write it; if not, it counts as dropped."""
        if event_type in self.wanted:
            return True
        self.dropped += 1
        return False

    # Stores

    def customer_entered(self, frame: Frame, *, store_id: int, count: int, dwell_seconds: int) -> None:
        if self.wants(t.CUSTOMER_ENTERED):
            self.write(
                t.CUSTOMER_ENTERED,
                frame,
                f'"store_id":{store_id},"sensor_id":"sensor_{store_id}_entrance","zone":"ENTRANCE",'
                f'"customer_count":{count},"dwell_time":{dwell_seconds}',
            )

    def zone_changed(self, frame: Frame, *, store_id: int, ble: str, from_zone: str, to_zone: str) -> None:
        if self.wants(t.CUSTOMER_ZONE_CHANGED):
            self.write(
                t.CUSTOMER_ZONE_CHANGED,
                frame,
                f'"store_id":{store_id},"customer_ble_id":"{ble}","from_zone":"{from_zone}",'
                f'"to_zone":"{to_zone}","timestamp":"@"',
            )

    def ble_ping(self, frame: Frame, *, store_id: int, ble: str, zone: str, beacon: int, rssi: int) -> None:
        if self.wants(t.BLE_PING_DETECTED):
            self.write(
                t.BLE_PING_DETECTED,
                frame,
                f'"store_id":{store_id},"beacon_id":"beacon_{store_id}_{zone.lower()}_{beacon}",'
                f'"customer_ble_id":"{ble}","rssi":{rssi},"zone":"{zone}"',
            )

    def store_opened(self, frame: Frame, store_id: int) -> None:
        if self.wants(t.STORE_OPENED):
            self.write(t.STORE_OPENED, frame, f'"store_id":{store_id},"operation_time":"@","operation_type":"opened"')

    def store_closed(self, frame: Frame, store_id: int) -> None:
        if self.wants(t.STORE_CLOSED):
            self.write(t.STORE_CLOSED, frame, f'"store_id":{store_id},"operation_time":"@","operation_type":"closed"')

    # Sales

    def receipt_created(
        self,
        frame: Frame,
        *,
        store_id: int,
        customer_id: int,
        receipt_id: str,
        totals: Totals,
        tender: str,
        item_count: int,
        attribution: Attribution,
    ) -> None:
        if self.wants(t.RECEIPT_CREATED):
            self.write(
                t.RECEIPT_CREATED,
                frame,
                f'"store_id":{store_id},"customer_id":{customer_id},"receipt_id":"{receipt_id}",{_decimals(totals)},'
                f'"tender_type":"{tender}","item_count":{item_count},"campaign_id":{quoted(attribution.campaign_id)},'
                f'"impression_id":{quoted(attribution.impression_id)},{_cents(totals)}',
            )

    def receipt_line(
        self,
        frame: Frame,
        *,
        receipt_id: str,
        line: int,
        product_id: int,
        quantity: int,
        unit_cents: int,
        promo_code: str | None,
    ) -> None:
        if self.wants(t.RECEIPT_LINE_ADDED):
            self.write(
                t.RECEIPT_LINE_ADDED,
                frame,
                f'"receipt_id":"{receipt_id}","line_number":{line},"product_id":{product_id},"quantity":{quantity},'
                f'"unit_price":{money(unit_cents)},"extended_price":{money(unit_cents * quantity)},'
                f'"promo_code":{quoted(promo_code)}',
            )

    def promotion_applied(
        self,
        frame: Frame,
        *,
        receipt_id: str,
        promotion: Promotion,
        discount_cents: int,
        product_ids: Sequence[int],
        store_id: int,
        customer_id: int,
    ) -> None:
        if self.wants(t.PROMOTION_APPLIED):
            self.write(
                t.PROMOTION_APPLIED,
                frame,
                f'"receipt_id":"{receipt_id}","promo_code":"{promotion.code}","discount_amount":{money(discount_cents)},'
                f'"discount_cents":{discount_cents},"discount_type":"{promotion.discount_type}",'
                f'"product_count":{len(product_ids)},"product_ids":[{",".join(map(str, product_ids))}],'
                f'"store_id":{store_id},"customer_id":{customer_id}',
            )

    def payment_processed(
        self,
        frame: Frame,
        *,
        receipt_id: str | None,
        order_id: str | None,
        method: str,
        cents: int,
        transaction_id: str,
        milliseconds: int,
        decline_reason: str | None,
        store_id: int | None,
        customer_id: int,
    ) -> None:
        if self.wants(t.PAYMENT_PROCESSED):
            self.write(
                t.PAYMENT_PROCESSED,
                frame,
                f'"receipt_id":{quoted(receipt_id)},"order_id":{quoted(order_id)},"payment_method":"{method}",'
                f'"amount":{money(cents)},"amount_cents":{cents},"transaction_id":"{transaction_id}",'
                f'"processing_time":"@","processing_time_ms":{milliseconds},'
                f'"status":"{"DECLINED" if decline_reason else "APPROVED"}","decline_reason":{quoted(decline_reason)},'
                f'"store_id":{store_id or "null"},"customer_id":{customer_id}',
            )

    # Goods: ``node`` is the fragment that says whose stock it is, `"store_id":7,"dc_id":null`

    def inventory_updated(
        self, frame: Frame, *, node: str, product_id: int, delta: int, reason: str, source: str
    ) -> None:
        if self.wants(t.INVENTORY_UPDATED):
            self.write(
                t.INVENTORY_UPDATED,
                frame,
                f'{node},"product_id":{product_id},"quantity_delta":{delta},"reason":"{reason}","source":"{source}"',
            )

    def stockout_detected(self, frame: Frame, *, node: str, product_id: int, last_known_quantity: int) -> None:
        if self.wants(t.STOCKOUT_DETECTED):
            self.write(
                t.STOCKOUT_DETECTED,
                frame,
                f'{node},"product_id":{product_id},"last_known_quantity":{last_known_quantity},"detection_time":"@"',
            )

    def reorder_triggered(
        self, frame: Frame, *, node: str, product_id: int, current: int, quantity: int, point: int, priority: str
    ) -> None:
        if self.wants(t.REORDER_TRIGGERED):
            self.write(
                t.REORDER_TRIGGERED,
                frame,
                f'{node},"product_id":{product_id},"current_quantity":{current},"reorder_quantity":{quantity},'
                f'"reorder_point":{point},"priority":"{priority}"',
            )

    def truck_arrived(
        self, frame: Frame, *, truck_id: str, dc_id: int, store_id: int, shipment_id: str, minutes: int
    ) -> None:
        if self.wants(t.TRUCK_ARRIVED):
            self.write(
                t.TRUCK_ARRIVED,
                frame,
                f'"truck_id":"{truck_id}","dc_id":{dc_id},"store_id":{store_id},"shipment_id":"{shipment_id}",'
                f'"arrival_time":"@","estimated_unload_duration":{minutes}',
            )

    def truck_departed(
        self, frame: Frame, *, truck_id: str, dc_id: int, store_id: int, shipment_id: str, minutes: int
    ) -> None:
        if self.wants(t.TRUCK_DEPARTED):
            self.write(
                t.TRUCK_DEPARTED,
                frame,
                f'"truck_id":"{truck_id}","dc_id":{dc_id},"store_id":{store_id},"shipment_id":"{shipment_id}",'
                f'"departure_time":"@","actual_unload_duration":{minutes}',
            )

    # Online and advertising

    def ad_impression(
        self,
        frame: Frame,
        *,
        campaign: Campaign,
        creative: int,
        ad: str,
        impression_id: str,
        cents: int,
        device: str,
        customer_id: int,
    ) -> None:
        if self.wants(t.AD_IMPRESSION):
            self.write(
                t.AD_IMPRESSION,
                frame,
                f'"channel":"{campaign.channel}","campaign_id":"{campaign.campaign_id}",'
                f'"creative_id":"creative_{campaign.campaign_id[9:]}_{creative}",'
                f'"customer_ad_id":"{ad}","impression_id":"{impression_id}","cost":{money(cents)},'
                f'"device_type":"{device}","customer_id":{customer_id}',
            )

    def order_created(
        self,
        frame: Frame,
        *,
        order_id: str,
        customer_id: int,
        mode: str,
        node_type: str,
        node_id: int,
        item_count: int,
        totals: Totals,
        tender: str,
        attribution: Attribution,
    ) -> None:
        if self.wants(t.ONLINE_ORDER_CREATED):
            self.write(
                t.ONLINE_ORDER_CREATED,
                frame,
                f'"order_id":"{order_id}","customer_id":{customer_id},"fulfillment_mode":"{mode}",'
                f'"node_type":"{node_type}","node_id":{node_id},"item_count":{item_count},{_decimals(totals)},'
                f'"tender_type":"{tender}","campaign_id":{quoted(attribution.campaign_id)},"impression_id":{quoted(attribution.impression_id)},'
                f"{_cents(totals)}",
            )

    def order_moved(
        self, event_type: str, frame: Frame, *, order_id: str, node_type: str, node_id: int, mode: str
    ) -> None:
        """``event_type`` is picked or shipped."""
        if self.wants(event_type):
            self.write(
                event_type,
                frame,
                f'"order_id":"{order_id}","node_type":"{node_type}","node_id":{node_id},'
                f'"fulfillment_mode":"{mode}","{event_type[13:]}_time":"@"',
            )
