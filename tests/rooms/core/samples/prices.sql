INSERT INTO channel_price (brand_id, sku, tier, price_minor, floor_minor, starts_on)
SELECT $1::uuid, s.code, t.code, 900, 500, '2025-01-01' FROM (SELECT min(code) AS code FROM sku WHERE brand_id = $1) s, tier t
WHERE t.brand_id = $1 AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
SELECT set_config('qucheng.brand_id', $1::uuid::text, false) WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL;
SELECT import_prices(1) WHERE $1::uuid IS NOT NULL AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM price_cell WHERE brand_id = $1 AND starts_on = '2025-01-01');
SELECT set_config('qucheng.brand_id', '', false) WHERE $1::uuid IS NOT NULL AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL;
INSERT INTO price_version (brand_id, number, based_on, maker)
SELECT $1::uuid, max(number) + 1, max(number), $2::uuid FROM price_version WHERE brand_id = $1 AND $3::text IS NOT NULL
HAVING bool_and(state = 'approved');
INSERT INTO price_cell (brand_id, version, sku, price_minor, starts_on)
SELECT v.brand_id, v.number, (SELECT min(code) FROM sku WHERE brand_id = $1), 1000, '2026-06-01' FROM price_version v
WHERE v.brand_id = $1 AND v.state = 'draft' AND v.maker = $2::uuid AND $3::text IS NOT NULL;
INSERT INTO price_limit (brand_id, version, sku, floor_minor, cost_minor, starts_on)
SELECT v.brand_id, v.number, (SELECT min(code) FROM sku WHERE brand_id = $1), 600, 500, '2026-06-01' FROM price_version v
WHERE v.brand_id = $1 AND v.state = 'draft' AND v.maker = $2::uuid AND $3::text IS NOT NULL;
INSERT INTO price_edit (brand_id, version, limits, sku, revision, edited_by, edited_at)
SELECT v.brand_id, v.number, false, (SELECT min(code) FROM sku WHERE brand_id = $1), 1, $2::uuid, now() FROM price_version v
WHERE v.brand_id = $1 AND v.state = 'draft' AND v.maker = $2::uuid AND $3::text IS NOT NULL
