-- The statements of one period of the visible brand, as a draft in temporary tables: draft_statement, and what is to be on
-- each in due_accrual, due_reversal, due_bonus, due_adjustment. Before it runs, `closing` holds one row: starts_on, starts_at,
-- ends_at; `withholding` the scheme in force for the period with its brackets (settlement/withholding.py); and core/exact.sql has run.

SET LOCAL work_mem = '128MB';

-- 1. What is due and on no statement yet: what matured since the end of the last period cannot be, and of what matured
-- before it only what came late; whether anything did shows in the counts, since a statement takes an entry once.
CREATE TEMP TABLE due_accrual ON COMMIT DROP AS
WITH span AS (SELECT coalesce((SELECT max(p.ends_at) FROM period p WHERE p.starts_on < c.starts_on), '-infinity') AS since, c.ends_at FROM closing c)
SELECT a.order_no, a.line_no, a.level, a.reseller, a.amount_minor FROM timed_accrual a
WHERE a.matures_at >= (SELECT since FROM span) AND a.matures_at < (SELECT ends_at FROM span)
UNION ALL
SELECT a.order_no, a.line_no, a.level, a.reseller, a.amount_minor FROM timed_accrual a
WHERE (SELECT count(*) FROM timed_accrual WHERE matures_at < (SELECT since FROM span)) <> (SELECT count(*) FROM statement_accrual)
    AND a.matures_at < (SELECT since FROM span) AND NOT EXISTS (
    SELECT 1 FROM statement_accrual s WHERE s.brand_id = a.brand_id AND s.order_no = a.order_no AND s.line_no = a.line_no AND s.level = a.level);

CREATE TEMP TABLE due_reversal ON COMMIT DROP AS
SELECT v.order_no, v.line_no, v.level, v.refund_no, v.reseller, v.amount_minor FROM closing c CROSS JOIN timed_reversal v
WHERE v.matures_at < c.ends_at AND NOT EXISTS (
    SELECT 1 FROM statement_reversal s WHERE s.brand_id = v.brand_id AND s.order_no = v.order_no AND s.line_no = v.line_no
        AND s.level = v.level AND s.refund_no = v.refund_no);

CREATE TEMP TABLE due_adjustment ON COMMIT DROP AS
SELECT j.code, j.reseller, j.amount_minor FROM closing c CROSS JOIN adjustment j
WHERE j.occurred_at < c.ends_at AND NOT EXISTS (SELECT 1 FROM statement_adjustment s WHERE s.brand_id = j.brand_id AND s.code = j.code);
ANALYZE due_accrual; ANALYZE due_reversal; ANALYZE due_adjustment;

-- 2. Bonuses: of each earlier and this volume period as known now, less what is already known of it.
CREATE TEMP TABLE due_bonus ON COMMIT DROP AS
WITH volume AS (
    SELECT rule, reseller, of_period, pg_temp.half_away(total[1], total[2]) AS volume
    FROM (SELECT rule, reseller, of_period, pg_temp.sum_fractions(numerator, denominator) AS total
          FROM (SELECT v.rule, v.reseller, v.of_period, v.denominator, sum(v.numerator) AS numerator
                FROM closing c CROSS JOIN own_volume v WHERE v.counted_in <= c.starts_on GROUP BY 1, 2, 3, 4) by_denominator
          GROUP BY 1, 2, 3) sums
), known AS (
    SELECT rule, reseller, of_period, sum(amount_minor) AS amount FROM bonus GROUP BY 1, 2, 3
)
SELECT v.rule, v.reseller, v.of_period, v.volume::bigint AS basis_value, (earned.amount - coalesce(k.amount, 0))::bigint AS amount_minor
FROM volume v JOIN rule r ON r.code = v.rule
CROSS JOIN LATERAL (
    SELECT pg_temp.half_away(CASE r.kind
        WHEN 'graduated' THEN sum(greatest(least(v.volume, next_from) - from_value, 0) * rate)
        ELSE coalesce(max(v.volume * rate) FILTER (WHERE from_value <= v.volume AND (next_from IS NULL OR v.volume < next_from)), 0)
    END, CASE r.basis WHEN 'unit' THEN 1 ELSE 1000000 END) AS amount
    FROM (SELECT b.from_value, coalesce(b.rate_ppm, b.rate_minor) AS rate, lead(b.from_value) OVER (ORDER BY b.from_value) AS next_from
          FROM rule_bracket b WHERE b.brand_id = r.brand_id AND b.rule = r.code) bracket
) earned
LEFT JOIN known k ON k.rule = v.rule AND k.reseller = v.reseller AND k.of_period = v.of_period
WHERE earned.amount <> coalesce(k.amount, 0);

