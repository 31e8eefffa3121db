-- A file that somebody asked for: made in the background, kept for some days, and taken by who asked while they may still see it.
-- brand_id is the platform's own id for an operator's. rows: how many it was said to have. permission: what one needs to take it.
CREATE TABLE export_file (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z_]+\.[a-z_]+$'),
    permission text COLLATE "C" NOT NULL CHECK (permission <> ''),
    parameters jsonb NOT NULL,
    file_name text NOT NULL CHECK (file_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$'),
    rows bigint CHECK (rows >= 0),
    state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'done', 'expired')),
    task uuid NOT NULL,
    bytes bigint CHECK (bytes >= 0),
    sha256 text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    asked_by uuid NOT NULL REFERENCES person,
    asked_at timestamptz NOT NULL,
    made_at timestamptz,
    expires_at timestamptz NOT NULL CHECK (expires_at > asked_at),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT export_file_made_check CHECK ((made_at IS NOT NULL) = (sha256 IS NOT NULL) AND (made_at IS NOT NULL) = (bytes IS NOT NULL)
        AND (state <> 'done' OR made_at IS NOT NULL) AND (state <> 'received' OR made_at IS NULL))
);
CREATE INDEX export_file_asked_index ON export_file (asked_by);
CREATE INDEX export_file_kept_index ON export_file (brand_id, expires_at) WHERE state <> 'expired';
CALL protect('export_file', false);
REVOKE INSERT, UPDATE ON export_file FROM qucheng_app;
GRANT INSERT (brand_id, id, kind, permission, parameters, file_name, rows, task, asked_by, asked_at, expires_at) ON export_file TO qucheng_app;
GRANT UPDATE (state, bytes, sha256, made_at) ON export_file TO qucheng_app;

CREATE FUNCTION check_export_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('received', 'done'), ('received', 'expired'), ('done', 'expired'))
        OR (OLD.state = 'done' AND (NEW.bytes, NEW.sha256, NEW.made_at) IS DISTINCT FROM (OLD.bytes, OLD.sha256, OLD.made_at)) THEN
        RAISE EXCEPTION 'a file is made once, and once it has expired it stays so'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'export_file_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER export_file_step BEFORE UPDATE ON export_file FOR EACH ROW EXECUTE FUNCTION check_export_step();

-- A delivery that a person sent: what came, and what became of it. The file itself is gone once that is known; task is what takes it in.
-- bundle: the whole of a brand's books as a ZIP; orders, refunds: one file for a brand that is there.
CREATE TABLE upload (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('bundle', 'orders', 'refunds')),
    file_name text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 200),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 text COLLATE "C" NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    uploaded_by uuid NOT NULL REFERENCES person,
    uploaded_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'running', 'done', 'refused', 'failed')),
    task uuid NOT NULL,
    -- the delivery it became; blank where nothing in it was new
    intake integer,
    judged_at timestamptz,
    ended_at timestamptz,
    code text COLLATE "C" CHECK (code <> ''),
    reason text CHECK (reason <> ''),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT upload_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT upload_ended_check CHECK ((state IN ('done', 'refused', 'failed')) = (ended_at IS NOT NULL)),
    CONSTRAINT upload_judged_check CHECK ((intake IS NULL OR judged_at IS NOT NULL) AND (state <> 'done' OR judged_at IS NOT NULL)
        AND (state <> 'refused' OR judged_at IS NULL)),
    CONSTRAINT upload_why_check CHECK ((state IN ('refused', 'failed')) = (code IS NOT NULL) AND (code IS NULL) = (reason IS NULL))
);
CREATE INDEX upload_intake_index ON upload (brand_id, intake);
CREATE INDEX upload_uploaded_by_index ON upload (uploaded_by);
CREATE INDEX upload_time_index ON upload (brand_id, uploaded_at, id);
CALL protect('upload', false);
REVOKE INSERT, UPDATE ON upload FROM qucheng_app;
GRANT INSERT (brand_id, id, kind, file_name, bytes, sha256, uploaded_by, uploaded_at, task) ON upload TO qucheng_app;
GRANT UPDATE (state, intake, judged_at, ended_at, code, reason) ON upload TO qucheng_app;

CREATE FUNCTION check_upload_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.state IN ('done', 'refused', 'failed') OR (OLD.state = 'running' AND NEW.state = 'received')
        OR (OLD.judged_at IS NOT NULL AND (NEW.judged_at, NEW.intake) IS DISTINCT FROM (OLD.judged_at, OLD.intake)) THEN
        RAISE EXCEPTION 'a delivery is judged once, and what became of it stays so'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'upload_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER upload_step BEFORE UPDATE ON upload FOR EACH ROW EXECUTE FUNCTION check_upload_step();

-- The report, by file and by row. fault: as the importer names it, a code and the column; the sentence is made where it is shown.
CREATE TABLE upload_file (
    brand_id uuid NOT NULL,
    upload uuid NOT NULL,
    file text COLLATE "C" NOT NULL CHECK (file <> ''),
    rows integer NOT NULL CHECK (rows >= 0),
    imported integer NOT NULL CHECK (imported >= 0),
    duplicate integer NOT NULL CHECK (duplicate >= 0),
    rejected integer NOT NULL CHECK (rejected >= 0),
    PRIMARY KEY (brand_id, upload, file),
    CONSTRAINT upload_file_upload_reference FOREIGN KEY (brand_id, upload) REFERENCES upload,
    CONSTRAINT upload_file_sum_check CHECK (rows = imported + duplicate + rejected)
);
CALL protect('upload_file', true);

CREATE TABLE upload_rejection (
    brand_id uuid NOT NULL,
    upload uuid NOT NULL,
    file text COLLATE "C" NOT NULL,
    source_row integer NOT NULL CHECK (source_row >= 1),
    fault text COLLATE "C" NOT NULL CHECK (fault <> ''),
    PRIMARY KEY (brand_id, upload, file, source_row),
    CONSTRAINT upload_rejection_file_reference FOREIGN KEY (brand_id, upload, file) REFERENCES upload_file
);
CALL protect('upload_rejection', true);

-- The journal in the order in which it is read, page by page.
CREATE INDEX journal_entry_period_index ON journal_entry (brand_id, period, document, position);
