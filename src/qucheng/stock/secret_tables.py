"""What belongs to the secrets of cards. The migration makes the real keys, all within the brand; Piccolo knows only their last column."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class DataKey(Table, tablename="data_key", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(primary_key=True, default=None)
    wrapped = Bytea(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)
    wrapped_at = Timestamptz(default=None, null=False)


class CardSecret(Table, tablename="card_secret", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    blob = Bytea(default=None, null=False)
    blind = Bytea(default=None, null=False)
    last_four = Text(default=None, null=False)


class CardIntake(Table, tablename="card_intake", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(primary_key=True, default=None)
    way = Text(default=None, null=False)
    task = UUID(default=None, null=False)
    state = Text(default=None, null=False)
    code = Text(default=None, null=True)
    wanted = Integer(default=None, null=True)
    rows_done = Integer(default=None, null=False)
    made = Integer(default=None, null=False)
    refused = Integer(default=None, null=False)
    expires_on = Date(default=None, null=True)
    strength = Text(default=None, null=True)
    file_name = Text(default=None, null=True)
    bytes = BigInt(default=None, null=True)
    refuse_weak = Boolean(default=None, null=True)
    file = UUID(default=None, null=True)
    wrapped = Bytea(default=None, null=True)
    asked_at = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)


class CardRejection(Table, tablename="card_rejection", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    batch = Integer(default=None, null=False)
    source_row = Integer(primary_key=True, default=None)
    fault = Text(default=None, null=False)
    last_four = Text(default=None, null=False)


class CardReveal(Table, tablename="card_reveal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    batch = Integer(default=None, null=False)
    number = Integer(default=None, null=False)
    viewer_kind = Text(default=None, null=False)
    viewer = UUID(default=None, null=False)
    purpose = Text(default=None, null=False)
    at = Timestamptz(default=None, null=False)


class CardSetting(Table, tablename="card_setting", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(primary_key=True, default=None)
    resellers_reveal = Boolean(default=None, null=False)
    changed_at = Timestamptz(default=None, null=False)
    changed_by = UUID(default=None, null=True)


class DeliveryLink(Table, tablename="delivery_link", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    order_no = Text(default=None, null=False)
    token_hash = Bytea(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)
    expires_at = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)


class TextMessage(Table, tablename="text_message", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    locale = Text(default=None, null=False)
    to_cipher = Bytea(default=None, null=True)
    values_cipher = Bytea(default=None, null=True)
    written_at = Timestamptz(default=None, null=False)
    sent_at = Timestamptz(default=None, null=True)
