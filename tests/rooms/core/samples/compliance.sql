INSERT INTO compliance_month (brand_id, month, policy, max_depth, paid_levels)
SELECT $1::uuid, '2026-02-01', 'cn-strict', 2, 1 WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO compliance_report SELECT $1::uuid, '2026-02-01', $3::text, 1, 1, 1, 1 WHERE $2::uuid IS NOT NULL;
INSERT INTO portal_text (brand_id, id, kind, title_en, body_en, starts_on, published_by)
VALUES ($1::uuid, $2::uuid, 'help', 'Of ' || $3::text, 'How it works', '2026-02-01', $2::uuid);
INSERT INTO portal_text_end (brand_id, text, ended_by) SELECT $1::uuid, $2::uuid, $2::uuid WHERE $3::text IS NOT NULL;
INSERT INTO approval (brand_id, id, action, payload, sha256, maker)
SELECT $1::uuid, gen_random_uuid(), 'policy.opinion', said, encode(sha256(convert_to(said, 'UTF8')), 'hex'), $2::uuid
FROM (SELECT '{"expires_on":"' || (current_date + 300) || '","reference":"' || $3::text || '"}' AS said) asked;
UPDATE approval SET state = 'approved', decided_at = now(), checker = other.id
FROM (SELECT id FROM person WHERE id <> $2::uuid LIMIT 1) other
WHERE brand_id = $1 AND maker = $2 AND action = 'policy.opinion' AND $3::text IS NOT NULL;
UPDATE approval SET state = 'executed', executed_at = now()
WHERE brand_id = $1 AND maker = $2 AND action = 'policy.opinion' AND state = 'approved' AND $3::text IS NOT NULL;
INSERT INTO legal_opinion (brand_id, number, reference, expires_on, author, approver, approval)
SELECT brand_id, (SELECT count(*) + 1 FROM legal_opinion o WHERE o.brand_id = a.brand_id), $3::text, current_date + 300, maker, checker, id
FROM approval a WHERE brand_id = $1 AND maker = $2 AND action = 'policy.opinion' AND state = 'executed';
