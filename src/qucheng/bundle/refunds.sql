-- Refunds of a line are judged in the order (refunded_at, refund) after those that are stored: one that takes the total
-- past the line is refused and does not count. The aggregate carries what is taken so far and whether the last one fitted.
CREATE OR REPLACE FUNCTION pg_temp.take(taken bigint[], units bigint, amount bigint, most_units bigint, most_amount bigint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN taken[1] + units <= most_units AND taken[2] + amount <= most_amount
                THEN ARRAY[taken[1] + units, taken[2] + amount, 1] ELSE ARRAY[taken[1], taken[2], 0] END
$$;
DO $$ BEGIN
    CREATE AGGREGATE pg_temp.taken(bigint, bigint, bigint, bigint) (SFUNC = pg_temp.take, STYPE = bigint[], INITCOND = '{0,0,1}');
EXCEPTION WHEN duplicate_function THEN NULL;
END $$;

WITH stored AS (
    SELECT order_no, line_no, sum(r.quantity) AS quantity, sum(r.amount_minor) AS amount_minor
    FROM (SELECT DISTINCT order_no, line_no FROM checked_refunds WHERE fault IS NULL) c JOIN refund r USING (order_no, line_no)
    WHERE r.brand_id = current_brand() GROUP BY 1, 2
), room AS (
    SELECT l.order_no, l.line_no, l.quantity - coalesce(s.quantity, 0) AS quantity, l.net_minor - coalesce(s.amount_minor, 0) AS amount_minor
    FROM (SELECT order_no, line_no, sum(quantity) AS quantity, sum(amount_minor) AS amount_minor
          FROM checked_refunds WHERE fault IS NULL GROUP BY 1, 2) c
    JOIN order_line l USING (order_no, line_no) LEFT JOIN stored s USING (order_no, line_no)
    WHERE l.brand_id = current_brand()
      AND (c.quantity > l.quantity - coalesce(s.quantity, 0) OR c.amount_minor > l.net_minor - coalesce(s.amount_minor, 0))
), judged AS (
    SELECT c.row, (pg_temp.taken(c.quantity, c.amount_minor, room.quantity::bigint, room.amount_minor::bigint)
                   OVER (PARTITION BY order_no, line_no ORDER BY c.refunded_at, c.refund_no COLLATE "C"))[3] AS fits
    FROM checked_refunds c JOIN room USING (order_no, line_no) WHERE c.fault IS NULL
)
UPDATE checked_refunds c SET fault = 'refund.exceeds_line:amount' FROM judged j WHERE j.row = c.row AND j.fits = 0;
