-- Changes laid over the prices of a draft. Before it runs, price_change holds them: place, sku, channel, tier ('' for the base and
-- any), action (set, clear, close) or reverted, price_minor, starts_on, ends_on, day, seen, reason, version. It leaves fault and stale
-- there, and puts the new pieces in place for the others.

-- 1. What cannot be, and what somebody else has edited since.
UPDATE price_change x SET fault = CASE
    WHEN NOT EXISTS (SELECT 1 FROM sku s WHERE s.brand_id = current_brand() AND s.code = x.sku) THEN 'price.sku_unknown'
    WHEN x.channel <> '' AND NOT EXISTS (SELECT 1 FROM channel c WHERE c.brand_id = current_brand() AND c.code = x.channel) THEN 'price.channel_unknown'
    WHEN x.tier <> '' AND NOT EXISTS (SELECT 1 FROM tier t WHERE t.brand_id = current_brand() AND t.code = x.tier) THEN 'price.tier_unknown'
    WHEN x.action = 'close' AND (x.channel = '' OR x.tier <> '') THEN 'price.close'
    WHEN x.action = 'set' AND (x.price_minor IS NULL OR x.price_minor < 0 OR x.price_minor >= 10000000000 * power(10::numeric, b.decimals)) THEN 'price.amount'
    WHEN x.ends_on <= x.starts_on OR (x.starts_on IS NULL AND x.ends_on IS NOT NULL) OR x.starts_on < '1900-01-01' OR x.starts_on > '2199-12-31'
        OR x.ends_on > '2199-12-31' THEN 'price.dates'
    WHEN EXISTS (SELECT 1 FROM price_change o WHERE (o.sku, o.channel, o.tier) = (x.sku, x.channel, x.tier) AND o.place < x.place
                 AND NOT (x.laid AND o.laid)) THEN 'price.repeated' END
FROM brand b;
UPDATE price_change x SET stale = true FROM price_change o
LEFT JOIN price_edit e ON e.brand_id = current_brand() AND e.version = o.version AND NOT e.limits AND e.sku = o.sku
    AND coalesce(e.channel, '') = o.channel AND coalesce(e.tier, '') = o.tier
WHERE o.place = x.place AND x.fault IS NULL AND NOT x.laid AND coalesce(e.revision, 0) <> x.seen;

-- 2. Dates that were not said: those of the key's own price of the day, or from that day until the next one.
UPDATE price_change x SET starts_on = coalesce(c.starts_on, x.day), ends_on = CASE WHEN c.starts_on IS NOT NULL THEN c.ends_on ELSE (
    SELECT min(n.starts_on) FROM price_cell n WHERE n.brand_id = current_brand() AND n.version = x.version AND n.sku = x.sku
    AND coalesce(n.channel, '') = x.channel AND coalesce(n.tier, '') = x.tier AND n.starts_on > x.day) END
FROM price_change o
LEFT JOIN price_cell c ON c.brand_id = current_brand() AND c.version = o.version AND c.sku = o.sku AND coalesce(c.channel, '') = o.channel
    AND coalesce(c.tier, '') = o.tier AND c.starts_on <= o.day AND (c.ends_on IS NULL OR o.day < c.ends_on)
WHERE o.place = x.place AND x.fault IS NULL AND NOT x.stale AND x.starts_on IS NULL AND NOT x.reverted;

-- 3. Each key in pieces at all dates of the old and the new; of each piece the new price, else the old; equal neighbours as one.
CREATE TEMP TABLE price_laid ON COMMIT DROP AS
WITH chosen AS (
    SELECT * FROM price_change WHERE fault IS NULL AND NOT stale
), old AS (
    SELECT k.sku, k.channel, k.tier, c.starts_on, coalesce(c.ends_on, 'infinity') AS ends_on, c.price_minor
    FROM (SELECT DISTINCT x.sku, x.channel, x.tier, CASE WHEN x.reverted THEN v.based_on ELSE v.number END AS source
          FROM chosen x JOIN price_version v ON v.brand_id = current_brand() AND v.number = x.version) k
    JOIN price_cell c ON c.brand_id = current_brand() AND c.version = k.source AND c.sku = k.sku
        AND coalesce(c.channel, '') = k.channel AND coalesce(c.tier, '') = k.tier
), new AS (
    SELECT sku, channel, tier, starts_on, coalesce(ends_on, 'infinity') AS ends_on, action, CASE WHEN action = 'set' THEN price_minor END AS price_minor
    FROM chosen WHERE NOT reverted
), piece AS (
    SELECT sku, channel, tier, day AS starts_on, lead(day) OVER (PARTITION BY sku, channel, tier ORDER BY day) AS ends_on
    FROM (SELECT sku, channel, tier, starts_on AS day FROM old UNION SELECT sku, channel, tier, ends_on FROM old
          UNION SELECT sku, channel, tier, starts_on FROM new UNION SELECT sku, channel, tier, ends_on FROM new) edge
), valued AS (
    SELECT p.*, CASE WHEN n.action IS NOT NULL THEN n.price_minor ELSE o.price_minor END AS price_minor
    FROM piece p
    LEFT JOIN new n ON n.sku = p.sku AND n.channel = p.channel AND n.tier = p.tier AND n.starts_on <= p.starts_on AND p.starts_on < n.ends_on
    LEFT JOIN old o ON o.sku = p.sku AND o.channel = p.channel AND o.tier = p.tier AND o.starts_on <= p.starts_on AND p.starts_on < o.ends_on
    WHERE p.ends_on IS NOT NULL AND n.action IS DISTINCT FROM 'clear' AND coalesce(n.starts_on, o.starts_on) IS NOT NULL
), island AS (
    SELECT v.*, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY sku, channel, tier ORDER BY starts_on) AS part
    FROM (SELECT v.*, lag(ends_on) OVER w = starts_on AND lag(price_minor) OVER w IS NOT DISTINCT FROM price_minor AS follows FROM valued v
          WINDOW w AS (PARTITION BY sku, channel, tier ORDER BY starts_on)) v
)
SELECT sku, channel, tier, min(starts_on) AS starts_on, nullif(max(ends_on), 'infinity') AS ends_on, price_minor
FROM island GROUP BY sku, channel, tier, part, price_minor;

-- 4. In place of what was there.
DELETE FROM price_cell c USING (SELECT DISTINCT version, sku, channel, tier FROM price_change WHERE fault IS NULL AND NOT stale) x
WHERE c.brand_id = current_brand() AND c.version = x.version AND c.sku = x.sku AND coalesce(c.channel, '') = x.channel AND coalesce(c.tier, '') = x.tier;
INSERT INTO price_cell (brand_id, version, sku, channel, tier, starts_on, ends_on, price_minor)
SELECT current_brand(), v.version, l.sku, nullif(l.channel, ''), nullif(l.tier, ''), l.starts_on, l.ends_on, l.price_minor
FROM price_laid l CROSS JOIN (SELECT DISTINCT version FROM price_change) v;
DROP TABLE price_laid;
