-- What the pages of a reseller ask besides its own rows.

-- Its sales in the order of payment, a page at a time.
DROP INDEX order_line_reseller_index;
CREATE INDEX order_line_reseller_index ON order_line (brand_id, reseller, paid_at);
-- whether a refund has been reckoned with
GRANT SELECT (intake) ON refund TO qucheng_reseller;

-- The first delivery whose commissions are not reckoned yet: a line of it or of a later one is waited for. NULL: nothing waits.
CREATE FUNCTION first_waiting_intake() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT min(number) FROM intake WHERE brand_id = current_brand() AND accrued_at IS NULL $$;

-- How deep the reseller itself stands on a day, counted from its root; NULL before it has joined. Who stands above is not said.
CREATE FUNCTION own_depth(on_day date) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE standing AS (
        SELECT r.code AS reseller, 1 AS depth FROM reseller r
        WHERE r.brand_id = current_brand() AND r.code = current_reseller() AND r.joined_on <= on_day
        UNION ALL
        SELECT above.parent, s.depth + 1 FROM standing s CROSS JOIN LATERAL (
            SELECT parent FROM (
                SELECT r.parent, r.joined_on AS day, false AS moved FROM reseller r WHERE r.brand_id = current_brand() AND r.code = s.reseller
                UNION ALL
                SELECT p.parent, p.effective_on, true FROM placement p WHERE p.brand_id = current_brand() AND p.reseller = s.reseller) event
            WHERE day <= on_day ORDER BY day DESC, moved DESC LIMIT 1) above
        WHERE above.parent IS NOT NULL AND s.depth < 4)
    SELECT max(depth) FROM standing
$$;

-- sales_below a page at a time: what stands behind the last row of the page before. The same things, and of its own rule which
-- basis it has: an amount or a count.
CREATE FUNCTION sales_below_after(from_day date, to_day date, after_day date, after_order text, after_line text, most integer) RETURNS TABLE (
    order_no text, line_no text, paid_on date, sku text, basis text, basis_value bigint, rate text, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.order_no, e.line_no, l.paid_on, l.sku, r.basis, e.basis_value, r.rate_text, e.amount_minor
    FROM accrual e JOIN order_line l USING (brand_id, order_no, line_no) JOIN rule r ON r.brand_id = e.brand_id AND r.code = e.rule
    WHERE e.brand_id = current_brand() AND e.reseller = current_reseller() AND e.level > 1
        AND e.matures_at >= from_day::timestamptz - interval '1 day'
        AND l.paid_on >= from_day AND l.paid_on < to_day
        AND (after_day IS NULL OR (l.paid_on, e.order_no, e.line_no) < (after_day, after_order, after_line))
    ORDER BY l.paid_on DESC, e.order_no DESC, e.line_no DESC LIMIT most
$$;

-- How many they are, and what they earned in all.
CREATE FUNCTION sales_below_sum(from_day date, to_day date) RETURNS TABLE (sales bigint, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*), coalesce(sum(e.amount_minor), 0)::bigint
    FROM accrual e JOIN order_line l USING (brand_id, order_no, line_no)
    WHERE e.brand_id = current_brand() AND e.reseller = current_reseller() AND e.level > 1
        AND e.matures_at >= from_day::timestamptz - interval '1 day' AND l.paid_on >= from_day AND l.paid_on < to_day
$$;

DO $$
DECLARE
    asked text;
BEGIN
    FOREACH asked IN ARRAY ARRAY['first_waiting_intake()', 'own_depth(date)', 'sales_below_after(date, date, date, text, text, integer)',
                                 'sales_below_sum(date, date)'] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', asked);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO qucheng_app, qucheng_reseller', asked);
    END LOOP;
END $$;
