-- The price book over all time as rows of prices.csv, from which an import makes the same prices: by the local dates of the
-- versions, cut where the SKU's floor changes. A bundle cannot say that something is not sold in a channel; so of a SKU that
-- somewhere is not, everything is said channel by channel, as it is found there.
WITH cell AS MATERIALIZED (
    SELECT brand_id, sku, channel, tier, price_minor, starts_on, coalesce(ends_on, 'infinity') AS ends_on FROM live_price_cell WHERE brand_id = current_brand()
), spread AS MATERIALIZED (
    SELECT DISTINCT sku FROM cell WHERE price_minor IS NULL
), piece AS (
    SELECT sku, day AS starts_on, lead(day) OVER (PARTITION BY sku ORDER BY day) AS ends_on
    FROM (SELECT sku, starts_on AS day FROM cell JOIN spread USING (sku) UNION SELECT sku, ends_on FROM cell JOIN spread USING (sku)) edge
), found AS (
    SELECT DISTINCT ON (p.sku, h.code, t.tier, p.starts_on) p.sku, h.code AS channel, t.tier, p.starts_on, p.ends_on, c.price_minor
    FROM piece p CROSS JOIN channel h CROSS JOIN (SELECT code AS tier FROM tier WHERE brand_id = current_brand() UNION ALL SELECT NULL) t
    JOIN cell c ON c.sku = p.sku AND (c.channel IS NULL OR c.channel = h.code) AND (c.tier IS NULL OR c.tier = t.tier)
        AND c.starts_on <= p.starts_on AND p.starts_on < c.ends_on
    WHERE h.brand_id = current_brand() AND p.ends_on IS NOT NULL
    ORDER BY p.sku, h.code, t.tier, p.starts_on, c.channel IS NULL, c.tier IS NULL
), said AS (
    SELECT sku, channel, tier, price_minor, starts_on, ends_on FROM cell WHERE sku NOT IN (SELECT sku FROM spread)
    UNION ALL SELECT sku, channel, tier, price_minor, starts_on, ends_on FROM found WHERE price_minor IS NOT NULL
), floor_of AS MATERIALIZED (
    SELECT sku, floor_minor, starts_on, coalesce(ends_on, 'infinity') AS ends_on FROM live_price_limit WHERE brand_id = current_brand() AND floor_minor IS NOT NULL
), cut AS (
    SELECT s.*, day AS from_day, lead(day, 1, s.ends_on) OVER (PARTITION BY s.sku, s.channel, s.tier, s.starts_on ORDER BY day) AS to_day
    FROM said s CROSS JOIN LATERAL (
        SELECT s.starts_on AS day UNION SELECT f.starts_on FROM floor_of f WHERE f.sku = s.sku AND f.starts_on > s.starts_on AND f.starts_on < s.ends_on
        UNION SELECT f.ends_on FROM floor_of f WHERE f.sku = s.sku AND f.ends_on > s.starts_on AND f.ends_on < s.ends_on) d
)
SELECT current_brand() AS brand_id, c.sku, c.channel, c.tier, c.price_minor, f.floor_minor, c.from_day AS starts_on, nullif(c.to_day, 'infinity') AS ends_on
FROM cut c LEFT JOIN floor_of f ON f.sku = c.sku AND f.starts_on <= c.from_day AND c.from_day < f.ends_on
