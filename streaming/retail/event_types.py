"""The eighteen types of event, by the names that consumers' tables have."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RECEIPT_CREATED: Final = "receipt_created"
RECEIPT_LINE_ADDED: Final = "receipt_line_added"
PAYMENT_PROCESSED: Final = "payment_processed"
INVENTORY_UPDATED: Final = "inventory_updated"
STOCKOUT_DETECTED: Final = "stockout_detected"
REORDER_TRIGGERED: Final = "reorder_triggered"
CUSTOMER_ENTERED: Final = "customer_entered"
CUSTOMER_ZONE_CHANGED: Final = "customer_zone_changed"
BLE_PING_DETECTED: Final = "ble_ping_detected"
TRUCK_ARRIVED: Final = "truck_arrived"
TRUCK_DEPARTED: Final = "truck_departed"
STORE_OPENED: Final = "store_opened"
STORE_CLOSED: Final = "store_closed"
AD_IMPRESSION: Final = "ad_impression"
PROMOTION_APPLIED: Final = "promotion_applied"
ONLINE_ORDER_CREATED: Final = "online_order_created"
ONLINE_ORDER_PICKED: Final = "online_order_picked"
ONLINE_ORDER_SHIPPED: Final = "online_order_shipped"

DESCRIPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        RECEIPT_CREATED: "A sale at a store's till, with its totals; its lines, payment and promotion follow.",
        RECEIPT_LINE_ADDED: "One product on a receipt, with its quantity and its price before any discount.",
        PAYMENT_PROCESSED: "A tender for a receipt or an online order, approved or declined.",
        INVENTORY_UPDATED: "The stock of a product at a store or distribution center went up or down.",
        STOCKOUT_DETECTED: "A product has just run out at a store or distribution center.",
        REORDER_TRIGGERED: "Stock has fallen to the reorder point, and more was ordered.",
        CUSTOMER_ENTERED: "The sensor at a store's entrance counted one or more people coming in.",
        CUSTOMER_ZONE_CHANGED: "A shopper with the store's app walked from one zone to another.",
        BLE_PING_DETECTED: "A Bluetooth beacon heard a shopper's phone.",
        TRUCK_ARRIVED: "A truck from a distribution center reached a store.",
        TRUCK_DEPARTED: "A truck has been unloaded and left the store.",
        STORE_OPENED: "A store opened its doors.",
        STORE_CLOSED: "A store closed its doors, after the last shopper had left.",
        AD_IMPRESSION: "A customer was shown an advertisement of a campaign.",
        PROMOTION_APPLIED: "A promotion code took its discount off a receipt.",
        ONLINE_ORDER_CREATED: "An online order was placed, with its totals and the node that will fulfil it.",
        ONLINE_ORDER_PICKED: "The goods of an online order were picked at its node.",
        ONLINE_ORDER_SHIPPED: "An online order left its node.",
    }
)

EVENT_TYPES: Final[tuple[str, ...]] = tuple(DESCRIPTIONS)
