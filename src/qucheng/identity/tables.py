"""The brand. The migration adds what Piccolo cannot say: the policy check and row-level security."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, Integer, SmallInt, Text
from piccolo.table import Table

from qucheng.core import db


class Brand(Table, tablename="brand", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    code = Text(default=None, null=False)
    name = Text(default=None, null=False)
    currency = Text(default=None, null=False)
    decimals = SmallInt(default=None, null=False)
    time_zone = Text(default=None, null=False)
    locale = Text(default=None, null=False)
    policy = Text(default=None, null=False)
    legal_opinion = Text(default=None, null=True)
    expires_on = Date(default=None, null=True)
    max_depth = SmallInt(default=None, null=False)
    max_levels = SmallInt(default=None, null=False)
    max_total_rate_ppm = Integer(default=None, null=False)
    hold_days = SmallInt(default=None, null=False)
    min_payout_minor = BigInt(default=None, null=False)
    withholding = Text(default=None, null=False)
