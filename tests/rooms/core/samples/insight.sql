INSERT INTO risk_limits (brand_id, version, refund_share_ppm, refunds_least, buyer_orders_an_hour, reseller_orders_an_hour, own_share_ppm, own_lines_least,
    buyer_resellers, deviating_lines, outlier_hundredths, outlier_days_least, heads, set_at, set_by)
SELECT $1::uuid, 1, 300000, 5, 8, 60, 150000, 5, 4, 5, 800, 14, 24, '2026-05-01', $2::uuid WHERE $3::text IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO risk_alert (brand_id, id, rule, subject, reseller, starts_at, ends_at, evidence, limits, found_at)
SELECT $1::uuid, gen_random_uuid(), 'refund.share', $3::text, $3::text, '2026-04-01', '2026-05-01', '{}', 1, '2026-05-01' WHERE $2::uuid IS NOT NULL;
