-- The worst cases of a plan. Before it runs, `lint_rule` and `lint_bracket` hold the rules, with the columns of rule and
-- rule_bracket, and `lint_since` the first day that is looked at, with limits that are to hold from it on or none, and the
-- version of the price book that is to be in force from it on or none, the SKUs that are looked at or none for all, and whether one
-- without a price is at its list price. It leaves `lint_paid`, one row for each price of a SKU and each
-- set of rules under which one unit at that price pays, and of these `lint_case`, those that pay too much. `pay` is that, in millionths of a minor unit; nothing is rounded or divided before the end.
--
-- What a filter never names is one: SKUs, categories, channels and tiers that neither a rule nor a price names become '',
-- so that a rule is found by equality of keys and the work grows with what is named, not with the catalogue.

SET LOCAL work_mem = '64MB';

-- 1. Days, in slices in which neither the rules in force nor the levels that may earn nor the limit of the rate change.
CREATE TEMP TABLE lint_slice AS
SELECT row_number() OVER (ORDER BY day) AS slice, day AS starts_on,
       least(n.max_levels, CASE WHEN b.policy = 'cn-two-tier' AND day >= b.expires_on AND NOT EXISTS (
           SELECT 1 FROM legal_opinion o WHERE o.brand_id = b.id AND o.starts_on <= day AND day < o.expires_on) THEN 1 ELSE p.max_levels END) AS levels,
       least(n.max_total_rate_ppm, p.max_total_rate_ppm) AS cap_ppm
FROM lint_since n CROSS JOIN brand b CROSS JOIN LATERAL (
    SELECT n.since AS day UNION SELECT starts_on FROM lint_rule WHERE starts_on > n.since UNION SELECT ends_on FROM lint_rule WHERE ends_on > n.since
    UNION SELECT b.expires_on WHERE b.expires_on > n.since UNION SELECT starts_on FROM legal_opinion WHERE starts_on > n.since
    UNION SELECT expires_on FROM legal_opinion WHERE expires_on > n.since UNION SELECT starts_on FROM policy_value WHERE starts_on > n.since) days
JOIN policy_term p ON p.brand_id = b.id AND p.starts_on <= day AND day < p.ends_on;

CREATE TEMP TABLE lint_cell AS
SELECT c.sku, c.channel, c.tier, c.price_minor, c.starts_on, c.ends_on FROM lint_since n CROSS JOIN live_price_cell c
WHERE n.version IS NULL AND (c.ends_on IS NULL OR c.ends_on > n.since)
UNION ALL
SELECT c.sku, c.channel, c.tier, c.price_minor, c.starts_on, c.ends_on FROM lint_since n JOIN price_cell c ON c.brand_id = current_brand() AND c.version = n.version
WHERE c.ends_on IS NULL OR c.ends_on > n.since;
ANALYZE lint_cell;

-- 2. The channels, tiers and SKUs. shown: one that stands for all of ''.
CREATE TEMP TABLE lint_channel AS
SELECT CASE WHEN n.channel IS NULL THEN '' ELSE c.code END AS channel, min(c.code) AS shown
FROM channel c LEFT JOIN (SELECT channel FROM lint_rule UNION SELECT channel FROM lint_cell) n ON n.channel = c.code
WHERE c.kind = 'agency' GROUP BY 1;

CREATE TEMP TABLE lint_tier AS
SELECT CASE WHEN n.tier IS NULL THEN '' ELSE t.code END AS tier, min(t.code) AS shown
FROM tier t LEFT JOIN (SELECT tier FROM lint_rule UNION SELECT tier FROM lint_cell) n ON n.tier = t.code GROUP BY 1;

