"""Pools, batches, cards and what is on record of them.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db
from qucheng.stock.secret_tables import (
    CardIntake,
    CardRejection,
    CardReveal,
    CardSecret,
    CardSetting,
    DataKey,
    DeliveryLink,
    TextMessage,
)

# of this room as well
__all__ = ["CardIntake", "CardRejection", "CardReveal", "CardSecret", "CardSetting", "DataKey", "DeliveryLink", "TextMessage"]


class Pool(Table, tablename="pool", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    reseller = Text(default=None, null=True)
    channel = Text(default=None, null=True)
    opened_at = Timestamptz(default=None, null=False)


class PoolSku(Table, tablename="pool_sku", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    sku = Text(default=None, null=False)
    pool = Integer(primary_key=True, default=None)
    low_level = Integer(default=None, null=True)
    borrow_quota = Integer(default=None, null=True)
    borrowed = Integer(default=None, null=False)


class Batch(Table, tablename="batch", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    sku = Text(default=None, null=False)
    source = Text(default=None, null=False)
    pool = Integer(default=None, null=False)
    quantity = Integer(default=None, null=False)
    face_value_minor = BigInt(default=None, null=True)
    note = Text(default=None, null=True)
    state = Text(default=None, null=False)
    earliest_expiry = Date(default=None, null=False)
    latest_expiry = Date(default=None, null=False)
    opened_by = UUID(default=None, null=True)
    opened_at = Timestamptz(default=None, null=False)
    released_at = Timestamptz(default=None, null=True)


class StockAct(Table, tablename="stock_act", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    at = Timestamptz(default=None, null=False)
    user_id = UUID(default=None, null=True)
    role = Text(default=None, null=False)
    network = Text(default=None, null=True)
    request_id = Text(default=None, null=True)
    note = Text(default=None, null=True)
    in_transaction = BigInt(default=None, null=False)


class Reservation(Table, tablename="reservation", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    sku = Text(default=None, null=False)
    units = Integer(default=None, null=False)
    pool = Integer(default=None, null=False)
    state = Text(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)
    until = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)
    order_no = Text(default=None, null=True)


class Card(Table, tablename="card", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    pool = Integer(default=None, null=False)
    changes = Integer(default=None, null=False)
    expires_on = Date(default=None, null=False)
    valid_until = Date(default=None, null=True)
    revealed_at = Timestamptz(default=None, null=True)
    reserved_until = Timestamptz(default=None, null=True)
    reservation = UUID(default=None, null=True)
    claim = UUID(default=None, null=True)
    borrowed = Boolean(default=None, null=False)
    state = Text(default=None, null=False)
    came_from = Text(default=None, null=True)
    sku = Text(default=None, null=False)
    order_no = Text(default=None, null=True)
    line_no = Text(default=None, null=True)
    void_reason = Text(default=None, null=True)


class CardEvent(Table, tablename="card_event", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(default=None, null=False)
    number = Integer(default=None, null=False)
    change = Integer(primary_key=True, default=None)
    act = UUID(default=None, null=False)
    from_pool = Integer(default=None, null=False)
    to_pool = Integer(default=None, null=False)
    from_state = Text(default=None, null=False)
    to_state = Text(default=None, null=False)
    order_no = Text(default=None, null=True)
    line_no = Text(default=None, null=True)


class StockLevel(Table, tablename="stock_level", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    pool = Integer(default=None, null=False)
    batch = Integer(primary_key=True, default=None)
    sku = Text(default=None, null=False)
    inactive = Integer(default=None, null=False)
    available = Integer(default=None, null=False)
    reserved = Integer(default=None, null=False)
    delivered = Integer(default=None, null=False)
    revealed = Integer(default=None, null=False)
    redeemed = Integer(default=None, null=False)
    frozen = Integer(default=None, null=False)
    void = Integer(default=None, null=False)
    came_in = Integer(default=None, null=False)
    moved_in = BigInt(default=None, null=False)
    moved_out = BigInt(default=None, null=False)


class Allocation(Table, tablename="allocation", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    act = UUID(default=None, null=False)
    sku = Text(default=None, null=False)
    from_pool = Integer(default=None, null=False)
    to_pool = Integer(primary_key=True, default=None)
    quantity = Integer(default=None, null=False)


class AllocationRequest(Table, tablename="allocation_request", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=True)
    sku = Text(default=None, null=False)
    quantity = Integer(default=None, null=False)
    note = Text(default=None, null=True)
    asked_by = UUID(default=None, null=False)
    asked_at = Timestamptz(default=None, null=False)
    state = Text(default=None, null=False)
    granted = Integer(default=None, null=True)
    act = UUID(default=None, null=True)
    answer = Text(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    decided_at = Timestamptz(default=None, null=True)


class LineNeed(Table, tablename="line_need", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    sku = Text(primary_key=True, default=None)
    each = Integer(default=None, null=False)


class StockCase(Table, tablename="stock_case", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    sku = Text(default=None, null=False)
    units = Integer(default=None, null=False)
    opened_at = Timestamptz(default=None, null=False)
    closed_at = Timestamptz(default=None, null=True)
    way = Text(default=None, null=True)
    substitute = Text(default=None, null=True)
    note = Text(default=None, null=True)
    closed_by = UUID(default=None, null=True)


class StockAlert(Table, tablename="stock_alert", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    pool = Integer(default=None, null=False)
    sku = Text(default=None, null=False)
    cards = Integer(default=None, null=False)
    expires_on = Date(default=None, null=True)
    raised_at = Timestamptz(default=None, null=False)
    cleared_at = Timestamptz(default=None, null=True)
