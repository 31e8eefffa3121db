-- The earning kernel: from the lines and refunds of intakes that have not been accrued yet to accruals, reversals, own
-- volume and capped flags, set by set. It has no parameters: the one visible row of `brand` holds all settings, and the
-- temporary table `waiting` (number) the intakes. What came since these were noted is left for the next run.
--
-- A line in play has a state 0 (as paid, or as earlier intakes left it) and one state more for each new refund, in the
-- order (refunded_at, refund). Every state is priced in the same way; accruals are state 0, reversals the differences of
-- the running minimum over the states. An earlier refund that comes after a new one in that order and is on no statement yet
-- takes its place among the new ones once more; where that changes what it reversed, a later version of it says so.
--
-- Divisions: half away from zero is div(2a + b, 2b) for a >= 0, b > 0, once for each amount; products are numeric.

SET LOCAL work_mem = '128MB';

-- What a level earns, in minor units. net and gross are the line's as paid, left_minor and units what is left of it.
CREATE OR REPLACE FUNCTION pg_temp.earned(basis text, rate_ppm integer, rate_minor bigint, units bigint,
                                          gross bigint, net bigint, cost bigint, left_minor bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT (CASE basis
        WHEN 'net' THEN div(2 * left_minor::numeric * rate_ppm + 1000000, 2000000)
        WHEN 'unit' THEN rate_minor::numeric * units
        WHEN 'gross' THEN CASE WHEN net = 0 THEN 0
            ELSE div(2 * gross::numeric * left_minor * rate_ppm + net::numeric * 1000000, net::numeric * 2000000) END
        WHEN 'margin' THEN div(2 * greatest(left_minor - cost::numeric * units, 0) * rate_ppm + 1000000, 2000000)
    END)::bigint
$$;

-- The basis itself, rounded to the minor unit; a plain count for basis `unit`.
CREATE OR REPLACE FUNCTION pg_temp.basis_value(basis text, units bigint, gross bigint, net bigint, cost bigint, left_minor bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT (CASE basis
        WHEN 'net' THEN left_minor
        WHEN 'unit' THEN units
        WHEN 'gross' THEN CASE WHEN net = 0 THEN 0 ELSE div(2 * gross::numeric * left_minor + net, 2 * net::numeric) END
        WHEN 'margin' THEN greatest(left_minor - cost::numeric * units, 0)
    END)::bigint
$$;

-- 1. The new refunds.
CREATE TEMP TABLE new_refund ON COMMIT DROP AS
SELECT r.order_no, r.line_no, r.refund_no, r.intake, r.refunded_at, r.quantity, r.amount_minor
FROM waiting i JOIN refund r ON r.brand_id = current_brand() AND r.intake = i.number;
ANALYZE new_refund;

-- The clocks that start with these deliveries: of lines that are held until an event and have no clock yet. A clock starts at the
-- first instant at which the units that had the event are at least those that had not come back by then, if one is left.
CREATE TEMP TABLE new_clock ON COMMIT DROP AS
WITH touched AS (
    SELECT order_no, line_no, max(intake) AS intake
    FROM (SELECT order_no, line_no, intake FROM new_refund
          UNION ALL SELECT e.order_no, e.line_no, e.intake
          FROM waiting i JOIN fulfilment e ON e.brand_id = current_brand() AND e.intake = i.number) news
    GROUP BY 1, 2
), held AS (
    SELECT l.brand_id, l.order_no, l.line_no, t.intake, l.hold_from, l.quantity, l.net_minor
    FROM touched t JOIN order_line l ON l.brand_id = current_brand() AND l.order_no = t.order_no AND l.line_no = t.line_no
    WHERE l.hold_from <> 'paid' AND NOT EXISTS (
        SELECT 1 FROM line_clock k WHERE k.brand_id = l.brand_id AND k.order_no = l.order_no AND k.line_no = l.line_no)
), fact AS (
    SELECT h.*, e.intake AS known, e.at, e.quantity AS units, 0 AS back, 0::bigint AS amount_minor
    FROM held h JOIN fulfilment e USING (brand_id, order_no, line_no) WHERE e.event = h.hold_from
    UNION ALL SELECT h.*, r.intake, r.refunded_at, r.quantity, r.quantity, r.amount_minor FROM held h JOIN refund r USING (brand_id, order_no, line_no)
), reached AS (
    SELECT f.order_no, f.line_no, f.intake, f.quantity, f.net_minor, f.at,
           sum(f.units) OVER w AS units, sum(f.back) OVER w AS back, sum(f.amount_minor) OVER w AS amount_minor
    FROM fact f JOIN intake i ON i.brand_id = f.brand_id AND i.number = f.known WHERE i.accrued_at IS NOT NULL OR i.number IN (SELECT number FROM waiting)
    WINDOW w AS (PARTITION BY f.order_no, f.line_no ORDER BY f.at)
)
SELECT DISTINCT ON (order_no, line_no) order_no, line_no, intake, at AS started_at FROM reached
WHERE units >= quantity AND back < quantity AND (net_minor = 0 OR amount_minor < net_minor)
ORDER BY order_no, line_no, at;
ANALYZE new_clock;

INSERT INTO line_clock (brand_id, order_no, line_no, intake, started_at, matures_at)
SELECT b.id, c.order_no, c.line_no, c.intake, c.started_at, c.started_at + make_interval(hours => 24 * b.hold_days)
FROM brand b CROSS JOIN new_clock c WHERE b.id = current_brand();

-- The refunds of these lines that earlier intakes brought. overtaken: a new one comes before it.
CREATE TEMP TABLE earlier_refund ON COMMIT DROP AS
SELECT r.order_no, r.line_no, r.refund_no, r.refunded_at, r.quantity, r.amount_minor, i.accrued_through, n.intake,
       coalesce((n.refunded_at, n.refund_no) < (r.refunded_at, r.refund_no), false) AS overtaken
FROM (SELECT DISTINCT ON (order_no, line_no) order_no, line_no, intake, refunded_at, refund_no
      FROM (SELECT order_no, line_no, intake, refunded_at, refund_no FROM new_refund
            UNION ALL SELECT order_no, line_no, NULL, NULL, NULL FROM new_clock) news
      ORDER BY order_no, line_no, refunded_at, refund_no) n
JOIN refund r ON r.brand_id = current_brand() AND r.order_no = n.order_no AND r.line_no = n.line_no
JOIN intake i ON i.brand_id = r.brand_id AND i.number = r.intake
WHERE i.accrued_at IS NOT NULL;
ANALYZE earlier_refund;

-- Who puts entries on statements at this moment is waited for: what is on one stays as it is.
SELECT lock_brand(current_brand(), 'statement') FROM (SELECT 1 FROM earlier_refund WHERE overtaken LIMIT 1) overtaken;

-- The overtaken ones that are on no statement: their month is not closed, or its statements knew of neither them nor their line's clock.
CREATE TEMP TABLE taken_anew ON COMMIT DROP AS
SELECT e.*
FROM brand b CROSS JOIN earlier_refund e
JOIN order_line l ON l.brand_id = b.id AND l.order_no = e.order_no AND l.line_no = e.line_no
LEFT JOIN line_clock k ON k.brand_id = b.id AND k.order_no = e.order_no AND k.line_no = e.line_no
LEFT JOIN intake i ON i.brand_id = b.id AND i.number = k.intake
LEFT JOIN (SELECT ends_at, intake FROM period WHERE brand_id = current_brand() ORDER BY starts_on DESC LIMIT 1) p ON true
WHERE b.id = current_brand() AND e.overtaken AND (CASE l.hold_from
    WHEN 'paid' THEN greatest(e.refunded_at, l.paid_at + make_interval(hours => 24 * b.hold_days)) < p.ends_at AND e.accrued_through <= p.intake
    ELSE greatest(e.refunded_at, k.matures_at) < p.ends_at AND greatest(e.accrued_through, i.accrued_through) <= p.intake AND i.accrued_at IS NOT NULL
END) IS NOT TRUE;
ANALYZE taken_anew;

-- What is taken back now, numbered within its line.
CREATE TEMP TABLE step ON COMMIT DROP AS
SELECT order_no, line_no, refund_no, intake, refunded_at,
       row_number() OVER w AS step, sum(amount_minor) OVER w AS amount_so_far, sum(quantity) OVER w AS quantity_so_far
FROM (SELECT order_no, line_no, refund_no, intake, refunded_at, quantity, amount_minor FROM new_refund
      UNION ALL SELECT order_no, line_no, refund_no, intake, refunded_at, quantity, amount_minor FROM taken_anew) r
WINDOW w AS (PARTITION BY order_no, line_no ORDER BY refunded_at, refund_no);
ANALYZE step;

-- 2. The dates of the rules, as slices in which the set of rules in force does not change.
CREATE TEMP TABLE slice ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY day) AS slice, day AS starts_on
FROM (SELECT date '-infinity' AS day UNION SELECT starts_on FROM rule_term WHERE starts_on IS NOT NULL
      UNION SELECT own_ends_on FROM rule_term WHERE own_ends_on IS NOT NULL UNION SELECT dropped_on FROM rule_term WHERE dropped_on IS NOT NULL) days;

-- Which rules an intake knows: those that came with deliveries up to the last one that was there when it was accrued, which
-- for the waiting ones is the last that is accrued, open or among them. As the number of the last delivery among these that
-- brought a rule or dropped one. Of older intakes only those count of which a line has a new refund or a new clock.
CREATE TEMP TABLE epoch ON COMMIT DROP AS
SELECT i.number AS intake, i.is_new, coalesce(max(d.intake), 0) AS epoch
FROM (SELECT w.number, true AS is_new, (SELECT max(o.number) FROM intake o WHERE o.brand_id = current_brand()
                                        AND (o.accrued_at IS NOT NULL OR o.open OR o.number IN (SELECT number FROM waiting))) AS known FROM waiting w
      UNION ALL
      SELECT o.number, false, o.accrued_through FROM intake o WHERE o.brand_id = current_brand() AND o.accrued_at IS NOT NULL AND o.number IN (
          SELECT l.intake FROM (SELECT order_no, line_no FROM new_refund UNION SELECT order_no, line_no FROM new_clock) r JOIN order_line l USING (order_no, line_no) WHERE l.brand_id = current_brand())) i
LEFT JOIN (SELECT intake FROM rule UNION SELECT dropped_by FROM rule_term WHERE dropped_by IS NOT NULL) d ON d.intake <= i.known
GROUP BY i.number, i.is_new;
ANALYZE epoch;

-- 3. The states of the lines in play: new ones, and older ones with a new refund or a new clock. Self-purchases and wholesale lines earn
-- nothing. What a sale may earn is said by the limits of the day of the sale, also for its refunds; under cn-two-tier on a day
-- that no legal opinion covers it earns the seller alone. Once all the money of a line is back, no unit of it is left. What
-- decides about a line's rules becomes one text, its term: epoch, slice, SKU if a rule names it, channel, tiers of those who
-- may earn, and last the category, which may hold anything.
CREATE TEMP TABLE state ON COMMIT DROP AS
WITH chosen AS (
    SELECT l.*, true AS is_new, i.epoch FROM epoch i JOIN order_line l ON l.brand_id = current_brand() AND l.intake = i.intake
    WHERE i.is_new
    UNION ALL
    SELECT l.*, false, i.epoch FROM (SELECT order_no, line_no FROM new_refund UNION SELECT order_no, line_no FROM new_clock) r JOIN order_line l USING (order_no, line_no)
    JOIN epoch i ON i.intake = l.intake
    WHERE l.brand_id = current_brand() AND NOT i.is_new
), earlier AS (
    SELECT order_no, line_no, sum(amount_minor)::bigint AS amount, sum(quantity)::bigint AS quantity
    FROM earlier_refund WHERE (order_no, line_no, refund_no) NOT IN (SELECT order_no, line_no, refund_no FROM taken_anew) GROUP BY 1, 2
)
SELECT l.order_no, l.line_no, 0 AS step, NULL::text AS refund_no, l.intake, NULL::timestamptz AS refunded_at, l.is_new,
       concat_ws(' ', l.epoch, width_bucket(l.paid_on, slices.starts_on), coalesce(named.sku, ''), l.channel, l.tier,
                 CASE WHEN levels >= 2 THEN coalesce(l.parent_tier, '') ELSE '' END,
                 CASE WHEN levels >= 3 THEN coalesce(l.grandparent_tier, '') ELSE '' END, l.category) AS term,
       l.reseller, l.parent, l.grandparent, l.paid_at, CASE l.hold_from WHEN 'paid' THEN l.paid_at + make_interval(hours => 24 * b.hold_days) END AS matures_at,
       l.gross_minor, l.net_minor, l.cost_minor, limits.caps[rest.term] AS cap_ppm, rest.left_minor,
       CASE WHEN l.net_minor > 0 AND rest.left_minor = 0 THEN 0 ELSE l.quantity - coalesce(e.quantity, 0) END AS units
FROM brand b CROSS JOIN (SELECT array_agg(starts_on ORDER BY slice) AS starts_on FROM slice) slices
CROSS JOIN (SELECT array_agg(starts_on ORDER BY starts_on) AS starts_on, array_agg(max_levels ORDER BY starts_on) AS most,
                   array_agg(max_total_rate_ppm ORDER BY starts_on) AS caps FROM policy_term WHERE brand_id = current_brand()) limits
CROSS JOIN chosen l
JOIN channel c ON c.brand_id = l.brand_id AND c.code = l.channel
LEFT JOIN (SELECT DISTINCT sku FROM rule) named ON named.sku = l.sku
LEFT JOIN earlier e ON e.order_no = l.order_no AND e.line_no = l.line_no
CROSS JOIN LATERAL (SELECT CASE WHEN b.policy = 'cn-two-tier' AND l.paid_on >= b.expires_on AND NOT EXISTS (
                               SELECT 1 FROM legal_opinion o WHERE o.brand_id = b.id AND o.starts_on <= l.paid_on AND l.paid_on < o.expires_on)
                           THEN 1 ELSE limits.most[width_bucket(l.paid_on, limits.starts_on)] END AS levels,
                           width_bucket(l.paid_on, limits.starts_on) AS term,
                           l.net_minor - coalesce(e.amount, 0) AS left_minor) rest
WHERE l.brand_id = b.id AND NOT l.self_purchase AND c.kind = 'agency';

INSERT INTO state
SELECT order_no, line_no, step, refund_no, intake, refunded_at, is_new, term, reseller, parent, grandparent, paid_at, matures_at,
       gross_minor, net_minor, cost_minor, cap_ppm, left_minor,
       CASE WHEN net_minor > 0 AND left_minor = 0 THEN 0 ELSE units END
FROM (SELECT r.order_no, r.line_no, r.step, r.refund_no, r.intake, r.refunded_at, s.is_new, s.term, s.reseller, s.parent, s.grandparent,
             s.paid_at, s.matures_at, s.gross_minor, s.net_minor, s.cost_minor, s.cap_ppm,
             s.left_minor - r.amount_so_far AS left_minor,
             s.units - r.quantity_so_far AS units
      FROM step r JOIN state s USING (order_no, line_no) WHERE s.step = 0) s;
ANALYZE state;

-- 4. The rules, compiled: those of a term are found by equality of keys.
CREATE TEMP TABLE term ON COMMIT DROP AS
SELECT term, split_part(term, ' ', 1)::integer AS epoch, split_part(term, ' ', 2)::bigint AS slice, split_part(term, ' ', 3) AS sku,
       split_part(term, ' ', 4) AS channel, split_part(term, ' ', 5) AS tier, split_part(term, ' ', 6) AS parent_tier,
       split_part(term, ' ', 7) AS grandparent_tier, regexp_replace(term, '^([^ ]* ){7}', '') AS category
FROM (SELECT DISTINCT term FROM state) terms;
ANALYZE term;

-- Level 0 stands for the bonuses on the seller's own volume; '' for a blank filter. From the day on which a version of the plan
-- drops a rule, only those deliveries know it that were accrued before that version came: until is the first that does not.
CREATE TEMP TABLE rule_key ON COMMIT DROP AS
SELECT coalesce(r.level, 0) AS level, s.slice, coalesce(r.sku, '') AS sku, coalesce(r.category, '') AS category,
       coalesce(r.channel, '') AS channel, coalesce(r.tier, '') AS tier, r.code AS rule, r.intake, r.preference,
       CASE WHEN r.dropped_on <= s.starts_on THEN r.dropped_by ELSE 2147483647 END AS until
FROM (SELECT *, row_number() OVER (ORDER BY priority DESC,
          (sku IS NOT NULL)::int * 8 + (category IS NOT NULL)::int * 4 + (channel IS NOT NULL)::int * 2 + (tier IS NOT NULL)::int DESC,
          starts_on DESC NULLS LAST, code) AS preference FROM rule_term) r
JOIN slice s ON (r.starts_on IS NULL OR r.starts_on <= s.starts_on) AND (r.own_ends_on IS NULL OR s.starts_on < r.own_ends_on);
ANALYZE rule_key;

CREATE TEMP TABLE rule_of_term ON COMMIT DROP AS
SELECT c.term, c.level, k.rule, k.preference
FROM (SELECT term, sku, category, channel, epoch, slice, 0 AS level, tier FROM term
      UNION ALL SELECT term, sku, category, channel, epoch, slice, 1, tier FROM term
      UNION ALL SELECT term, sku, category, channel, epoch, slice, 2, parent_tier FROM term WHERE parent_tier <> ''
      UNION ALL SELECT term, sku, category, channel, epoch, slice, 3, grandparent_tier FROM term WHERE grandparent_tier <> '') c
JOIN (SELECT DISTINCT level, sku <> '' AS by_sku, category <> '' AS by_category, channel <> '' AS by_channel, tier <> '' AS by_tier
      FROM rule_key) shape USING (level)
JOIN rule_key k ON k.level = c.level AND k.slice = c.slice AND k.intake <= c.epoch AND c.epoch < k.until
    AND k.sku = CASE WHEN by_sku THEN c.sku ELSE '' END AND k.category = CASE WHEN by_category THEN c.category ELSE '' END
    AND k.channel = CASE WHEN by_channel THEN c.channel ELSE '' END AND k.tier = CASE WHEN by_tier THEN c.tier ELSE '' END
WHERE NOT (by_sku AND c.sku = '');
ANALYZE rule_of_term;

CREATE TEMP TABLE term_rate ON COMMIT DROP AS
WITH best AS (
    SELECT DISTINCT ON (o.term, o.level) o.term, o.level, r.code, r.basis, r.rate_ppm, r.rate_minor
    FROM rule_of_term o JOIN rule r ON r.code = o.rule WHERE o.level > 0 ORDER BY o.term, o.level, o.preference)
SELECT t.term, r1.code AS rule_1, r1.basis AS basis_1, r1.rate_ppm AS ppm_1, r1.rate_minor AS minor_1,
       r2.code AS rule_2, r2.basis AS basis_2, r2.rate_ppm AS ppm_2, r2.rate_minor AS minor_2,
       r3.code AS rule_3, r3.basis AS basis_3, r3.rate_ppm AS ppm_3, r3.rate_minor AS minor_3
FROM term t
LEFT JOIN best r1 ON r1.term = t.term AND r1.level = 1
LEFT JOIN best r2 ON r2.term = t.term AND r2.level = 2
LEFT JOIN best r3 ON r3.term = t.term AND r3.level = 3;
ANALYZE term_rate;

-- 5. Every state priced and capped. Past the cap the amounts become shares of it: whole parts, then one unit each by
-- largest remainder, ties to the smaller level.
CREATE TEMP TABLE priced ON COMMIT DROP AS
SELECT s.order_no, s.line_no, s.step, s.refund_no, s.is_new, s.refunded_at, s.reseller, s.parent, s.grandparent, s.paid_at, s.matures_at,
       t.rule_1, t.rule_2, t.rule_3,
       pg_temp.basis_value(t.basis_1, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor) AS base_1,
       pg_temp.basis_value(t.basis_2, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor) AS base_2,
       pg_temp.basis_value(t.basis_3, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor) AS base_3,
       coalesce(share.a1, raw.a1) AS amount_1, coalesce(share.a2, raw.a2) AS amount_2, coalesce(share.a3, raw.a3) AS amount_3,
       share.a1 IS NOT NULL AS capped
FROM state s JOIN term_rate t USING (term)
CROSS JOIN LATERAL (
    SELECT coalesce(pg_temp.earned(t.basis_1, t.ppm_1, t.minor_1, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor), 0) AS a1,
           coalesce(pg_temp.earned(t.basis_2, t.ppm_2, t.minor_2, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor), 0) AS a2,
           coalesce(pg_temp.earned(t.basis_3, t.ppm_3, t.minor_3, s.units, s.gross_minor, s.net_minor, s.cost_minor, s.left_minor), 0) AS a3,
           div(s.cap_ppm::numeric * s.left_minor, 1000000)::bigint AS cap
    OFFSET 0) raw
LEFT JOIN LATERAL (
    SELECT (w1 + ((m2 > m1)::int + (m3 > m1)::int < rest)::int)::bigint AS a1,
           (w2 + ((m1 >= m2)::int + (m3 > m2)::int < rest)::int)::bigint AS a2,
           (w3 + ((m1 >= m3)::int + (m2 >= m3)::int < rest)::int)::bigint AS a3
    FROM (SELECT *, raw.cap - w1 - w2 - w3 AS rest
          FROM (SELECT div(raw.a1::numeric * raw.cap, total) AS w1, div(raw.a2::numeric * raw.cap, total) AS w2, div(raw.a3::numeric * raw.cap, total) AS w3,
                       mod(raw.a1::numeric * raw.cap, total) AS m1, mod(raw.a2::numeric * raw.cap, total) AS m2, mod(raw.a3::numeric * raw.cap, total) AS m3
                FROM (SELECT raw.a1::numeric + raw.a2 + raw.a3 AS total WHERE raw.a1::numeric + raw.a2 + raw.a3 > raw.cap OFFSET 0) sums
                OFFSET 0) parts OFFSET 0) divided
) share ON true;
ANALYZE priced;

-- 6. Accruals: state 0 of the new lines. What is held until an event has no time of its own: that is its line's clock's.
INSERT INTO accrual (brand_id, order_no, line_no, level, reseller, rule, basis_value, amount_minor, occurred_at, matures_at)
SELECT current_brand(), p.order_no, p.line_no, e.level, e.reseller, e.rule, e.base, e.amount, p.paid_at, p.matures_at
FROM priced p CROSS JOIN LATERAL (VALUES (1, p.reseller, p.rule_1, p.base_1, p.amount_1), (2, p.parent, p.rule_2, p.base_2, p.amount_2),
                                         (3, p.grandparent, p.rule_3, p.base_3, p.amount_3)) e (level, reseller, rule, base, amount)
WHERE p.step = 0 AND p.is_new AND e.amount <> 0
ORDER BY p.order_no, p.line_no, e.level;

INSERT INTO order_flag (brand_id, order_no, line_no, code)
SELECT current_brand(), order_no, line_no, 'order.capped' FROM priced WHERE step = 0 AND is_new AND capped;

-- 7. Reversals: how the smallest amount so far falls from state to state, for each accrual of the refunded lines.
CREATE TEMP TABLE former ON COMMIT DROP AS
SELECT DISTINCT ON (v.order_no, v.line_no, v.level, v.refund_no) v.order_no, v.line_no, v.level, v.refund_no, v.version, v.basis_value, v.amount_minor
FROM taken_anew t JOIN reversal_version v ON v.brand_id = current_brand() AND v.order_no = t.order_no AND v.line_no = t.line_no AND v.refund_no = t.refund_no
ORDER BY v.order_no, v.line_no, v.level, v.refund_no, v.version DESC;
ANALYZE former;

CREATE TEMP TABLE refunded_accrual ON COMMIT DROP AS
SELECT a.order_no, a.line_no, a.level, a.reseller, a.rule, a.matures_at,
       a.amount_minor + coalesce(sum(v.amount_minor), 0)::bigint - coalesce(min(f.amount_minor), 0)::bigint AS amount
FROM (SELECT DISTINCT order_no, line_no FROM new_refund) n JOIN accrual a USING (order_no, line_no)
LEFT JOIN reversal v ON v.brand_id = a.brand_id AND v.order_no = a.order_no AND v.line_no = a.line_no AND v.level = a.level
LEFT JOIN (SELECT order_no, line_no, level, sum(amount_minor) AS amount_minor FROM former GROUP BY 1, 2, 3) f
    ON f.order_no = a.order_no AND f.line_no = a.line_no AND f.level = a.level
WHERE a.brand_id = current_brand()
GROUP BY a.brand_id, a.order_no, a.line_no, a.level;
ANALYZE refunded_accrual;

CREATE TEMP TABLE restated (order_no text COLLATE "C", line_no text COLLATE "C", refund_no text COLLATE "C") ON COMMIT DROP;
WITH written AS (
INSERT INTO reversal_version (brand_id, order_no, line_no, level, refund_no, version, reseller, rule, basis_value, amount_minor, occurred_at, matures_at)
SELECT current_brand(), order_no, line_no, level, refund_no, coalesce(f.version, 0) + 1, reseller, rule, base, amount_after - amount_before, refunded_at,
       CASE WHEN matures_at IS NOT NULL THEN greatest(refunded_at, matures_at) END
FROM (SELECT *, coalesce(lag(amount_after) OVER (PARTITION BY order_no, line_no, level ORDER BY step), amount) AS amount_before
      FROM (SELECT p.order_no, p.line_no, a.level, p.step, p.refund_no, p.refunded_at, a.reseller, a.rule, a.matures_at, a.amount,
                   CASE a.level WHEN 1 THEN p.base_1 WHEN 2 THEN p.base_2 ELSE p.base_3 END AS base,
                   least(a.amount, min(CASE a.level WHEN 1 THEN p.amount_1 WHEN 2 THEN p.amount_2 ELSE p.amount_3 END)
                       OVER (PARTITION BY p.order_no, p.line_no, a.level ORDER BY p.step)) AS amount_after
            FROM priced p JOIN refunded_accrual a USING (order_no, line_no) WHERE p.step > 0) falling) steps
LEFT JOIN former f USING (order_no, line_no, level, refund_no)
WHERE amount_after - amount_before <> coalesce(f.amount_minor, 0) OR (amount_after <> amount_before AND base <> f.basis_value)
RETURNING order_no, line_no, refund_no
) INSERT INTO restated SELECT DISTINCT order_no, line_no, refund_no FROM taken_anew JOIN written USING (order_no, line_no, refund_no);

-- 8. Own volume. It belongs to the local month in which the line matures; a refund takes away from the month on in which
-- it counts. Only a part of a gross can be a fraction; its denominator is the line's net. A line with a clock matures by that: where
-- the clock is new, its whole life counts now; before, nothing of it did. What counted of refunds that are taken anew is taken off.
UPDATE state s SET matures_at = k.matures_at FROM line_clock k
WHERE k.brand_id = current_brand() AND k.order_no = s.order_no AND k.line_no = s.line_no AND s.matures_at IS NULL;
DELETE FROM state s USING new_clock c WHERE c.order_no = s.order_no AND c.line_no = s.line_no AND s.step > 0;
UPDATE state s SET intake = c.intake, is_new = true, left_minor = l.net_minor, units = l.quantity
FROM new_clock c JOIN order_line l ON l.brand_id = current_brand() AND l.order_no = c.order_no AND l.line_no = c.line_no
WHERE s.order_no = c.order_no AND s.line_no = c.line_no;
INSERT INTO state (order_no, line_no, step, intake, refunded_at, is_new, term, reseller, matures_at, gross_minor, net_minor, left_minor, units)
SELECT order_no, line_no, step, intake, refunded_at, true, term, reseller, matures_at, gross_minor, net_minor, left_minor,
       CASE WHEN net_minor > 0 AND left_minor = 0 THEN 0 ELSE units END
FROM (SELECT s.order_no, s.line_no, s.intake, r.refunded_at, s.term, s.reseller, s.matures_at, s.gross_minor, s.net_minor,
             row_number() OVER w AS step, s.left_minor - sum(r.amount_minor) OVER w AS left_minor, s.units - sum(r.quantity) OVER w AS units
      FROM new_clock c JOIN state s USING (order_no, line_no) JOIN refund r ON r.brand_id = current_brand() AND r.order_no = c.order_no AND r.line_no = c.line_no
      JOIN intake i ON i.brand_id = r.brand_id AND i.number = r.intake
      WHERE i.accrued_at IS NOT NULL OR i.number IN (SELECT number FROM waiting)
      WINDOW w AS (PARTITION BY s.order_no, s.line_no ORDER BY r.refunded_at, r.refund_no)) life;
CREATE TEMP TABLE change ON COMMIT DROP AS
SELECT intake, term, reseller, matures_at, refunded_at, gross_minor, net_minor, step,
       left_minor - lag(left_minor) OVER w AS left_change, units - lag(units) OVER w AS units_change
FROM state WHERE matures_at IS NOT NULL AND (order_no, line_no) IN (SELECT order_no, line_no FROM new_refund UNION SELECT order_no, line_no FROM new_clock)
WINDOW w AS (PARTITION BY order_no, line_no ORDER BY step);
INSERT INTO change
SELECT intake, term, reseller, matures_at, refunded_at, gross_minor, net_minor, step, lag(left_minor) OVER w - left_minor, lag(units) OVER w - units
FROM (SELECT *, CASE WHEN net_minor > 0 AND left_minor = 0 THEN 0 ELSE units_left END AS units
      FROM (SELECT t.order_no, t.line_no, t.intake, s.term, s.reseller, s.matures_at, t.refunded_at, s.gross_minor, s.net_minor, row_number() OVER was AS step,
                   s.left_minor - sum(t.amount_minor) OVER was AS left_minor, s.units - sum(t.quantity) OVER was AS units_left
            FROM taken_anew t JOIN state s USING (order_no, line_no) WHERE s.step = 0 AND (t.order_no, t.line_no) NOT IN (SELECT order_no, line_no FROM new_clock)
            WINDOW was AS (PARTITION BY t.order_no, t.line_no ORDER BY t.refunded_at, t.refund_no)) taken
      UNION ALL SELECT order_no, line_no, NULL, term, reseller, matures_at, NULL, gross_minor, net_minor, 0, left_minor, units, units
      FROM state WHERE step = 0 AND (order_no, line_no) IN (SELECT order_no, line_no FROM taken_anew)) life
WHERE matures_at IS NOT NULL
WINDOW w AS (PARTITION BY order_no, line_no ORDER BY step);
CREATE TEMP TABLE bonus_rule ON COMMIT DROP AS
SELECT o.term, o.rule, r.basis FROM rule_of_term o JOIN rule r ON r.code = o.rule WHERE o.level = 0;
ANALYZE bonus_rule;

-- The months that count, as instants: starts_on[width_bucket(t, starts_at)] is period_of(t).
CREATE TEMP TABLE calendar ON COMMIT DROP AS
SELECT array_agg(month::date ORDER BY month) AS starts_on, array_agg(instant_of_local(month, time_zone) ORDER BY month) AS starts_at
FROM (SELECT b.time_zone, period_of(min(s.matures_at), b.time_zone)::timestamp AS first,
             period_of(max(greatest(s.matures_at, s.refunded_at)), b.time_zone)::timestamp AS last
      FROM brand b CROSS JOIN state s WHERE s.matures_at IS NOT NULL GROUP BY b.time_zone) span
CROSS JOIN LATERAL generate_series(first, last, interval '1 month') month;

INSERT INTO own_volume (brand_id, intake, rule, reseller, of_period, counted_in, denominator, numerator)
SELECT current_brand(), intake, rule, reseller, of_period, counted_in, denominator, sum(numerator)
FROM (
    SELECT s.intake, o.rule, s.reseller, m.starts_on[width_bucket(s.matures_at, m.starts_at)] AS of_period,
           m.starts_on[width_bucket(s.matures_at, m.starts_at)] AS counted_in, 1::numeric AS denominator,
           sum(CASE o.basis WHEN 'net' THEN s.net_minor WHEN 'unit' THEN s.units ELSE CASE WHEN s.net_minor = 0 THEN 0 ELSE s.gross_minor END END) AS numerator
    FROM calendar m CROSS JOIN state s JOIN bonus_rule o USING (term)
    WHERE s.step = 0 AND s.is_new AND s.matures_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT c.intake, o.rule, c.reseller, m.of_period, m.counted_in, part.denominator, part.numerator
    FROM calendar d CROSS JOIN change c JOIN bonus_rule o USING (term)
    CROSS JOIN LATERAL (SELECT d.starts_on[width_bucket(c.matures_at, d.starts_at)] AS of_period,
                               d.starts_on[width_bucket(greatest(c.matures_at, c.refunded_at), d.starts_at)] AS counted_in) m
    CROSS JOIN LATERAL (
        SELECT 1::numeric AS denominator, c.left_change::numeric AS numerator WHERE o.basis = 'net'
        UNION ALL SELECT 1, c.units_change WHERE o.basis = 'unit'
        UNION ALL SELECT CASE WHEN whole THEN 1 ELSE c.net_minor END,
                         CASE WHEN whole THEN div(c.gross_minor::numeric * c.left_change, nullif(c.net_minor, 0)) ELSE c.gross_minor::numeric * c.left_change END
        FROM (SELECT mod(c.gross_minor::numeric * c.left_change, nullif(c.net_minor, 0)) = 0 AS whole) share WHERE o.basis = 'gross' AND c.net_minor > 0) part
    WHERE c.step > 0
) parts
WHERE numerator <> 0
GROUP BY intake, rule, reseller, of_period, counted_in, denominator
HAVING sum(numerator) <> 0;
