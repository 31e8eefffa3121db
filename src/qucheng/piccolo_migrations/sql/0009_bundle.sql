-- What became of each file of an intake, and every row that was not taken, with the reason.
CREATE TABLE intake_file (
    brand_id uuid NOT NULL,
    intake integer NOT NULL,
    file text COLLATE "C" NOT NULL CHECK (file <> ''),
    rows integer NOT NULL,
    imported integer NOT NULL,
    duplicate integer NOT NULL,
    rejected integer NOT NULL,
    PRIMARY KEY (brand_id, intake, file),
    CONSTRAINT intake_file_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT intake_file_rows_check CHECK (rows = imported + duplicate + rejected)
);
CALL protect('intake_file', true);

CREATE TABLE rejection (
    brand_id uuid NOT NULL,
    intake integer NOT NULL,
    file text COLLATE "C" NOT NULL,
    source_row integer NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (code <> ''),
    message text NOT NULL CHECK (message <> ''),
    PRIMARY KEY (brand_id, intake, file, source_row),
    CONSTRAINT rejection_file_reference FOREIGN KEY (brand_id, intake, file) REFERENCES intake_file
);
CALL protect('rejection', true);

-- After a bulk load the planner must not wait for autovacuum; only the owner may ask for it.
CREATE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    ANALYZE tier, reseller, placement, sku, channel, channel_price, rule, rule_bracket, order_line, refund, order_flag, accrual, reversal, own_volume,
            adjustment, statement, statement_accrual, statement_reversal, statement_adjustment, bonus, account, journal_entry, posting, rejection;
END $$;
GRANT EXECUTE ON FUNCTION refresh_statistics() TO qucheng_app;
