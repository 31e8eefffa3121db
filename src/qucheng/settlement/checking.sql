-- The three sides of a run by reseller and component, in temporary tables side_orders, side_statements and side_ledger. Before it
-- runs, `closing` holds the month, `checked` one row (issued: the run's statements are, and its draft is gone), `due_bonus` what a
-- draft's bonuses come to (settlement/compute.sql, step 2), `paper` and `paper_sum` the run's statements and the sums of what is on
-- each by kind, and `withholding` the scheme in force. After step 1 run steps 4 and 5 of compute.sql, which reckon the tax on what
-- the orders come to.

-- 1. The orders' side, from the entries themselves: what is on earlier statements less what was paid on those is the opening; what
-- is due by the end of the month and on none is the month's. What is issued has its own.
CREATE TEMP TABLE orders_part ON COMMIT DROP AS
SELECT reseller, part, sum(entries)::bigint AS entries, sum(amount)::bigint AS amount FROM (
    SELECT e.reseller, CASE WHEN m.period < c.starts_on THEN 'opening' ELSE 'accrued' END AS part, count(*) AS entries, sum(e.amount_minor) AS amount
    FROM closing c CROSS JOIN checked x CROSS JOIN timed_accrual e LEFT JOIN statement_accrual m USING (brand_id, order_no, line_no, level)
    WHERE m.period < c.starts_on OR CASE WHEN x.issued THEN m.period = c.starts_on ELSE m.period IS NULL AND e.matures_at < c.ends_at END
    GROUP BY 1, 2
    UNION ALL
    SELECT e.reseller, CASE WHEN m.period < c.starts_on THEN 'opening' ELSE 'reversed' END, count(*), sum(e.amount_minor)
    FROM closing c CROSS JOIN checked x CROSS JOIN timed_reversal e LEFT JOIN statement_reversal m USING (brand_id, order_no, line_no, level, refund_no)
    WHERE m.period < c.starts_on OR CASE WHEN x.issued THEN m.period = c.starts_on ELSE m.period IS NULL AND e.matures_at < c.ends_at END
    GROUP BY 1, 2
    UNION ALL
    SELECT e.reseller, CASE WHEN m.period < c.starts_on THEN 'opening' ELSE 'adjustment' END, count(*), sum(e.amount_minor)
    FROM closing c CROSS JOIN checked x CROSS JOIN adjustment e LEFT JOIN statement_adjustment m USING (brand_id, code)
    WHERE m.period < c.starts_on OR CASE WHEN x.issued THEN m.period = c.starts_on ELSE m.period IS NULL AND e.occurred_at < c.ends_at END
    GROUP BY 1, 2
    UNION ALL
    SELECT e.reseller, CASE WHEN e.period < c.starts_on THEN 'opening' ELSE 'bonus' END, count(*), sum(e.amount_minor)
    FROM closing c CROSS JOIN bonus e WHERE e.period <= c.starts_on GROUP BY 1, 2
    UNION ALL SELECT reseller, 'bonus', count(*), sum(amount_minor) FROM due_bonus GROUP BY 1
    UNION ALL SELECT s.reseller, 'opening', 0, -sum(s.net_minor + s.tax_minor) FROM closing c JOIN statement s ON s.period < c.starts_on GROUP BY 1
) parts GROUP BY 1, 2;

CREATE TEMP TABLE draft ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY s.reseller) AS number, s.*, r.kind,
       CASE WHEN r.kind = 'individual' THEN coalesce('identity ' || r.identity, 'reseller ' || r.code) END AS payee,
       opening + accrued + reversed + bonus + adjustment AS payable,
       opening + accrued + reversed + bonus + adjustment > 0 AND opening + accrued + reversed + bonus + adjustment >= b.min_payout_minor AS paid
FROM brand b CROSS JOIN (
    SELECT reseller, coalesce(sum(amount) FILTER (WHERE part = 'opening'), 0)::bigint AS opening,
           coalesce(sum(amount) FILTER (WHERE part = 'accrued'), 0)::bigint AS accrued, coalesce(sum(amount) FILTER (WHERE part = 'reversed'), 0)::bigint AS reversed,
           coalesce(sum(amount) FILTER (WHERE part = 'bonus'), 0)::bigint AS bonus, coalesce(sum(amount) FILTER (WHERE part = 'adjustment'), 0)::bigint AS adjustment
    FROM orders_part GROUP BY reseller HAVING bool_or(part <> 'opening') OR sum(amount) <> 0) s
JOIN reseller r ON r.brand_id = b.id AND r.code = s.reseller;
ANALYZE draft;

-- 2. All three sides. What an issued run posts is what is in the ledger; a draft's is what its entries would post.
CREATE TEMP TABLE side_orders ON COMMIT DROP AS
SELECT d.reseller, v.part, CASE WHEN v.part IN ('accrued', 'reversed', 'bonus', 'adjustment') THEN coalesce(p.entries, 0) ELSE 1 END AS entries, v.amount
FROM draft_statement d CROSS JOIN LATERAL (VALUES ('opening', opening), ('accrued', accrued), ('reversed', reversed), ('bonus', bonus),
    ('adjustment', adjustment), ('payable', payable), ('tax', tax), ('net', net), ('carried', carried)) v (part, amount)
