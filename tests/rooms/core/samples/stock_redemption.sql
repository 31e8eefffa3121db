INSERT INTO store (brand_id, code, name, opened_at) SELECT $1::uuid, 'S-' || $3::text, 'a store', now() WHERE $2::uuid IS NOT NULL;
INSERT INTO api_key (brand_id, id, name, mode, scopes, created_at, created_by, expires_at)
SELECT $1::uuid, md5(($2::uuid)::text || 'till')::uuid, 'till', 'live', 'cards.redeem', now(), $2::uuid, now() + interval '1 day' WHERE $3::text <> '';
INSERT INTO terminal (brand_id, id, store, name, api_key, all_skus, added_at) SELECT $1::uuid, $2::uuid, 'S-' || $3::text, 'till', md5(($2::uuid)::text || 'till')::uuid, false, now();
INSERT INTO terminal_sku (brand_id, terminal, sku) SELECT $1::uuid, $2::uuid, min(code) FROM sku WHERE brand_id = $1 AND $3::text <> '';
INSERT INTO redemption_rule (brand_id, sku, version, document, made_at)
SELECT $1::uuid, min(code), (SELECT count(*) + 1 FROM redemption_rule WHERE brand_id = $1), '{}', now() FROM sku WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND $3::text <> '';
INSERT INTO redemption (brand_id, id, terminal, key, way, at, verdict, batch, number, snapshot)
SELECT b.brand_id, $2::uuid, $2::uuid, 'k-1', 'code', now(), 'ok', b.number, 3, '{}' FROM batch b WHERE b.brand_id = $1 AND b.opened_by = $2 AND $3::text <> '' LIMIT 1;
INSERT INTO redemption_undo (brand_id, redemption, at, terminal, user_id) SELECT $1::uuid, $2::uuid, now(), $2::uuid, $2::uuid WHERE $3::text <> '';
INSERT INTO reversed_key (brand_id, terminal, key, at) SELECT $1::uuid, $2::uuid, 'k-2', now() WHERE $3::text <> '';
INSERT INTO card_alias (brand_id, alias, batch, number, made_at)
SELECT b.brand_id, decode(left(md5(($2::uuid)::text), 20), 'hex'), b.number, 3, now() FROM batch b WHERE b.brand_id = $1 AND b.opened_by = $2::uuid AND $3::text <> '' LIMIT 1;
INSERT INTO spent_picture (brand_id, alias, step, redemption) SELECT $1::uuid, decode(left(md5(($2::uuid)::text), 20), 'hex'), 1, $2::uuid WHERE $3::text <> '';
INSERT INTO short_digits (brand_id, fingerprint, holder, store, batch, number, until)
SELECT b.brand_id, sha256(($2::uuid)::text::bytea), sha256('2'), 'S-' || $3::text, b.number, 3, now() FROM batch b WHERE b.brand_id = $1 AND b.opened_by = $2::uuid LIMIT 1;
INSERT INTO wrong_entry (brand_id, terminal, way, at) SELECT $1::uuid, $2::uuid, 'code', now() WHERE $3::text <> ''
