-- The keys in which two versions of a brand differ. A page asks after every edit: only SKUs of which a row stands in one of the
-- two alone are put together and compared.
CREATE OR REPLACE FUNCTION price_difference(of_version integer, to_version integer) RETURNS TABLE (limits boolean, sku text, channel text, tier text, before jsonb, after jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    WITH touched AS MATERIALIZED (
        SELECT ARRAY(
            SELECT c.sku FROM price_cell c WHERE c.brand_id = current_brand() AND c.version IN (of_version, to_version)
            GROUP BY c.sku, c.channel, c.tier, c.starts_on, c.ends_on, c.price_minor HAVING count(*) = 1
            UNION
            SELECT c.sku FROM price_limit c WHERE c.brand_id = current_brand() AND c.version IN (of_version, to_version)
            GROUP BY c.sku, c.starts_on, c.ends_on, c.floor_minor, c.cost_minor HAVING count(*) = 1) AS skus
    )
    SELECT limits, sku, nullif(channel, ''), nullif(tier, ''), a.pieces, b.pieces
    FROM (SELECT k.limits, k.sku, coalesce(k.channel, '') AS channel, coalesce(k.tier, '') AS tier, k.pieces FROM price_key k
          WHERE k.brand_id = current_brand() AND k.version = of_version AND k.sku = ANY ((SELECT skus FROM touched)::text[])) a
    FULL JOIN (SELECT k.limits, k.sku, coalesce(k.channel, '') AS channel, coalesce(k.tier, '') AS tier, k.pieces FROM price_key k
               WHERE k.brand_id = current_brand() AND k.version = to_version AND k.sku = ANY ((SELECT skus FROM touched)::text[])) b
    USING (limits, sku, channel, tier)
    WHERE a.pieces IS DISTINCT FROM b.pieces
$$;

-- refused attempts, those of prices and of products too
DROP INDEX audit_record_refused_index;
CREATE INDEX audit_record_refused_index ON audit_record (brand_id, at)
    WHERE action IN ('compliance.refused', 'network.refused', 'plan.refused', 'prices.refused', 'sku.refused');

-- A draft that was just copied has no statistics yet: its rows are many, whatever the planner believes.
ALTER FUNCTION price_faults(uuid, integer, date) SET enable_nestloop = off;
