INSERT INTO claim_offer (brand_id, code, name, sku, pool, period, quota, starts_at, ends_at, made_by, made_at)
SELECT $1::uuid, 'offer-' || $3::text, 'Spring gift', (SELECT min(code) FROM sku WHERE brand_id = $1), number, 'ever', 10, now() - interval '1 day', now() + interval '1 day',
       $2::uuid, now() FROM pool WHERE brand_id = $1 AND reseller = $3 AND channel IS NULL;
INSERT INTO claim (brand_id, id, offer, subject_hash, period, claimed_at)
SELECT $1::uuid, gen_random_uuid(), 'offer-' || $3::text, sha256(convert_to($3::text, 'UTF8')), 'ever', now() WHERE $2::uuid IS NOT NULL
