-- Floors and costs laid over those of a draft, as price_cell.sql does with prices. Before it runs, price_change holds the changes:
-- place, sku, floors and costs (whether it says the one or the other), floor_minor, cost_minor, reverted, starts_on, ends_on, day,
-- seen, reason, version.

-- 1. What cannot be, and what somebody else has edited since.
UPDATE price_change x SET fault = CASE
    WHEN NOT EXISTS (SELECT 1 FROM sku s WHERE s.brand_id = current_brand() AND s.code = x.sku) THEN 'price.sku_unknown'
    WHEN x.floor_minor < 0 OR x.cost_minor < 0 OR greatest(x.floor_minor, x.cost_minor) >= 10000000000 * power(10::numeric, b.decimals) THEN 'price.amount'
    WHEN x.ends_on <= x.starts_on OR (x.starts_on IS NULL AND x.ends_on IS NOT NULL) OR x.starts_on < '1900-01-01' OR x.starts_on > '2199-12-31'
        OR x.ends_on > '2199-12-31' THEN 'price.dates'
    WHEN EXISTS (SELECT 1 FROM price_change o WHERE o.sku = x.sku AND o.place < x.place) THEN 'price.repeated' END
FROM brand b;
UPDATE price_change x SET stale = true FROM price_change o
LEFT JOIN price_edit e ON e.brand_id = current_brand() AND e.version = o.version AND e.limits AND e.sku = o.sku
WHERE o.place = x.place AND x.fault IS NULL AND coalesce(e.revision, 0) <> x.seen;

-- 2. Dates that were not said: those of the SKU's own limits of the day, or from that day until the next ones.
UPDATE price_change x SET starts_on = coalesce(c.starts_on, x.day), ends_on = CASE WHEN c.starts_on IS NOT NULL THEN c.ends_on ELSE (
    SELECT min(n.starts_on) FROM price_limit n WHERE n.brand_id = current_brand() AND n.version = x.version AND n.sku = x.sku AND n.starts_on > x.day) END
FROM price_change o
LEFT JOIN price_limit c ON c.brand_id = current_brand() AND c.version = o.version AND c.sku = o.sku AND c.starts_on <= o.day AND (c.ends_on IS NULL OR o.day < c.ends_on)
WHERE o.place = x.place AND x.fault IS NULL AND NOT x.stale AND x.starts_on IS NULL AND NOT x.reverted;

-- 3. In pieces, and equal neighbours as one.
CREATE TEMP TABLE price_laid ON COMMIT DROP AS
WITH chosen AS (
    SELECT * FROM price_change WHERE fault IS NULL AND NOT stale
), old AS (
    SELECT x.sku, c.starts_on, coalesce(c.ends_on, 'infinity') AS ends_on, c.floor_minor, c.cost_minor
    FROM chosen x JOIN price_version v ON v.brand_id = current_brand() AND v.number = x.version
    JOIN price_limit c ON c.brand_id = current_brand() AND c.sku = x.sku AND c.version = CASE WHEN x.reverted THEN v.based_on ELSE v.number END
), new AS (
    SELECT sku, starts_on, coalesce(ends_on, 'infinity') AS ends_on, floors, costs, floor_minor, cost_minor FROM chosen WHERE NOT reverted
), piece AS (
    SELECT sku, day AS starts_on, lead(day) OVER (PARTITION BY sku ORDER BY day) AS ends_on
    FROM (SELECT sku, starts_on AS day FROM old UNION SELECT sku, ends_on FROM old UNION SELECT sku, starts_on FROM new UNION SELECT sku, ends_on FROM new) edge
), valued AS (
    SELECT p.*, CASE WHEN n.floors THEN n.floor_minor ELSE o.floor_minor END AS floor_minor, CASE WHEN n.costs THEN n.cost_minor ELSE o.cost_minor END AS cost_minor
    FROM piece p
    LEFT JOIN new n ON n.sku = p.sku AND n.starts_on <= p.starts_on AND p.starts_on < n.ends_on
    LEFT JOIN old o ON o.sku = p.sku AND o.starts_on <= p.starts_on AND p.starts_on < o.ends_on
    WHERE p.ends_on IS NOT NULL
), island AS (
    SELECT v.*, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY sku ORDER BY starts_on) AS part
    FROM (SELECT v.*, lag(ends_on) OVER w = starts_on AND lag(floor_minor) OVER w IS NOT DISTINCT FROM floor_minor
                      AND lag(cost_minor) OVER w IS NOT DISTINCT FROM cost_minor AS follows FROM valued v
          WHERE coalesce(floor_minor, cost_minor) IS NOT NULL WINDOW w AS (PARTITION BY sku ORDER BY starts_on)) v
)
SELECT sku, min(starts_on) AS starts_on, nullif(max(ends_on), 'infinity') AS ends_on, floor_minor, cost_minor
FROM island GROUP BY sku, part, floor_minor, cost_minor;

-- 4. In place of what was there.
DELETE FROM price_limit c USING price_change x
WHERE x.fault IS NULL AND NOT x.stale AND c.brand_id = current_brand() AND c.version = x.version AND c.sku = x.sku;
INSERT INTO price_limit (brand_id, version, sku, starts_on, ends_on, floor_minor, cost_minor)
SELECT current_brand(), v.version, l.sku, l.starts_on, l.ends_on, l.floor_minor, l.cost_minor
FROM price_laid l CROSS JOIN (SELECT DISTINCT version FROM price_change) v;
DROP TABLE price_laid;
