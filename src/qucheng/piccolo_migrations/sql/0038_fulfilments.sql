-- From which event on the hold of a line counts: the SKU's when the line was accepted, frozen on it like its category and cost.
ALTER TABLE order_line ADD COLUMN hold_from text COLLATE "C" NOT NULL DEFAULT 'paid'
    CONSTRAINT order_line_hold_from_check CHECK (hold_from IN ('paid', 'delivered', 'redeemed'));
GRANT SELECT (hold_from) ON order_line TO qucheng_reseller;

-- How many units of a line were delivered or redeemed, and when. An event that is not the line's has no effect.
CREATE TABLE fulfilment (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL CHECK (event IN ('delivered', 'redeemed')),
    at timestamptz NOT NULL,
    intake integer NOT NULL,
    source_row integer NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    PRIMARY KEY (brand_id, order_no, line_no, event, at),
    CONSTRAINT fulfilment_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT fulfilment_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake
);
CREATE INDEX fulfilment_intake_index ON fulfilment (brand_id, intake);
CALL protect('fulfilment', true);

-- As with refunds: the lines are locked before they are added up, so two at once cannot both take the last unit.
CREATE FUNCTION check_fulfilment_within_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM 1 FROM order_line l JOIN (SELECT DISTINCT brand_id, order_no, line_no FROM fresh) f USING (brand_id, order_no, line_no)
    ORDER BY brand_id, order_no, line_no FOR NO KEY UPDATE OF l;
    IF EXISTS (
        SELECT 1 FROM order_line l JOIN (
            SELECT brand_id, order_no, line_no, e.event, sum(e.quantity) AS quantity, min(e.at) AS earliest
            FROM fulfilment e JOIN (SELECT DISTINCT brand_id, order_no, line_no FROM fresh) f USING (brand_id, order_no, line_no)
            GROUP BY brand_id, order_no, line_no, e.event) done USING (brand_id, order_no, line_no)
        WHERE done.quantity > l.quantity OR done.earliest < l.paid_at) THEN
        RAISE EXCEPTION 'more units than the line has would be delivered or redeemed, or before its payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fulfilment_within_line';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fulfilment_within_line AFTER INSERT ON fulfilment REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_fulfilment_within_line();

-- The clock of a line whose hold counts from an event: it starts once, at the first instant at which the units that had the event
-- are at least those that had not come back by then, if one is left. intake: the delivery whose facts started it.
CREATE TABLE line_clock (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    intake integer NOT NULL,
    started_at timestamptz NOT NULL,
    matures_at timestamptz NOT NULL CHECK (matures_at >= started_at),
    PRIMARY KEY (brand_id, order_no, line_no),
    CONSTRAINT line_clock_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT line_clock_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake
);
CREATE INDEX line_clock_intake_index ON line_clock (brand_id, intake);
CREATE INDEX line_clock_maturity_index ON line_clock (brand_id, matures_at);
CALL protect('line_clock', true);

-- Not before the event and not later, as far as the deliveries that were accrued and its own can tell.
CREATE FUNCTION check_line_clock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    IF EXISTS (
        WITH fact AS (
            SELECT k.brand_id, k.order_no, k.line_no, e.at, e.intake, e.quantity AS units, 0 AS back, 0::bigint AS amount_minor
            FROM fresh k JOIN order_line l USING (brand_id, order_no, line_no) JOIN fulfilment e USING (brand_id, order_no, line_no)
            WHERE e.event = l.hold_from AND e.at <= k.started_at
            UNION ALL
            SELECT k.brand_id, k.order_no, k.line_no, r.refunded_at, r.intake, r.quantity, r.quantity, r.amount_minor
            FROM fresh k JOIN refund r USING (brand_id, order_no, line_no) WHERE r.refunded_at <= k.started_at
        ), reached AS (
            SELECT k.brand_id, k.order_no, k.line_no, sum(f.units) AS units, sum(f.back) AS back, sum(f.amount_minor) AS amount_minor,
                   sum(f.units) FILTER (WHERE f.at < k.started_at AND (f.intake = k.intake OR i.accrued_at IS NOT NULL)) AS before
            FROM fresh k JOIN fact f USING (brand_id, order_no, line_no) JOIN intake i ON i.brand_id = f.brand_id AND i.number = f.intake
            GROUP BY 1, 2, 3
        )
        SELECT 1 FROM fresh k JOIN brand b ON b.id = k.brand_id JOIN order_line l USING (brand_id, order_no, line_no)
        LEFT JOIN reached r USING (brand_id, order_no, line_no)
        WHERE l.hold_from = 'paid' OR k.matures_at <> k.started_at + make_interval(hours => 24 * b.hold_days)
            OR coalesce(r.units, 0) < l.quantity OR r.before >= l.quantity OR r.back >= l.quantity OR (l.net_minor > 0 AND r.amount_minor >= l.net_minor)) THEN
        RAISE EXCEPTION 'a clock starts when the last unit that is left had its event, and only on a line that is held until then'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'line_clock_start';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_clock_start AFTER INSERT ON line_clock REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_line_clock();
