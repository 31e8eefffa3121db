-- From when on something stands out, by version; without one, what the product itself says (risk/rules.py).
CREATE TABLE risk_limits (
    brand_id uuid NOT NULL REFERENCES brand,
    version integer NOT NULL CHECK (version >= 1),
    refund_share_ppm integer NOT NULL CHECK (refund_share_ppm BETWEEN 1 AND 1000000),
    refunds_least integer NOT NULL CHECK (refunds_least BETWEEN 1 AND 100000),
    buyer_orders_an_hour integer NOT NULL CHECK (buyer_orders_an_hour BETWEEN 2 AND 100000),
    reseller_orders_an_hour integer NOT NULL CHECK (reseller_orders_an_hour BETWEEN 2 AND 100000),
    own_share_ppm integer NOT NULL CHECK (own_share_ppm BETWEEN 1 AND 1000000),
    own_lines_least integer NOT NULL CHECK (own_lines_least BETWEEN 1 AND 100000),
    buyer_resellers integer NOT NULL CHECK (buyer_resellers BETWEEN 2 AND 1000),
    deviating_lines integer NOT NULL CHECK (deviating_lines BETWEEN 1 AND 100000),
    outlier_hundredths integer NOT NULL CHECK (outlier_hundredths BETWEEN 100 AND 10000),
    outlier_days_least integer NOT NULL CHECK (outlier_days_least BETWEEN 5 AND 60),
    heads integer NOT NULL CHECK (heads BETWEEN 2 AND 30),
    set_at timestamptz NOT NULL,
    set_by uuid NOT NULL REFERENCES person,
    PRIMARY KEY (brand_id, version)
);
CREATE INDEX risk_limits_set_by_index ON risk_limits (set_by);
CALL protect('risk_limits', true);

-- Something that stood out in the time from starts_at to ends_at, with the figures as they were found. subject: the reseller, or of
-- a buyer a fingerprint. In one stretch of time the same thing is found once, however often it is looked for.
CREATE TABLE risk_alert (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    rule text COLLATE "C" NOT NULL CHECK (rule IN ('refund.share', 'burst.buyer', 'burst.reseller', 'own.rising', 'buyer.many_resellers',
        'price.deviations', 'sales.outlier', 'network.heads')),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 40),
    reseller text COLLATE "C",
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
    limits integer,
    found_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'confirmed', 'dismissed')),
    reason text CHECK (reason ~ '\S' AND length(reason) <= 500),
    decided_by uuid REFERENCES person,
    decided_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT risk_alert_finding_unique UNIQUE (brand_id, rule, subject, starts_at),
    CONSTRAINT risk_alert_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT risk_alert_limits_reference FOREIGN KEY (brand_id, limits) REFERENCES risk_limits,
    CONSTRAINT risk_alert_times_check CHECK (starts_at < ends_at),
    CONSTRAINT risk_alert_decided_check CHECK (num_nonnulls(reason, decided_by, decided_at) = CASE state WHEN 'open' THEN 0 ELSE 3 END)
);
CREATE INDEX risk_alert_reseller_index ON risk_alert (brand_id, reseller);
CREATE INDEX risk_alert_limits_index ON risk_alert (brand_id, limits);
CREATE INDEX risk_alert_decided_by_index ON risk_alert (decided_by);
CREATE INDEX risk_alert_state_index ON risk_alert (brand_id, state, found_at);
CALL protect('risk_alert', false);
REVOKE UPDATE ON risk_alert FROM qucheng_app;
GRANT UPDATE (state, reason, decided_by, decided_at) ON risk_alert TO qucheng_app;

CREATE FUNCTION check_risk_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changing constant text[] := ARRAY['state', 'reason', 'decided_by', 'decided_at'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'open' OR NEW.state = 'open' OR to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing THEN
        RAISE EXCEPTION 'an alert is decided once, and nothing else of it changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'risk_alert_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER risk_alert_step BEFORE UPDATE OR DELETE ON risk_alert FOR EACH ROW EXECUTE FUNCTION check_risk_step();

-- Roll-ups ask for days and months. Rows come nearly in that order, so a summary of blocks finds them and costs writers nothing.
CREATE INDEX order_line_paid_on_index ON order_line USING brin (paid_on) WITH (pages_per_range = 16);
CREATE INDEX refund_refunded_at_index ON refund USING brin (refunded_at) WITH (pages_per_range = 16);
CREATE INDEX accrual_occurred_at_index ON accrual USING brin (occurred_at) WITH (pages_per_range = 16);
CREATE INDEX reversal_occurred_at_index ON reversal USING brin (occurred_at) WITH (pages_per_range = 16);
