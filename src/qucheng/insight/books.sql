-- Whether the books of the visible brand agree with themselves. Section 1 lays out what the others need; each of the others is
-- one query whose rows are differences: invariant, subject, expected, found, amounts in major units. Where the books agree
-- there are none. All sections look at one snapshot (insight/books.py), which has run core/exact.sql.

-- 1. What the others need.
SET LOCAL work_mem = '128MB';

CREATE OR REPLACE FUNCTION pg_temp.money(minor numeric) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT (minor * CASE decimals WHEN 0 THEN 1 WHEN 1 THEN 0.1 ELSE 0.01 END)::text FROM brand
$$;
-- NULL for what is no JSON: a damaged document is a difference, not an error.
CREATE OR REPLACE FUNCTION pg_temp.as_json(document text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN document::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
-- The last period that is issued in full, and the last intake it knew of.
CREATE TEMP TABLE settled_through ON COMMIT DROP AS
SELECT p.starts_on, p.ends_at, p.intake FROM period p
WHERE NOT EXISTS (SELECT 1 FROM settlement_run r WHERE r.period = p.starts_on AND r.state = 'issuing')
ORDER BY p.starts_on DESC LIMIT 1;

CREATE TEMP TABLE entry_sum ON COMMIT DROP AS
SELECT period, number, kind, count(*) AS entries, sum(amount_minor) AS amount FROM statement_entry GROUP BY 1, 2, 3;
ANALYZE entry_sum;

-- 2. The four sums of a statement are those of its entries, and it has entries or an opening.
SELECT 'statement.entries' AS invariant, s.statement_no || '/' || k.kind AS subject,
       pg_temp.money(coalesce(e.amount, 0)) AS expected, pg_temp.money(k.amount) AS found
FROM statement s CROSS JOIN LATERAL (VALUES ('accrual', s.accrued_minor), ('reversal', s.reversed_minor), ('bonus', s.bonus_minor),
                                            ('adjustment', s.adjustment_minor)) k (kind, amount)
LEFT JOIN entry_sum e ON e.period = s.period AND e.number = s.number AND e.kind = k.kind
WHERE k.amount <> coalesce(e.amount, 0)
UNION ALL
SELECT 'statement.empty', s.statement_no, 'an entry or an opening', 'neither' FROM statement s
WHERE s.opening_minor = 0 AND NOT EXISTS (SELECT 1 FROM entry_sum e WHERE e.period = s.period AND e.number = s.number);

-- 3. What a statement derives from its sums.
SELECT 'statement.sums' AS invariant, s.statement_no || '/' || k.field AS subject, pg_temp.money(k.expected) AS expected, pg_temp.money(k.found) AS found
FROM brand b CROSS JOIN statement s
CROSS JOIN LATERAL (SELECT s.payable_minor > 0 AND s.payable_minor >= b.min_payout_minor AS paid) p
CROSS JOIN LATERAL (VALUES
    ('gross', s.accrued_minor::numeric + s.reversed_minor + s.bonus_minor + s.adjustment_minor, s.gross_minor),
    ('payable', s.opening_minor::numeric + s.gross_minor, s.payable_minor),
    ('tax', CASE WHEN p.paid AND s.kind = 'individual' AND b.withholding <> 'none' THEN least(s.tax_minor, s.payable_minor) ELSE 0 END, s.tax_minor),
    ('net', CASE WHEN p.paid THEN s.payable_minor - s.tax_minor ELSE 0 END, s.net_minor),
    ('carried', CASE WHEN p.paid THEN 0 ELSE s.payable_minor END, s.carried_minor)) k (field, expected, found)
WHERE k.expected <> k.found;

-- 4. The opening is what the reseller's statement before carried, and what is carried comes up again in the next period. A
-- period that is being issued may still bring it.
WITH chain AS (
    SELECT reseller, period, statement_no, opening_minor, carried_minor, lag(carried_minor, 1, 0::bigint) OVER w AS before, lead(period) OVER w AS next_seen
    FROM statement WINDOW w AS (PARTITION BY reseller ORDER BY period)
), following AS (
    SELECT starts_on, lead(starts_on) OVER (ORDER BY starts_on) AS next FROM period
)
SELECT 'statement.opening' AS invariant, statement_no AS subject, pg_temp.money(before) AS expected, pg_temp.money(opening_minor) AS found
FROM chain WHERE opening_minor <> before
UNION ALL
SELECT 'statement.missing', c.reseller || '/' || to_char(f.next, 'YYYY-MM'), 'a statement that opens with ' || pg_temp.money(c.carried_minor), 'none'
FROM chain c JOIN following f ON f.starts_on = c.period
WHERE c.carried_minor <> 0 AND f.next IS NOT NULL AND f.next IS DISTINCT FROM c.next_seen
  AND NOT EXISTS (SELECT 1 FROM settlement_run r WHERE r.period = f.next AND r.state = 'issuing');

-- 5. Numbers run from 1 in each period by the resellers' codes, and make the statement's.
SELECT 'statement.number' AS invariant, statement_no AS subject, place::text AS expected, number::text AS found
FROM (SELECT statement_no, number, row_number() OVER (PARTITION BY period ORDER BY reseller) AS place FROM statement) s WHERE number <> place
UNION ALL
SELECT 'statement.code', s.reseller || '/' || to_char(s.period, 'YYYY-MM'), n.expected, s.statement_no
FROM brand b CROSS JOIN statement s CROSS JOIN LATERAL (
    SELECT b.code || '-' || to_char(s.period, 'YYYYMM') || '-' || lpad(s.number::text, greatest(6, length(s.number::text)), '0') AS expected) n
WHERE s.statement_no <> n.expected;

-- 6. The journal is what the statements post, no more and no less.
WITH posted AS (
    SELECT s.statement_no || '/' || e.kind AS code, s.statement_no AS document, s.period, e.position, abs(e.amount) AS amount,
           CASE WHEN e.amount > 0 THEN e.debit ELSE e.credit END AS debit, CASE WHEN e.amount > 0 THEN e.credit ELSE e.debit END AS credit
    FROM statement s CROSS JOIN LATERAL (SELECT 'liability:reseller:' || s.reseller AS owed) a
    CROSS JOIN LATERAL (VALUES
        (1, 'accrual', 'expense:commission', owed, s.accrued_minor), (2, 'reversal', 'expense:commission', owed, s.reversed_minor),
        (3, 'bonus', 'expense:commission', owed, s.bonus_minor), (4, 'adjustment', 'expense:commission', owed, s.adjustment_minor),
        (5, 'withholding', owed, 'liability:tax', s.tax_minor), (6, 'payout', owed, 'asset:bank', s.net_minor)
    ) e (position, kind, debit, credit, amount)
    WHERE e.amount <> 0
), legs AS (
    SELECT p.code AS entry, l.leg, l.account COLLATE "C" AS account, l.debit, l.credit
    FROM posted p CROSS JOIN LATERAL (VALUES (1, p.debit, p.amount, 0), (2, p.credit, 0, p.amount)) l (leg, account, debit, credit)
)
SELECT 'journal.entry' AS invariant, coalesce(p.code, j.code) AS subject,
       coalesce(p.document || ' ' || to_char(p.period, 'YYYY-MM') || ' ' || p.position, 'no entry') AS expected,
       coalesce(j.document || ' ' || to_char(j.period, 'YYYY-MM') || ' ' || j.position, 'no entry') AS found
FROM posted p FULL JOIN (SELECT code, document, period, position FROM journal_entry) j ON j.code = p.code
WHERE (p.document, p.period, p.position) IS DISTINCT FROM (j.document, j.period, j.position::integer)
UNION ALL
SELECT 'journal.posting', coalesce(l.entry, p.entry) || '/' || coalesce(l.leg, p.leg),
       coalesce(l.account || ' ' || pg_temp.money(l.debit) || ' ' || pg_temp.money(l.credit), 'no posting'),
       coalesce(p.account || ' ' || pg_temp.money(p.debit_minor) || ' ' || pg_temp.money(p.credit_minor), 'no posting')
FROM legs l FULL JOIN (SELECT entry, leg, account, debit_minor, credit_minor FROM posting) p ON p.entry = l.entry AND p.leg = l.leg
WHERE (l.account, l.debit, l.credit) IS DISTINCT FROM (p.account, p.debit_minor, p.credit_minor);

-- 7. Debits are credits: in each entry and in all; what each reseller is owed is what its last statement carried.
WITH sums AS (
    SELECT entry, sum(debit_minor) AS debit, sum(credit_minor) AS credit FROM posting GROUP BY entry
), owed AS (
    SELECT account, sum(credit_minor) - sum(debit_minor) AS balance FROM posting WHERE account LIKE 'liability:reseller:%' GROUP BY account
), carried AS (
    SELECT DISTINCT ON (reseller) 'liability:reseller:' || reseller AS account, carried_minor FROM statement ORDER BY reseller, period DESC
)
SELECT 'journal.balanced' AS invariant, entry AS subject, 'debit ' || pg_temp.money(debit) AS expected, 'credit ' || pg_temp.money(credit) AS found
FROM sums WHERE debit <> credit
UNION ALL
SELECT 'journal.trial', 'all entries', 'debit ' || pg_temp.money(sum(debit)), 'credit ' || pg_temp.money(sum(credit)) FROM sums HAVING sum(debit) <> sum(credit)
UNION ALL
SELECT 'ledger.liability', coalesce(c.account, o.account), pg_temp.money(coalesce(c.carried_minor, 0)), pg_temp.money(coalesce(o.balance, 0))
FROM owed o FULL JOIN carried c ON c.account = o.account WHERE coalesce(c.carried_minor, 0) <> coalesce(o.balance, 0);

-- 8. What is on a statement exists, is its reseller's, and is on no other.
SELECT 'entry.unknown' AS invariant, 'accrual/' || concat_ws('/', m.order_no, m.line_no, m.level) AS subject,
       'an entry of ' || s.reseller AS expected, coalesce('one of ' || e.reseller, 'none') AS found
FROM statement_accrual m JOIN statement s USING (brand_id, period, number) LEFT JOIN accrual e USING (brand_id, order_no, line_no, level)
WHERE e.reseller IS DISTINCT FROM s.reseller
UNION ALL
SELECT 'entry.unknown', 'reversal/' || concat_ws('/', m.order_no, m.line_no, m.level, m.refund_no), 'an entry of ' || s.reseller, coalesce('one of ' || e.reseller, 'none')
FROM statement_reversal m JOIN statement s USING (brand_id, period, number) LEFT JOIN reversal e USING (brand_id, order_no, line_no, level, refund_no)
WHERE e.reseller IS DISTINCT FROM s.reseller
UNION ALL
SELECT 'entry.unknown', 'adjustment/' || m.code, 'an entry of ' || s.reseller, coalesce('one of ' || e.reseller, 'none')
FROM statement_adjustment m JOIN statement s USING (brand_id, period, number) LEFT JOIN adjustment e USING (brand_id, code)
WHERE e.reseller IS DISTINCT FROM s.reseller
UNION ALL
SELECT 'entry.twice', 'accrual/' || concat_ws('/', order_no, line_no, level), 'one statement', count(*) || ' statements'
FROM statement_accrual GROUP BY order_no, line_no, level HAVING count(*) > 1
UNION ALL
SELECT 'entry.twice', 'reversal/' || concat_ws('/', order_no, line_no, level, refund_no), 'one statement', count(*) || ' statements'
FROM statement_reversal GROUP BY order_no, line_no, level, refund_no HAVING count(*) > 1
UNION ALL
SELECT 'entry.twice', 'adjustment/' || code, 'one statement', count(*) || ' statements' FROM statement_adjustment GROUP BY code HAVING count(*) > 1;

-- 9. No entry is lost: what had matured by the end of the last period, and was known when that was settled, is on a
-- statement. What came later waits for the next.
SELECT 'entry.lost' AS invariant, e.subject, 'on a statement by ' || to_char(d.starts_on, 'YYYY-MM') AS expected, 'on none' AS found
FROM settled_through d CROSS JOIN LATERAL (
    SELECT 'accrual/' || concat_ws('/', a.order_no, a.line_no, a.level) AS subject
    FROM timed_accrual a JOIN order_line l USING (brand_id, order_no, line_no) LEFT JOIN statement_accrual m USING (brand_id, order_no, line_no, level)
    LEFT JOIN line_clock k USING (brand_id, order_no, line_no)
    WHERE a.matures_at < d.ends_at AND l.intake IN (SELECT number FROM intake i WHERE i.accrued_through <= d.intake) AND m.period IS NULL
      AND coalesce(k.intake, l.intake) IN (SELECT number FROM intake i WHERE i.accrued_through <= d.intake)
    UNION ALL
    SELECT 'reversal/' || concat_ws('/', v.order_no, v.line_no, v.level, v.refund_no)
    FROM timed_reversal v JOIN refund f USING (brand_id, order_no, line_no, refund_no)
    LEFT JOIN statement_reversal m USING (brand_id, order_no, line_no, level, refund_no) LEFT JOIN line_clock k USING (brand_id, order_no, line_no)
    WHERE v.matures_at < d.ends_at AND f.intake IN (SELECT number FROM intake i WHERE i.accrued_through <= d.intake) AND m.period IS NULL
      AND coalesce(k.intake, f.intake) IN (SELECT number FROM intake i WHERE i.accrued_through <= d.intake)
    UNION ALL
    SELECT 'adjustment/' || j.code FROM adjustment j LEFT JOIN statement_adjustment m USING (brand_id, code)
    WHERE j.occurred_at < d.ends_at AND j.intake <= d.intake AND m.period IS NULL) e;

-- 10. No entry is early, and each stands at its time: what is held until an event has none, and its line's clock says it.
SELECT 'entry.early' AS invariant, e.subject, 'after ' || to_char(e.period, 'YYYY-MM') AS expected, 'on a statement of ' || to_char(e.period, 'YYYY-MM') AS found
FROM (SELECT kind || '/' || concat_ws('/', order_no, line_no, level, refund_no) AS subject, period, matures_at
      FROM statement_entry WHERE kind <> 'bonus') e
JOIN period p ON p.starts_on = e.period WHERE e.matures_at >= p.ends_at
UNION ALL
SELECT 'entry.time', 'accrual/' || concat_ws('/', a.order_no, a.line_no, a.level), concat_ws(' ', t.occurred_at, t.matures_at), concat_ws(' ', a.occurred_at, a.matures_at)
FROM brand b CROSS JOIN accrual a JOIN order_line l USING (brand_id, order_no, line_no)
CROSS JOIN LATERAL (SELECT l.paid_at AS occurred_at, CASE l.hold_from WHEN 'paid' THEN l.paid_at + make_interval(hours => 24 * b.hold_days) END AS matures_at) t
WHERE (a.occurred_at, a.matures_at) IS DISTINCT FROM (t.occurred_at, t.matures_at)
UNION ALL
SELECT 'entry.time', 'reversal/' || concat_ws('/', v.order_no, v.line_no, v.level, v.refund_no), concat_ws(' ', t.occurred_at, t.matures_at), concat_ws(' ', v.occurred_at, v.matures_at)
FROM reversal v JOIN refund f USING (brand_id, order_no, line_no, refund_no) JOIN accrual a USING (brand_id, order_no, line_no, level)
CROSS JOIN LATERAL (SELECT f.refunded_at AS occurred_at, CASE WHEN a.matures_at IS NOT NULL THEN greatest(f.refunded_at, a.matures_at) END AS matures_at) t
WHERE (v.occurred_at, v.matures_at) IS DISTINCT FROM (t.occurred_at, t.matures_at)
UNION ALL
-- a clock runs or does not by what was accrued; what came after it had started makes it start no earlier and stops it no more
SELECT 'clock.start', concat_ws('/', l.order_no, l.line_no), CASE WHEN c.starts THEN 'a clock' ELSE 'none' END, coalesce(k.started_at::text, 'none')
FROM brand b JOIN order_line l ON l.brand_id = b.id AND l.hold_from <> 'paid' LEFT JOIN line_clock k USING (brand_id, order_no, line_no)
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(units >= l.quantity AND back < l.quantity AND (l.net_minor = 0 OR amount < l.net_minor)), false) AS starts,
           coalesce(bool_or(at = k.started_at AND units >= l.quantity), false) AS fits
    FROM (SELECT at, sum(units) OVER w AS units, sum(back) OVER w AS back, sum(amount) OVER w AS amount
          FROM (SELECT e.at, e.intake, e.quantity AS units, 0 AS back, 0::bigint AS amount FROM fulfilment e
                WHERE e.brand_id = l.brand_id AND e.order_no = l.order_no AND e.line_no = l.line_no AND e.event = l.hold_from
                UNION ALL SELECT r.refunded_at, r.intake, r.quantity, r.quantity, r.amount_minor FROM refund r
                WHERE r.brand_id = l.brand_id AND r.order_no = l.order_no AND r.line_no = l.line_no) fact
          JOIN intake i ON i.number = fact.intake AND i.accrued_at IS NOT NULL WINDOW w AS (ORDER BY at)) reached) c