LEFT JOIN orders_part p ON p.reseller = d.reseller AND p.part = v.part;

CREATE TEMP TABLE side_statements ON COMMIT DROP AS
SELECT d.reseller, v.part, CASE WHEN v.kind IS NULL THEN 1 ELSE coalesce(e.entries, 0) END AS entries, v.amount
FROM paper d CROSS JOIN LATERAL (VALUES ('opening', NULL, opening_minor), ('accrued', 'accrual', accrued_minor), ('reversed', 'reversal', reversed_minor),
    ('bonus', 'bonus', bonus_minor), ('adjustment', 'adjustment', adjustment_minor), ('payable', NULL, payable_minor), ('tax', NULL, tax_minor),
    ('net', NULL, net_minor), ('carried', NULL, carried_minor)) v (part, kind, amount)
LEFT JOIN paper_sum e ON e.number = d.number AND e.kind = v.kind;

CREATE TEMP TABLE ledger_part ON COMMIT DROP AS
SELECT substr(p.account, length('liability:reseller:') + 1) AS reseller, v.part, v.sign * coalesce(sum(p.credit_minor::numeric - p.debit_minor), 0) AS amount
FROM closing c CROSS JOIN checked x CROSS JOIN posting p JOIN journal_entry j ON j.brand_id = p.brand_id AND j.code = p.entry
CROSS JOIN LATERAL (SELECT CASE WHEN NOT x.issued OR j.period < c.starts_on THEN 'opening'
    ELSE (ARRAY['accrued', 'reversed', 'bonus', 'adjustment', 'tax', 'net'])[j.position] END AS part) n
CROSS JOIN LATERAL (SELECT n.part, CASE WHEN n.part IN ('tax', 'net') THEN -1 ELSE 1 END AS sign) v
WHERE p.account LIKE 'liability:reseller:%' AND (NOT x.issued OR j.period <= c.starts_on)
GROUP BY 1, 2, v.sign
UNION ALL
SELECT d.reseller, v.part, coalesce(v.amount, 0) FROM checked x CROSS JOIN paper d LEFT JOIN (
    SELECT number, sum(amount) FILTER (WHERE kind = 'accrual') AS accrued, sum(amount) FILTER (WHERE kind = 'reversal') AS reversed,
           sum(amount) FILTER (WHERE kind = 'bonus') AS bonus, sum(amount) FILTER (WHERE kind = 'adjustment') AS adjustment
    FROM paper_sum GROUP BY number) e USING (number)
CROSS JOIN LATERAL (VALUES ('accrued', e.accrued), ('reversed', e.reversed), ('bonus', e.bonus), ('adjustment', e.adjustment), ('tax', d.tax_minor),
    ('net', d.net_minor)) v (part, amount)
WHERE NOT x.issued;

CREATE TEMP TABLE side_ledger ON COMMIT DROP AS
SELECT reseller, v.part, (v.amount <> 0)::integer AS entries, v.amount::bigint AS amount FROM (
    SELECT reseller, coalesce(sum(amount) FILTER (WHERE part = 'opening'), 0) AS opening, coalesce(sum(amount) FILTER (WHERE part = 'accrued'), 0) AS accrued,
           coalesce(sum(amount) FILTER (WHERE part = 'reversed'), 0) AS reversed, coalesce(sum(amount) FILTER (WHERE part = 'bonus'), 0) AS bonus,
           coalesce(sum(amount) FILTER (WHERE part = 'adjustment'), 0) AS adjustment, coalesce(sum(amount) FILTER (WHERE part = 'tax'), 0) AS tax,
           coalesce(sum(amount) FILTER (WHERE part = 'net'), 0) AS net
    FROM ledger_part GROUP BY reseller) l
CROSS JOIN LATERAL (SELECT opening + accrued + reversed + bonus + adjustment AS payable) s
CROSS JOIN LATERAL (VALUES ('opening', opening), ('accrued', accrued), ('reversed', reversed), ('bonus', bonus), ('adjustment', adjustment),
    ('payable', payable), ('tax', tax), ('net', net), ('carried', payable - tax - net)) v (part, amount);

-- 3. Reseller by reseller: what one has too much and another too little does not cancel out. The ledger's entries are its own, so only
-- those of orders and statements are compared.
CREATE TEMP TABLE side_compared ON COMMIT DROP AS
SELECT reseller, part, coalesce(o.entries, 0) AS orders_entries, coalesce(o.amount, 0) AS orders_minor, coalesce(s.entries, 0) AS statements_entries,
       coalesce(s.amount, 0) AS statements_minor, coalesce(l.entries, 0) AS ledger_entries, coalesce(l.amount, 0) AS ledger_minor
FROM side_orders o FULL JOIN side_statements s USING (reseller, part) FULL JOIN side_ledger l USING (reseller, part);
