"""What is planted in the books of the documentation's example, and what the check must then say."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import books

from qucheng.settlement import run

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand


@dataclass(frozen=True)
class Damage:
    """sql: run by the owner, triggers off. found: what the check says, each as `invariant subject: expected | found`."""

    sql: str
    found: list[str]


async def issue_through(brand: Brand, through: str) -> None:
    """Settles month by month as the platform does: by runs, with frozen documents."""
    last = dt.date.fromisoformat(f"{through}-01")
    while (month := await run.next_period(brand=brand)) is not None and month <= last:
        made = await run.compute(brand=brand, starts_on=month, now=books.NOW)
        if made is None:
            await run.close_empty(brand=brand, starts_on=month, now=books.NOW)
        while made is not None and made.state != "issued":
            made = await run.issue_batch(brand=brand, run=made, now=books.NOW)


FREE = "".join(
    f"ALTER TABLE statement DROP CONSTRAINT {name};"
    for name in ("statement_gross_check", "statement_payable_check", "statement_paid_check", "statement_net_minor_check")
)
A01_APRIL = "period = '2026-04-01' AND reseller = 'A01'"
A02_MARCH = "period = '2026-03-01' AND reseller = 'A02'"
A01_MAY, A02_MAY = "period = '2026-05-01' AND reseller = 'A01'", "period = '2026-05-01' AND reseller = 'A02'"
LINE = "order_no = 'E1002' AND line_no = '1' AND level = 1"
NEW_HASH = "UPDATE statement_document SET sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')"

CASES = {
    "accrual": Damage("UPDATE accrual SET amount_minor = amount_minor + 1 WHERE order_no = 'E1001' AND line_no = '1' AND level = 1", [
        "statement.entries held-202603-000002/accrual: 852.26 | 852.25",
        "accrual.amount E1001/1/1: 94.25 | 94.26",
    ]),
    "a clock that does not run": Damage("""UPDATE order_line SET hold_from = 'delivered' WHERE order_no = 'E1005';
        INSERT INTO fulfilment SELECT brand_id, order_no, line_no, 'delivered', paid_at, intake, 1, quantity FROM order_line WHERE order_no = 'E1005'""", [
        "clock.start E1005/1: a clock | none",
        "rows.stored 1/fulfilments.csv: 0 rows | 1 rows",
    ]),
    "a clock of another hold": Damage("""INSERT INTO line_clock
        SELECT brand_id, order_no, line_no, intake, '2026-03-01Z', '2026-03-09Z' FROM order_line WHERE order_no = 'E1005'""", [
        "clock.time E1005/1: 2026-03-08 00:00:00+00 | 2026-03-09 00:00:00+00",
    ]),
    "a card that is counted and not there": Damage("""INSERT INTO pool (brand_id, number) SELECT id, 0 FROM brand;
        INSERT INTO batch (brand_id, number, sku, source, pool, quantity, opened_at)
        SELECT brand_id, 1, sku, 'imported', 0, 1, paid_at FROM order_line WHERE order_no = 'E1005';
        INSERT INTO stock_level (brand_id, pool, batch, sku, available, came_in) SELECT brand_id, pool, number, sku, 1, 1 FROM batch""", [
        "stock.level 0/1: what the cards say | another count",
    ]),
    "basis of an accrual": Damage("UPDATE accrual SET basis_value = basis_value + 8 WHERE order_no = 'E1006'", [
        "accrual.amount E1006/1/1: 64.51 | 64.50",
    ]),
    "reversal": Damage(f"UPDATE reversal_version SET amount_minor = amount_minor - 1 WHERE {LINE}", [
        "statement.entries held-202604-000002/reversal: -187.51 | -187.50",
    ]),
    "bonus": Damage("UPDATE bonus SET amount_minor = amount_minor + 1 WHERE period = '2026-04-01'", [
        "statement.entries held-202604-000002/bonus: -29.99 | -30.00",
        "bonus.amount bonus/A02/VOLUME/2026-03: 35.08 | 35.09",
    ]),
    "adjustment": Damage("UPDATE adjustment SET amount_minor = amount_minor + 1", [
        "statement.entries held-202603-000001/adjustment: -12.49 | -12.50",
    ]),
    "accrued": Damage(f"{FREE} UPDATE statement SET accrued_minor = accrued_minor + 1 WHERE {A01_APRIL}", [
        "statement.entries held-202604-000001/accrual: 64.50 | 64.51",
        "statement.sums held-202604-000001/gross: 34.51 | 34.50",
        "journal.posting held-202604-000001/accrual/1: expense:commission 64.51 0.00 | expense:commission 64.50 0.00",
        "journal.posting held-202604-000001/accrual/2: liability:reseller:A01 0.00 64.51 | liability:reseller:A01 0.00 64.50",
        "document.figures held-202604-000001/accrued: 6451 | 6450",
    ]),
    "gross": Damage(f"{FREE} UPDATE statement SET gross_minor = gross_minor + 1 WHERE {A01_APRIL}", [
        "statement.sums held-202604-000001/gross: 34.50 | 34.51",
        "statement.sums held-202604-000001/payable: 34.51 | 34.50",
        "document.figures held-202604-000001/gross: 3451 | 3450",
        "run.statements 2026-04/gross: -183.00 | -182.99",
    ]),
    "tax": Damage(f"UPDATE statement SET tax_minor = tax_minor + 1, net_minor = net_minor - 1 WHERE {A02_MARCH}", [
        "journal.posting held-202603-000002/payout/1: liability:reseller:A02 893.85 0.00 | liability:reseller:A02 893.86 0.00",
        "journal.posting held-202603-000002/payout/2: asset:bank 0.00 893.85 | asset:bank 0.00 893.86",
        "journal.posting held-202603-000002/withholding/1: liability:reseller:A02 23.48 0.00 | liability:reseller:A02 23.47 0.00",
        "journal.posting held-202603-000002/withholding/2: liability:tax 0.00 23.48 | liability:tax 0.00 23.47",
        "document.figures held-202603-000002/net: 89385 | 89386",
        "document.figures held-202603-000002/tax: 2348 | 2347",
        "run.statements 2026-03/net: 1016.89 | 1016.88",
        "run.statements 2026-03/tax: 23.47 | 23.48",
    ]),
    "tax of a company": Damage("UPDATE statement SET tax_minor = 1, net_minor = net_minor - 1 WHERE period = '2026-03-01' AND reseller = 'A01'", [
        "statement.sums held-202603-000001/tax: 0.00 | 0.01",
        "journal.entry held-202603-000001/withholding: held-202603-000001 2026-03 5 | no entry",
        "journal.posting held-202603-000001/payout/1: liability:reseller:A01 123.02 0.00 | liability:reseller:A01 123.03 0.00",
        "journal.posting held-202603-000001/payout/2: asset:bank 0.00 123.02 | asset:bank 0.00 123.03",
        "journal.posting held-202603-000001/withholding/1: liability:reseller:A01 0.01 0.00 | no posting",
        "journal.posting held-202603-000001/withholding/2: liability:tax 0.00 0.01 | no posting",
        "document.figures held-202603-000001/net: 12302 | 12303",
        "document.figures held-202603-000001/tax: 1 | 0",
        "run.statements 2026-03/net: 1016.89 | 1016.88",
        "run.statements 2026-03/tax: 23.47 | 23.48",
    ]),
    "tax past the payment": Damage(f"{FREE} UPDATE statement SET tax_minor = payable_minor + 1, net_minor = -1 WHERE {A02_MARCH}", [
        "statement.sums held-202603-000002/tax: 917.33 | 917.34",
        "journal.posting held-202603-000002/payout/1: asset:bank 0.01 0.00 | liability:reseller:A02 893.86 0.00",
        "journal.posting held-202603-000002/payout/2: liability:reseller:A02 0.00 0.01 | asset:bank 0.00 893.86",
        "journal.posting held-202603-000002/withholding/1: liability:reseller:A02 917.34 0.00 | liability:reseller:A02 23.47 0.00",
        "journal.posting held-202603-000002/withholding/2: liability:tax 0.00 917.34 | liability:tax 0.00 23.47",
        "payee.tax A02/2026-03: at most 917.33 | 917.34",
        "document.figures held-202603-000002/net: -1 | 89386",
        "document.figures held-202603-000002/tax: 91734 | 2347",
        "run.statements 2026-03/net: 1016.89 | 123.02",
        "run.statements 2026-03/tax: 23.47 | 917.34",
    ]),
    "net": Damage(f"{FREE} UPDATE statement SET net_minor = 1 WHERE {A01_MAY}", [
        "statement.sums held-202605-000001/net: 0.00 | 0.01",
        "journal.entry held-202605-000001/payout: held-202605-000001 2026-05 6 | no entry",
        "journal.posting held-202605-000001/payout/1: liability:reseller:A01 0.01 0.00 | no posting",
        "journal.posting held-202605-000001/payout/2: asset:bank 0.00 0.01 | no posting",
        "document.figures held-202605-000001/net: 1 | 0",
        "run.statements 2026-05/net: 0.00 | 0.01",
    ]),
    "opening": Damage(f"{FREE} UPDATE statement SET opening_minor = opening_minor + 1 WHERE {A01_MAY}", [
        "statement.sums held-202605-000001/payable: 34.51 | 34.50",
        "statement.opening held-202605-000001: 34.50 | 34.51",
        "document.figures held-202605-000001/opening: 3451 | 3450",
    ]),
    "carried": Damage(f"{FREE} UPDATE statement SET carried_minor = carried_minor + 1 WHERE {A02_MAY}", [
        "statement.sums held-202605-000002/carried: -217.50 | -217.49",
        "ledger.liability liability:reseller:A02: -217.49 | -217.50",
        "document.figures held-202605-000002/carried: -21749 | -21750",
    ]),
    "statement gone": Damage(f"DELETE FROM statement_document WHERE period = '2026-05-01' AND number = 2; DELETE FROM statement WHERE {A02_MAY}", [
        "statement.missing A02/2026-05: a statement that opens with -217.50 | none",
        "run.statements 2026-05/statements: 2 | 1",
    ]),
    "statement of nothing": Damage(
        "INSERT INTO reseller SELECT brand_id, 'Z99', name, kind, NULL, tier, joined_on FROM reseller WHERE code = 'A01';"
        "INSERT INTO statement SELECT brand_id, period, 3, 'held-202605-000003', 'Z99', kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"
        f" FROM statement WHERE {A01_MAY}", [
        "statement.empty held-202605-000003: an entry or an opening | neither",
        "document.missing held-202605-000003: a frozen document | none",
        "run.statements 2026-05/statements: 2 | 3",
    ]),
    "number": Damage(
        "ALTER TABLE statement_document DROP CONSTRAINT statement_document_statement_reference CASCADE;"
        f"UPDATE statement SET number = 3 WHERE {A02_MAY}", [
        "statement.code A02/2026-05: held-202605-000003 | held-202605-000002",
        "statement.number held-202605-000002: 2 | 3",
        "document.missing held-202605-000002: a frozen document | none",
    ]),
    "statement number": Damage(f"UPDATE statement SET statement_no = 'held-202605-000009' WHERE {A02_MAY}", [
        "statement.code A02/2026-05: held-202605-000002 | held-202605-000009",
        "document.figures held-202605-000009/statement_no: held-202605-000009 | held-202605-000002",
    ]),
    "posting": Damage("UPDATE posting SET debit_minor = debit_minor + 1 WHERE entry = 'held-202604-000001/accrual' AND leg = 1", [
        "journal.posting held-202604-000001/accrual/1: expense:commission 64.50 0.00 | expense:commission 64.51 0.00",
        "journal.balanced held-202604-000001/accrual: debit 64.51 | credit 64.50",
        "journal.trial all entries: debit 2417.73 | credit 2417.72",
    ]),
    "both legs": Damage(
        "UPDATE posting SET debit_minor = debit_minor + sign(debit_minor), credit_minor = credit_minor + sign(credit_minor)"
        " WHERE entry = 'held-202604-000001/accrual'", [
        "journal.posting held-202604-000001/accrual/1: expense:commission 64.50 0.00 | expense:commission 64.51 0.00",
        "journal.posting held-202604-000001/accrual/2: liability:reseller:A01 0.00 64.50 | liability:reseller:A01 0.00 64.51",
        "ledger.liability liability:reseller:A01: 34.50 | 34.51",
    ]),
    "another's account": Damage("UPDATE posting SET account = 'liability:reseller:A02' WHERE entry = 'held-202604-000001/accrual' AND leg = 2", [
        "journal.posting held-202604-000001/accrual/2: liability:reseller:A01 0.00 64.50 | liability:reseller:A02 0.00 64.50",
        "ledger.liability liability:reseller:A01: 34.50 | -30.00",
        "ledger.liability liability:reseller:A02: -217.50 | -153.00",
    ]),
    "an entry of nobody": Damage(
        "INSERT INTO journal_entry SELECT brand_id, 'extra', '2026-05-01', 'extra', 1 FROM journal_entry LIMIT 1;"
        "INSERT INTO posting SELECT brand_id, 'extra', 1, 'asset:bank', 1, 0 FROM journal_entry LIMIT 1;"
        "INSERT INTO posting SELECT brand_id, 'extra', 2, 'liability:tax', 0, 1 FROM journal_entry LIMIT 1", [
        "journal.entry extra: no entry | extra 2026-05 1",
        "journal.posting extra/1: no posting | asset:bank 0.01 0.00",
        "journal.posting extra/2: no posting | liability:tax 0.00 0.01",
    ]),
    "entry not posted": Damage(
        "DELETE FROM posting WHERE entry = 'held-202604-000001/reversal'; DELETE FROM journal_entry WHERE code = 'held-202604-000001/reversal'", [
        "journal.entry held-202604-000001/reversal: held-202604-000001 2026-04 2 | no entry",
        "journal.posting held-202604-000001/reversal/1: liability:reseller:A01 30.00 0.00 | no posting",
        "journal.posting held-202604-000001/reversal/2: expense:commission 0.00 30.00 | no posting",
        "ledger.liability liability:reseller:A01: 34.50 | 64.50",
    ]),
    "position": Damage("UPDATE journal_entry SET position = 9 WHERE code = 'held-202604-000001/reversal'", [
        "journal.entry held-202604-000001/reversal: held-202604-000001 2026-04 2 | held-202604-000001 2026-04 9",
    ]),
    "no such entry": Damage("UPDATE statement_accrual SET order_no = 'E9999' WHERE order_no = 'E1001' AND line_no = '2'", [
        "statement.entries held-202603-000002/accrual: 844.25 | 852.25",
        "entry.unknown accrual/E9999/2/1: an entry of A02 | none",
        "entry.lost accrual/E1001/2/1: on a statement by 2026-05 | on none",
    ]),
    "another's entry": Damage("UPDATE accrual SET reseller = 'A01' WHERE order_no = 'E1001' AND line_no = '2'", [
        "entry.unknown accrual/E1001/2/1: an entry of A02 | one of A01",
        "accrual.reseller E1001/2/1: A02 | A01",
    ]),
    "no such reversal": Damage(f"UPDATE statement_reversal SET refund_no = 'F9' WHERE {LINE}", [
        "statement.entries held-202604-000002/reversal: 0.00 | -187.50",
        "entry.unknown reversal/E1002/1/1/F9: an entry of A02 | none",
        "entry.lost reversal/E1002/1/1/F2001: on a statement by 2026-05 | on none",
    ]),
    "no such adjustment": Damage("UPDATE statement_adjustment SET code = 'Z9'", [
        "statement.entries held-202603-000001/adjustment: 0.00 | -12.50",
        "entry.unknown adjustment/Z9: an entry of A01 | none",
        "entry.lost adjustment/Z3001: on a statement by 2026-05 | on none",
    ]),
    "accrual twice": Damage(
        "ALTER TABLE statement_accrual DROP CONSTRAINT statement_accrual_pkey;"
        "INSERT INTO statement_accrual SELECT brand_id, order_no, line_no, level, '2026-04-01', 2 FROM statement_accrual WHERE order_no = 'E1001' AND line_no = '2'", [
        "statement.entries held-202604-000002/accrual: 8.00 | 0.00",
        "entry.twice accrual/E1001/2/1: one statement | 2 statements",
    ]),
    "reversal twice": Damage(
        "ALTER TABLE statement_reversal DROP CONSTRAINT statement_reversal_pkey;"
        f"INSERT INTO statement_reversal SELECT brand_id, order_no, line_no, level, refund_no, '2026-05-01', 2 FROM statement_reversal WHERE {LINE}", [
        "statement.entries held-202605-000002/reversal: -187.50 | 0.00",
        "entry.twice reversal/E1002/1/1/F2001: one statement | 2 statements",
    ]),
    "adjustment twice": Damage(
        "ALTER TABLE statement_adjustment DROP CONSTRAINT statement_adjustment_pkey;"
        "INSERT INTO statement_adjustment SELECT brand_id, code, '2026-05-01', 1 FROM statement_adjustment", [
        "statement.entries held-202605-000001/adjustment: -12.50 | 0.00",
        "entry.twice adjustment/Z3001: one statement | 2 statements",
    ]),
    "accrual lost": Damage("DELETE FROM statement_accrual WHERE order_no = 'E1006'", [
        "statement.entries held-202604-000001/accrual: 0.00 | 64.50",
        "entry.lost accrual/E1006/1/1: on a statement by 2026-05 | on none",
    ]),
    "reversal lost": Damage(f"DELETE FROM statement_reversal WHERE {LINE}", [
        "statement.entries held-202604-000002/reversal: 0.00 | -187.50",
        "entry.lost reversal/E1002/1/1/F2001: on a statement by 2026-05 | on none",
    ]),
    "adjustment lost": Damage("DELETE FROM statement_adjustment", [
        "statement.entries held-202603-000001/adjustment: 0.00 | -12.50",
        "entry.lost adjustment/Z3001: on a statement by 2026-05 | on none",
    ]),
    "too early": Damage("UPDATE statement_accrual SET period = '2026-03-01', number = 1 WHERE order_no = 'E1006'", [
        "statement.entries held-202603-000001/accrual: 200.03 | 135.53",
        "statement.entries held-202604-000001/accrual: 0.00 | 64.50",
        "entry.early accrual/E1006/1/1: after 2026-03 | on a statement of 2026-03",
    ]),
    "time of an accrual": Damage("UPDATE accrual SET matures_at = matures_at + interval '1 second' WHERE order_no = 'E1006'", [
        "entry.time accrual/E1006/1/1: 2026-03-28 14:10:00+00 2026-04-04 14:10:00+00 | 2026-03-28 14:10:00+00 2026-04-04 14:10:01+00",
    ]),
    "time of a reversal": Damage(f"UPDATE reversal_version SET occurred_at = occurred_at - interval '1 second' WHERE {LINE}", [
        "entry.time reversal/E1002/1/1/F2001: 2026-04-06 01:30:00+00 2026-04-06 01:30:00+00 | 2026-04-06 01:29:59+00 2026-04-06 01:30:00+00",
    ]),
    "time of a bonus": Damage("UPDATE bonus SET occurred_at = occurred_at + interval '1 second' WHERE period = '2026-03-01'", [
        "entry.time bonus/A02/VOLUME/2026-03/2026-03: 2026-03-31 16:00:00+00 | 2026-03-31 16:00:01+00",
    ]),
    "more than earned": Damage(f"UPDATE reversal_version SET amount_minor = -75001 WHERE {LINE}", [
        "statement.entries held-202604-000002/reversal: -750.01 | -187.50",
        "line.negative E1002/1/1: at least 0.00 | -0.01",
    ]),
    "fully refunded": Damage(
        "INSERT INTO refund SELECT brand_id, order_no, line_no, 'F2002', intake, 9, refunded_at, 18, 450000 FROM refund", [
        "line.refunded E1002/1/1: 0.00 | 562.50",
        "line.refunded E1002/1/2: 0.00 | 90.00",
        "rows.stored 1/refunds.csv: 1 rows | 2 rows",
    ]),
    "cap": Damage("UPDATE accrual SET amount_minor = amount_minor + 1 WHERE order_no = 'E1003'", [
        "statement.entries held-202603-000001/accrual: 135.54 | 135.53",
        "line.cap E1003/1: at most 0.45 | 0.46",
        "accrual.capped E1003/1: 0.45 | 0.46",
    ]),
    "refund of units": Damage("UPDATE refund SET quantity = 25", [
        "refund.exceeds_line E1002/1: at most 24 for 6000.00 | 25 for 1500.00",
    ]),
    "refund of money": Damage("UPDATE refund SET amount_minor = 600001", [
        "refund.exceeds_line E1002/1: at most 24 for 6000.00 | 6 for 6000.01",
    ]),
    "self-purchase": Damage("UPDATE order_line SET self_purchase = true WHERE order_no = 'E1001' AND line_no = '2'", [
        "accrual.reseller E1001/2/1: nobody | A02",
    ]),
    "wholesale": Damage("UPDATE order_line SET channel = 'dealer' WHERE order_no = 'E1001' AND line_no = '2'", [
        "accrual.reseller E1001/2/1: nobody | A02",
    ]),
    "past the policy": Damage("UPDATE brand SET expires_on = '2026-03-08'", [
        "accrual.reseller E1002/1/2: nobody | A01",
    ]),
    "rule of a reversal": Damage(f"UPDATE reversal_version SET rule = 'TEA' WHERE {LINE}", [
        "reversal.reseller E1002/1/1/F2001: A02 VIP | A02 TEA",
    ]),
    "rows read": Damage(
        "ALTER TABLE intake_file DROP CONSTRAINT intake_file_rows_check; UPDATE intake_file SET rows = 8 WHERE file = 'orders.csv'", [
        "rows.read 1/orders.csv: 7 rows | 8 rows",
    ]),
    "rejection gone": Damage("DELETE FROM rejection", [
        "rows.rejected 1/adjustments.csv: 1 rows | 0 rows",
    ]),
    "order not stored": Damage(
        "INSERT INTO order_line SELECT brand_id, 'E2', line_no, intake, 9, paid_at, paid_on, reseller, channel, sku, quantity, gross_minor, discount_minor,"
        " net_minor, buyer, tier, parent, parent_tier, grandparent, grandparent_tier, category, cost_minor, self_purchase FROM order_line WHERE order_no = 'E1006'", [
        "rows.stored 1/orders.csv: 7 rows | 8 rows",
    ]),
    "refund of another intake": Damage("INSERT INTO intake SELECT brand_id, 2, received_at FROM intake; UPDATE refund SET intake = 2", [
        "rows.stored 1/refunds.csv: 1 rows | 0 rows",
    ]),
    "price gone": Damage("DELETE FROM channel_price WHERE sku = 'TEA-1'", [
        "rows.stored prices.csv: at least 3 rows | 2 rows",
    ]),
    "volume": Damage("UPDATE own_volume SET numerator = numerator + 50 WHERE reseller = 'A02' AND counted_in = '2026-04-01'", [
        "bonus.amount bonus/A02/VOLUME/2026-03: 35.09 | 35.08",
    ]),
    "bonus gone": Damage("DELETE FROM bonus WHERE period = '2026-04-01'", [
        "statement.entries held-202604-000002/bonus: 0.00 | -30.00",
        "bonus.amount bonus/A02/VOLUME/2026-03: 35.08 | 65.08",
    ]),
    "document gone": Damage("DELETE FROM statement_document WHERE period = '2026-05-01' AND number = 2", [
        "document.missing held-202605-000002: a frozen document | none",
    ]),
    "document forged": Damage(
        """UPDATE statement_document SET document = replace(document, '"payable":3450', '"payable":3451') WHERE period = '2026-04-01' AND number = 1;"""
        + NEW_HASH, [
        "document.figures held-202604-000001/payable: 3450 | 3451",
    ]),
    "document broken": Damage(f"UPDATE statement_document SET document = '{{' WHERE period = '2026-05-01' AND number = 2; {NEW_HASH}", [
        "document.figures held-202605-000002: JSON | something else",
    ]),
    "run's gross": Damage("UPDATE settlement_run SET gross_minor = gross_minor + 1 WHERE period = '2026-03-01'", [
        "run.statements 2026-03/gross: 1040.37 | 1040.36",
    ]),
    "run's statements": Damage("UPDATE settlement_run SET statements = 3, issued = 3 WHERE period = '2026-03-01'", [
        "run.statements 2026-03/statements: 3 | 2",
    ]),
}  # fmt: skip
