"""Channels, SKUs and channel prices.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Channel(Table, tablename="channel", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    deviation = Text(default=None, null=False)
    revision = Integer(default=None, null=False)


class Sku(Table, tablename="sku", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    category = Text(default=None, null=False)
    list_price_minor = BigInt(default=None, null=False)
    cost_minor = BigInt(default=None, null=False)
    kind = Text(default=None, null=False)
    face_value_minor = BigInt(default=None, null=True)
    valid_days = Integer(default=None, null=True)
    valid_until = Date(default=None, null=True)
    rules_zh = Text(default=None, null=True)
    rules_en = Text(default=None, null=True)
    hold_from = Text(default=None, null=False)
    on_sale = Boolean(default=None, null=False)
    sale_changed_at = Timestamptz(default=None, null=True)
    revision = Integer(default=None, null=False)


class Tag(Table, tablename="tag", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    name = Text(primary_key=True, default=None)


class SkuTag(Table, tablename="sku_tag", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    sku = Text(default=None, null=False)
    tag = Text(primary_key=True, default=None)


class SkuPart(Table, tablename="sku_part", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    package = Text(default=None, null=False)
    part = Text(primary_key=True, default=None)
    quantity = Integer(default=None, null=False)
    share_ppm = Integer(default=None, null=False)


class SkuImage(Table, tablename="sku_image", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    sku = Text(primary_key=True, default=None)
    sha256 = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    width = Integer(default=None, null=False)
    height = Integer(default=None, null=False)
    bytes = Bytea(default=None, null=False)
    set_at = Timestamptz(default=None, null=False)


class CatalogImport(Table, tablename="catalog_import", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    file_name = Text(default=None, null=False)
    sheet = JSONB(default=None, null=False)
    state = Text(default=None, null=False)
    sent_by = UUID(default=None, null=False)
    sent_at = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)


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


class PriceVersion(Table, tablename="price_version", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    state = Text(default=None, null=False)
    based_on = Integer(default=None, null=True)
    restores = Integer(default=None, null=True)
    intake = Integer(default=None, null=True)
    effective_at = Timestamptz(default=None, null=True)
    name = Text(default=None, null=True)
    maker = UUID(default=None, null=True)
    opened_at = Timestamptz(default=None, null=False)
    submitted_at = Timestamptz(default=None, null=True)
    sha256 = Text(default=None, null=True)
    approval = UUID(default=None, null=True)
    approver = UUID(default=None, null=True)
    approved_at = Timestamptz(default=None, null=True)


class PriceCell(Table, tablename="price_cell", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    version = Integer(default=None, null=False)
    sku = Text(default=None, null=False)
    channel = Text(default=None, null=True)
    tier = Text(default=None, null=True)
    starts_on = Date(default=None, null=False)
    ends_on = Date(default=None, null=True)
    price_minor = BigInt(default=None, null=True)


class PriceLimit(Table, tablename="price_limit", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    version = Integer(default=None, null=False)
    sku = Text(default=None, null=False)
    starts_on = Date(default=None, null=False)
    ends_on = Date(default=None, null=True)
    floor_minor = BigInt(default=None, null=True)
    cost_minor = BigInt(default=None, null=True)


class PriceEdit(Table, tablename="price_edit", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    version = Integer(default=None, null=False)
    limits = Boolean(default=None, null=False)
    sku = Text(default=None, null=False)
    channel = Text(default=None, null=True)
    tier = Text(default=None, null=True)
    revision = Integer(default=None, null=False)
    reason = Text(default=None, null=True)
    edited_by = UUID(default=None, null=True)
    edited_at = Timestamptz(default=None, null=False)
