-- The units of an event of a line, in the order of their times after those that are stored: one that takes more than the line has
-- is refused and does not count. The aggregate carries what is taken so far and whether the last one fitted.
CREATE OR REPLACE FUNCTION pg_temp.fill(filled bigint[], units bigint, most bigint) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN filled[1] + units <= most THEN ARRAY[filled[1] + units, 1] ELSE ARRAY[filled[1], 0] END
$$;
DO $$ BEGIN
    CREATE AGGREGATE pg_temp.filled(bigint, bigint) (SFUNC = pg_temp.fill, STYPE = bigint[], INITCOND = '{0,1}');
EXCEPTION WHEN duplicate_function THEN NULL;
END $$;

WITH stored AS (
    SELECT order_no, line_no, event, sum(e.quantity) AS quantity
    FROM (SELECT DISTINCT order_no, line_no, event FROM checked_fulfilments WHERE fault IS NULL) c JOIN fulfilment e USING (order_no, line_no, event)
    WHERE e.brand_id = current_brand() GROUP BY 1, 2, 3
), room AS (
    SELECT order_no, line_no, event, l.quantity - coalesce(s.quantity, 0) AS quantity
    FROM (SELECT order_no, line_no, event, sum(quantity) AS quantity FROM checked_fulfilments WHERE fault IS NULL GROUP BY 1, 2, 3) c
    JOIN order_line l USING (order_no, line_no) LEFT JOIN stored s USING (order_no, line_no, event)
    WHERE l.brand_id = current_brand() AND c.quantity > l.quantity - coalesce(s.quantity, 0)
), judged AS (
    SELECT c.row, (pg_temp.filled(c.quantity, room.quantity::bigint) OVER (PARTITION BY order_no, line_no, event ORDER BY c.at))[2] AS fits
    FROM checked_fulfilments c JOIN room USING (order_no, line_no, event) WHERE c.fault IS NULL
)
UPDATE checked_fulfilments c SET fault = 'fulfilment.exceeds_line:quantity' FROM judged j WHERE j.row = c.row AND j.fits = 0;
