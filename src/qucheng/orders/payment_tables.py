"""Links of resellers, and what buyers pay online.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class SalesSetting(Table, tablename="sales_setting", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(primary_key=True, default=None)
    manual_sale = Text(default=None, null=False)
    manual_daily_minor = BigInt(default=None, null=True)
    provider = Text(default=None, null=False)
    changed_at = Timestamptz(default=None, null=False)
    changed_by = UUID(default=None, null=True)


class SalesLink(Table, tablename="sales_link", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    code = Text(default=None, null=False)
    name = Text(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    sku = Text(default=None, null=True)
    active = Boolean(default=None, null=False)
    created_at = Timestamptz(default=None, null=False)
    created_by = UUID(default=None, null=True)
    expires_at = Timestamptz(default=None, null=True)


class SalesLinkDay(Table, tablename="sales_link_day", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    link = UUID(default=None, null=False)
    day = Date(primary_key=True, default=None)
    views = Integer(default=None, null=False)
    orders = Integer(default=None, null=False)


class Payment(Table, tablename="payment", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    order_no = Text(default=None, null=False)
    provider = Text(default=None, null=False)
    state = Text(default=None, null=False)
    link = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    sku = Text(default=None, null=False)
    quantity = Integer(default=None, null=False)
    unit_minor = BigInt(default=None, null=False)
    gross_minor = BigInt(default=None, null=False)
    currency = Text(default=None, null=False)
    phone_cipher = Bytea(default=None, null=False)
    phone_mark = Bytea(default=None, null=False)
    mail_cipher = Bytea(default=None, null=True)
    locale = Text(default=None, null=False)
    reservation = UUID(default=None, null=True)
    created_at = Timestamptz(default=None, null=False)
    good_until = Timestamptz(default=None, null=False)
    pay_address = Text(default=None, null=True)
    provider_no = Text(default=None, null=True)
    asked_at = Timestamptz(default=None, null=True)
    paid_at = Timestamptz(default=None, null=True)
    placed_at = Timestamptz(default=None, null=True)
    problem = Text(default=None, null=True)


class PaymentNotice(Table, tablename="payment_notice", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    provider = Text(default=None, null=False)
    notice = Text(primary_key=True, default=None)
    payment = UUID(default=None, null=False)
    kind = Text(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    currency = Text(default=None, null=False)
    received_at = Timestamptz(default=None, null=False)
    effect = Text(default=None, null=False)


class PaymentRefund(Table, tablename="payment_refund", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    payment = UUID(default=None, null=False)
    line_no = Text(default=None, null=True)
    refund_no = Text(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    state = Text(default=None, null=False)
    created_at = Timestamptz(default=None, null=False)
    asked_at = Timestamptz(default=None, null=True)
    tries = Integer(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)