WHERE CASE WHEN k.started_at IS NULL THEN c.starts ELSE NOT c.fits END
UNION ALL
SELECT 'clock.time', concat_ws('/', k.order_no, k.line_no), (k.started_at + make_interval(hours => 24 * b.hold_days))::text, k.matures_at::text
FROM brand b JOIN line_clock k ON k.brand_id = b.id WHERE k.matures_at <> k.started_at + make_interval(hours => 24 * b.hold_days)
UNION ALL
SELECT 'entry.time', concat_ws('/', 'bonus', o.reseller, o.rule, to_char(o.of_period, 'YYYY-MM'), to_char(o.period, 'YYYY-MM')), p.ends_at::text, o.occurred_at::text
FROM bonus o JOIN period p ON p.starts_on = o.period WHERE o.occurred_at <> p.ends_at;

-- 11. What a line has earned after its refunds: never less than nothing, nothing once all is back, never past the cap.
WITH earned AS (
    SELECT order_no, line_no, level, sum(amount_minor) AS amount
    FROM (SELECT order_no, line_no, level, amount_minor FROM accrual UNION ALL SELECT order_no, line_no, level, amount_minor FROM reversal) entries
    GROUP BY 1, 2, 3
), taken AS (
    SELECT r.order_no, r.line_no, sum(r.quantity) AS quantity, sum(r.amount_minor) AS amount, sum(r.quantity) FILTER (WHERE i.accrued_at IS NOT NULL) AS quantity_known,
           sum(r.amount_minor) FILTER (WHERE i.accrued_at IS NOT NULL) AS amount_known
    FROM refund r JOIN intake i ON i.brand_id = r.brand_id AND i.number = r.intake GROUP BY 1, 2
), rest AS (
    SELECT l.order_no, l.line_no, l.paid_on, l.net_minor, l.net_minor - coalesce(t.amount_known, 0) AS amount, l.quantity - coalesce(t.quantity_known, 0) AS quantity
    FROM order_line l LEFT JOIN taken t USING (order_no, line_no)
)
SELECT 'line.negative' AS invariant, concat_ws('/', order_no, line_no, level) AS subject, 'at least ' || pg_temp.money(0) AS expected, pg_temp.money(amount) AS found
FROM earned WHERE amount < 0
UNION ALL
SELECT 'line.refunded', concat_ws('/', e.order_no, e.line_no, e.level), pg_temp.money(0), pg_temp.money(e.amount)
FROM earned e JOIN rest r USING (order_no, line_no) WHERE r.amount = 0 AND (r.net_minor > 0 OR r.quantity = 0) AND e.amount > 0
UNION ALL
SELECT 'line.cap', concat_ws('/', e.order_no, e.line_no), 'at most ' || pg_temp.money(c.cap), pg_temp.money(e.amount)
FROM (SELECT order_no, line_no, sum(amount) AS amount FROM earned GROUP BY 1, 2) e JOIN rest r USING (order_no, line_no)
JOIN policy_term p ON p.starts_on <= r.paid_on AND r.paid_on < p.ends_on
CROSS JOIN LATERAL (SELECT div(p.max_total_rate_ppm * r.amount, 1000000) AS cap) c WHERE e.amount > c.cap AND r.amount > 0
UNION ALL
SELECT 'refund.exceeds_line', concat_ws('/', l.order_no, l.line_no), 'at most ' || l.quantity || ' for ' || pg_temp.money(l.net_minor), t.quantity || ' for ' || pg_temp.money(t.amount)
FROM taken t JOIN order_line l USING (order_no, line_no) WHERE t.quantity > l.quantity OR t.amount > l.net_minor;

