INSERT INTO notification (brand_id, id, user_id, reseller, kind, subject, content, shown, mail)
VALUES ($1::uuid, gen_random_uuid(), $2::uuid, $3::text, 'price.change', '1', '{"count": 1}', true, 'none');
