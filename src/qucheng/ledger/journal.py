"""Journal entries, posted by the set."""

from __future__ import annotations

from qucheng.core import db


async def post(*, drafts: str) -> None:
    """Posts each row of the temporary table `drafts` as an entry of two legs, the debit first, and opens accounts it names.

    Columns: code (of the entry), document, period (first day), position (within the document), debit, credit (accounts),
    amount_minor (positive). Stands inside atomic(). The database refuses an entry that does not balance.
    """
    await db.connection().execute(f"""
        INSERT INTO account (brand_id, code)
        SELECT current_brand(), code FROM (SELECT debit AS code FROM {drafts} UNION SELECT credit FROM {drafts}) named ON CONFLICT DO NOTHING;
        INSERT INTO journal_entry (brand_id, code, period, document, position)
        SELECT current_brand(), code, period, document, position FROM {drafts};
        INSERT INTO posting (brand_id, entry, leg, account, debit_minor, credit_minor)
        SELECT current_brand(), d.code, l.leg, l.account, l.debit, l.credit FROM {drafts} d
        CROSS JOIN LATERAL (VALUES (1, d.debit, d.amount_minor, 0), (2, d.credit, 0, d.amount_minor)) l (leg, account, debit, credit);
    """)
