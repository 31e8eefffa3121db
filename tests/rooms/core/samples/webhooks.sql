INSERT INTO outbox_event (brand_id, id, kind, subject, data)
VALUES ($1::uuid, $2::uuid, 'order.paid', 'of ' || $3::text, '{}');
INSERT INTO webhook_endpoint (brand_id, id, url, kinds, state, created_at, created_by, changed_at)
SELECT $1::uuid, $2::uuid, 'https://hooks.example.com/', 'order.paid', 'active', now(), $2::uuid, now() WHERE $3::text <> '';
INSERT INTO webhook_secret (brand_id, endpoint, number, cipher, issued_at, issued_by)
SELECT $1::uuid, $2::uuid, 1, convert_to($3::text, 'UTF8'), now(), $2::uuid;
INSERT INTO webhook_delivery (brand_id, endpoint, event, kind, subject, state, attempt, ended_at)
SELECT $1::uuid, $2::uuid, seq, kind, subject, 'delivered', 1, now() FROM outbox_event WHERE brand_id = $1 AND subject = 'of ' || $3::text;
INSERT INTO webhook_attempt (brand_id, endpoint, event, number, at, duration_ms, status)
SELECT $1::uuid, $2::uuid, event, 1, now(), 12, 204 FROM webhook_delivery WHERE brand_id = $1 AND subject = 'of ' || $3::text;
