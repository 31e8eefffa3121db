INSERT INTO pool (brand_id, number) SELECT $1::uuid, 0 WHERE $2::uuid IS NOT NULL AND $3::text <> '' ON CONFLICT DO NOTHING;
INSERT INTO pool (brand_id, number, reseller) SELECT $1::uuid, max(number) + 1, $3::text FROM pool WHERE brand_id = $1 AND $2::uuid IS NOT NULL;
INSERT INTO batch (brand_id, number, sku, source, pool, quantity, opened_by, opened_at)
SELECT $1::uuid, p.number, (SELECT min(code) FROM sku WHERE brand_id = $1), 'generated', p.number, 3, $2::uuid, now()
FROM pool p WHERE p.brand_id = $1 AND p.reseller = $3::text;
INSERT INTO card (brand_id, batch, number, sku, pool)
SELECT b.brand_id, b.number, n, b.sku, b.pool FROM batch b JOIN pool p ON p.brand_id = b.brand_id AND p.number = b.pool, generate_series(1, 3) n
WHERE b.brand_id = $1 AND b.opened_by = $2 AND p.reseller = $3;
WITH act AS (INSERT INTO stock_act (brand_id, id, kind, at, user_id, role) VALUES ($1::uuid, gen_random_uuid(), 'release', now(), $2::uuid, 'owner') RETURNING id),
told AS (SELECT set_config('qucheng.stock_act', id::text, true) FROM act)
UPDATE card c SET state = 'available' FROM told, batch b WHERE c.brand_id = $1 AND b.brand_id = $1 AND b.opened_by = $2 AND c.batch = b.number AND $3::text <> '';
WITH act AS (INSERT INTO stock_act (brand_id, id, kind, at, user_id, role) VALUES ($1::uuid, gen_random_uuid(), 'deliver', now(), $2::uuid, 'owner') RETURNING id),
told AS (SELECT set_config('qucheng.stock_act', id::text, true) FROM act)
UPDATE card c SET state = 'delivered', order_no = l.order_no, line_no = l.line_no
FROM told, batch b, (SELECT order_no, line_no FROM order_line WHERE brand_id = $1 AND reseller = $3::text ORDER BY 1, 2 LIMIT 1) l
WHERE c.brand_id = $1 AND b.brand_id = $1 AND b.opened_by = $2 AND c.batch = b.number AND c.number = 1;
WITH act AS (INSERT INTO stock_act (brand_id, id, kind, at, user_id, role) VALUES ($1::uuid, gen_random_uuid(), 'allocate', now(), $2::uuid, 'owner') RETURNING id),
told AS (SELECT set_config('qucheng.stock_act', id::text, true) FROM act)
UPDATE card c SET pool = 0 FROM told, batch b WHERE c.brand_id = $1 AND b.brand_id = $1 AND b.opened_by = $2 AND c.batch = b.number AND c.number = 2 AND $3::text <> '';
INSERT INTO line_need (brand_id, order_no, line_no, sku, each)
SELECT brand_id, order_no, line_no, sku, 1 FROM order_line WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND reseller = $3;
INSERT INTO stock_case (brand_id, kind, order_no, line_no, reseller, channel, sku, units, opened_at)
SELECT brand_id, 'short', order_no, line_no, reseller, channel, sku, 1, now() FROM order_line WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND reseller = $3;
INSERT INTO reservation (brand_id, id, reseller, channel, sku, units, pool, made_at, until)
SELECT p.brand_id, $2::uuid, p.reseller, (SELECT min(code) FROM channel WHERE brand_id = $1), (SELECT min(code) FROM sku WHERE brand_id = $1), 1, p.number,
       now(), now() + interval '1 minute' FROM pool p WHERE p.brand_id = $1 AND p.reseller = $3;
INSERT INTO allocation_request (brand_id, id, reseller, sku, quantity, asked_by, asked_at)
SELECT $1::uuid, $2::uuid, $3::text, min(code), 5, $2::uuid, now() FROM sku WHERE brand_id = $1;
INSERT INTO stock_alert (brand_id, kind, pool, sku, cards, raised_at)
SELECT p.brand_id, 'low', p.pool, p.sku, 1, now() FROM pool_sku p JOIN pool o ON o.brand_id = p.brand_id AND o.number = p.pool
WHERE p.brand_id = $1 AND $2::uuid IS NOT NULL AND o.reseller = $3
