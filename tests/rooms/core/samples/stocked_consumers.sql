INSERT INTO consumer (brand_id, id, subject_hash, first_seen)
SELECT $1::uuid, $2::uuid, sha256(convert_to($3::text, 'UTF8')), now();
INSERT INTO consumer_session (brand_id, id, consumer, token_hash, way, signed_in_at, until)
SELECT $1::uuid, $2::uuid, $2::uuid, sha256(convert_to($3::text, 'UTF8')), 'app', now(), now() + interval '30 days';
INSERT INTO sign_in_code (brand_id, phone_fingerprint, code_fingerprint, sent_at, until)
SELECT $1::uuid, sha256(convert_to($3::text, 'UTF8')), sha256(convert_to($3::text, 'UTF8')), now(), now() + interval '5 minutes' WHERE $2::uuid IS NOT NULL
