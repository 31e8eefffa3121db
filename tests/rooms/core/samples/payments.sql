INSERT INTO sales_setting (brand_id, manual_sale, manual_daily_minor, provider, changed_at, changed_by)
SELECT $1::uuid, 'paid', 500000, 'simulator', clock_timestamp(), $2::uuid WHERE $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO sales_link (brand_id, id, code, name, reseller, channel, created_at, created_by)
SELECT $1::uuid, md5($1::text || $3::text || 'link')::uuid, substr(translate(md5($1::text || $3::text), 'ilou', '0000'), 1, 16), '样例', $3::text, min(code), clock_timestamp(), $2::uuid
FROM channel WHERE brand_id = $1;
INSERT INTO sales_link_day (brand_id, link, day, views)
SELECT brand_id, id, '2026-03-01', 1 FROM sales_link WHERE brand_id = $1::uuid AND reseller = $3::text AND $2::uuid IS NOT NULL;
INSERT INTO payment (brand_id, id, order_no, provider, state, link, reseller, channel, sku, quantity, unit_minor, gross_minor, currency, phone_cipher,
                     phone_mark, locale, created_at, good_until)
SELECT l.brand_id, md5(l.id::text || 'payment')::uuid, 'P-' || l.code, 'simulator', 'created', l.id, l.reseller, l.channel,
       (SELECT min(s.code) FROM sku s WHERE s.brand_id = l.brand_id), 1, 100, 100, 'CNY', '\x01', decode(repeat('00', 32), 'hex'), 'en',
       clock_timestamp(), clock_timestamp() + interval '15 minutes'
FROM sales_link l WHERE l.brand_id = $1::uuid AND l.reseller = $3::text AND $2::uuid IS NOT NULL;
INSERT INTO payment_notice (brand_id, provider, notice, payment, kind, amount_minor, currency, received_at, effect)
SELECT brand_id, provider, order_no, id, 'failed', 100, 'CNY', clock_timestamp(), 'none' FROM payment
WHERE brand_id = $1::uuid AND reseller = $3::text AND $2::uuid IS NOT NULL;
INSERT INTO payment_refund (brand_id, id, payment, refund_no, amount_minor, state, created_at)
SELECT brand_id, md5(id::text || 'refund')::uuid, id, 'all', 100, 'waiting', clock_timestamp() FROM payment
WHERE brand_id = $1::uuid AND reseller = $3::text AND $2::uuid IS NOT NULL;
