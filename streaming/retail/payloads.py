"""The event contract as models: for validation, OpenAPI and the docs. Events themselves are written by the scribe."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streaming.retail import event_types as t

if TYPE_CHECKING:
    from collections.abc import Mapping

Id = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(gt=0)]
Quantity = Annotated[int, Field(ge=0)]
Cents = Annotated[int, Field(ge=0)]
Money = Annotated[float, Field(ge=0)]
"""With two decimals, to the cent."""
NodeType = Literal["STORE", "DC"]
FulfillmentMode = Literal["SHIP_FROM_STORE", "SHIP_FROM_DC", "BOPIS"]


class Payload(BaseModel):
    """What all payloads share: no field is left out, none is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _AtNode(Payload):
    """Stock is a store's or a distribution center's."""

    store_id: Id | None
    dc_id: Id | None

    @model_validator(mode="after")
    def _one_node(self) -> Self:
        if (self.store_id is None) == (self.dc_id is None):
            raise ValueError("exactly one of store_id and dc_id is null")
        return self


class _Totals(Payload):
    subtotal: Money
    tax: Money
    total: Money
    gross_subtotal_cents: Cents
    discount_cents: Cents
    subtotal_cents: Cents
    tax_cents: Cents
    total_cents: Cents

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.gross_subtotal_cents - self.discount_cents != self.subtotal_cents:
            raise ValueError("gross_subtotal_cents - discount_cents is subtotal_cents")
        if self.subtotal_cents + self.tax_cents != self.total_cents:
            raise ValueError("subtotal_cents + tax_cents is total_cents")
        for decimal, cents in (
            (self.subtotal, self.subtotal_cents),
            (self.tax, self.tax_cents),
            (self.total, self.total_cents),
        ):
            if round(decimal * 100) != cents:
                raise ValueError("the decimals agree with the cents")
        return self


class ReceiptCreated(_Totals):
    store_id: Id
    customer_id: Id
    receipt_id: Text
    tender_type: Text
    item_count: Count
    campaign_id: Text | None
    impression_id: Text | None


class ReceiptLineAdded(Payload):
    receipt_id: Text
    line_number: Count
    product_id: Id
    quantity: Count
    unit_price: Money
    extended_price: Money
    promo_code: Text | None


class PaymentProcessed(Payload):
    receipt_id: Text | None
    order_id: Text | None
    payment_method: Text
    amount: Money
    amount_cents: Cents
    transaction_id: Text
    processing_time: datetime
    processing_time_ms: Count
    status: Literal["APPROVED", "DECLINED"]
    decline_reason: Text | None
    store_id: Id | None
    customer_id: Id

    @model_validator(mode="after")
    def _one_sale(self) -> Self:
        if (self.receipt_id is None) == (self.order_id is None):
            raise ValueError("exactly one of receipt_id and order_id is null")
        return self


class InventoryUpdated(_AtNode):
    product_id: Id
    quantity_delta: int
    reason: Literal[
        "SALE",
        "ONLINE_ORDER",
        "RETURN",
        "INBOUND_SHIPMENT",
        "OUTBOUND_SHIPMENT",
        "SUPPLIER_DELIVERY",
        "DAMAGED",
        "LOST",
    ]
    source: Text
    """The receipt, order, shipment, delivery, count or shortage that caused it."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.quantity_delta == 0:
            raise ValueError("quantity_delta is not 0")
        return self


class StockoutDetected(_AtNode):
    product_id: Id
    last_known_quantity: Count
    """What there was before the last of it went."""
    detection_time: datetime


class ReorderTriggered(_AtNode):
    product_id: Id
    current_quantity: Quantity
    reorder_quantity: Count
    reorder_point: Count
    priority: Literal["NORMAL", "HIGH", "URGENT"]


class CustomerEntered(Payload):
    store_id: Id
    sensor_id: Text
    zone: Text
    customer_count: Count
    dwell_time: Count
    """Seconds that the visit takes by the store's clock; live streams show it compressed."""


class CustomerZoneChanged(Payload):
    store_id: Id
    customer_ble_id: Text
    from_zone: Text
    to_zone: Text
    timestamp: datetime


class BlePingDetected(Payload):
    store_id: Id
    beacon_id: Text
    customer_ble_id: Text
    rssi: Annotated[int, Field(ge=-120, le=0)]
    zone: Text


class _Truck(Payload):
    truck_id: Annotated[str, Field(pattern=r"\d$")]
    dc_id: Id
    store_id: Id
    shipment_id: Text


class TruckArrived(_Truck):
    arrival_time: datetime
    estimated_unload_duration: Count
    """Minutes."""


