-- A reseller sees from which level on its own pools run low; what they may borrow, and have borrowed, is the brand's.
CALL show_to_reseller('pool_sku', 'EXISTS (SELECT 1 FROM pool p WHERE p.brand_id = pool_sku.brand_id AND p.number = pool_sku.pool)',
    'SELECT (brand_id, sku, pool, low_level)');
