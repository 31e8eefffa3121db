INSERT INTO agreement (brand_id, number, effective_on, title_zh, title_en, text_zh, text_en, sha256, published_at, published_by)
SELECT $1::uuid, 1, '2026-01-01', '协议', 'Agreement', '文', 'Text', encode(sha256(convert_to(E'协议\n\n文\n\nAgreement\n\nText', 'UTF8')), 'hex'), now(), $2::uuid
WHERE $3::text IS NOT NULL AND NOT EXISTS (SELECT 1 FROM agreement WHERE brand_id = $1);
INSERT INTO application (brand_id, id, token_hash, kind, name, facts_cipher, identity_hash, locale, agreement, agreement_sha256, address, applied_at, state)
SELECT $1::uuid, $2::uuid, sha256($3::text::bytea), 'company', 'sample', 'sealed', sha256($3::text::bytea), 'en', 1, sha256, '198.51.100.7', now(), 'waiting'
FROM agreement WHERE brand_id = $1 AND number = 1;
INSERT INTO application_channel (brand_id, application, channel)
SELECT $1::uuid, $2::uuid, min(code) FROM channel WHERE brand_id = $1 AND $3::text IS NOT NULL;
INSERT INTO agreement_acceptance (brand_id, number, reseller, sha256, accepted_at, application, address)
SELECT $1::uuid, 1, $3::text, sha256, now(), $2::uuid, '198.51.100.7' FROM agreement WHERE brand_id = $1 AND number = 1;
INSERT INTO reseller_identity (brand_id, reseller, facts_cipher, identity_hash, application, recorded_at)
SELECT $1::uuid, $3::text, 'sealed', sha256($3::text::bytea), $2::uuid, now();
INSERT INTO identity_verification (brand_id, reseller, number, outcome, method, verified_at, verified_by)
SELECT $1::uuid, $3::text, 1, 'verified', 'document', now(), $2::uuid;
INSERT INTO placement_decision (brand_id, reseller, effective_on, reason, decided_at, decided_by)
SELECT brand_id, reseller, effective_on, 'sample', now(), $2::uuid FROM placement WHERE brand_id = $1 AND $3::text IS NOT NULL
ON CONFLICT DO NOTHING;
INSERT INTO standing_change (brand_id, reseller, number, change, effective_on, reason, changed_at, changed_by)
SELECT $1::uuid, $3::text, 1, 'freeze', '2026-06-01', 'sample', now(), $2::uuid
