"""From when on something stands out, and what did.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class RiskLimits(Table, tablename="risk_limits", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    version = Integer(primary_key=True, default=None)
    refund_share_ppm = Integer(default=None, null=False)
    refunds_least = Integer(default=None, null=False)
    buyer_orders_an_hour = Integer(default=None, null=False)
    reseller_orders_an_hour = Integer(default=None, null=False)
    own_share_ppm = Integer(default=None, null=False)
    own_lines_least = Integer(default=None, null=False)
    buyer_resellers = Integer(default=None, null=False)
    deviating_lines = Integer(default=None, null=False)
    outlier_hundredths = Integer(default=None, null=False)
    outlier_days_least = Integer(default=None, null=False)
    heads = Integer(default=None, null=False)
    set_at = Timestamptz(default=None, null=False)
    set_by = UUID(default=None, null=False)


class RiskAlert(Table, tablename="risk_alert", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    rule = Text(default=None, null=False)
    subject = Text(default=None, null=False)
    reseller = Text(default=None, null=True)
    starts_at = Timestamptz(default=None, null=False)
    ends_at = Timestamptz(default=None, null=False)
    evidence = JSONB(default=None, null=False)
    limits = Integer(default=None, null=True)
    found_at = Timestamptz(default=None, null=False)
    state = Text(default="open", null=False)
    reason = Text(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    decided_at = Timestamptz(default=None, null=True)
