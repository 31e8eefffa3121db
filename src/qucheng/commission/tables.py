"""Rules, accruals, reversals and own volume.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, Integer, Numeric, SmallInt, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Rule(Table, tablename="rule", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    level = SmallInt(default=None, null=True)
    sku = Text(default=None, null=True)
    category = Text(default=None, null=True)
    channel = Text(default=None, null=True)
    tier = Text(default=None, null=True)
    basis = Text(default=None, null=False)
    rate_ppm = Integer(default=None, null=True)
    rate_minor = BigInt(default=None, null=True)
    rate_text = Text(default=None, null=False)
    priority = Integer(default=None, null=False)
    starts_on = Date(default=None, null=True)
    ends_on = Date(default=None, null=True)
    intake = Integer(default=None, null=False)


class RuleBracket(Table, tablename="rule_bracket", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    rule = Text(default=None, null=False)
    from_value = BigInt(primary_key=True, default=None)
    rate_ppm = Integer(default=None, null=True)
    rate_minor = BigInt(default=None, null=True)


class Accrual(Table, tablename="accrual", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    level = SmallInt(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    rule = Text(default=None, null=False)
    basis_value = BigInt(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    occurred_at = Timestamptz(default=None, null=False)
    matures_at = Timestamptz(default=None, null=False)


class Reversal(Table, tablename="reversal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    level = SmallInt(default=None, null=False)
    refund_no = Text(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    rule = Text(default=None, null=False)
    basis_value = BigInt(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    occurred_at = Timestamptz(default=None, null=False)
    matures_at = Timestamptz(default=None, null=False)


class OwnVolume(Table, tablename="own_volume", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    intake = Integer(default=None, null=False)
    rule = Text(default=None, null=False)
    reseller = Text(default=None, null=False)
    of_period = Date(default=None, null=False)
    counted_in = Date(default=None, null=False)
    denominator = Numeric(primary_key=True, default=None)
    numerator = Numeric(default=None, null=False)
