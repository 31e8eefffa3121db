CREATE TABLE period (
    brand_id uuid NOT NULL REFERENCES brand,
    starts_on date NOT NULL CHECK (extract(day FROM starts_on) = 1),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    settled_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, starts_on),
    CONSTRAINT period_dates_check CHECK (ends_at > starts_at)
);
CALL protect('period', true);

CREATE TABLE adjustment (
    brand_id uuid NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    intake integer NOT NULL,
    source_row integer NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (brand_id, code),
    CONSTRAINT adjustment_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT adjustment_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller
);
CREATE INDEX adjustment_intake_index ON adjustment (brand_id, intake);
CREATE INDEX adjustment_reseller_index ON adjustment (brand_id, reseller);
CALL protect('adjustment', true);

-- kind: the payee's, as it was taxed
CREATE TABLE statement (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    statement_no text COLLATE "C" NOT NULL CHECK (statement_no <> ''),
    reseller text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('individual', 'company')),
    opening_minor bigint NOT NULL,
    accrued_minor bigint NOT NULL CHECK (accrued_minor >= 0),
    reversed_minor bigint NOT NULL CHECK (reversed_minor <= 0),
    bonus_minor bigint NOT NULL,
    adjustment_minor bigint NOT NULL,
    gross_minor bigint NOT NULL,
    payable_minor bigint NOT NULL,
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    net_minor bigint NOT NULL CHECK (net_minor >= 0),
    carried_minor bigint NOT NULL,
    -- the transaction that issued it; another one cannot put entries on it
    opened_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (brand_id, period, number),
    CONSTRAINT statement_reseller_unique UNIQUE (brand_id, reseller, period),
    CONSTRAINT statement_no_unique UNIQUE (brand_id, statement_no),
    CONSTRAINT statement_period_reference FOREIGN KEY (brand_id, period) REFERENCES period,
    CONSTRAINT statement_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT statement_gross_check CHECK (gross_minor = accrued_minor + reversed_minor + bonus_minor + adjustment_minor),
    CONSTRAINT statement_payable_check CHECK (payable_minor = opening_minor + gross_minor),
    CONSTRAINT statement_paid_check CHECK (
        (payable_minor > 0 AND carried_minor = 0 AND net_minor + tax_minor = payable_minor)
        OR (carried_minor = payable_minor AND net_minor = 0 AND tax_minor = 0))
);
CALL protect('statement', true);

-- Numbers run from 1 without gaps, and each opening is what the reseller's last statement carried. Writers of one brand
-- wait for each other here, so that the second sees what the first wrote.
CREATE FUNCTION check_statements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    subject record;
    wrong text;
BEGIN
    PERFORM require_read_committed();
    FOR subject IN SELECT DISTINCT brand_id, period FROM fresh ORDER BY 1, 2 LOOP
        PERFORM lock_brand(subject.brand_id, 'statement');
        IF (SELECT count(*) <> max(number) FROM statement WHERE brand_id = subject.brand_id AND period = subject.period) THEN
            RAISE EXCEPTION 'the statement numbers of % would have a gap', to_char(subject.period, 'YYYY-MM')
                USING ERRCODE = 'check_violation', CONSTRAINT = 'statement_gapless';
        END IF;
        SELECT f.statement_no INTO wrong FROM fresh f
        LEFT JOIN LATERAL (SELECT carried_minor, period FROM statement s WHERE s.brand_id = f.brand_id AND s.reseller = f.reseller
                           AND s.period < f.period ORDER BY s.period DESC LIMIT 1) before ON true
        WHERE f.brand_id = subject.brand_id AND f.period = subject.period
          AND (f.opening_minor <> coalesce(before.carried_minor, 0)
               OR EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = f.brand_id AND s.reseller = f.reseller AND s.period > f.period))
        LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'the opening of statement % is not what the reseller''s last statement carried', wrong
                USING ERRCODE = 'check_violation', CONSTRAINT = 'statement_opening';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER statement_chain AFTER INSERT ON statement REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_statements();

-- Membership: which statement an entry is on. The primary key keeps it on one statement only. That the entry exists and is
-- its reseller's is checked for all rows of an insert at once; entries are never deleted, so that is as good as a foreign
-- key and a fraction of its cost.
CREATE TABLE statement_accrual (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    level smallint NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (brand_id, order_no, line_no, level),
    CONSTRAINT statement_accrual_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement
);
CREATE INDEX statement_accrual_statement_index ON statement_accrual (brand_id, period, number);
CALL protect('statement_accrual', true);