class TruckDeparted(_Truck):
    departure_time: datetime
    actual_unload_duration: Count
    """Minutes."""


class StoreOpened(Payload):
    store_id: Id
    operation_time: datetime
    operation_type: Literal["opened"]


class StoreClosed(Payload):
    store_id: Id
    operation_time: datetime
    operation_type: Literal["closed"]


class AdImpression(Payload):
    channel: Text
    campaign_id: Text
    creative_id: Text
    customer_ad_id: Text
    impression_id: Text
    cost: Money
    device_type: Text
    customer_id: Id


class PromotionApplied(Payload):
    receipt_id: Text
    promo_code: Text
    discount_amount: Money
    discount_cents: Cents
    discount_type: Literal["PERCENTAGE", "FIXED_AMOUNT", "BOGO"]
    product_count: Count
    product_ids: Annotated[tuple[Id, ...], Field(min_length=1)]
    store_id: Id
    customer_id: Id


class OnlineOrderCreated(_Totals):
    order_id: Text
    customer_id: Id
    fulfillment_mode: FulfillmentMode
    node_type: NodeType
    node_id: Id
    item_count: Count
    tender_type: Text
    campaign_id: Text | None
    impression_id: Text | None


class _OrderMoved(Payload):
    order_id: Text
    node_type: NodeType
    node_id: Id
    fulfillment_mode: FulfillmentMode


class OnlineOrderPicked(_OrderMoved):
    picked_time: datetime


class OnlineOrderShipped(_OrderMoved):
    shipped_time: datetime


PAYLOADS: Final[Mapping[str, type[Payload]]] = MappingProxyType(
    {
        t.RECEIPT_CREATED: ReceiptCreated,
        t.RECEIPT_LINE_ADDED: ReceiptLineAdded,
        t.PAYMENT_PROCESSED: PaymentProcessed,
        t.INVENTORY_UPDATED: InventoryUpdated,
        t.STOCKOUT_DETECTED: StockoutDetected,
        t.REORDER_TRIGGERED: ReorderTriggered,
        t.CUSTOMER_ENTERED: CustomerEntered,
        t.CUSTOMER_ZONE_CHANGED: CustomerZoneChanged,
        t.BLE_PING_DETECTED: BlePingDetected,
        t.TRUCK_ARRIVED: TruckArrived,
        t.TRUCK_DEPARTED: TruckDeparted,
        t.STORE_OPENED: StoreOpened,
        t.STORE_CLOSED: StoreClosed,
        t.AD_IMPRESSION: AdImpression,
        t.PROMOTION_APPLIED: PromotionApplied,
        t.ONLINE_ORDER_CREATED: OnlineOrderCreated,
        t.ONLINE_ORDER_PICKED: OnlineOrderPicked,
        t.ONLINE_ORDER_SHIPPED: OnlineOrderShipped,
    }
)
"""The model of each event type's payload."""

AnyPayload = (
    ReceiptCreated
    | ReceiptLineAdded
    | PaymentProcessed
    | InventoryUpdated
    | StockoutDetected
    | ReorderTriggered
    | CustomerEntered
    | CustomerZoneChanged
    | BlePingDetected
    | TruckArrived
    | TruckDeparted
    | StoreOpened
    | StoreClosed
    | AdImpression
    | PromotionApplied
    | OnlineOrderCreated
    | OnlineOrderPicked
    | OnlineOrderShipped
)


class Envelope(BaseModel):
    """One event as consumers read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: Literal[
        "receipt_created",
        "receipt_line_added",
        "payment_processed",
        "inventory_updated",
        "stockout_detected",
        "reorder_triggered",
        "customer_entered",
        "customer_zone_changed",
        "ble_ping_detected",
        "truck_arrived",
        "truck_departed",
        "store_opened",
        "store_closed",
        "ad_impression",
        "promotion_applied",
        "online_order_created",
        "online_order_picked",
        "online_order_shipped",
    ]
    payload: AnyPayload
    trace_id: Text
    ingest_timestamp: Annotated[datetime, Field(json_schema_extra={"pattern": r"\.\d{6}Z$"})]
    schema_version: Literal["1.0"]
    source: Literal["retail-stream"]
    correlation_id: Text | None
    partition_key: Annotated[str, Field(pattern=r"^(store|dc|campaign|order)_.+$")]
    session_id: Text | None
    parent_event_id: Text | None

    @model_validator(mode="after")
    def _payload_of_its_type(self) -> Self:
        if type(self.payload) is not PAYLOADS[self.event_type]:
            raise ValueError(f"the payload is not that of a {self.event_type}")
        return self
