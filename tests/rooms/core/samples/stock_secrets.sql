INSERT INTO data_key (brand_id, batch, wrapped, made_at, wrapped_at)
SELECT brand_id, number, decode(repeat('01', 63), 'hex'), now(), now() FROM batch WHERE brand_id = $1::uuid AND opened_by = $2::uuid AND $3::text <> '';
INSERT INTO card_secret (brand_id, batch, number, blob, blind, last_four)
SELECT c.brand_id, c.batch, c.number, decode(repeat('01', 46), 'hex'), decode(md5($3::text || c.batch || '-' || c.number), 'hex'), 'PQRS'
FROM card c JOIN batch b ON b.brand_id = c.brand_id AND b.number = c.batch WHERE c.brand_id = $1::uuid AND b.opened_by = $2::uuid;
INSERT INTO card_intake (brand_id, batch, way, task, expires_on, file_name, bytes, refuse_weak, file, wrapped, asked_at)
SELECT brand_id, number, 'imported', $2::uuid, '2027-01-01', $3::text, 10, false, $2::uuid, decode(repeat('01', 63), 'hex'), now()
FROM batch WHERE brand_id = $1::uuid AND opened_by = $2::uuid;
INSERT INTO card_rejection (brand_id, batch, source_row, fault, last_four)
SELECT brand_id, number, 2, 'malformed', '' FROM batch WHERE brand_id = $1::uuid AND opened_by = $2::uuid AND $3::text <> '';
INSERT INTO card_reveal (brand_id, id, batch, number, viewer_kind, viewer, purpose, at)
SELECT brand_id, gen_random_uuid(), batch, number, 'user', $2::uuid, $3::text, now() FROM card WHERE brand_id = $1::uuid AND number = 1;
INSERT INTO card_setting (brand_id, resellers_reveal, changed_at, changed_by) SELECT $1::uuid, false, now(), $2::uuid WHERE $3::text <> '' ON CONFLICT DO NOTHING;
INSERT INTO delivery_link (brand_id, id, order_no, token_hash, made_at, expires_at)
SELECT $1::uuid, gen_random_uuid(), 'D-' || $3::text, sha256(convert_to($1::uuid::text || $2::uuid::text || $3::text, 'UTF8')), now(), now() + interval '1 day';
INSERT INTO text_message (brand_id, id, kind, locale, to_cipher, values_cipher, written_at)
SELECT $1::uuid, $2::uuid, 'delivery', 'zh-CN', decode('0100010203', 'hex'), decode('0100010203', 'hex'), now() WHERE $3::text <> ''
