CREATE TABLE account (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^(asset|liability|expense):[A-Za-z0-9._:-]{1,60}$'),
    PRIMARY KEY (brand_id, code)
);
CALL protect('account', true);

CREATE TABLE journal_entry (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code <> ''),
    period date NOT NULL,
    document text COLLATE "C" NOT NULL CHECK (document <> ''),
    position smallint NOT NULL,
    -- the transaction that opened the entry; another one cannot add legs to it
    opened_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (brand_id, code),
    CONSTRAINT journal_entry_document_unique UNIQUE (brand_id, document, position)
);
CALL protect('journal_entry', true);

CREATE TABLE posting (
    brand_id uuid NOT NULL,
    entry text COLLATE "C" NOT NULL,
    leg smallint NOT NULL CHECK (leg >= 1),
    account text COLLATE "C" NOT NULL,
    debit_minor bigint NOT NULL CHECK (debit_minor >= 0),
    credit_minor bigint NOT NULL CHECK (credit_minor >= 0),
    PRIMARY KEY (brand_id, entry, leg),
    CONSTRAINT posting_entry_reference FOREIGN KEY (brand_id, entry) REFERENCES journal_entry,
    CONSTRAINT posting_account_reference FOREIGN KEY (brand_id, account) REFERENCES account,
    CONSTRAINT posting_one_side_check CHECK ((debit_minor = 0) <> (credit_minor = 0))
);
CREATE INDEX posting_account_index ON posting (brand_id, account);
CALL protect('posting', true);

CREATE FUNCTION check_entry_balanced() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    subject text := CASE TG_TABLE_NAME WHEN 'posting' THEN to_jsonb(NEW) ->> 'entry' ELSE to_jsonb(NEW) ->> 'code' END;
    legs integer;
    difference numeric;
BEGIN
    SELECT count(*), coalesce(sum(debit_minor::numeric - credit_minor), 0) INTO legs, difference
    FROM posting WHERE brand_id = NEW.brand_id AND entry = subject;
    IF legs < 2 OR difference <> 0 THEN
        RAISE EXCEPTION 'journal entry % does not balance: % legs, debit less credit %', subject, legs, difference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER journal_entry_balanced AFTER INSERT ON journal_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_entry_balanced();
-- For each leg too: the check of the entry may have been brought forward by SET CONSTRAINTS.
CREATE CONSTRAINT TRIGGER posting_balanced AFTER INSERT ON posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_entry_balanced();

-- Legs come only with their entry, in its transaction: so the check at COMMIT has seen all of them.
CREATE FUNCTION check_posting_in_time() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh f JOIN journal_entry e ON e.brand_id = f.brand_id AND e.code = f.entry
               WHERE e.opened_by IS DISTINCT FROM pg_current_xact_id()) THEN
        RAISE EXCEPTION 'a journal entry that is in the books takes no further legs'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'posting_in_time';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER posting_in_time AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_posting_in_time();
