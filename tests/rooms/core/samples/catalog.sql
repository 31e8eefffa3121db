INSERT INTO tag (brand_id, name) SELECT $1::uuid, 'sample' WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO sku_tag (brand_id, sku, tag)
SELECT $1::uuid, min(code), 'sample' FROM sku WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
WITH package AS (
    INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor, kind)
    SELECT $1::uuid, 'sample-package', 'package', 'sample', 1000, 0, 'package' WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING brand_id, code)
INSERT INTO sku_part (brand_id, package, part, quantity, share_ppm)
SELECT p.brand_id, p.code, (SELECT min(s.code) FROM sku s WHERE s.brand_id = p.brand_id AND s.kind <> 'package'), 2, 1000000 FROM package p;
INSERT INTO sku_image (brand_id, sku, sha256, kind, width, height, bytes, set_at)
SELECT $1::uuid, min(code), encode(sha256('sample'), 'hex'), 'image/png', 1, 1, 'sample', now() FROM sku
WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO catalog_import (brand_id, id, file_name, sheet, sent_by, sent_at)
SELECT $1::uuid, gen_random_uuid(), 'sample.csv', '[]', $2::uuid, now() WHERE $3::text IS NOT NULL
