-- A settlement run: the statements of a period as a draft, which may be thrown away, until they are issued.
-- number: 1 for the first computation of the period, 2 for the next. intake: the last delivery it knows of; what comes later
-- is for the next statement. issued: how many of its statements have been issued, in the order of their numbers.
CREATE TABLE settlement_run (
    brand_id uuid NOT NULL REFERENCES brand,
    period date NOT NULL CHECK (extract(day FROM period) = 1),
    number smallint NOT NULL CHECK (number >= 1),
    state text NOT NULL CHECK (state IN ('computed', 'issuing', 'issued', 'discarded')),
    intake integer NOT NULL CHECK (intake >= 0),
    statements integer NOT NULL CHECK (statements >= 1),
    gross_minor bigint NOT NULL,
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    net_minor bigint NOT NULL CHECK (net_minor >= 0),
    issued integer NOT NULL DEFAULT 0,
    computed_at timestamptz NOT NULL,
    issued_at timestamptz,
    discarded_at timestamptz,
    PRIMARY KEY (brand_id, period, number),
    CONSTRAINT settlement_run_issued_check CHECK (issued BETWEEN 0 AND statements AND (state = 'issued') = (issued = statements)
        AND (state IN ('issuing', 'issued') OR issued = 0)),
    CONSTRAINT settlement_run_times_check CHECK ((state = 'issued') = (issued_at IS NOT NULL) AND (state = 'discarded') = (discarded_at IS NOT NULL))
);
-- A period is computed on what the one before it carried, so only one run of a brand is open.
CREATE UNIQUE INDEX settlement_run_open_unique ON settlement_run (brand_id) WHERE state IN ('computed', 'issuing');
CREATE UNIQUE INDEX settlement_run_issued_unique ON settlement_run (brand_id, period) WHERE state IN ('issuing', 'issued');
CALL protect('settlement_run', false);

-- What was decided stays decided: the figures of a run never change, and a run that was issued or discarded stays so.
CREATE FUNCTION check_run_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.statements, OLD.gross_minor, OLD.tax_minor, OLD.net_minor, OLD.intake, OLD.computed_at)
            IS DISTINCT FROM (NEW.statements, NEW.gross_minor, NEW.tax_minor, NEW.net_minor, NEW.intake, NEW.computed_at)
        OR (OLD.brand_id, OLD.period, OLD.number) IS DISTINCT FROM (NEW.brand_id, NEW.period, NEW.number)
        OR OLD.state IN ('issued', 'discarded') OR NEW.issued < OLD.issued
        OR (OLD.state = 'issuing' AND NEW.state NOT IN ('issuing', 'issued')) THEN
        RAISE EXCEPTION 'a settlement run goes from computed to issued or discarded, and its figures stay'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'settlement_run_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER settlement_run_step BEFORE UPDATE ON settlement_run FOR EACH ROW EXECUTE FUNCTION check_run_step();

-- The draft of a run: its statements, and what is to be on each. Deleted when the run is issued or discarded.
CREATE TABLE run_statement (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    run smallint NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    reseller text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('individual', 'company')),
    opening_minor bigint NOT NULL,
    accrued_minor bigint NOT NULL,
    reversed_minor bigint NOT NULL,
    bonus_minor bigint NOT NULL,
    adjustment_minor bigint NOT NULL,
    payable_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    carried_minor bigint NOT NULL,
    PRIMARY KEY (brand_id, period, run, number),
    CONSTRAINT run_statement_reseller_unique UNIQUE (brand_id, period, run, reseller),
    CONSTRAINT run_statement_run_reference FOREIGN KEY (brand_id, period, run) REFERENCES settlement_run
);
CALL protect('run_statement', false);
REVOKE UPDATE ON run_statement FROM qucheng_app;
GRANT DELETE ON run_statement TO qucheng_app;

-- Entries of the four kinds, in the shape of the view statement_entry: the code of an adjustment stands for an order.
CREATE TABLE run_entry (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    run smallint NOT NULL,
    number integer NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('accrual', 'reversal', 'bonus', 'adjustment')),
    order_no text COLLATE "C",
    line_no text COLLATE "C",
    level smallint,
    refund_no text COLLATE "C",
    rule text COLLATE "C",
    of_period date,
    basis_value bigint,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (brand_id, period, run, number, position),
    CONSTRAINT run_entry_statement_reference FOREIGN KEY (brand_id, period, run, number) REFERENCES run_statement,
    CONSTRAINT run_entry_shape_check CHECK (
        (kind IN ('accrual', 'reversal', 'adjustment')) = (order_no IS NOT NULL) AND (kind IN ('accrual', 'reversal')) = (line_no IS NOT NULL)
        AND (kind IN ('accrual', 'reversal')) = (level IS NOT NULL) AND (kind = 'reversal') = (refund_no IS NOT NULL)
        AND (kind = 'bonus') = (rule IS NOT NULL AND of_period IS NOT NULL AND basis_value IS NOT NULL))
);
CALL protect('run_entry', false);
REVOKE UPDATE ON run_entry FROM qucheng_app;
GRANT DELETE ON run_entry TO qucheng_app;

-- A draft belongs to a run that is being computed or is open: an issued one has its statements, a discarded one nothing.
CREATE FUNCTION check_draft_open() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT brand_id, period, run FROM fresh) f
               JOIN settlement_run r ON r.brand_id = f.brand_id AND r.period = f.period AND r.number = f.run WHERE r.state <> 'computed') THEN
        RAISE EXCEPTION 'only a run that is computed and not yet issued has a draft'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'run_statement_open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER run_statement_open AFTER INSERT ON run_statement REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_draft_open();

-- The statement's canonical JSON as it was issued: what its documents are made of, whatever is renamed later.
CREATE TABLE statement_document (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    document text NOT NULL CHECK (document <> ''),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (brand_id, period, number),
    CONSTRAINT statement_document_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement
);
CALL protect('statement_document', true);

-- A rendered file of a statement, or why there is none. Files are named by the statement's number; sha256 is the file's.
CREATE TABLE document_file (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    format text NOT NULL CHECK (format IN ('pdf', 'xlsx', 'csv')),
    state text NOT NULL CHECK (state IN ('ready', 'failed')),
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes bigint CHECK (bytes > 0),
    reason text CHECK (reason <> ''),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, period, number, format),
    CONSTRAINT document_file_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement_document,
    CONSTRAINT document_file_shape_check CHECK ((state = 'ready') = (sha256 IS NOT NULL AND bytes IS NOT NULL) AND (state = 'failed') = (reason IS NOT NULL))
);
CALL protect('document_file', false);
-- why there was none is forgotten when it is tried again
GRANT DELETE ON document_file TO qucheng_app;
CREATE POLICY failed_only ON document_file AS RESTRICTIVE FOR DELETE USING (state = 'failed');