-- 12. Only those in the chain of a line earn on it, each at its level, as many levels as the policy lets; nobody on a
-- self-purchase or in a wholesale channel. What they earn is basis × rate.
SELECT 'accrual.reseller' AS invariant, concat_ws('/', a.order_no, a.line_no, a.level) AS subject, coalesce(may.reseller, 'nobody') AS expected, a.reseller AS found
FROM brand b CROSS JOIN accrual a JOIN order_line l USING (brand_id, order_no, line_no) JOIN channel c ON c.brand_id = l.brand_id AND c.code = l.channel
JOIN policy_term p ON p.starts_on <= l.paid_on AND l.paid_on < p.ends_on
CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT l.self_purchase AND c.kind = 'agency'
                 AND a.level <= CASE WHEN b.policy = 'cn-two-tier' AND l.paid_on >= b.expires_on
                                       AND NOT EXISTS (SELECT 1 FROM legal_opinion o WHERE o.brand_id = b.id AND o.starts_on <= l.paid_on AND l.paid_on < o.expires_on)
                                     THEN 1 ELSE p.max_levels END
                THEN CASE a.level WHEN 1 THEN l.reseller WHEN 2 THEN l.parent ELSE l.grandparent END END AS reseller) may
WHERE may.reseller IS DISTINCT FROM a.reseller
UNION ALL
-- An accrual is what its own figures give, as the paper shows them; on a line that was capped all of them use the cap up.
SELECT 'accrual.amount', concat_ws('/', a.order_no, a.line_no, a.level), pg_temp.money(e.amount), pg_temp.money(a.amount_minor)
FROM accrual a JOIN rule r ON r.brand_id = a.brand_id AND r.code = a.rule
LEFT JOIN order_flag f ON f.brand_id = a.brand_id AND f.order_no = a.order_no AND f.line_no = a.line_no AND f.code = 'order.capped'
CROSS JOIN LATERAL (SELECT pg_temp.half_away(a.basis_value::numeric * coalesce(r.rate_ppm, r.rate_minor), CASE r.kind WHEN 'percent' THEN 1000000 ELSE 1 END) AS amount) e
WHERE f.code IS NULL AND a.amount_minor <> e.amount
UNION ALL
SELECT 'accrual.capped', concat_ws('/', l.order_no, l.line_no), pg_temp.money(c.cap), pg_temp.money(coalesce(sum(a.amount_minor), 0))
FROM order_flag f JOIN order_line l USING (brand_id, order_no, line_no) LEFT JOIN accrual a USING (brand_id, order_no, line_no)
JOIN policy_term p ON p.starts_on <= l.paid_on AND l.paid_on < p.ends_on
CROSS JOIN LATERAL (SELECT div(p.max_total_rate_ppm * l.net_minor::numeric, 1000000) AS cap) c
WHERE f.code = 'order.capped' GROUP BY l.order_no, l.line_no, c.cap HAVING coalesce(sum(a.amount_minor), 0) <> c.cap
UNION ALL
SELECT 'reversal.reseller', concat_ws('/', v.order_no, v.line_no, v.level, v.refund_no), a.reseller || ' ' || a.rule, v.reseller || ' ' || v.rule
FROM reversal v JOIN accrual a USING (brand_id, order_no, line_no, level) WHERE (v.reseller, v.rule) <> (a.reseller, a.rule);