CREATE TABLE statement_reversal (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    level smallint NOT NULL,
    refund_no text COLLATE "C" NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (brand_id, order_no, line_no, level, refund_no),
    CONSTRAINT statement_reversal_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement
);
CREATE INDEX statement_reversal_statement_index ON statement_reversal (brand_id, period, number);
CALL protect('statement_reversal', true);

CREATE TABLE statement_adjustment (
    brand_id uuid NOT NULL,
    code text COLLATE "C" NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (brand_id, code),
    CONSTRAINT statement_adjustment_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement
);
CREATE INDEX statement_adjustment_statement_index ON statement_adjustment (brand_id, period, number);
CALL protect('statement_adjustment', true);

CREATE FUNCTION check_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    keys text := CASE TG_ARGV[0] WHEN 'accrual' THEN 'brand_id, order_no, line_no, level'
                                 WHEN 'reversal' THEN 'brand_id, order_no, line_no, level, refund_no'
                                 ELSE 'brand_id, code' END;
    wrong boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM fresh f LEFT JOIN %I e USING (%s)
                    LEFT JOIN statement s ON s.brand_id = f.brand_id AND s.period = f.period AND s.number = f.number
                    WHERE e.reseller IS DISTINCT FROM s.reseller OR e.reseller IS NULL OR s.opened_by <> pg_current_xact_id())', TG_ARGV[0], keys) INTO wrong;
    IF wrong THEN
        RAISE EXCEPTION 'a statement takes only entries that exist and are its reseller''s, when it is issued and not later'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_TABLE_NAME || '_membership';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER statement_accrual_membership AFTER INSERT ON statement_accrual REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_membership('accrual');
CREATE TRIGGER statement_reversal_membership AFTER INSERT ON statement_reversal REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_membership('reversal');
CREATE TRIGGER statement_adjustment_membership AFTER INSERT ON statement_adjustment REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_membership('adjustment');

-- A bonus is born on its statement: the change of the bonus of of_period as known when `period` was settled.
CREATE TABLE bonus (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    of_period date NOT NULL CHECK (of_period <= period),
    basis_value bigint NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, period, reseller, rule, of_period),
    CONSTRAINT bonus_statement_reference FOREIGN KEY (brand_id, reseller, period) REFERENCES statement (brand_id, reseller, period),
    CONSTRAINT bonus_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule
);
-- As with the other entries: on its statement when that is issued, and not later.
CREATE FUNCTION check_bonus_in_time() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh f JOIN statement s USING (brand_id, reseller, period) WHERE s.opened_by <> pg_current_xact_id()) THEN
        RAISE EXCEPTION 'a statement takes a bonus when it is issued and not later'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'bonus_in_time';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bonus_in_time AFTER INSERT ON bonus REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_bonus_in_time();
CREATE INDEX bonus_statement_index ON bonus (brand_id, reseller, period);
CREATE INDEX bonus_rule_index ON bonus (brand_id, rule);
CALL protect('bonus', true);

-- All entries that are on statements, one shape for the four kinds. code: an adjustment's, in the place of an order.
CREATE VIEW statement_entry WITH (security_invoker = true) AS
SELECT m.brand_id, m.period, m.number, 'accrual' AS kind, e.level, e.order_no, e.line_no, NULL::text AS refund_no, e.rule, NULL::date AS of_period,
       e.basis_value, e.amount_minor, e.occurred_at, e.matures_at
FROM statement_accrual m JOIN accrual e USING (brand_id, order_no, line_no, level)
UNION ALL
SELECT m.brand_id, m.period, m.number, 'reversal', e.level, e.order_no, e.line_no, e.refund_no, e.rule, NULL,
       e.basis_value, e.amount_minor, e.occurred_at, e.matures_at
FROM statement_reversal m JOIN reversal e USING (brand_id, order_no, line_no, level, refund_no)
UNION ALL
SELECT s.brand_id, s.period, s.number, 'bonus', NULL, NULL, NULL, NULL, e.rule, e.of_period, e.basis_value, e.amount_minor, e.occurred_at, e.occurred_at
FROM bonus e JOIN statement s USING (brand_id, reseller, period)
UNION ALL
SELECT m.brand_id, m.period, m.number, 'adjustment', NULL, e.code, NULL, NULL, NULL, NULL, NULL, e.amount_minor, e.occurred_at, e.occurred_at
FROM statement_adjustment m JOIN adjustment e USING (brand_id, code);
GRANT SELECT ON statement_entry TO qucheng_app;
