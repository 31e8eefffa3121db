"""Offers and claims.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class ClaimOffer(Table, tablename="claim_offer", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    sku = Text(default=None, null=False)
    pool = Integer(default=None, null=False)
    period = Text(default=None, null=False)
    quota = Integer(default=None, null=True)
    taken = Integer(default=None, null=False)
    starts_at = Timestamptz(default=None, null=False)
    ends_at = Timestamptz(default=None, null=False)
    made_by = UUID(default=None, null=True)
    made_at = Timestamptz(default=None, null=False)


class Claim(Table, tablename="claim", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    offer = Text(default=None, null=False)
    subject_hash = Bytea(default=None, null=False)
    period = Text(default=None, null=False)
    claimed_at = Timestamptz(default=None, null=False)
    api_key = UUID(default=None, null=True)
    idempotency_key = Text(default=None, null=True)
    request_hash = Bytea(default=None, null=True)


class Consumer(Table, tablename="consumer", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    subject_hash = Bytea(default=None, null=False)
    phone_cipher = Bytea(default=None, null=True)
    phone_fingerprint = Bytea(default=None, null=True)
    first_seen = Timestamptz(default=None, null=False)


class ConsumerSession(Table, tablename="consumer_session", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    consumer = UUID(default=None, null=False)
    token_hash = Bytea(default=None, null=False)
    way = Text(default=None, null=False)
    signed_in_at = Timestamptz(default=None, null=False)
    until = Timestamptz(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)
    api_key = UUID(default=None, null=True)


class SignInCode(Table, tablename="sign_in_code", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    phone_fingerprint = Bytea(primary_key=True, default=None)
    code_fingerprint = Bytea(default=None, null=False)
    sent_at = Timestamptz(default=None, null=False)
    until = Timestamptz(default=None, null=False)
    wrong = Integer(default=None, null=False)
    spent_by = Bytea(default=None, null=True)