-- 13. Rows in are rows out.
WITH stored AS (
    SELECT 'orders.csv' COLLATE "C" AS file, intake, count(*) AS rows FROM order_line GROUP BY intake
    UNION ALL SELECT 'refunds.csv', intake, count(*) FROM refund GROUP BY intake
    UNION ALL SELECT 'fulfilments.csv', intake, count(*) FROM fulfilment GROUP BY intake
    UNION ALL SELECT 'adjustments.csv', intake, count(*) FROM adjustment GROUP BY intake
    UNION ALL SELECT 'rules.csv', intake, count(*) FROM rule WHERE plan_version IS NULL GROUP BY intake
), kept AS (
    SELECT 'tiers.csv' COLLATE "C" AS file, count(*) AS rows FROM tier
    UNION ALL SELECT 'channels.csv', count(*) FROM channel
    UNION ALL SELECT 'resellers.csv', count(*) FROM reseller
    UNION ALL SELECT 'placements.csv', count(*) FROM placement
    UNION ALL SELECT 'skus.csv', count(*) FROM sku
    UNION ALL SELECT 'prices.csv', count(*) FROM channel_price
), refused AS (
    SELECT intake, file, count(*) AS rows FROM rejection GROUP BY 1, 2
)
SELECT 'rows.read' AS invariant, intake || '/' || file AS subject, imported + duplicate + rejected || ' rows' AS expected, rows || ' rows' AS found
FROM intake_file WHERE rows <> imported + duplicate + rejected
UNION ALL
SELECT 'rows.rejected', f.intake || '/' || f.file, f.rejected || ' rows', coalesce(r.rows, 0) || ' rows'
FROM intake_file f LEFT JOIN refused r USING (intake, file) WHERE f.rejected <> coalesce(r.rows, 0)
UNION ALL
SELECT 'rows.stored', f.intake || '/' || f.file, f.imported || ' rows', coalesce(s.rows, 0) || ' rows'
FROM intake_file f LEFT JOIN stored s USING (intake, file)
WHERE f.file IN ('orders.csv', 'refunds.csv', 'fulfilments.csv', 'adjustments.csv', 'rules.csv') AND f.imported <> coalesce(s.rows, 0)
UNION ALL
SELECT 'rows.stored', f.file, 'at least ' || f.imported || ' rows', k.rows || ' rows'
FROM (SELECT file, sum(imported) AS imported FROM intake_file GROUP BY file) f JOIN kept k USING (file) WHERE k.rows < f.imported;

