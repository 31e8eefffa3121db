INSERT INTO reseller_channel (brand_id, reseller, channel, starts_on)
SELECT $1::uuid, $3::text, min(code), '2026-01-01' FROM channel WHERE brand_id = $1 AND $2::uuid IS NOT NULL;
