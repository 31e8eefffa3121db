INSERT INTO late_reversal (brand_id, redemption, order_no, line_no, batch, number, reversed_at, started_minor, matured_minor)
SELECT l.brand_id, $2::uuid, l.order_no, l.line_no, b.number, 3, now(), 100, 0
FROM order_line l JOIN batch b ON b.brand_id = l.brand_id AND b.opened_by = $2 WHERE l.brand_id = $1 AND l.reseller = $3 AND l.line_no = 'held' LIMIT 1