CREATE TEMP TABLE lint_sku AS
SELECT s.code AS sku, coalesce(n.sku, '') AS named_sku, coalesce(g.category, '') AS named_category, s.list_price_minor, s.cost_minor
FROM sku s LEFT JOIN (SELECT DISTINCT sku FROM lint_rule) n ON n.sku = s.code LEFT JOIN (SELECT DISTINCT category FROM lint_rule) g ON g.category = s.category
CROSS JOIN lint_since o WHERE o.skus IS NULL OR s.code = ANY (o.skus);
ANALYZE lint_slice; ANALYZE lint_channel; ANALYZE lint_tier; ANALYZE lint_sku;

-- 3. What a rule pays on one unit: by_net * price + by_margin * what the price is above the cost + by_unit * 10^6. Net and
-- gross are one at full price. Of a bonus, level 0, the highest bracket.
CREATE TEMP TABLE lint_rate AS
SELECT r.code AS rule, coalesce(r.level, 0) AS level, coalesce(r.sku, '') AS sku, coalesce(r.category, '') AS category,
       coalesce(r.channel, '') AS channel, coalesce(r.tier, '') AS tier, r.starts_on, r.ends_on,
       row_number() OVER (ORDER BY r.priority DESC,
           (r.sku IS NOT NULL)::int * 8 + (r.category IS NOT NULL)::int * 4 + (r.channel IS NOT NULL)::int * 2 + (r.tier IS NOT NULL)::int DESC,
           r.starts_on DESC NULLS LAST, r.code) AS preference,
       CASE WHEN r.basis IN ('net', 'gross') THEN coalesce(r.rate_ppm, b.rate_ppm) ELSE 0 END::numeric AS by_net,
       CASE WHEN r.basis = 'margin' THEN r.rate_ppm ELSE 0 END::numeric AS by_margin,
       CASE WHEN r.basis = 'unit' THEN coalesce(r.rate_minor, b.rate_minor) ELSE 0 END::numeric AS by_unit
FROM lint_rule r LEFT JOIN (SELECT rule, max(rate_ppm) AS rate_ppm, max(rate_minor) AS rate_minor FROM lint_bracket GROUP BY rule) b ON b.rule = r.code;

CREATE TEMP TABLE lint_match AS
SELECT c.sku, c.category, c.channel, c.tier, c.slice, k.*
FROM (SELECT k.named_sku AS sku, k.named_category AS category, h.channel, t.tier, s.slice, s.starts_on, level
      FROM (SELECT DISTINCT named_sku, named_category FROM lint_sku) k CROSS JOIN lint_channel h CROSS JOIN lint_tier t
      CROSS JOIN lint_slice s CROSS JOIN LATERAL generate_series(0, s.levels) level) c
JOIN (SELECT DISTINCT level, sku <> '' AS by_sku, category <> '' AS by_category, channel <> '' AS by_channel, tier <> '' AS by_tier FROM lint_rate) shape
    ON shape.level = c.level AND NOT (by_sku AND c.sku = '') AND NOT (by_category AND c.category = '')
    AND NOT (by_channel AND c.channel = '') AND NOT (by_tier AND c.tier = '')
JOIN (SELECT rule, level AS of_level, sku AS of_sku, category AS of_category, channel AS of_channel, tier AS of_tier, starts_on, ends_on,
             preference, by_net, by_margin, by_unit FROM lint_rate) k
    ON k.of_level = c.level AND k.of_sku = CASE WHEN by_sku THEN c.sku ELSE '' END AND k.of_category = CASE WHEN by_category THEN c.category ELSE '' END
    AND k.of_channel = CASE WHEN by_channel THEN c.channel ELSE '' END AND k.of_tier = CASE WHEN by_tier THEN c.tier ELSE '' END
    AND (k.starts_on IS NULL OR k.starts_on <= c.starts_on) AND (k.ends_on IS NULL OR c.starts_on < k.ends_on);

-- 4. What a sale pays in all: the seller's rule and all bonuses of the seller's tier, and for each level above the dearest
-- rule of any tier: one for each basis, since which is dearest depends on the price.
CREATE TEMP TABLE lint_applied AS
SELECT DISTINCT ON (sku, category, channel, slice, of_level, tier) * FROM lint_match WHERE of_level > 0
ORDER BY sku, category, channel, slice, of_level, tier, preference;

