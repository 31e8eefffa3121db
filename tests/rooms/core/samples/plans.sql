INSERT INTO plan_version (brand_id, number, known, opened_by, opened_at)
SELECT $1::uuid, 1, 1, $2::uuid, now() WHERE $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO plan_draft_rule (brand_id, version, code, change, kind, event, reads, level, basis, rate_text, priority, changed_by, changed_at)
SELECT $1::uuid, 1, 'sample-' || $3::text, 'added', 'percent', 'order', 'own', 1, 'net', '0.1', 0, $2::uuid, now();
INSERT INTO rule_end (brand_id, rule, plan_version, ends_on, intake)
SELECT $1::uuid, code, 1, '2199-01-01', 1 FROM rule WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO plan_certificate (brand_id, version, document, sha256, pdf, made_at)
SELECT $1::uuid, 1, '{}', encode(sha256('x'), 'hex'), 'x', now() WHERE $2::uuid IS NOT NULL AND $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO plan_simulation (brand_id, id, version, first_month, last_month, task, asked_by, asked_at)
SELECT $1::uuid, $2::uuid, 1, '2026-02-01', '2026-02-01', $2::uuid, $2::uuid, now() WHERE $3::text IS NOT NULL;
INSERT INTO plan_simulation_row (brand_id, simulation, kind, code, today_minor, draft_minor) VALUES ($1::uuid, $2::uuid, 'reseller', $3::text, 1, 2)
