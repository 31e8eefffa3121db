INSERT INTO sale (brand_id, order_no, source, reseller, channel, placed_at, paid_at, phone_cipher, phone_fingerprint, placed_by, content_sha256)
SELECT $1::uuid, 'live-' || $3::text, 'manual', $3::text, (SELECT min(code) FROM channel WHERE brand_id = $1), now(), now(), '\x01', sha256('x'), $2::uuid, sha256('y');
