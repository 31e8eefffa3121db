-- A synthetic brand for scripts/benchmark/kernel.py, made by the set: `wanted` holds lines, seed, starts_on, days.
-- The temporary tables are what the rooms' doors take in: accepted rows, fault NULL.

-- Chance that is the same on every run: a number below `size` for the nth thing of a kind.
CREATE FUNCTION pg_temp.chance(n bigint, kind text, size integer) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT ((hashint8extended(n, hashtext(kind) + (SELECT seed FROM wanted)) & 9223372036854775807) % size)::integer
$$;

CREATE TEMP TABLE checked_tiers ON COMMIT DROP AS
SELECT code, 'Tier ' || code AS name, rank, NULL::text AS fault FROM (VALUES ('gold', 1), ('silver', 2), ('store', 3)) t (code, rank);

CREATE TEMP TABLE checked_channels ON COMMIT DROP AS
SELECT code, 'Channel ' || code AS name, kind, NULL::text AS fault
FROM (VALUES ('tmall', 'agency'), ('wechat', 'agency'), ('hosted', 'agency'), ('trade', 'wholesale')) c (code, kind);

-- 5 000 resellers in two levels: every tenth is a root
CREATE TEMP TABLE checked_resellers ON COMMIT DROP AS
SELECT 'R' || lpad(n::text, 5, '0') AS code, 'Reseller ' || n AS name, CASE n % 3 WHEN 0 THEN 'company' ELSE 'individual' END AS kind,
       CASE WHEN n % 10 <> 0 THEN 'R' || lpad((n - n % 10)::text, 5, '0') END AS parent,
       CASE WHEN n % 10 = 0 THEN 'gold' WHEN n % 3 = 0 THEN 'silver' ELSE 'store' END AS tier,
       wanted.starts_on - 100 AS joined_on, CASE WHEN n % 3 <> 0 THEN 'id' || n END AS identity, NULL::text AS fault
FROM wanted CROSS JOIN generate_series(0, 4999) n;

-- some change their tier in the middle
CREATE TEMP TABLE checked_placements ON COMMIT DROP AS
SELECT r.code AS reseller, wanted.starts_on + wanted.days * (1 + n % 4) / 5 AS effective_on, r.parent, 'silver' AS tier, NULL::text AS fault
FROM wanted CROSS JOIN (SELECT *, (row_number() OVER (ORDER BY code))::integer AS n FROM checked_resellers WHERE tier = 'store') r WHERE n % 12 = 0;

CREATE TEMP TABLE checked_skus ON COMMIT DROP AS
SELECT 'sku' || n AS code, 'Article ' || n AS name, 'category' || n % 10 AS category, price AS list_price_minor, price * 6 / 10 AS cost_minor, 'paid' AS hold_from, NULL::text AS fault
FROM (SELECT n, 990 + 100 * pg_temp.chance(n, 'price', 200) AS price FROM generate_series(0, 199) n) s;

-- About 200 rules with dates: two levels for everything, by category, channel and tier, in two spans; by article; one bonus
CREATE TEMP TABLE checked_rules ON COMMIT DROP AS
SELECT r.*, 0 AS priority, NULL::text AS fault FROM (
    SELECT 'all-' || level AS code, 'percent' AS kind, level, NULL::text AS sku, NULL::text AS category, NULL::text AS channel, NULL::text AS tier,
           'net' AS basis, CASE level WHEN 1 THEN '0.08' ELSE '0.02' END AS rate_text, NULL::date AS starts_on, NULL::date AS ends_on
    FROM generate_series(1, 2) level
    UNION ALL
    SELECT 'cat' || c || '-' || channel || '-' || level || '-' || span, 'percent', level, NULL, 'category' || c, channel, NULL,
           (ARRAY['net', 'net', 'gross', 'margin'])[1 + c % 4], '0.' || lpad((3 + (c * 7 + span * 5) % (CASE level WHEN 1 THEN 9 ELSE 3 END))::text, 2, '0'),
           CASE span WHEN 2 THEN wanted.starts_on + wanted.days / 2 END, CASE span WHEN 1 THEN wanted.starts_on + wanted.days / 2 END
    FROM wanted CROSS JOIN generate_series(0, 9) c CROSS JOIN (SELECT code AS channel FROM checked_channels WHERE kind = 'agency') h
    CROSS JOIN generate_series(1, 2) level CROSS JOIN generate_series(1, 2) span
    UNION ALL
    SELECT 'tier-' || t.code || '-' || c, 'percent', 1, NULL, 'category' || c, NULL, t.code, 'net', '0.1' || t.rank, NULL, NULL
    FROM checked_tiers t CROSS JOIN generate_series(0, 9) c WHERE t.rank < 3
    UNION ALL
    SELECT 'unit' || n, 'per_unit', 1, 'sku' || n, NULL, NULL, NULL, 'unit', '0.' || 50 + n % 40, wanted.starts_on + n % 30, wanted.starts_on + 40 + n % 30
    FROM wanted CROSS JOIN generate_series(0, 199, 4) n
    UNION ALL
    SELECT 'own', 'graduated', NULL, NULL, NULL, NULL, NULL, 'net', '0:0;5000:0.005;20000:0.0125', NULL, NULL
) r;

-- Orders of one to three lines, numbered and paid in time
CREATE TEMP TABLE checked_orders ON COMMIT DROP AS
SELECT n::integer AS row, 'SO' || lpad((n / 2)::text, 9, '0') AS order_no, (1 + n % 2)::text AS line_no, paid_at, reseller, channel, s.code AS sku, quantity,
       s.list_price_minor * quantity AS gross_minor, CASE WHEN pg_temp.chance(n, 'discount', 5) = 0 THEN s.list_price_minor * quantity / 10 ELSE 0 END AS discount_minor,
       CASE WHEN pg_temp.chance(n, 'own', 1000) = 0 THEN 'id' || substr(reseller, 2)::integer ELSE 'buyer' || pg_temp.chance(n, 'buyer', 300000) END AS buyer,
       NULL::text AS fault
FROM (SELECT n, wanted.starts_on::timestamptz + make_interval(secs => (n / 2) * (wanted.days * 86400.0 / wanted.lines * 2)) AS paid_at,
             'R' || lpad(pg_temp.chance(n / 2, 'seller', 5000)::text, 5, '0') AS reseller,
             (ARRAY['tmall', 'tmall', 'tmall', 'wechat', 'wechat', 'hosted', 'hosted', 'hosted', 'hosted', 'trade'])[1 + pg_temp.chance(n / 2, 'channel', 10)] AS channel,
             'sku' || pg_temp.chance(n, 'sku', 200) AS sku, 1 + pg_temp.chance(n, 'quantity', 4) AS quantity
      FROM wanted CROSS JOIN generate_series(0, lines - 1) n) o
JOIN checked_skus s ON s.code = o.sku;

-- 1 % of the lines come back, half of them in part
CREATE TEMP TABLE checked_refunds ON COMMIT DROP AS
SELECT row, 'RF' || row AS refund_no, order_no, line_no, paid_at + make_interval(days => 1 + row % 30) AS refunded_at,
       CASE row % 200 WHEN 0 THEN quantity ELSE 0 END AS quantity,
       CASE row % 200 WHEN 0 THEN gross_minor - discount_minor ELSE (gross_minor - discount_minor) / 3 END AS amount_minor, NULL::text AS fault
FROM checked_orders WHERE row % 100 = 0;
ANALYZE checked_orders;
ANALYZE checked_refunds;
