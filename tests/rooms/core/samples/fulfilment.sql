INSERT INTO order_line
SELECT (jsonb_populate_record(l, '{"line_no": "held", "hold_from": "delivered"}')).* FROM order_line l
JOIN accrual e ON e.brand_id = l.brand_id AND e.order_no = l.order_no AND e.line_no = l.line_no AND e.level = 1
WHERE l.brand_id = $1 AND $2::uuid IS NOT NULL AND l.reseller = $3 ORDER BY l.order_no, l.line_no LIMIT 1;
INSERT INTO accrual
SELECT (jsonb_populate_record(e, '{"line_no": "held", "matures_at": null}')).* FROM accrual e
WHERE e.brand_id = $1 AND $2::uuid IS NOT NULL AND e.reseller = $3 AND e.level = 1 ORDER BY e.order_no, e.line_no LIMIT 1;
INSERT INTO fulfilment (brand_id, order_no, line_no, event, at, intake, source_row, quantity)
SELECT brand_id, order_no, line_no, 'delivered', paid_at, intake, 1, quantity FROM order_line
WHERE brand_id = $1 AND $2::uuid IS NOT NULL AND reseller = $3 AND line_no = 'held';
INSERT INTO line_clock (brand_id, order_no, line_no, intake, started_at, matures_at)
SELECT l.brand_id, l.order_no, l.line_no, l.intake, l.paid_at, l.paid_at + make_interval(hours => 24 * b.hold_days) FROM order_line l JOIN brand b ON b.id = l.brand_id
WHERE l.brand_id = $1 AND $2::uuid IS NOT NULL AND l.reseller = $3 AND l.line_no = 'held'
