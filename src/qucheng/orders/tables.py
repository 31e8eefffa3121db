"""Intakes, order lines, refunds and flags.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Intake(Table, tablename="intake", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    received_at = Timestamptz(default=None, null=False)
    accrued_at = Timestamptz(default=None, null=True)
    accrued_through = Integer(default=None, null=True)


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


class OrderFlag(Table, tablename="order_flag", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    code = Text(primary_key=True, default=None)