-- 3. The sums of each reseller with an entry or an opening balance, numbered by code.
CREATE TEMP TABLE draft ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY s.reseller) AS number, s.*, r.kind,
       CASE WHEN r.kind = 'individual' THEN coalesce('identity ' || r.identity, 'reseller ' || r.code) END AS payee,
       opening + accrued + reversed + bonus + adjustment AS payable,
       opening + accrued + reversed + bonus + adjustment > 0 AND opening + accrued + reversed + bonus + adjustment >= b.min_payout_minor AS paid
FROM brand b CROSS JOIN (
    SELECT reseller, sum(opening)::bigint AS opening, sum(accrued)::bigint AS accrued, sum(reversed)::bigint AS reversed,
           sum(bonus)::bigint AS bonus, sum(adjustment)::bigint AS adjustment
    FROM (
        SELECT reseller, 0::bigint AS opening, sum(amount_minor) AS accrued, 0::bigint AS reversed, 0::bigint AS bonus, 0::bigint AS adjustment
        FROM due_accrual GROUP BY reseller
        UNION ALL SELECT reseller, 0, 0, sum(amount_minor), 0, 0 FROM due_reversal GROUP BY reseller
        UNION ALL SELECT reseller, 0, 0, 0, sum(amount_minor), 0 FROM due_bonus GROUP BY reseller
        UNION ALL SELECT reseller, 0, 0, 0, 0, sum(amount_minor) FROM due_adjustment GROUP BY reseller
        UNION ALL SELECT reseller, carried_minor, 0, 0, 0, 0
        FROM (SELECT DISTINCT ON (reseller) reseller, carried_minor FROM statement ORDER BY reseller, period DESC) last WHERE carried_minor <> 0
    ) parts GROUP BY reseller
) s
JOIN reseller r ON r.brand_id = b.id AND r.code = s.reseller;
ANALYZE draft;

-- 4. Withholding: the tax on all that was paid to the payee so far, less what was withheld on it. The tax never falls, so
-- what is withheld after each payment is the greatest tax so far.
CREATE TEMP TABLE payment ON COMMIT DROP AS
WITH earlier AS (
    SELECT coalesce('identity ' || r.identity, 'reseller ' || r.code) AS payee, sum(s.payable_minor) AS paid, sum(s.tax_minor) AS withheld, min(s.period) AS since
    FROM closing c CROSS JOIN withholding w JOIN statement s ON s.period >= w.counts_since AND s.period < c.starts_on
    JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller
    WHERE r.kind = 'individual' AND s.net_minor + s.tax_minor > 0 GROUP BY 1
), base AS (
    -- in millionths of a minor unit, so that the one rounding is the last step
    SELECT d.payee, d.number, coalesce(e.withheld, 0) AS withheld, greatest(0, CASE
        WHEN d.paid_so_far <= w.flat_until_minor THEN (d.paid_so_far - w.flat_deduction_minor) * 1000000
        ELSE d.paid_so_far * w.share_ppm
             - w.monthly_deduction_minor * (1 + extract(month FROM c.starts_on) - extract(month FROM coalesce(e.since, c.starts_on))) * 1000000
        END) AS taxable
    FROM closing c CROSS JOIN withholding w CROSS JOIN (
        SELECT d.payee, d.number, coalesce(e.paid, 0) + sum(d.payable) OVER (PARTITION BY d.payee ORDER BY d.number) AS paid_so_far
        FROM draft d LEFT JOIN earlier e USING (payee) WHERE d.paid AND d.payee IS NOT NULL) d
    LEFT JOIN earlier e USING (payee)
), due AS (
    SELECT base.*, coalesce((SELECT pg_temp.half_away(base.taxable * b.rate_ppm, 1000000000000) - b.quick_minor FROM withholding_bracket b
                             WHERE base.taxable > b.over_minor::numeric * 1000000 ORDER BY b.over_minor DESC LIMIT 1), 0) AS tax
    FROM base
)
SELECT number, greatest(withheld, max(tax) OVER (PARTITION BY payee ORDER BY number)) AS withheld_after,
       greatest(withheld, coalesce(max(tax) OVER (PARTITION BY payee ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS withheld_before
FROM due;

-- 5. The draft.
CREATE TEMP TABLE draft_statement ON COMMIT DROP AS
SELECT d.number::integer AS number, d.reseller, d.kind, d.opening, d.accrued, d.reversed, d.bonus, d.adjustment, d.payable, tax.amount AS tax,
       CASE WHEN d.paid THEN d.payable - tax.amount ELSE 0 END AS net, CASE WHEN d.paid THEN 0 ELSE d.payable END AS carried
FROM draft d LEFT JOIN payment p ON p.number = d.number
CROSS JOIN LATERAL (SELECT (CASE WHEN p.number IS NULL THEN 0 ELSE least(d.payable, p.withheld_after - p.withheld_before) END)::bigint AS amount) tax;
ANALYZE draft_statement;
