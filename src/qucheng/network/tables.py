"""Tiers, resellers, and the placements that move them.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Bytea, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Tier(Table, tablename="tier", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    name = Text(default=None, null=False)
    rank = Integer(default=None, null=False)
    revision = Integer(default=None, null=False)


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


class PortalText(Table, tablename="portal_text", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    title_zh = Text(default=None, null=True)
    body_zh = Text(default=None, null=True)
    title_en = Text(default=None, null=True)
    body_en = Text(default=None, null=True)
    starts_on = Date(default=None, null=False)
    ends_on = Date(default=None, null=True)
    published_by = UUID(default=None, null=False)
    published_at = Timestamptz(default=None, null=False)


class PortalTextEnd(Table, tablename="portal_text_end", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    text = UUID(primary_key=True, default=None)
    ended_by = UUID(default=None, null=False)
    ended_at = Timestamptz(default=None, null=False)


class Agreement(Table, tablename="agreement", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    effective_on = Date(default=None, null=False)
    title_zh = Text(default=None, null=False)
    title_en = Text(default=None, null=False)
    text_zh = Text(default=None, null=False)
    text_en = Text(default=None, null=False)
    sha256 = Text(default=None, null=False)
    published_at = Timestamptz(default=None, null=False)
    published_by = UUID(default=None, null=True)


class Application(Table, tablename="application", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    token_hash = Bytea(default=None, null=False)
    kind = Text(default=None, null=False)
    name = Text(default=None, null=False)
    facts_cipher = Bytea(default=None, null=True)
    identity_hash = Bytea(default=None, null=False)
    locale = Text(default=None, null=False)
    invited_by = Text(default=None, null=True)
    agreement = Integer(default=None, null=False)
    agreement_sha256 = Text(default=None, null=False)
    address = Text(default=None, null=False)
    fee_minor = BigInt(default=None, null=False)
    applied_at = Timestamptz(default=None, null=False)
    state = Text(default=None, null=False)
    decided_at = Timestamptz(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    reason = Text(default=None, null=True)
    reseller = Text(default=None, null=True)


class ApplicationChannel(Table, tablename="application_channel", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    application = UUID(default=None, null=False)
    channel = Text(primary_key=True, default=None)


class AgreementAcceptance(Table, tablename="agreement_acceptance", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(default=None, null=False)
    reseller = Text(primary_key=True, default=None)
    sha256 = Text(default=None, null=False)
    accepted_at = Timestamptz(default=None, null=False)
    accepted_by = UUID(default=None, null=True)
    application = UUID(default=None, null=True)
    address = Text(default=None, null=False)


class ResellerIdentity(Table, tablename="reseller_identity", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(primary_key=True, default=None)
    facts_cipher = Bytea(default=None, null=False)
    identity_hash = Bytea(default=None, null=False)
    application = UUID(default=None, null=False)
    recorded_at = Timestamptz(default=None, null=False)


class IdentityVerification(Table, tablename="identity_verification", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    outcome = Text(default=None, null=False)
    method = Text(default=None, null=False)
    reference = Text(default=None, null=True)
    expires_on = Date(default=None, null=True)
    verified_at = Timestamptz(default=None, null=False)
    verified_by = UUID(default=None, null=False)


class PlacementDecision(Table, tablename="placement_decision", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    effective_on = Date(primary_key=True, default=None)
    reason = Text(default=None, null=False)
    decided_at = Timestamptz(default=None, null=False)
    decided_by = UUID(default=None, null=False)


class StandingChange(Table, tablename="standing_change", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    change = Text(default=None, null=False)
    effective_on = Date(default=None, null=False)
    reason = Text(default=None, null=False)
    changed_at = Timestamptz(default=None, null=False)
    changed_by = UUID(default=None, null=False)


class ComplianceMonth(Table, tablename="compliance_month", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    month = Date(primary_key=True, default=None)
    policy = Text(default=None, null=False)
    max_depth = SmallInt(default=None, null=False)
    paid_levels = SmallInt(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)


class ComplianceReport(Table, tablename="compliance_report", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    month = Date(default=None, null=False)
    root = Text(primary_key=True, default=None)
    heads = Integer(default=None, null=False)
    persons = SmallInt(default=None, null=False)
    most_heads = Integer(default=None, null=False)
    most_persons = SmallInt(default=None, null=False)
