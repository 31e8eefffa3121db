"""Stores, terminals, rules, and what was answered.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Store(Table, tablename="store", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    name_en = Text(default=None, null=True)
    area = Text(default=None, null=True)
    address = Text(default=None, null=True)
    opened_at = Timestamptz(default=None, null=False)
    closed_at = Timestamptz(default=None, null=True)


class Terminal(Table, tablename="terminal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    store = Text(default=None, null=False)
    name = Text(default=None, null=False)
    api_key = UUID(default=None, null=True)
    user_id = UUID(default=None, null=True)
    all_skus = Boolean(default=None, null=False)
    added_at = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)
    digits_closed_until = Timestamptz(default=None, null=True)
    codes_closed_until = Timestamptz(default=None, null=True)


class TerminalSku(Table, tablename="terminal_sku", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    terminal = UUID(default=None, null=False)
    sku = Text(primary_key=True, default=None)


class RedemptionRule(Table, tablename="redemption_rule", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    sku = Text(default=None, null=False)
    version = Integer(primary_key=True, default=None)
    document = JSONB(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)


class Redemption(Table, tablename="redemption", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    terminal = UUID(default=None, null=False)
    key = Text(default=None, null=False)
    way = Text(default=None, null=False)
    at = Timestamptz(default=None, null=False)
    verdict = Text(default=None, null=False)
    batch = Integer(default=None, null=True)
    number = Integer(default=None, null=True)
    snapshot = JSONB(default=None, null=False)
    undone = Boolean(default=None, null=False)
    recorded_at = Timestamptz(default=None, null=True)
    presented = Bytea(default=None, null=True)


class RedemptionUndo(Table, tablename="redemption_undo", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    redemption = UUID(primary_key=True, default=None)
    at = Timestamptz(default=None, null=False)
    terminal = UUID(default=None, null=False)
    user_id = UUID(default=None, null=True)
    reason = Text(default=None, null=True)
    approval = UUID(default=None, null=True)


class ReversedKey(Table, tablename="reversed_key", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    terminal = UUID(default=None, null=False)
    key = Text(primary_key=True, default=None)
    at = Timestamptz(default=None, null=False)


class CardAlias(Table, tablename="card_alias", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    alias = Bytea(primary_key=True, default=None)
    batch = Integer(default=None, null=False)
    number = Integer(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)


class SpentPicture(Table, tablename="spent_picture", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    alias = Bytea(default=None, null=False)
    step = BigInt(primary_key=True, default=None)
    redemption = UUID(default=None, null=False)


class ShortDigits(Table, tablename="short_digits", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    fingerprint = Bytea(primary_key=True, default=None)
    holder = Bytea(default=None, null=False)
    store = Text(default=None, null=False)
    batch = Integer(default=None, null=False)
    number = Integer(default=None, null=False)
    until = Timestamptz(default=None, null=False)
    spent = Boolean(default=None, null=False)


class WrongEntry(Table, tablename="wrong_entry", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    terminal = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    way = Text(default=None, null=False)
    at = Timestamptz(default=None, null=False)
