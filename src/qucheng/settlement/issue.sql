-- Issues the statements of draft_statement with what is due on them (settlement/compute.sql, or a batch of a run's stored draft),
-- and drafts what they post.

-- 1. Statements, and what is on them.
INSERT INTO statement (brand_id, period, number, statement_no, reseller, kind, opening_minor, accrued_minor, reversed_minor, bonus_minor,
                       adjustment_minor, gross_minor, payable_minor, tax_minor, net_minor, carried_minor)
SELECT b.id, c.starts_on, d.number, b.code || '-' || to_char(c.starts_on, 'YYYYMM') || '-' || lpad(d.number::text, greatest(6, length(d.number::text)), '0'),
       d.reseller, d.kind, d.opening, d.accrued, d.reversed, d.bonus, d.adjustment, d.payable - d.opening, d.payable, d.tax, d.net, d.carried
FROM brand b CROSS JOIN closing c CROSS JOIN draft_statement d
ORDER BY d.number;

INSERT INTO statement_accrual (brand_id, order_no, line_no, level, period, number)
SELECT current_brand(), a.order_no, a.line_no, a.level, c.starts_on, d.number
FROM closing c CROSS JOIN due_accrual a JOIN draft_statement d USING (reseller)
ORDER BY a.order_no, a.line_no, a.level;

INSERT INTO statement_reversal (brand_id, order_no, line_no, level, refund_no, period, number)
SELECT current_brand(), v.order_no, v.line_no, v.level, v.refund_no, c.starts_on, d.number
FROM closing c CROSS JOIN due_reversal v JOIN draft_statement d USING (reseller);

INSERT INTO statement_adjustment (brand_id, code, period, number)
SELECT current_brand(), j.code, c.starts_on, d.number FROM closing c CROSS JOIN due_adjustment j JOIN draft_statement d USING (reseller);

INSERT INTO bonus (brand_id, period, reseller, rule, of_period, basis_value, amount_minor, occurred_at)
SELECT current_brand(), c.starts_on, reseller, rule, of_period, basis_value, amount_minor, c.ends_at FROM closing c CROSS JOIN due_bonus;

-- 2. What the statements post: for ledger/journal.py. A negative sum posts the other way round.
CREATE TEMP TABLE journal_draft ON COMMIT DROP AS
SELECT s.statement_no || '/' || e.kind AS code, s.statement_no AS document, s.period, e.position,
       CASE WHEN e.amount > 0 THEN e.debit ELSE e.credit END AS debit, CASE WHEN e.amount > 0 THEN e.credit ELSE e.debit END AS credit,
       abs(e.amount) AS amount_minor
FROM closing c CROSS JOIN draft_statement d JOIN statement s ON s.period = c.starts_on AND s.number = d.number
CROSS JOIN LATERAL (SELECT 'liability:reseller:' || s.reseller AS owed) a
CROSS JOIN LATERAL (VALUES
    (1, 'accrual', 'expense:commission', owed, s.accrued_minor), (2, 'reversal', 'expense:commission', owed, s.reversed_minor),
    (3, 'bonus', 'expense:commission', owed, s.bonus_minor), (4, 'adjustment', 'expense:commission', owed, s.adjustment_minor),
    (5, 'withholding', owed, 'liability:tax', s.tax_minor), (6, 'payout', owed, 'asset:bank', s.net_minor)
) e (position, kind, debit, credit, amount)
WHERE e.amount <> 0;
