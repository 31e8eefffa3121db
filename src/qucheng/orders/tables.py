"""Intakes, order lines, refunds and flags.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db
from qucheng.orders.payment_tables import Payment, PaymentNotice, PaymentRefund, SalesLink, SalesLinkDay, SalesSetting

# of this room as well
__all__ = ["Payment", "PaymentNotice", "PaymentRefund", "SalesLink", "SalesLinkDay", "SalesSetting"]


class Intake(Table, tablename="intake", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    received_at = Timestamptz(default=None, null=False)
    accrued_at = Timestamptz(default=None, null=True)
    accrued_through = Integer(default=None, null=True)
    live = Boolean(default=None, null=False)
    open = Boolean(default=None, null=False)


class OrderLine(Table, tablename="order_line", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(primary_key=True, default=None)
    intake = Integer(default=None, null=False)
    source_row = Integer(default=None, null=False)
    paid_at = Timestamptz(default=None, null=False)
    paid_on = Date(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    sku = Text(default=None, null=False)
    quantity = Integer(default=None, null=False)
    gross_minor = BigInt(default=None, null=False)
    discount_minor = BigInt(default=None, null=False)
    net_minor = BigInt(default=None, null=False)
    buyer = Text(default=None, null=True)
    tier = Text(default=None, null=False)
    parent = Text(default=None, null=True)
    parent_tier = Text(default=None, null=True)
    grandparent = Text(default=None, null=True)
    grandparent_tier = Text(default=None, null=True)
    category = Text(default=None, null=False)
    cost_minor = BigInt(default=None, null=False)
    self_purchase = Boolean(default=None, null=False)
    hold_from = Text(default=None, null=False)


class Refund(Table, tablename="refund", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    refund_no = Text(primary_key=True, default=None)
    intake = Integer(default=None, null=False)
    source_row = Integer(default=None, null=False)
    refunded_at = Timestamptz(default=None, null=False)
    quantity = Integer(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)


class Fulfilment(Table, tablename="fulfilment", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    event = Text(default=None, null=False)
    at = Timestamptz(primary_key=True, default=None)
    intake = Integer(default=None, null=False)
    source_row = Integer(default=None, null=False)
    quantity = Integer(default=None, null=False)


class OrderFlag(Table, tablename="order_flag", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    code = Text(primary_key=True, default=None)


class Sale(Table, tablename="sale", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(primary_key=True, default=None)
    source = Text(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    placed_at = Timestamptz(default=None, null=False)
    paid_at = Timestamptz(default=None, null=False)
    stock_state = Text(default=None, null=False)
    phone_cipher = Bytea(default=None, null=True)
    phone_fingerprint = Bytea(default=None, null=True)
    mail_cipher = Bytea(default=None, null=True)
    mail_fingerprint = Bytea(default=None, null=True)
    placed_by = UUID(default=None, null=True)
    api_key = UUID(default=None, null=True)
    content_sha256 = Bytea(default=None, null=False)