CREATE TEMP TABLE lint_above AS
SELECT DISTINCT ON (sku, category, channel, slice, of_level, by_net > 0, by_margin > 0) *
FROM lint_applied WHERE of_level > 1 AND by_net + by_margin + by_unit > 0
ORDER BY sku, category, channel, slice, of_level, by_net > 0, by_margin > 0, by_net + by_margin + by_unit DESC, rule;

CREATE TEMP TABLE lint_seller AS
SELECT sku, category, channel, slice, tier, sum(by_net) AS by_net, sum(by_margin) AS by_margin, sum(by_unit) AS by_unit, array_agg(rule ORDER BY rule) AS rules
FROM (SELECT * FROM lint_applied WHERE of_level = 1 UNION ALL SELECT * FROM lint_match WHERE of_level = 0) own
WHERE by_net + by_margin + by_unit > 0 GROUP BY 1, 2, 3, 4, 5;
ANALYZE lint_above; ANALYZE lint_seller;

CREATE TEMP TABLE lint_load AS
SELECT c.sku, c.category, c.channel, c.tier, c.slice, c.starts_on, c.cap_ppm,
       coalesce(s.by_net, 0) + coalesce(p.by_net, 0) + coalesce(g.by_net, 0) AS by_net,
       coalesce(s.by_margin, 0) + coalesce(p.by_margin, 0) + coalesce(g.by_margin, 0) AS by_margin,
       coalesce(s.by_unit, 0) + coalesce(p.by_unit, 0) + coalesce(g.by_unit, 0) AS by_unit,
       ARRAY(SELECT rule FROM unnest(s.rules || p.rule || g.rule) rule WHERE rule IS NOT NULL ORDER BY rule) AS rules
FROM (SELECT k.named_sku AS sku, k.named_category AS category, h.channel, t.tier, s.slice, s.starts_on, s.cap_ppm
      FROM (SELECT DISTINCT named_sku, named_category FROM lint_sku) k CROSS JOIN lint_channel h CROSS JOIN lint_tier t CROSS JOIN lint_slice s) c
LEFT JOIN lint_seller s USING (sku, category, channel, tier, slice)
LEFT JOIN lint_above p ON p.sku = c.sku AND p.category = c.category AND p.channel = c.channel AND p.slice = c.slice AND p.of_level = 2
LEFT JOIN lint_above g ON g.sku = c.sku AND g.category = c.category AND g.channel = c.channel AND g.slice = c.slice AND g.of_level = 3
WHERE coalesce(s.sku, p.sku, g.sku) IS NOT NULL;

-- By what a SKU's prices tell apart: '*' is any channel, any tier. Slices that follow each other under the same rules and limit are one.
CREATE TEMP TABLE lint_term AS
SELECT sku, category, channel, tier, rules, cap_ppm, by_net, by_margin, by_unit, min(shown_channel) AS shown_channel, min(shown_tier) AS shown_tier,
       min(starts_on) AS starts_on, min(slice) AS first_slice, max(slice) AS last_slice
FROM (SELECT *, slice - row_number() OVER (PARTITION BY sku, category, channel, tier, rules, cap_ppm ORDER BY slice) AS island
      FROM (SELECT l.sku, l.category, c.channel, t.tier, l.rules, l.cap_ppm, l.by_net, l.by_margin, l.by_unit, l.slice, l.starts_on,
                   min(h.shown) AS shown_channel, min(r.shown) AS shown_tier
            FROM lint_load l JOIN lint_channel h USING (channel) JOIN lint_tier r USING (tier)
            CROSS JOIN LATERAL (VALUES (l.channel), ('*')) c (channel) CROSS JOIN LATERAL (VALUES (l.tier), ('*')) t (tier)
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) folded) islands
GROUP BY sku, category, channel, tier, rules, cap_ppm, by_net, by_margin, by_unit, island;
ANALYZE lint_term;

