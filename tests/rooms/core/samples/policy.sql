INSERT INTO approval (brand_id, id, action, payload, sha256, maker)
SELECT $1::uuid, gen_random_uuid(), 'policy.tighten', said, encode(sha256(convert_to(said, 'UTF8')), 'hex'), $2::uuid
FROM (SELECT '{"max_depth":' || max_depth || ',"max_levels":' || max_levels || ',"max_total_rate_ppm":' || max_total_rate_ppm - 1
             || ',"starts_on":"' || greatest(starts_on, '2098-12-31') + 1 || '"}' AS said
      FROM policy_term WHERE brand_id = $1::uuid AND ends_on = 'infinity' AND $3::text IS NOT NULL) asked;
UPDATE approval SET state = 'approved', decided_at = now(), checker = other.id
FROM (SELECT id FROM person WHERE id <> $2::uuid LIMIT 1) other
WHERE brand_id = $1 AND maker = $2 AND action = 'policy.tighten' AND $3::text IS NOT NULL;
UPDATE approval SET state = 'executed', executed_at = now()
WHERE brand_id = $1 AND maker = $2 AND action = 'policy.tighten' AND state = 'approved' AND $3::text IS NOT NULL;
INSERT INTO policy_value (brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm, author, approver, approval)
SELECT p.brand_id, greatest(p.starts_on, '2098-12-31') + 1, p.max_depth, p.max_levels, p.max_total_rate_ppm - 1, a.maker, a.checker, a.id
FROM policy_term p JOIN approval a ON a.brand_id = p.brand_id
WHERE p.brand_id = $1 AND p.ends_on = 'infinity' AND a.maker = $2 AND a.action = 'policy.tighten' AND a.state = 'executed' AND $3::text IS NOT NULL;
