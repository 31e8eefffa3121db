-- The entries of the statements in `paper_wanted` (period, number), and of each statement the rows of its attached CSV, in
-- temporary tables. How lines are chosen and sorted, and what each figure means, is laid down in settlement/document.py.
-- All of it is read from rows that never change, so that a statement's CSV is the same whenever it is made.

CREATE TEMP TABLE paper_entry ON COMMIT DROP AS
SELECT e.period, e.number, e.kind, e.level, e.order_no, e.line_no, e.refund_no, e.rule, e.of_period, r.basis, e.basis_value, r.rate_text, e.amount_minor,
       e.occurred_at, e.matures_at, (e.occurred_at AT TIME ZONE b.time_zone)::date AS day, l.sku, k.name AS sku_name,
       coalesce(l.hold_from <> 'paid', false) AS held, CASE e.kind WHEN 'accrual' THEN l.quantity WHEN 'reversal' THEN -f.quantity END AS quantity,
       CASE e.kind WHEN 'accrual' THEN l.net_minor WHEN 'reversal' THEN -f.amount_minor END AS net_minor
FROM brand b CROSS JOIN paper_wanted w JOIN statement_entry e ON e.brand_id = b.id AND e.period = w.period AND e.number = w.number
LEFT JOIN rule r ON r.brand_id = b.id AND r.code = e.rule
LEFT JOIN order_line l ON l.brand_id = b.id AND e.kind IN ('accrual', 'reversal') AND l.order_no = e.order_no AND l.line_no = e.line_no
LEFT JOIN refund f ON f.brand_id = b.id AND f.order_no = e.order_no AND f.line_no = e.line_no AND f.refund_no = e.refund_no
LEFT JOIN sku k ON k.brand_id = b.id AND k.code = l.sku;
ANALYZE paper_entry;

-- line_row: the number a line has on the paper.
CREATE TEMP TABLE paper_line ON COMMIT DROP AS
SELECT *, CASE WHEN size <= 100 THEN row_number() OVER (PARTITION BY period, number, size <= 100 ORDER BY occurred_at, order_no, line_no, kind COLLATE "C", refund_no NULLS FIRST) END AS line_row
FROM (SELECT *, row_number() OVER (PARTITION BY period, number ORDER BY abs(amount_minor) DESC, occurred_at, order_no, line_no, kind COLLATE "C", refund_no NULLS FIRST) AS size
      FROM paper_entry WHERE kind IN ('accrual', 'reversal')) sized;
ANALYZE paper_line;

CREATE TEMP TABLE paper_csv ON COMMIT DROP AS
SELECT period, number, string_agg(concat_ws(',', coalesce(line_row::text, ''), kind, coalesce(level::text, ''), coalesce(order_no, ''), coalesce(line_no, ''),
           coalesce(refund_no, ''), coalesce(rule, ''), coalesce(to_char(of_period, 'YYYY-MM'), ''), coalesce(sku, ''), coalesce(quantity::text, ''),
           coalesce((net_minor * unit)::text, ''), coalesce(basis, ''), coalesce(CASE WHEN basis = 'unit' THEN basis_value::text ELSE (basis_value * unit)::text END, ''),
           coalesce(rate_text, ''), (amount_minor * unit)::text, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           to_char(matures_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), E'\n'
           ORDER BY occurred_at, order_no NULLS FIRST, line_no NULLS FIRST, kind COLLATE "C", refund_no NULLS FIRST, rule NULLS FIRST, of_period NULLS FIRST) AS lines
FROM (SELECT CASE decimals WHEN 0 THEN 1 WHEN 1 THEN 0.1 ELSE 0.01 END AS unit FROM brand) u
CROSS JOIN (SELECT period, number, kind, level, order_no, line_no, refund_no, rule, of_period, basis, basis_value, rate_text, amount_minor, occurred_at, matures_at,
                   sku, quantity, net_minor, line_row FROM paper_line
            UNION ALL SELECT period, number, kind, level, order_no, line_no, refund_no, rule, of_period, basis, basis_value, rate_text, amount_minor, occurred_at, matures_at,
                   sku, quantity, net_minor, NULL FROM paper_entry WHERE kind IN ('bonus', 'adjustment')) e
GROUP BY period, number;
