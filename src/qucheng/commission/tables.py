"""Rules, versions of the plan, accruals, reversals and own volume.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Bytea, Date, Integer, Numeric, SmallInt, Text, Timestamptz
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
    plan_version = Integer(default=None, null=True)


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
    matures_at = Timestamptz(default=None, null=True)


class ReversalVersion(Table, tablename="reversal_version", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    level = SmallInt(default=None, null=False)
    refund_no = Text(default=None, null=False)
    version = SmallInt(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    rule = Text(default=None, null=False)
    basis_value = BigInt(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    occurred_at = Timestamptz(default=None, null=False)
    matures_at = Timestamptz(default=None, null=True)


class LineClock(Table, tablename="line_clock", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(primary_key=True, default=None)
    intake = Integer(default=None, null=False)
    started_at = Timestamptz(default=None, null=False)
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


class RuleEnd(Table, tablename="rule_end", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    rule = Text(primary_key=True, default=None)
    plan_version = Integer(default=None, null=False)
    ends_on = Date(default=None, null=False)
    intake = Integer(default=None, null=False)


class PlanVersion(Table, tablename="plan_version", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    state = Text(default=None, null=False)
    name = Text(default=None, null=True)
    based_on = Integer(default=None, null=True)
    follows = Integer(default=None, null=True)
    known = Integer(default=None, null=False)
    opened_by = UUID(default=None, null=False)
    opened_at = Timestamptz(default=None, null=False)
    effective_on = Date(default=None, null=True)
    document = Text(default=None, null=True)
    sha256 = Text(default=None, null=True)
    author = UUID(default=None, null=True)
    submitted_at = Timestamptz(default=None, null=True)
    approval = UUID(default=None, null=True)
    approver = UUID(default=None, null=True)
    approved_at = Timestamptz(default=None, null=True)
    intake = Integer(default=None, null=True)


class PlanDraftRule(Table, tablename="plan_draft_rule", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    version = Integer(default=None, null=False)
    code = Text(primary_key=True, default=None)
    revision = Integer(default=None, null=False)
    change = Text(default=None, null=False)
    replaces = Text(default=None, null=True)
    kind = Text(default=None, null=False)
    event = Text(default=None, null=False)
    reads = Text(default=None, null=False)
    level = SmallInt(default=None, null=True)
    sku = Text(default=None, null=True)
    category = Text(default=None, null=True)
    channel = Text(default=None, null=True)
    tier = Text(default=None, null=True)
    basis = Text(default=None, null=True)
    rate_text = Text(default=None, null=True)
    priority = Integer(default=None, null=False)
    starts_on = Date(default=None, null=True)
    ends_on = Date(default=None, null=True)
    changed_by = UUID(default=None, null=False)
    changed_at = Timestamptz(default=None, null=False)


class PlanCertificate(Table, tablename="plan_certificate", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    version = Integer(primary_key=True, default=None)
    document = Text(default=None, null=False)
    sha256 = Text(default=None, null=False)
    pdf = Bytea(default=None, null=False)
    made_at = Timestamptz(default=None, null=False)


class PlanSimulation(Table, tablename="plan_simulation", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    version = Integer(default=None, null=False)
    first_month = Date(default=None, null=False)
    last_month = Date(default=None, null=False)
    task = UUID(default=None, null=False)
    asked_by = UUID(default=None, null=False)
    asked_at = Timestamptz(default=None, null=False)
    lines = Integer(default=None, null=True)
    today_minor = BigInt(default=None, null=True)
    draft_minor = BigInt(default=None, null=True)
    made_at = Timestamptz(default=None, null=True)


class PlanSimulationRow(Table, tablename="plan_simulation_row", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    simulation = UUID(default=None, null=False)
    kind = Text(default=None, null=False)
    code = Text(primary_key=True, default=None)
    today_minor = BigInt(default=None, null=False)
    draft_minor = BigInt(default=None, null=False)
