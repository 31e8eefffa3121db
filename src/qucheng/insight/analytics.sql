-- The sales of the visible brand by {key}, with what came of them since: refunds and reversals count with the line that they take back.
-- $1 and $2 the first day of the range before and of the range, $3 the day after it, $4 the instant at which $2 begins. Nothing of
-- another brand is visible, so lines are found by their numbers alone.
WITH line AS MATERIALIZED (
    SELECT order_no, line_no, {key} AS code, quantity, gross_minor, discount_minor, net_minor, self_purchase FROM order_line WHERE paid_on >= $2 AND paid_on < $3
),
sold AS (
    SELECT code, sum(quantity)::bigint AS units, sum(gross_minor) AS gross, sum(discount_minor) AS discount, sum(net_minor) AS net,
           coalesce(sum(net_minor) FILTER (WHERE self_purchase), 0) AS own FROM line GROUP BY code
),
before AS (
    SELECT {key} AS code, sum(net_minor) AS net FROM order_line WHERE paid_on >= $1 AND paid_on < $2 GROUP BY 1
),
refunded AS (
    SELECT code, sum(r.amount_minor) AS amount FROM line JOIN refund r USING (order_no, line_no) WHERE r.refunded_at >= $4 GROUP BY code
),
earned AS (
    SELECT code, sum(e.amount_minor) AS amount FROM line JOIN (
        SELECT order_no, line_no, amount_minor FROM accrual WHERE occurred_at >= $4
        UNION ALL SELECT order_no, line_no, amount_minor FROM reversal WHERE occurred_at >= $4) e USING (order_no, line_no)
    GROUP BY code
),
row AS (
    SELECT coalesce(s.code, b.code) AS code, coalesce(s.units, 0) AS units, coalesce(s.gross, 0) AS gross, coalesce(s.discount, 0) AS discount, coalesce(s.net, 0) AS net,
           coalesce(s.own, 0) AS own, coalesce(r.amount, 0) AS refunded, coalesce(e.amount, 0) AS commission, coalesce(b.net, 0) AS before
    FROM sold s FULL JOIN before b USING (code) LEFT JOIN refunded r ON r.code = s.code LEFT JOIN earned e ON e.code = s.code
),
total AS (
    SELECT NULL::text AS code, sum(units)::bigint AS units, sum(gross) AS gross, sum(discount) AS discount, sum(net) AS net, sum(own) AS own, sum(refunded) AS refunded,
           sum(commission) AS commission, sum(before) AS before, count(*) AS rows FROM row
),
-- shares in parts per million, half away from zero; none of nothing
figured AS (
    SELECT *, CASE WHEN net > 0 THEN div(2 * refunded * 1000000 + net, 2 * net)::bigint END AS refund_ppm,
           CASE WHEN net > 0 THEN (sign(commission) * div(2 * abs(commission) * 1000000 + net, 2 * net))::bigint END AS commission_ppm,
           CASE WHEN gross > 0 THEN div(2 * discount * 1000000 + gross, 2 * gross)::bigint END AS discount_ppm,
           CASE WHEN net > 0 THEN div(2 * own * 1000000 + net, 2 * net)::bigint END AS own_ppm,
           CASE WHEN before > 0 THEN (sign(net - before) * div(2 * abs(net - before) * 1000000 + before, 2 * before))::bigint END AS change_ppm
    FROM (SELECT *, NULL::bigint AS rows FROM row UNION ALL SELECT * FROM total) each
)
SELECT f.code, {name} AS name, f.units, f.gross::bigint AS gross_minor, f.discount::bigint AS discount_minor, f.net::bigint AS net_minor, f.own::bigint AS own_minor,
       f.refunded::bigint AS refunded_minor, f.commission::bigint AS commission_minor, f.before::bigint AS before_minor, f.refund_ppm, f.commission_ppm, f.discount_ppm,
       f.own_ppm, f.change_ppm, f.rows
FROM figured f {named}
