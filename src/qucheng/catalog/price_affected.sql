-- For whom prices change with a version, when and how. $1 is the version, $2 the first day it could be in force. Compared are it
-- and the one it was made from, at that day and wherever a price of the SKU begins or ends later; the first day with another price
-- counts. Resellers are taken in the tier of that first day, in the channels in which they may sell; whose account is closed by then, not.
WITH version AS MATERIALIZED (
    SELECT number, based_on FROM price_version WHERE brand_id = current_brand() AND number = $1
), article AS MATERIALIZED (
    SELECT DISTINCT d.sku FROM version v CROSS JOIN LATERAL price_difference(v.based_on, v.number) d WHERE NOT d.limits
), cell AS MATERIALIZED (
    SELECT c.version = v.number AS fresh, c.sku, c.channel, c.tier, c.starts_on, c.ends_on, c.price_minor
    FROM version v JOIN price_cell c ON c.brand_id = current_brand() AND c.version IN (v.number, v.based_on) JOIN article a ON a.sku = c.sku
), point AS MATERIALIZED (
    SELECT sku, $2::date AS day FROM article
    UNION SELECT c.sku, d.day FROM cell c CROSS JOIN LATERAL (VALUES (c.starts_on), (c.ends_on)) d (day) WHERE d.day > $2
), place AS MATERIALIZED (
    SELECT p.sku, p.day, h.code AS channel, t.code AS tier FROM point p CROSS JOIN channel h CROSS JOIN tier t
    WHERE h.brand_id = current_brand() AND t.brand_id = current_brand()
), priced AS (
    SELECT DISTINCT ON (p.sku, p.day, p.channel, p.tier, c.fresh) p.sku, p.day, p.channel, p.tier, c.fresh, c.price_minor
    FROM place p JOIN cell c ON c.sku = p.sku AND (c.channel IS NULL OR c.channel = p.channel) AND (c.tier IS NULL OR c.tier = p.tier)
        AND c.starts_on <= p.day AND (c.ends_on IS NULL OR p.day < c.ends_on)
    ORDER BY p.sku, p.day, p.channel, p.tier, c.fresh, c.channel IS NULL, c.tier IS NULL
), other AS MATERIALIZED (
    SELECT DISTINCT ON (sku, channel, tier) sku, channel, tier, day, old_minor, new_minor
    FROM (SELECT sku, channel, tier, day, max(price_minor) FILTER (WHERE NOT fresh) AS old_minor, max(price_minor) FILTER (WHERE fresh) AS new_minor
          FROM priced GROUP BY sku, channel, tier, day) both_prices
    WHERE old_minor IS DISTINCT FROM new_minor ORDER BY sku, channel, tier, day
), seller AS MATERIALIZED (
    SELECT s.reseller, r.name, s.tier, h.code AS channel
    FROM placement_span s JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller JOIN channel h ON h.brand_id = s.brand_id
    WHERE s.brand_id = current_brand() AND s.starts_on <= $2 AND $2 < s.ends_on
      AND NOT EXISTS (SELECT 1 FROM standing_change g WHERE g.brand_id = s.brand_id AND g.reseller = s.reseller AND g.change = 'close' AND g.effective_on <= $2)
      AND (NOT EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = s.brand_id AND c.reseller = s.reseller)
           OR EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = s.brand_id AND c.reseller = s.reseller AND c.channel = h.code
                      AND c.starts_on <= $2 AND (c.ends_on IS NULL OR $2 < c.ends_on)))
), concerned AS (
    SELECT s.reseller, s.name, s.tier, o.sku, k.name AS sku_name, o.channel, o.day, o.old_minor, o.new_minor
    FROM other o JOIN seller s USING (channel, tier) JOIN sku k ON k.brand_id = current_brand() AND k.code = o.sku
)
