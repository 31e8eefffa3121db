-- What a brand sold and what it cost. Days are the brand's own: $1 today, $2 the first of the month, $3 and $4 the first and the last
-- of the same days of the month before; $5 to $8 the instants at which $3 begins, $4 is over, $2 begins and today is over; $9 now.
WITH placed AS (
    SELECT bool_or(paid_on = $1) AS of_today, bool_or(paid_on >= $2) AS of_month, bool_or(paid_on <= $4) AS of_before, sum(net_minor) FILTER (WHERE paid_on = $1) AS today_net,
           sum(net_minor) FILTER (WHERE paid_on >= $2) AS net, sum(net_minor) FILTER (WHERE paid_on <= $4) AS before_net
    FROM order_line WHERE paid_on >= $3 AND paid_on <= $1 AND (paid_on <= $4 OR paid_on >= $2) GROUP BY order_no
),
sold AS (
    SELECT count(*) FILTER (WHERE of_today) AS today_orders, count(*) FILTER (WHERE of_month) AS orders, count(*) FILTER (WHERE of_before) AS before_orders,
           coalesce(sum(today_net), 0)::bigint AS today_net, coalesce(sum(net), 0)::bigint AS net, coalesce(sum(before_net), 0)::bigint AS before_net
    FROM placed
),
refunded AS (
    SELECT count(*) FILTER (WHERE day = $1) AS today_refunds, count(*) FILTER (WHERE refunded_at >= $7) AS refunds, count(*) FILTER (WHERE refunded_at < $6) AS before_refunds,
           coalesce(sum(amount_minor) FILTER (WHERE day = $1), 0)::bigint AS today_refunded, coalesce(sum(amount_minor) FILTER (WHERE refunded_at >= $7), 0)::bigint AS refunded,
           coalesce(sum(amount_minor) FILTER (WHERE refunded_at < $6), 0)::bigint AS before_refunded
    FROM (SELECT refunded_at, amount_minor, (refunded_at AT TIME ZONE $10)::date AS day FROM refund
          WHERE refunded_at >= $5 AND refunded_at < $8 AND (refunded_at < $6 OR refunded_at >= $7)) each
),
accrued AS (
    SELECT coalesce(sum(amount_minor), 0)::bigint AS accrued, coalesce(sum(amount_minor) FILTER (WHERE matures_at IS NULL OR matures_at > $9), 0)::bigint AS pending
    FROM timed_accrual WHERE occurred_at >= $7 AND occurred_at < $8
),
reversed AS (
    SELECT coalesce(sum(amount_minor), 0)::bigint AS reversed FROM reversal WHERE occurred_at >= $7 AND occurred_at < $8
)
SELECT * FROM sold, refunded, accrued, reversed
