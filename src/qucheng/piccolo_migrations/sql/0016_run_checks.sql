-- What a run adds up to on three sides: the orders it is earned by, its statements, and the ledger. Each look is a row of its own.
-- number: 1 for the first look at the run. checked_by is empty for what is done with every computation. intake: the last delivery
-- that was accrued then. apart: of how many resellers any figure differs. figures: by component, how many and how much on each side.
CREATE TABLE run_check (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    run smallint NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    checked_at timestamptz NOT NULL,
    checked_by uuid REFERENCES person,
    intake integer NOT NULL CHECK (intake >= 0),
    apart integer NOT NULL CHECK (apart >= 0),
    figures jsonb NOT NULL,
    PRIMARY KEY (brand_id, period, run, number),
    CONSTRAINT run_check_run_reference FOREIGN KEY (brand_id, period, run) REFERENCES settlement_run
);
CREATE INDEX run_check_checked_by_index ON run_check (checked_by);
CALL protect('run_check', true);

-- Published: its resellers see their statements. Once, when it is issued; published_by is empty where the last document did it.
ALTER TABLE settlement_run ADD COLUMN published_at timestamptz, ADD COLUMN published_by uuid REFERENCES person;
CREATE INDEX settlement_run_published_by_index ON settlement_run (published_by);
-- what was issued before there was this step has been seen since
ALTER TABLE settlement_run DISABLE TRIGGER settlement_run_step;
UPDATE settlement_run SET published_at = issued_at WHERE state = 'issued';
ALTER TABLE settlement_run ENABLE TRIGGER settlement_run_step;
ALTER TABLE settlement_run ADD CONSTRAINT settlement_run_published_check
    CHECK ((published_at IS NULL OR state = 'issued') AND (published_by IS NULL OR published_at IS NOT NULL));

CREATE OR REPLACE FUNCTION check_run_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    publishing constant text[] := ARRAY['published_at', 'published_by'];
BEGIN
    IF (OLD.statements, OLD.gross_minor, OLD.tax_minor, OLD.net_minor, OLD.intake, OLD.computed_at)
            IS DISTINCT FROM (NEW.statements, NEW.gross_minor, NEW.tax_minor, NEW.net_minor, NEW.intake, NEW.computed_at)
        OR (OLD.brand_id, OLD.period, OLD.number) IS DISTINCT FROM (NEW.brand_id, NEW.period, NEW.number)
        OR OLD.state = 'discarded' OR NEW.issued < OLD.issued
        OR (OLD.state = 'issuing' AND NEW.state NOT IN ('issuing', 'issued')) THEN
        RAISE EXCEPTION 'a settlement run goes from computed to issued or discarded, and its figures stay'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'settlement_run_step';
    END IF;
    IF (OLD.state = 'issued' AND (OLD.published_at IS NOT NULL OR NEW.published_at IS NULL OR to_jsonb(OLD) - publishing IS DISTINCT FROM to_jsonb(NEW) - publishing))
        OR (OLD.state <> 'issued' AND NEW.published_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a settlement run is published once, when it is issued, and nothing else of it changes then'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'settlement_run_step';
    END IF;
    RETURN NEW;
END $$;

-- The months of the brand whose statements their resellers do not see yet. A month that was settled without a run is seen at once.
CREATE FUNCTION unpublished_periods() RETURNS date[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(period), '{}') FROM settlement_run
    WHERE brand_id = current_brand() AND state IN ('issuing', 'issued') AND published_at IS NULL
$$;
-- When the statements of the month could be seen.
CREATE FUNCTION period_published_at(month date) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((SELECT published_at FROM settlement_run WHERE brand_id = current_brand() AND period = month AND state IN ('issuing', 'issued')),
                    (SELECT settled_at FROM period WHERE brand_id = current_brand() AND starts_on = month AND NOT EXISTS (
                        SELECT 1 FROM settlement_run WHERE brand_id = current_brand() AND period = month AND state IN ('issuing', 'issued'))))
$$;
-- The articles of what a reseller's own statement says, sales below it included: of those it sees no order.
CREATE FUNCTION articles_on_statement(month date, paper integer) RETURNS TABLE (order_no text, line_no text, sku text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT l.order_no, l.line_no, l.sku FROM statement s JOIN (
        SELECT m.brand_id, m.period, m.number, m.order_no, m.line_no FROM statement_accrual m
        UNION ALL SELECT r.brand_id, r.period, r.number, r.order_no, r.line_no FROM statement_reversal r) e USING (brand_id, period, number)
    JOIN order_line l ON l.brand_id = e.brand_id AND l.order_no = e.order_no AND l.line_no = e.line_no
    WHERE s.brand_id = current_brand() AND s.period = month AND s.number = paper AND s.reseller = current_reseller()
        AND s.period <> ALL (unpublished_periods())
$$;
REVOKE EXECUTE ON FUNCTION unpublished_periods(), period_published_at(date), articles_on_statement(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unpublished_periods(), period_published_at(date), articles_on_statement(date, integer) TO qucheng_app, qucheng_reseller;

-- What hangs on a statement is looked for with the reseller's own eyes, so this is enough for all of it but the bonuses.
DO $$
DECLARE
    paper text;
BEGIN
    FOREACH paper IN ARRAY ARRAY['statement', 'bonus'] LOOP
        EXECUTE format('DROP POLICY reseller_only ON %I', paper);
        EXECUTE format('CREATE POLICY reseller_only ON %I AS RESTRICTIVE TO qucheng_reseller
                        USING (reseller = (SELECT current_reseller()) AND period <> ALL ((SELECT unpublished_periods())::date[]))
                        WITH CHECK (reseller = (SELECT current_reseller()) AND period <> ALL ((SELECT unpublished_periods())::date[]))', paper);
    END LOOP;
END $$;
