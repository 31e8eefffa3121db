-- What stands out in the sales of the visible brand. $1 now, $2 the first of 60 days, $3 the first of the last 30, $4 the brand's
-- time zone, $5 the limits as JSON, $6 how many order numbers are kept of each, $7 how many findings at most.
WITH limits AS MATERIALIZED (
    SELECT l.*, ($3::date::timestamp AT TIME ZONE $4) AS near_at
    FROM jsonb_to_record($5::jsonb) AS l (refund_share_ppm integer, refunds_least integer, buyer_orders_an_hour integer, reseller_orders_an_hour integer,
        own_share_ppm integer, own_lines_least integer, buyer_resellers integer, deviating_lines integer, outlier_hundredths integer, outlier_days_least integer)
),
line AS MATERIALIZED (
    SELECT brand_id, order_no, line_no, paid_at, paid_on, reseller, buyer, net_minor, self_purchase, paid_on >= $3 AS near
    FROM order_line WHERE paid_on >= $2 AND paid_at < $1
),
sold AS (
    SELECT reseller, coalesce(sum(net_minor) FILTER (WHERE near), 0) AS net, coalesce(sum(net_minor) FILTER (WHERE NOT near), 0) AS net_before,
           coalesce(sum(net_minor) FILTER (WHERE near AND self_purchase), 0) AS own,
           coalesce(sum(net_minor) FILTER (WHERE NOT near AND self_purchase), 0) AS own_before,
           count(*) FILTER (WHERE near AND self_purchase) AS own_lines
    FROM line GROUP BY reseller
),
-- what was given back of the sales of the 30 days, whenever it was
refunded AS (
    SELECT l.reseller, count(*) AS refunds, sum(r.amount_minor) AS amount, array_agg(DISTINCT r.order_no) AS orders
    FROM refund r JOIN line l USING (brand_id, order_no, line_no) WHERE l.near AND r.refunded_at >= (SELECT near_at FROM limits) AND r.refunded_at < $1
    GROUP BY l.reseller
),
own AS (
    SELECT reseller, array_agg(DISTINCT order_no) AS orders FROM line WHERE near AND self_purchase GROUP BY reseller
),
-- each order once for its buyer and once for each of its sellers
placed AS (
    SELECT 'burst.buyer' AS rule, buyer AS who, order_no, min(paid_at) AS at, sum(net_minor) AS net FROM line WHERE near AND buyer IS NOT NULL GROUP BY buyer, order_no
    UNION ALL
    SELECT 'burst.reseller', reseller, order_no, min(paid_at), sum(net_minor) FROM line WHERE near GROUP BY reseller, order_no
),
-- the fullest hour of a day, the first of equals
hour AS (
    SELECT DISTINCT ON (rule, who, day) * FROM (
        SELECT rule, who, at, (at AT TIME ZONE $4)::date AS day, count(*) OVER hour AS count, sum(net) OVER hour AS net FROM placed
        WINDOW hour AS (PARTITION BY rule, who ORDER BY at RANGE BETWEEN CURRENT ROW AND interval '1 hour' FOLLOWING)) each
    WHERE count >= (SELECT CASE rule WHEN 'burst.buyer' THEN buyer_orders_an_hour ELSE reseller_orders_an_hour END FROM limits)
    ORDER BY rule, who, day, count DESC, at
),
burst AS (
    SELECT h.rule, h.who, h.day, h.at, h.count, h.net, array_agg(p.order_no ORDER BY p.order_no) AS orders, max(p.at) AS last_at
    FROM hour h JOIN placed p ON p.rule = h.rule AND p.who = h.who AND p.at >= h.at AND p.at <= h.at + interval '1 hour'
    GROUP BY h.rule, h.who, h.day, h.at, h.count, h.net
),
many AS (
    SELECT buyer, array_agg(DISTINCT reseller) AS resellers, array_agg(DISTINCT order_no) AS orders, sum(net_minor) AS net
    FROM line WHERE near AND buyer IS NOT NULL GROUP BY buyer HAVING count(DISTINCT reseller) >= (SELECT buyer_resellers FROM limits)
),
deviating AS (
    SELECT l.reseller, count(*) AS lines, sum(l.net_minor) AS net, array_agg(DISTINCT l.order_no) AS orders
    FROM order_flag f JOIN line l USING (brand_id, order_no, line_no) WHERE f.code = 'order.price_deviates' AND l.near
    GROUP BY l.reseller HAVING count(*) >= (SELECT deviating_lines FROM limits)
),
daily AS (
    SELECT reseller, paid_on, sum(net_minor)::bigint AS net, array_agg(DISTINCT order_no) AS orders FROM line GROUP BY reseller, paid_on
),
-- the lower of two in the middle, so that it is one of the days
middle AS (
    SELECT reseller, count(*) AS days, percentile_disc(0.5) WITHIN GROUP (ORDER BY net) AS median FROM daily
    GROUP BY reseller HAVING count(*) >= (SELECT outlier_days_least FROM limits)
),
spread AS (
    SELECT m.reseller, m.days, m.median, percentile_disc(0.5) WITHIN GROUP (ORDER BY abs(d.net - m.median)) AS deviation
    FROM daily d JOIN middle m USING (reseller) GROUP BY m.reseller, m.days, m.median
),
-- 0.6745 of the distance in median deviations; a reseller that sells the same every day has a twentieth of it for its deviation
outlier AS (
    SELECT s.*, d.paid_on, d.net, d.orders, div(67450::numeric * (d.net - s.median), 1000 * s.least) AS hundredths
    FROM (SELECT *, greatest(deviation, div(median, 20), 1) AS least FROM spread) s JOIN daily d USING (reseller)
    WHERE d.paid_on >= $3 AND d.net >= 3 * s.median
),
found (rule, subject, reseller, starts_at, ends_at, evidence) AS (
    SELECT 'refund.share', s.reseller, s.reseller, l.near_at, $1::timestamptz, jsonb_build_object('net_minor', s.net, 'refunded_minor', r.amount, 'refunds', r.refunds,
        'share_ppm', div(r.amount * 1000000, s.net), 'limit_ppm', l.refund_share_ppm, 'orders', r.orders)
    FROM limits l CROSS JOIN sold s JOIN refunded r USING (reseller)
    WHERE r.refunds >= l.refunds_least AND s.net > 0 AND r.amount * 1000000 >= l.refund_share_ppm * s.net
    UNION ALL
    SELECT b.rule, CASE b.rule WHEN 'burst.reseller' THEN b.who ELSE left(encode(sha256(convert_to(current_brand() || '/' || b.who, 'UTF8')), 'hex'), 12) END,
        CASE b.rule WHEN 'burst.reseller' THEN b.who END, b.day::timestamp AT TIME ZONE $4, (b.day + 1)::timestamp AT TIME ZONE $4,
        jsonb_build_object('count', b.count, 'net_minor', b.net, 'first_at', b.at, 'last_at', b.last_at, 'orders', b.orders,
            'limit', CASE b.rule WHEN 'burst.buyer' THEN l.buyer_orders_an_hour ELSE l.reseller_orders_an_hour END)
    FROM limits l CROSS JOIN burst b
    UNION ALL
    SELECT 'own.rising', s.reseller, s.reseller, l.near_at, $1, jsonb_build_object('net_minor', s.net, 'own_minor', s.own, 'lines', s.own_lines,
        'share_ppm', div(s.own * 1000000, s.net), 'before_ppm', CASE WHEN s.net_before > 0 THEN div(s.own_before * 1000000, s.net_before) END,
        'limit_ppm', l.own_share_ppm, 'orders', o.orders)
    FROM limits l CROSS JOIN sold s JOIN own o USING (reseller)
    WHERE s.own_lines >= l.own_lines_least AND s.net > 0 AND s.own * 1000000 >= l.own_share_ppm * s.net AND s.own * s.net_before >= 2 * s.own_before * s.net
    UNION ALL
    SELECT 'buyer.many_resellers', left(encode(sha256(convert_to(current_brand() || '/' || m.buyer, 'UTF8')), 'hex'), 12), NULL, l.near_at, $1,
        jsonb_build_object('count', cardinality(m.resellers), 'limit', l.buyer_resellers, 'net_minor', m.net, 'resellers', m.resellers, 'orders', m.orders)
    FROM limits l CROSS JOIN many m
    UNION ALL
    SELECT 'price.deviations', d.reseller, d.reseller, l.near_at, $1,
        jsonb_build_object('lines', d.lines, 'limit', l.deviating_lines, 'net_minor', d.net, 'orders', d.orders)
    FROM limits l CROSS JOIN deviating d
    UNION ALL
    SELECT 'sales.outlier', o.reseller, o.reseller, o.paid_on::timestamp AT TIME ZONE $4, (o.paid_on + 1)::timestamp AT TIME ZONE $4,
        jsonb_build_object('day', o.paid_on, 'net_minor', o.net, 'median_minor', o.median, 'deviation_minor', o.deviation, 'days', o.days,
            'hundredths', o.hundredths, 'limit_hundredths', l.outlier_hundredths, 'orders', o.orders)
    FROM limits l CROSS JOIN outlier o WHERE o.hundredths >= l.outlier_hundredths
)
-- the first of the order numbers, and how many there are
SELECT rule, subject, reseller, starts_at, ends_at, (evidence || jsonb_build_object('order_count', jsonb_array_length(evidence -> 'orders'),
    'orders', jsonb_path_query_array(evidence -> 'orders', '$[0 to $last]', jsonb_build_object('last', $6::integer - 1))))::text AS evidence
FROM found ORDER BY starts_at DESC, rule, subject LIMIT $7