-- 14. The bonuses of a volume period, added up, are its bonus as known at the end of the last period.
WITH volume AS (
    SELECT rule, reseller, of_period, pg_temp.half_away(total[1], total[2]) AS volume
    FROM (SELECT rule, reseller, of_period, pg_temp.sum_fractions(numerator, denominator) AS total
          FROM (SELECT v.rule, v.reseller, v.of_period, v.denominator, sum(v.numerator) AS numerator
                FROM settled_through d CROSS JOIN own_volume v
                WHERE v.counted_in <= d.starts_on AND v.intake IN (SELECT number FROM intake i WHERE i.accrued_through <= d.intake) GROUP BY 1, 2, 3, 4) by_denominator
          GROUP BY 1, 2, 3) sums
), known AS (
    SELECT rule, reseller, of_period, sum(amount_minor) AS amount FROM bonus
    WHERE period <= (SELECT starts_on FROM settled_through) GROUP BY 1, 2, 3
), earned AS (
    SELECT v.rule, v.reseller, v.of_period, amounts.amount
    FROM volume v JOIN rule r ON r.code = v.rule
    CROSS JOIN LATERAL (
        SELECT pg_temp.half_away(CASE r.kind
            WHEN 'graduated' THEN sum(greatest(least(v.volume, next_from) - from_value, 0) * rate)
            ELSE coalesce(max(v.volume * rate) FILTER (WHERE from_value <= v.volume AND (next_from IS NULL OR v.volume < next_from)), 0)
        END, CASE r.basis WHEN 'unit' THEN 1 ELSE 1000000 END) AS amount
        FROM (SELECT b.from_value, coalesce(b.rate_ppm, b.rate_minor) AS rate, lead(b.from_value) OVER (ORDER BY b.from_value) AS next_from
              FROM rule_bracket b WHERE b.brand_id = r.brand_id AND b.rule = r.code) bracket) amounts
)
SELECT 'bonus.amount' AS invariant, concat_ws('/', 'bonus', reseller, rule, to_char(of_period, 'YYYY-MM')) AS subject,
       pg_temp.money(coalesce(e.amount, 0)) AS expected, pg_temp.money(coalesce(k.amount, 0)) AS found
