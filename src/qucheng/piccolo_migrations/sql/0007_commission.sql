-- A rule earns `level` of a sale (percent, per_unit) or a bonus on the seller's own volume (graduated, slab).
-- rate_text is the rate in its shortest form, as entries.csv shows it; a blank filter means any.
CREATE TABLE rule (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    kind text NOT NULL CHECK (kind IN ('percent', 'per_unit', 'graduated', 'slab')),
    level smallint CHECK (level BETWEEN 1 AND 3),
    sku text COLLATE "C",
    category text COLLATE "C" CHECK (category <> ''),
    channel text COLLATE "C",
    tier text COLLATE "C",
    basis text NOT NULL CHECK (basis IN ('net', 'gross', 'margin', 'unit')),
    rate_ppm integer CHECK (rate_ppm BETWEEN 0 AND 1000000),
    rate_minor bigint CHECK (rate_minor >= 0),
    rate_text text NOT NULL CHECK (rate_text <> ''),
    priority integer NOT NULL,
    starts_on date,
    ends_on date,
    PRIMARY KEY (brand_id, code),
    CONSTRAINT rule_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT rule_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT rule_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier,
    CONSTRAINT rule_dates_check CHECK (ends_on > starts_on),
    CONSTRAINT rule_shape_check CHECK (
        CASE kind
            WHEN 'percent' THEN level IS NOT NULL AND basis <> 'unit' AND rate_ppm IS NOT NULL AND rate_minor IS NULL
            WHEN 'per_unit' THEN level IS NOT NULL AND basis = 'unit' AND rate_minor IS NOT NULL AND rate_ppm IS NULL
            ELSE level IS NULL AND basis <> 'margin' AND rate_ppm IS NULL AND rate_minor IS NULL
        END)
);
CREATE INDEX rule_sku_index ON rule (brand_id, sku);
CREATE INDEX rule_channel_index ON rule (brand_id, channel);
CREATE INDEX rule_tier_index ON rule (brand_id, tier);
CALL protect('rule', true);

-- from_value: minor units, or a plain count for basis `unit`
CREATE TABLE rule_bracket (
    brand_id uuid NOT NULL,
    rule text COLLATE "C" NOT NULL,
    from_value bigint NOT NULL CHECK (from_value >= 0),
    rate_ppm integer CHECK (rate_ppm BETWEEN 0 AND 1000000),
    rate_minor bigint CHECK (rate_minor >= 0),
    PRIMARY KEY (brand_id, rule, from_value),
    CONSTRAINT rule_bracket_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule,
    CONSTRAINT rule_bracket_rate_check CHECK ((rate_ppm IS NULL) <> (rate_minor IS NULL))
);
CALL protect('rule_bracket', true);

-- basis_value: the basis rounded to the minor unit, or a plain count for basis `unit`
CREATE TABLE accrual (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    reseller text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    basis_value bigint NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    occurred_at timestamptz NOT NULL,
    matures_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, order_no, line_no, level),
    CONSTRAINT accrual_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT accrual_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT accrual_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule
);
CREATE INDEX accrual_reseller_index ON accrual (brand_id, reseller, matures_at);
CREATE INDEX accrual_rule_index ON accrual (brand_id, rule);
CALL protect('accrual', true);

CREATE TABLE reversal (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    level smallint NOT NULL,
    refund_no text COLLATE "C" NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    basis_value bigint NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor < 0),
    occurred_at timestamptz NOT NULL,
    matures_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, order_no, line_no, level, refund_no),
    CONSTRAINT reversal_accrual_reference FOREIGN KEY (brand_id, order_no, line_no, level) REFERENCES accrual,
    CONSTRAINT reversal_refund_reference FOREIGN KEY (brand_id, order_no, line_no, refund_no) REFERENCES refund,
    CONSTRAINT reversal_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT reversal_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule
);
CREATE INDEX reversal_refund_index ON reversal (brand_id, order_no, line_no, refund_no);
CREATE INDEX reversal_reseller_index ON reversal (brand_id, reseller, matures_at);
CREATE INDEX reversal_rule_index ON reversal (brand_id, rule);
CALL protect('reversal', true);

-- What an intake adds to a seller's own volume under a bonus rule: numerator / denominator, exact, one row for each
-- denominator (1, or the net of partly refunded lines with basis `gross`). It is volume of of_period and counts from
-- counted_in on.
CREATE TABLE own_volume (
    brand_id uuid NOT NULL,
    intake integer NOT NULL,
    rule text COLLATE "C" NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    of_period date NOT NULL,
    counted_in date NOT NULL CHECK (counted_in >= of_period),
    denominator numeric NOT NULL CHECK (denominator >= 1),
    numerator numeric NOT NULL,
    PRIMARY KEY (brand_id, intake, rule, reseller, of_period, counted_in, denominator),
    CONSTRAINT own_volume_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT own_volume_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule,
    CONSTRAINT own_volume_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller
);
CREATE INDEX own_volume_rule_index ON own_volume (brand_id, rule);
CREATE INDEX own_volume_reseller_index ON own_volume (brand_id, reseller);
CALL protect('own_volume', true);
