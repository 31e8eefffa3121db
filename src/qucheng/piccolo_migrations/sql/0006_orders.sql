-- One delivery of facts (an imported bundle, later a batch of live orders). accrued_at is set once, by the earning kernel.
CREATE TABLE intake (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    received_at timestamptz NOT NULL,
    accrued_at timestamptz,
    PRIMARY KEY (brand_id, number)
);
CALL protect('intake', false);

-- paid_on: the local date of paid_at. parent … category and cost_minor are frozen at acceptance: what changes later in the
-- network or the catalogue changes no earlier line.
CREATE TABLE order_line (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL CHECK (length(order_no) BETWEEN 1 AND 40),
    line_no text COLLATE "C" NOT NULL CHECK (length(line_no) BETWEEN 1 AND 40),
    intake integer NOT NULL,
    source_row integer NOT NULL,
    paid_at timestamptz NOT NULL,
    paid_on date NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    gross_minor bigint NOT NULL,
    discount_minor bigint NOT NULL CHECK (discount_minor >= 0),
    net_minor bigint NOT NULL CHECK (net_minor >= 0 AND net_minor = gross_minor - discount_minor),
    buyer text COLLATE "C" CHECK (buyer <> ''),
    tier text COLLATE "C" NOT NULL,
    parent text COLLATE "C",
    parent_tier text COLLATE "C",
    grandparent text COLLATE "C",
    grandparent_tier text COLLATE "C",
    category text COLLATE "C" NOT NULL,
    cost_minor bigint NOT NULL,
    self_purchase boolean NOT NULL,
    PRIMARY KEY (brand_id, order_no, line_no),
    CONSTRAINT order_line_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT order_line_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT order_line_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT order_line_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CREATE INDEX order_line_intake_index ON order_line (brand_id, intake);
CREATE INDEX order_line_reseller_index ON order_line (brand_id, reseller);
CREATE INDEX order_line_channel_index ON order_line (brand_id, channel);
CREATE INDEX order_line_sku_index ON order_line (brand_id, sku);
CALL protect('order_line', true);

CREATE TABLE refund (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    refund_no text COLLATE "C" NOT NULL CHECK (length(refund_no) BETWEEN 1 AND 40),
    intake integer NOT NULL,
    source_row integer NOT NULL,
    refunded_at timestamptz NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 0 AND 1000000),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (brand_id, order_no, line_no, refund_no),
    CONSTRAINT refund_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT refund_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake
);
CREATE INDEX refund_intake_index ON refund (brand_id, intake);
CALL protect('refund', true);

-- The lines are locked before they are added up: two refunds at once cannot both take the last 分.
CREATE FUNCTION check_refund_within_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM 1 FROM order_line l JOIN (SELECT DISTINCT brand_id, order_no, line_no FROM fresh) f USING (brand_id, order_no, line_no)
    ORDER BY brand_id, order_no, line_no FOR NO KEY UPDATE OF l;
    IF EXISTS (
        SELECT 1 FROM order_line l JOIN (
            SELECT brand_id, order_no, line_no, sum(r.quantity) AS quantity, sum(r.amount_minor) AS amount, min(r.refunded_at) AS earliest
            FROM refund r JOIN (SELECT DISTINCT brand_id, order_no, line_no FROM fresh) f USING (brand_id, order_no, line_no)
            GROUP BY brand_id, order_no, line_no) taken USING (brand_id, order_no, line_no)
        WHERE taken.quantity > l.quantity OR taken.amount > l.net_minor OR taken.earliest < l.paid_at) THEN
        RAISE EXCEPTION 'refunds would take more than the line, or come before its payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_line';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_within_line AFTER INSERT ON refund REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_refund_within_line();

-- Accepted lines that a person should look at.
CREATE TABLE order_flag (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (code IN ('order.capped', 'order.price_deviates', 'order.self_purchase')),
    PRIMARY KEY (brand_id, order_no, line_no, code),
    CONSTRAINT order_flag_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line
);
CALL protect('order_flag', true);
