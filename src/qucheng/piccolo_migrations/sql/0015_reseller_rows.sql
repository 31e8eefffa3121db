-- Work for people of a reseller is done in the role qucheng_reseller, which sees and writes only what is said here: a table or
-- a column that is not named is refused, whatever row it has. Which reseller it is stands in the transaction's setting; without
-- it nothing is visible. A role, and not a condition that all queries carry: the planner cannot know that such a condition
-- lets everything pass, takes each table for half a percent of its size, and joins the books of a brand row by row.
-- qucheng_switch lets its members become qucheng_reseller without having its rights and its policies all the time.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['qucheng_reseller NOLOGIN', 'qucheng_switch NOLOGIN NOINHERIT'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = split_part(wanted, ' ', 1)) THEN
                EXECUTE 'CREATE ROLE ' || wanted;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END $$;

CREATE FUNCTION current_reseller() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('qucheng.reseller', true), '') $$;

-- rows: a condition on the table that holds for a reseller's own. rights: what it may do with them.
CREATE PROCEDURE show_to_reseller(name regclass, rows text, rights text DEFAULT 'SELECT') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY reseller_only ON %s AS RESTRICTIVE TO qucheng_reseller USING (%s) WITH CHECK (%2$s)', name, rows);
    EXECUTE format('GRANT %s ON %s TO qucheng_reseller', rights, name);
END $$;

-- The brand's, for everybody in it.
GRANT SELECT ON brand, tier, channel, period TO qucheng_reseller;
-- without the cost price
GRANT SELECT (brand_id, code, name, category, list_price_minor) ON sku TO qucheng_reseller;

CALL show_to_reseller('reseller', 'code = (SELECT current_reseller())');
CALL show_to_reseller('placement', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('accrual', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('reversal', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('own_volume', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('adjustment', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('bonus', 'reseller = (SELECT current_reseller())');
CALL show_to_reseller('statement', 'reseller = (SELECT current_reseller())');
-- without the cost price, the buyer and who stands above
CALL show_to_reseller('order_line', 'reseller = (SELECT current_reseller())', 'SELECT (brand_id, order_no, line_no, intake, paid_at, paid_on, reseller,
    channel, sku, quantity, gross_minor, discount_minor, net_minor, tier, category, self_purchase)');
-- What has no reseller belongs to the one of the row it refers to; that row is looked for with the reseller's own eyes.
CALL show_to_reseller('refund', 'EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = refund.brand_id AND l.order_no = refund.order_no AND l.line_no = refund.line_no)',
    'SELECT (brand_id, order_no, line_no, refund_no, refunded_at, quantity, amount_minor)');
CALL show_to_reseller('order_flag', 'EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = order_flag.brand_id AND l.order_no = order_flag.order_no AND l.line_no = order_flag.line_no)');
DO $$
DECLARE
    paper text;
BEGIN
    FOREACH paper IN ARRAY ARRAY['statement_accrual', 'statement_reversal', 'statement_adjustment', 'statement_document', 'document_file'] LOOP
        CALL show_to_reseller(paper::regclass, format(
            'EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = %1$s.brand_id AND s.period = %1$s.period AND s.number = %1$s.number)', paper));
    END LOOP;
END $$;
GRANT SELECT ON statement_entry TO qucheng_reseller;
-- The rules by which it has earned, and no others: those of other tiers are not its business.
CALL show_to_reseller('rule', 'EXISTS (SELECT 1 FROM accrual e WHERE e.brand_id = rule.brand_id AND e.rule = rule.code)
    OR EXISTS (SELECT 1 FROM bonus b WHERE b.brand_id = rule.brand_id AND b.rule = rule.code)
    OR EXISTS (SELECT 1 FROM own_volume v WHERE v.brand_id = rule.brand_id AND v.rule = rule.code)');
CALL show_to_reseller('rule_bracket', 'EXISTS (SELECT 1 FROM rule r WHERE r.brand_id = rule_bracket.brand_id AND r.code = rule_bracket.rule)');
-- Its own people: whom it has, and that it has them no longer. Roles are given by taking up an invitation.
CALL show_to_reseller('membership', 'reseller = (SELECT current_reseller())');
GRANT UPDATE (revoked_at, revoked_by) ON membership TO qucheng_reseller;
CALL show_to_reseller('invitation', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, id, login_cipher, role, reseller, invited_at, invited_by, expires_at, accepted_at, accepted_by, withdrawn_at)');
GRANT UPDATE (withdrawn_at) ON invitation TO qucheng_reseller;
-- What it does is on record, and not for it to read.
GRANT INSERT (brand_id, id, user_id, role, action, subject, before, after, network, request_id, approval) ON audit_record TO qucheng_reseller;

-- Of a sale below it on which it earned: the order's number, date and article, the basis, its own rate and amount. Nothing of
-- the buyer, the price, the seller, or what others earned.
CREATE FUNCTION sales_below(from_day date, to_day date, most integer) RETURNS TABLE (
    order_no text, line_no text, paid_on date, sku text, basis_value bigint, rate text, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.order_no, e.line_no, l.paid_on, l.sku, e.basis_value, r.rate_text, e.amount_minor
    FROM accrual e JOIN order_line l USING (brand_id, order_no, line_no) JOIN rule r ON r.brand_id = e.brand_id AND r.code = e.rule
    WHERE e.brand_id = current_brand() AND e.reseller = current_reseller() AND l.reseller <> e.reseller AND l.paid_on >= from_day AND l.paid_on < to_day
    ORDER BY l.paid_on DESC, e.order_no DESC, e.line_no DESC LIMIT most
$$;
REVOKE EXECUTE ON FUNCTION sales_below(date, date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sales_below(date, date, integer) TO qucheng_app, qucheng_reseller;
