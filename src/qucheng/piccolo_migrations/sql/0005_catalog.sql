CREATE TABLE channel (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('agency', 'wholesale')),
    PRIMARY KEY (brand_id, code)
);
CALL protect('channel', true);

CREATE TABLE sku (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    category text COLLATE "C" NOT NULL CHECK (category <> ''),
    list_price_minor bigint NOT NULL CHECK (list_price_minor >= 0),
    cost_minor bigint NOT NULL CHECK (cost_minor >= 0),
    PRIMARY KEY (brand_id, code)
);
CALL protect('sku', true);

-- channel NULL: the base price; tier NULL: any tier
CREATE TABLE channel_price (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    sku text COLLATE "C" NOT NULL,
    channel text COLLATE "C",
    tier text COLLATE "C",
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    floor_minor bigint CHECK (floor_minor >= 0),
    starts_on date NOT NULL,
    ends_on date,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT channel_price_cell_unique UNIQUE NULLS NOT DISTINCT (brand_id, sku, channel, tier, starts_on),
    CONSTRAINT channel_price_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT channel_price_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT channel_price_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier,
    CONSTRAINT channel_price_dates_check CHECK (ends_on > starts_on)
);
CREATE INDEX channel_price_channel_index ON channel_price (brand_id, channel);
CREATE INDEX channel_price_tier_index ON channel_price (brand_id, tier);
CALL protect('channel_price', true);