-- 5. The prices, by day: the cell in force, found as for a quote; the list price where none is, and nothing where a SKU is not
-- sold. With each the cost of the day.
CREATE TEMP TABLE lint_price AS
WITH cell AS (
    SELECT p.* FROM lint_since n CROSS JOIN lint_cell p LEFT JOIN channel c ON c.code = p.channel
    WHERE (p.channel IS NULL OR c.kind = 'agency') AND (p.ends_on IS NULL OR p.ends_on > n.since)
), costed AS (
    SELECT m.sku, m.cost_minor, m.starts_on, m.ends_on FROM lint_since n CROSS JOIN live_price_limit m
    WHERE n.version IS NULL AND m.cost_minor IS NOT NULL AND (m.ends_on IS NULL OR m.ends_on > n.since)
    UNION ALL
    SELECT m.sku, m.cost_minor, m.starts_on, m.ends_on FROM lint_since n JOIN price_limit m ON m.brand_id = current_brand() AND m.version = n.version
    WHERE m.cost_minor IS NOT NULL AND (m.ends_on IS NULL OR m.ends_on > n.since)
), priced AS (
    SELECT sku, bool_or(by_channel) AS by_channel, bool_or(by_tier) AS by_tier
    FROM (SELECT sku, channel IS NOT NULL AS by_channel, tier IS NOT NULL AS by_tier FROM cell UNION ALL SELECT sku, false, false FROM costed) named
    GROUP BY sku
), piece AS (
    SELECT sku, day AS starts_on, lead(day, 1, 'infinity') OVER (PARTITION BY sku ORDER BY day) AS ends_on
    FROM (SELECT sku, greatest(day, n.since) AS day FROM lint_since n CROSS JOIN (
              SELECT sku, date '-infinity' AS day FROM priced UNION SELECT sku, starts_on FROM cell UNION SELECT sku, ends_on FROM cell WHERE ends_on IS NOT NULL
              UNION SELECT sku, starts_on FROM costed UNION SELECT sku, ends_on FROM costed WHERE ends_on IS NOT NULL) each
          GROUP BY 1, 2) days
), asked AS (
    SELECT sku, h.channel, t.tier, d.starts_on, d.ends_on
    FROM priced p JOIN piece d USING (sku)
    JOIN (SELECT channel, true AS by_channel FROM lint_channel UNION ALL SELECT '*', false) h USING (by_channel)
    JOIN (SELECT tier, true AS by_tier FROM lint_tier UNION ALL SELECT '*', false) t USING (by_tier)
)
SELECT DISTINCT ON (a.sku, a.channel, a.tier, a.starts_on) a.*, c.price_minor, c.sku IS NOT NULL AND c.price_minor IS NULL AS closed, m.cost_minor
FROM asked a LEFT JOIN cell c ON c.sku = a.sku AND (c.channel IS NULL OR c.channel = a.channel) AND (c.tier IS NULL OR c.tier = a.tier)
    AND c.starts_on <= a.starts_on AND (c.ends_on IS NULL OR a.starts_on < c.ends_on)
LEFT JOIN costed m ON m.sku = a.sku AND m.starts_on <= a.starts_on AND (m.ends_on IS NULL OR a.starts_on < m.ends_on)
ORDER BY a.sku, a.channel, a.tier, a.starts_on, c.channel IS NULL, c.tier IS NULL, c.starts_on DESC;
ANALYZE lint_price;

-- 6. The points (price, cost) at which a term may be at its worst. What a unit pays, less any share of its price or less what
-- the cost leaves of it, is convex in both; so the worst of many is a corner of their convex hull. Corners are found by
-- taking out, while it is worth it, what lies between its neighbours of either chain (side): what is left holds them all.
CREATE TEMP TABLE lint_live AS
SELECT s.sku, s.named_sku, s.named_category, coalesce(p.channel, '*') AS channel, coalesce(p.tier, '*') AS tier, coalesce(p.starts_on, d.since) AS starts_on,
       width_bucket(coalesce(p.starts_on, d.since), d.starts) AS first_slice, width_bucket(coalesce(p.ends_on, 'infinity') - 1, d.starts) AS last_slice,
       coalesce(p.price_minor, s.list_price_minor) AS price, coalesce(p.cost_minor, s.cost_minor) AS cost