FROM earned e FULL JOIN known k USING (rule, reseller, of_period) WHERE coalesce(e.amount, 0) <> coalesce(k.amount, 0);

-- 15. What was withheld from a payee is never more than what it was paid.
SELECT 'payee.tax' AS invariant, min(s.reseller) || '/' || to_char(s.period, 'YYYY-MM') AS subject,
       'at most ' || pg_temp.money(sum(s.payable_minor) FILTER (WHERE s.payable_minor > 0 AND s.carried_minor = 0)) AS expected, pg_temp.money(sum(s.tax_minor)) AS found
FROM statement s JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller
GROUP BY s.period, coalesce('identity ' || r.identity, 'reseller ' || r.code)
HAVING sum(s.tax_minor) > coalesce(sum(s.payable_minor) FILTER (WHERE s.payable_minor > 0 AND s.carried_minor = 0), 0);

-- 16. Frozen documents: unchanged since they were issued, and with the statement's figures.
WITH frozen AS (
    SELECT s.*, d.sha256, encode(sha256(convert_to(d.document, 'UTF8')), 'hex') AS digest, d.document IS NULL AS absent, pg_temp.as_json(d.document) AS facts
    FROM statement s LEFT JOIN statement_document d USING (brand_id, period, number)
)
SELECT 'document.missing' AS invariant, f.statement_no AS subject, 'a frozen document' AS expected, 'none' AS found
FROM frozen f WHERE f.absent AND EXISTS (SELECT 1 FROM settlement_run r WHERE r.period = f.period AND r.state IN ('issuing', 'issued'))
UNION ALL
SELECT 'document.sha256', statement_no, sha256, digest FROM frozen WHERE sha256 <> digest
UNION ALL
SELECT 'document.figures', statement_no, 'JSON', 'something else' FROM frozen WHERE NOT absent AND facts IS NULL
UNION ALL
SELECT 'document.figures', f.statement_no || '/' || k.field, k.expected, coalesce(f.facts ->> k.field, 'nothing')
FROM frozen f CROSS JOIN LATERAL (VALUES
    ('statement_no', f.statement_no), ('period', to_char(f.period, 'YYYY-MM')), ('reseller_code', f.reseller), ('reseller_kind', f.kind),
    ('opening', f.opening_minor::text), ('accrued', f.accrued_minor::text), ('reversed', f.reversed_minor::text), ('bonus', f.bonus_minor::text),
    ('adjustment', f.adjustment_minor::text), ('gross', f.gross_minor::text), ('payable', f.payable_minor::text), ('tax', f.tax_minor::text),
    ('net', f.net_minor::text), ('carried', f.carried_minor::text)) k (field, expected)
