"""Periods, adjustments, statements and what is on them.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Period(Table, tablename="period", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    starts_on = Date(primary_key=True, default=None)
    starts_at = Timestamptz(default=None, null=False)
    ends_at = Timestamptz(default=None, null=False)
    settled_at = Timestamptz(default=None, null=False)
    intake = Integer(default=None, null=False)


class Adjustment(Table, tablename="adjustment", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    intake = Integer(default=None, null=False)
    source_row = Integer(default=None, null=False)
    reseller = Text(default=None, null=False)
    occurred_at = Timestamptz(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    reason = Text(default=None, null=False)


class Statement(Table, tablename="statement", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    statement_no = Text(default=None, null=False)
    reseller = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    opening_minor = BigInt(default=None, null=False)
    accrued_minor = BigInt(default=None, null=False)
    reversed_minor = BigInt(default=None, null=False)
    bonus_minor = BigInt(default=None, null=False)
    adjustment_minor = BigInt(default=None, null=False)
    gross_minor = BigInt(default=None, null=False)
    payable_minor = BigInt(default=None, null=False)
    tax_minor = BigInt(default=None, null=False)
    net_minor = BigInt(default=None, null=False)
    carried_minor = BigInt(default=None, null=False)


class StatementAccrual(Table, tablename="statement_accrual", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    level = SmallInt(primary_key=True, default=None)
    period = Date(default=None, null=False)
    number = Integer(default=None, null=False)


class StatementReversal(Table, tablename="statement_reversal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    level = SmallInt(default=None, null=False)
    refund_no = Text(primary_key=True, default=None)
    period = Date(default=None, null=False)
    number = Integer(default=None, null=False)


class StatementAdjustment(Table, tablename="statement_adjustment", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    period = Date(default=None, null=False)
    number = Integer(default=None, null=False)


class Bonus(Table, tablename="bonus", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    reseller = Text(default=None, null=False)
    rule = Text(default=None, null=False)
    of_period = Date(primary_key=True, default=None)
    basis_value = BigInt(default=None, null=False)
    amount_minor = BigInt(default=None, null=False)
    occurred_at = Timestamptz(default=None, null=False)


class AdjustmentCase(Table, tablename="adjustment_case", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    reason_code = Text(default=None, null=False)
    reference_kind = Text(default=None, null=False)
    reference = Text(default=None, null=False)
    note = Text(default=None, null=True)
    maker = UUID(default=None, null=False)
    checker = UUID(default=None, null=False)
    approval = UUID(default=None, null=False)
    dispute = UUID(default=None, null=True)


class Dispute(Table, tablename="dispute", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    period = Date(default=None, null=False)
    number = Integer(default=None, null=False)
    position = Integer(default=None, null=False)
    reseller = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    order_no = Text(default=None, null=True)
    line_no = Text(default=None, null=True)
    level = SmallInt(default=None, null=True)
    refund_no = Text(default=None, null=True)
    rule = Text(default=None, null=True)
    of_period = Date(default=None, null=True)
    amount_minor = BigInt(default=None, null=False)
    reason = Text(default=None, null=False)
    opened_by = UUID(default=None, null=False)
    opened_at = Timestamptz(default=None, null=False)
    state = Text(default=None, null=False)
    answer = Text(default=None, null=True)
    adjustment = Text(default=None, null=True)
    decided_by = UUID(default=None, null=True)
    decided_at = Timestamptz(default=None, null=True)


class StatementConfirmation(Table, tablename="statement_confirmation", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    confirmed_by = UUID(default=None, null=False)
    confirmed_at = Timestamptz(default=None, null=False)


class SettlementRun(Table, tablename="settlement_run", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    number = SmallInt(primary_key=True, default=None)
    state = Text(default=None, null=False)
    intake = Integer(default=None, null=False)
    statements = Integer(default=None, null=False)
    gross_minor = BigInt(default=None, null=False)
    tax_minor = BigInt(default=None, null=False)
    net_minor = BigInt(default=None, null=False)
    issued = Integer(default=None, null=False)
    computed_at = Timestamptz(default=None, null=False)
    issued_at = Timestamptz(default=None, null=True)
    discarded_at = Timestamptz(default=None, null=True)
    published_at = Timestamptz(default=None, null=True)
    published_by = UUID(default=None, null=True)


class RunCheck(Table, tablename="run_check", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    run = SmallInt(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    checked_at = Timestamptz(default=None, null=False)
    checked_by = UUID(default=None, null=True)
    intake = Integer(default=None, null=False)
    apart = Integer(default=None, null=False)
    figures = JSONB(default=None, null=False)


class RunStatement(Table, tablename="run_statement", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    run = SmallInt(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    reseller = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    opening_minor = BigInt(default=None, null=False)
    accrued_minor = BigInt(default=None, null=False)
    reversed_minor = BigInt(default=None, null=False)
    bonus_minor = BigInt(default=None, null=False)
    adjustment_minor = BigInt(default=None, null=False)
    payable_minor = BigInt(default=None, null=False)
    tax_minor = BigInt(default=None, null=False)
    net_minor = BigInt(default=None, null=False)
    carried_minor = BigInt(default=None, null=False)


class RunEntry(Table, tablename="run_entry", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    run = SmallInt(default=None, null=False)
    number = Integer(default=None, null=False)
    position = Integer(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    order_no = Text(default=None, null=True)
    line_no = Text(default=None, null=True)
    level = SmallInt(default=None, null=True)
    refund_no = Text(default=None, null=True)
    rule = Text(default=None, null=True)
    of_period = Date(default=None, null=True)
    basis_value = BigInt(default=None, null=True)
    amount_minor = BigInt(default=None, null=False)


class StatementDocument(Table, tablename="statement_document", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    document = Text(default=None, null=False)
    sha256 = Text(default=None, null=False)


class DocumentFile(Table, tablename="document_file", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    period = Date(default=None, null=False)
    number = Integer(default=None, null=False)
    format = Text(primary_key=True, default=None)
    state = Text(default=None, null=False)
    sha256 = Text(default=None, null=True)
    bytes = BigInt(default=None, null=True)
    reason = Text(default=None, null=True)
    made_at = Timestamptz(default=None, null=False)


class LateReversal(Table, tablename="late_reversal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    redemption = UUID(primary_key=True, default=None)
    order_no = Text(default=None, null=False)
    line_no = Text(default=None, null=False)
    batch = Integer(default=None, null=False)
    number = Integer(default=None, null=False)
    reversed_at = Timestamptz(default=None, null=False)
    started_minor = BigInt(default=None, null=False)
    matured_minor = BigInt(default=None, null=False)
