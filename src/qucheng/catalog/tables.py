"""Channels, SKUs and channel prices.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, Text
from piccolo.table import Table

from qucheng.core import db


class Channel(Table, tablename="channel", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    kind = Text(default=None, null=False)


class Sku(Table, tablename="sku", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    category = Text(default=None, null=False)
    list_price_minor = BigInt(default=None, null=False)
    cost_minor = BigInt(default=None, null=False)


class ChannelPrice(Table, tablename="channel_price", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    sku = Text(default=None, null=False)
    channel = Text(default=None, null=True)
    tier = Text(default=None, null=True)
    price_minor = BigInt(default=None, null=False)
    floor_minor = BigInt(default=None, null=True)
    starts_on = Date(default=None, null=False)
    ends_on = Date(default=None, null=True)