WHERE f.facts IS NOT NULL AND k.expected IS DISTINCT FROM f.facts ->> k.field;

-- 17. A run has issued the statements it was to issue.
SELECT 'run.statements' AS invariant, to_char(r.period, 'YYYY-MM') || '/' || k.field AS subject, k.expected, k.found
FROM settlement_run r LEFT JOIN (SELECT period, count(*) AS statements, sum(gross_minor) AS gross, sum(tax_minor) AS tax, sum(net_minor) AS net
                                 FROM statement GROUP BY period) s ON s.period = r.period
CROSS JOIN LATERAL (VALUES
    ('statements', r.issued::text, coalesce(s.statements, 0)::text, true),
    ('gross', pg_temp.money(r.gross_minor), pg_temp.money(coalesce(s.gross, 0)), r.state = 'issued'),
    ('tax', pg_temp.money(r.tax_minor), pg_temp.money(coalesce(s.tax, 0)), r.state = 'issued'),
    ('net', pg_temp.money(r.net_minor), pg_temp.money(coalesce(s.net, 0)), r.state = 'issued')) k (field, expected, found, complete)
WHERE r.state IN ('issuing', 'issued') AND k.complete AND k.expected <> k.found;

-- 18. Stock: as many cards in each state as the levels say, what moved out of a pool has moved into another, and what was lent is out.
SELECT 'stock.level' AS invariant, d.pool || '/' || d.batch AS subject, 'what the cards say' AS expected, 'another count' AS found FROM stock_differences() d;