-- of the lines on which it earned
CALL show_to_reseller('line_clock', 'EXISTS (SELECT 1 FROM accrual e WHERE e.brand_id = line_clock.brand_id AND e.order_no = line_clock.order_no
    AND e.line_no = line_clock.line_no)');

-- What a line with a clock earns has no time of its own: that follows from the clock.
ALTER TABLE accrual ALTER COLUMN matures_at DROP NOT NULL;
ALTER TABLE reversal ALTER COLUMN matures_at DROP NOT NULL;
CREATE INDEX accrual_held_index ON accrual (brand_id, order_no, line_no) WHERE matures_at IS NULL;
CREATE INDEX reversal_held_index ON reversal (brand_id, order_no, line_no) WHERE matures_at IS NULL;

-- Entries with the time at which they mature, blank until the clock starts. Two branches, so that the indexes are of use.
CREATE VIEW timed_accrual WITH (security_invoker = true) AS
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at, e.matures_at
FROM accrual e WHERE e.matures_at IS NOT NULL
UNION ALL
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at, k.matures_at
FROM accrual e LEFT JOIN line_clock k USING (brand_id, order_no, line_no) WHERE e.matures_at IS NULL;

CREATE VIEW timed_reversal WITH (security_invoker = true) AS
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.refund_no, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at, e.matures_at
FROM reversal e WHERE e.matures_at IS NOT NULL
UNION ALL
SELECT e.brand_id, e.order_no, e.line_no, e.level, e.refund_no, e.reseller, e.rule, e.basis_value, e.amount_minor, e.occurred_at,
       CASE WHEN k.matures_at IS NOT NULL THEN greatest(e.occurred_at, k.matures_at) END
FROM reversal e LEFT JOIN line_clock k USING (brand_id, order_no, line_no) WHERE e.matures_at IS NULL;
GRANT SELECT ON timed_accrual, timed_reversal TO qucheng_app, qucheng_reseller;

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

-- As before, with what waits for its clock.
CREATE OR REPLACE FUNCTION sales_below_after(from_day date, to_day date, after_day date, after_order text, after_line text, most integer) RETURNS TABLE (
    order_no text, line_no text, paid_on date, sku text, basis text, basis_value bigint, rate text, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT e.order_no, e.line_no, l.paid_on, l.sku, r.basis, e.basis_value, r.rate_text, e.amount_minor
    FROM accrual e JOIN order_line l USING (brand_id, order_no, line_no) JOIN rule r ON r.brand_id = e.brand_id AND r.code = e.rule
    WHERE e.brand_id = current_brand() AND e.reseller = current_reseller() AND e.level > 1
        AND (e.matures_at >= from_day::timestamptz - interval '1 day' OR e.matures_at IS NULL)
        AND l.paid_on >= from_day AND l.paid_on < to_day
        AND (after_day IS NULL OR (l.paid_on, e.order_no, e.line_no) < (after_day, after_order, after_line))
    ORDER BY l.paid_on DESC, e.order_no DESC, e.line_no DESC LIMIT most
$$;

CREATE OR REPLACE FUNCTION sales_below_sum(from_day date, to_day date) RETURNS TABLE (sales bigint, amount_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*), coalesce(sum(e.amount_minor), 0)::bigint
    FROM accrual e JOIN order_line l USING (brand_id, order_no, line_no)
    WHERE e.brand_id = current_brand() AND e.reseller = current_reseller() AND e.level > 1
        AND (e.matures_at >= from_day::timestamptz - interval '1 day' OR e.matures_at IS NULL) AND l.paid_on >= from_day AND l.paid_on < to_day
$$;

-- fulfilments: one file of them, for a brand that is there
ALTER TABLE upload DROP CONSTRAINT upload_kind_check, ADD CONSTRAINT upload_kind_check CHECK (kind IN ('bundle', 'orders', 'refunds', 'fulfilments'));

CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    ANALYZE tier, reseller, placement, sku, channel, channel_price, price_version, price_cell, price_limit, rule, rule_bracket, order_line, refund, order_flag,
            fulfilment, line_clock, accrual, reversal, own_volume, adjustment, statement, statement_accrual, statement_reversal, statement_adjustment, bonus,
            account, journal_entry, posting, rejection;
END $$;
