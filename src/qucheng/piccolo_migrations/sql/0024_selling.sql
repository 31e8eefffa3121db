-- The equality of codes in constraints that exclude overlapping dates.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- In which channels a reseller may sell. One without a row sells in all of them: so it is with those a bundle brought.
CREATE TABLE reseller_channel (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    starts_on date NOT NULL,
    ends_on date,
    PRIMARY KEY (brand_id, reseller, channel, starts_on),
    CONSTRAINT reseller_channel_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT reseller_channel_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT reseller_channel_dates_check CHECK (ends_on >= starts_on)
);
CREATE INDEX reseller_channel_channel_index ON reseller_channel (brand_id, channel);
CALL protect('reseller_channel', false);
REVOKE UPDATE ON reseller_channel FROM qucheng_app;
GRANT UPDATE (ends_on) ON reseller_channel TO qucheng_app;
CALL show_to_reseller('reseller_channel', 'reseller = (SELECT current_reseller())');

-- Whether the reseller may sell in the channel on that day, as it is known now.
CREATE FUNCTION may_sell(seller text, place text, day date) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT NOT EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = current_brand() AND c.reseller = seller)
        OR EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = current_brand() AND c.reseller = seller AND c.channel = place
                   AND c.starts_on <= day AND (c.ends_on IS NULL OR day < c.ends_on))
$$;
GRANT EXECUTE ON FUNCTION may_sell(text, text, date) TO qucheng_app, qucheng_reseller;
