-- The books of some months, copied under the names by which the kernel knows them. A temporary table comes before one of the same
-- name that stays, so the kernel reads and writes these alone. Before it runs, `sim_span` holds one row: from_paid, to_paid.

-- 1. Facts: the lines that mature in the span, with all of their refunds and clocks, as one delivery that waits.
CREATE TEMP TABLE sim_line ON COMMIT DROP AS
SELECT l.brand_id, l.order_no, l.line_no, 1 AS intake, l.paid_at, l.paid_on, l.reseller, l.channel, l.sku, l.quantity, l.gross_minor, l.net_minor,
       l.tier, l.parent, l.parent_tier, l.grandparent, l.grandparent_tier, l.category, l.cost_minor, l.self_purchase, l.hold_from
FROM sim_span s CROSS JOIN brand b JOIN public.order_line l ON l.brand_id = b.id
LEFT JOIN public.line_clock k ON k.brand_id = l.brand_id AND k.order_no = l.order_no AND k.line_no = l.line_no
CROSS JOIN LATERAL (SELECT CASE l.hold_from WHEN 'paid' THEN l.paid_at ELSE k.started_at END AS since) hold
WHERE hold.since >= s.from_paid AND hold.since < s.to_paid;
CREATE TEMP TABLE sim_refund ON COMMIT DROP AS
SELECT r.brand_id, r.order_no, r.line_no, 1 AS intake, r.refund_no, r.refunded_at, r.quantity, r.amount_minor
FROM public.refund r JOIN sim_line l USING (brand_id, order_no, line_no);
CREATE TEMP TABLE sim_clock ON COMMIT DROP AS
SELECT k.brand_id, k.order_no, k.line_no, 1 AS intake, k.started_at, k.matures_at FROM public.line_clock k JOIN sim_line l USING (brand_id, order_no, line_no);
CREATE TEMP TABLE fulfilment (LIKE public.fulfilment) ON COMMIT DROP;
ALTER TABLE sim_clock RENAME TO line_clock;
ALTER TABLE sim_line RENAME TO order_line;
ALTER TABLE sim_refund RENAME TO refund;
CREATE TEMP TABLE intake (LIKE public.intake) ON COMMIT DROP;
INSERT INTO intake (brand_id, number, received_at, live, open) VALUES (current_brand(), 1, '-infinity', false, false);
CREATE TEMP TABLE waiting ON COMMIT DROP AS SELECT 1 AS number;

-- 2. What the kernel writes, and the rules of one plan.
-- the kernel groups by its key
CREATE TEMP TABLE accrual (LIKE public.accrual INCLUDING INDEXES) ON COMMIT DROP;
CREATE TEMP TABLE reversal_version (LIKE public.reversal_version) ON COMMIT DROP;
CREATE TEMP VIEW reversal AS SELECT * FROM reversal_version;
CREATE TEMP TABLE own_volume (LIKE public.own_volume) ON COMMIT DROP;
CREATE TEMP TABLE order_flag (LIKE public.order_flag) ON COMMIT DROP;
CREATE TEMP TABLE bonus (LIKE public.bonus) ON COMMIT DROP;
CREATE TEMP TABLE rule (LIKE public.rule) ON COMMIT DROP;
CREATE TEMP TABLE rule_bracket (LIKE public.rule_bracket) ON COMMIT DROP;
CREATE TEMP TABLE closing ON COMMIT DROP AS SELECT date 'infinity' AS starts_on;
ANALYZE order_line; ANALYZE refund;