FROM (SELECT array_agg(starts_on ORDER BY slice) AS starts, min(starts_on) AS since FROM lint_slice) d CROSS JOIN lint_since n
CROSS JOIN lint_sku s LEFT JOIN lint_price p USING (sku)
WHERE p.closed IS NOT TRUE AND (n.listed OR p.price_minor IS NOT NULL);
ANALYZE lint_live;

CREATE TEMP TABLE lint_group AS
SELECT row_number() OVER () AS point_group, g.*
FROM (SELECT DISTINCT named_sku, named_category, channel, tier, first_slice, last_slice, price = 0 AS free FROM lint_live) g;
ANALYZE lint_group;

CREATE TEMP TABLE lint_point AS
SELECT point_group, side, price, CASE side WHEN 1 THEN dearest ELSE cheapest END AS cost
FROM (SELECT g.point_group, l.price, max(l.cost) AS dearest, min(l.cost) AS cheapest
      FROM lint_live l JOIN lint_group g USING (named_sku, named_category, channel, tier, first_slice, last_slice)
      WHERE g.free = (l.price = 0) GROUP BY 1, 2) costs CROSS JOIN (VALUES (1), (-1)) v (side);

DO $$
DECLARE
    gone bigint;
BEGIN
    FOR turn IN 1..20 LOOP
        DELETE FROM lint_point USING (
            SELECT point_group, side, price,
                   side * ((cost - lag(cost) OVER w)::numeric * (lead(price) OVER w - lag(price) OVER w)
                           - (lead(cost) OVER w - lag(cost) OVER w)::numeric * (price - lag(price) OVER w)) AS outside
            FROM lint_point WINDOW w AS (PARTITION BY point_group, side ORDER BY price)) between_two
        WHERE between_two.outside <= 0 AND between_two.point_group = lint_point.point_group
            AND between_two.side = lint_point.side AND between_two.price = lint_point.price;
        GET DIAGNOSTICS gone = ROW_COUNT;
        EXIT WHEN gone < 1000;
    END LOOP;
END $$;

CREATE TEMP TABLE lint_corner AS
SELECT DISTINCT ON (point_group, price, cost) g.*, l.price, l.cost, l.sku, l.starts_on
FROM (SELECT DISTINCT point_group, price, cost FROM lint_point) p JOIN lint_group g USING (point_group)
JOIN lint_live l USING (named_sku, named_category, channel, tier, first_slice, last_slice, price, cost)
ORDER BY point_group, price, cost, l.sku, l.starts_on;
ANALYZE lint_corner;

-- 7. What each case pays; and those that pay more than the limit, or leave less than the cost.
CREATE TEMP TABLE lint_paid AS
SELECT * FROM (
    SELECT p.sku, t.shown_channel AS channel, t.shown_tier AS tier, t.rules, t.cap_ppm::numeric AS max_total_rate_ppm, greatest(t.starts_on, p.starts_on) AS starts_on, p.price, p.cost,
           t.by_net * p.price + t.by_margin * greatest(p.price - p.cost, 0) + t.by_unit * 1000000 AS pay
    FROM lint_corner p JOIN lint_term t ON t.sku = p.named_sku AND t.category = p.named_category AND t.channel = p.channel AND t.tier = p.tier
        AND t.first_slice <= p.last_slice AND p.first_slice <= t.last_slice
    OFFSET 0) paid
WHERE pay > 0;

CREATE TEMP TABLE lint_case AS
SELECT * FROM lint_paid WHERE pay > max_total_rate_ppm * price OR pay > (price - cost) * 1000000::numeric;
