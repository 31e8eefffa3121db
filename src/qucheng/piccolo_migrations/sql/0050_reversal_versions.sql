-- A refund may become known after a later one of its line. While that one is on no statement, both are taken back anew in the order
-- of (refunded_at, refund): a later version stands in place of what was reversed with the later refund, and the earlier one stays.
-- The view `reversal` is what counts: the last version of each, unless nothing is left of it.
ALTER TABLE reversal RENAME TO reversal_version;
ALTER TABLE reversal_version ADD COLUMN version smallint NOT NULL DEFAULT 1 CHECK (version >= 1);
ALTER TABLE reversal_version ALTER COLUMN version DROP DEFAULT;
ALTER TABLE reversal_version DROP CONSTRAINT reversal_pkey;
ALTER TABLE reversal_version ADD CONSTRAINT reversal_version_pkey PRIMARY KEY (brand_id, order_no, line_no, level, refund_no, version);
ALTER TABLE reversal_version DROP CONSTRAINT reversal_amount_minor_check;
ALTER TABLE reversal_version ADD CONSTRAINT reversal_version_amount_check CHECK (amount_minor < 0 OR (amount_minor = 0 AND version > 1));
-- they are few, and nearly every reader asks whether there is one
CREATE INDEX reversal_version_later_index ON reversal_version (brand_id, order_no, line_no, level, refund_no, version) WHERE version > 1;

CREATE VIEW reversal WITH (security_invoker = true) AS
SELECT v.brand_id, v.order_no, v.line_no, v.level, v.refund_no, v.reseller, v.rule, v.basis_value, v.amount_minor, v.occurred_at, v.matures_at
FROM reversal_version v WHERE v.amount_minor < 0 AND NOT EXISTS (
    SELECT 1 FROM reversal_version n WHERE n.version > 1 AND n.brand_id = v.brand_id AND n.order_no = v.order_no AND n.line_no = v.line_no
        AND n.level = v.level AND n.refund_no = v.refund_no AND n.version = v.version + 1);
GRANT SELECT ON reversal TO qucheng_app, qucheng_reseller;

-- What is on a statement, or is being put on one, stays as it is. Whoever issues statements is waited for.
CREATE FUNCTION check_reversal_versions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    subject uuid;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM fresh WHERE version > 1) THEN
        RETURN NULL;
    END IF;
    PERFORM require_read_committed();
    FOR subject IN SELECT DISTINCT brand_id FROM fresh WHERE version > 1 ORDER BY 1 LOOP
        PERFORM lock_brand(subject, 'statement');
    END LOOP;
    IF EXISTS (SELECT 1 FROM fresh f LEFT JOIN reversal_version b ON b.brand_id = f.brand_id AND b.order_no = f.order_no AND b.line_no = f.line_no
                   AND b.level = f.level AND b.refund_no = f.refund_no AND b.version = f.version - 1
               WHERE f.version > 1
                 AND (b.reseller, b.rule, b.occurred_at, b.matures_at) IS DISTINCT FROM (f.reseller, f.rule, f.occurred_at, f.matures_at)) THEN
        RAISE EXCEPTION 'a later version of a reversal follows the one before it, and is the same reseller''s, by the same rule and of the same time'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reversal_version_sequence';
    END IF;
    IF EXISTS (SELECT 1 FROM fresh f JOIN statement_reversal s USING (brand_id, order_no, line_no, level, refund_no) WHERE f.version > 1)
        OR EXISTS (SELECT 1 FROM settlement_run r JOIN run_entry e ON e.brand_id = r.brand_id AND e.period = r.period AND e.run = r.number
                   JOIN fresh f ON f.brand_id = e.brand_id AND f.order_no = e.order_no AND f.line_no = e.line_no AND f.level = e.level AND f.refund_no = e.refund_no
                   WHERE r.state = 'issuing' AND f.version > 1) THEN
        RAISE EXCEPTION 'a reversal that is on a statement, or on one that is being issued, has no later version'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'reversal_version_open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER reversal_version_open AFTER INSERT ON reversal_version REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_reversal_versions();

-- As before, of what counts.
CREATE OR REPLACE VIEW timed_reversal WITH (security_invoker = true) AS
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.refund_no, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at, e.matures_at
FROM reversal e WHERE e.matures_at IS NOT NULL
UNION ALL
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.refund_no, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at,
       CASE WHEN k.matures_at IS NOT NULL THEN greatest(e.occurred_at, k.matures_at) END
FROM reversal e LEFT JOIN line_clock k USING (brand_id, order_no, line_no) WHERE e.matures_at IS NULL;

CREATE OR REPLACE VIEW statement_entry WITH (security_invoker = true) AS
SELECT m.brand_id, m.period, m.number, 'accrual' AS kind, e.level, e.order_no, e.line_no, NULL::text AS refund_no, e.rule, NULL::date AS of_period,
       e.basis_value, e.amount_minor, e.occurred_at, coalesce(e.matures_at, k.matures_at) AS matures_at
FROM statement_accrual m JOIN accrual e USING (brand_id, order_no, line_no, level)
LEFT JOIN line_clock k ON k.brand_id = e.brand_id AND k.order_no = e.order_no AND k.line_no = e.line_no
UNION ALL
SELECT m.brand_id, m.period, m.number, 'reversal', e.level, e.order_no, e.line_no, e.refund_no, e.rule, NULL,
       e.basis_value, e.amount_minor, e.occurred_at, coalesce(e.matures_at, greatest(e.occurred_at, k.matures_at))
FROM statement_reversal m JOIN reversal e USING (brand_id, order_no, line_no, level, refund_no)
LEFT JOIN line_clock k ON k.brand_id = e.brand_id AND k.order_no = e.order_no AND k.line_no = e.line_no
UNION ALL
SELECT s.brand_id, s.period, s.number, 'bonus', NULL, NULL, NULL, NULL, e.rule, e.of_period, e.basis_value, e.amount_minor, e.occurred_at, e.occurred_at
FROM bonus e JOIN statement s USING (brand_id, reseller, period)
UNION ALL
SELECT m.brand_id, m.period, m.number, 'adjustment', NULL, e.code, NULL, NULL, NULL, NULL, NULL, e.amount_minor, e.occurred_at, e.occurred_at
FROM statement_adjustment m JOIN adjustment e USING (brand_id, code);

CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    ANALYZE tier, reseller, placement, sku, channel, channel_price, price_version, price_cell, price_limit, rule, rule_bracket, order_line, refund, order_flag,
            fulfilment, line_clock, accrual, reversal_version, own_volume, adjustment, statement, statement_accrual, statement_reversal, statement_adjustment,
            bonus, account, journal_entry, posting, rejection;
END $$;

-- The last delivery that the statements of a period know of. A month in which nobody was due anything knows what the one before it did.
ALTER TABLE period ADD COLUMN intake integer CHECK (intake >= 0);
ALTER TABLE period DISABLE TRIGGER append_only;
UPDATE period p SET intake = coalesce(
    (SELECT r.intake FROM settlement_run r WHERE r.brand_id = p.brand_id AND r.period = p.starts_on AND r.state IN ('issuing', 'issued')),
    (SELECT max(i.accrued_through) FROM intake i WHERE i.brand_id = p.brand_id AND i.accrued_at <= p.settled_at), 0);
ALTER TABLE period ENABLE TRIGGER append_only;
ALTER TABLE period ALTER COLUMN intake SET NOT NULL;
