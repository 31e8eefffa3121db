"""Tiers, resellers, and the placements that move them.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, Date, Integer, Text
from piccolo.table import Table

from qucheng.core import db


class Tier(Table, tablename="tier", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    rank = Integer(default=None, null=False)


class Reseller(Table, tablename="reseller", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    parent = Text(default=None, null=True)
    tier = Text(default=None, null=False)
    joined_on = Date(default=None, null=False)
    identity = Text(default=None, null=True)


class Placement(Table, tablename="placement", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    effective_on = Date(primary_key=True, default=None)
    parent = Text(default=None, null=True)
    tier = Text(default=None, null=False)


class ResellerChannel(Table, tablename="reseller_channel", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    channel = Text(default=None, null=False)
    starts_on = Date(primary_key=True, default=None)
    ends_on = Date(default=None, null=True)
