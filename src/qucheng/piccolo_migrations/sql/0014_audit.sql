-- Who did what: written with the change itself, at a time that this server tells and nobody else. What is secret is never in
-- before and after (core/audit.py). user_id is empty for what the platform does by itself.
CREATE TABLE audit_record (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id uuid REFERENCES person,
    role text NOT NULL CHECK (role <> ''),
    action text COLLATE "C" NOT NULL CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
    subject text NOT NULL CHECK (subject <> ''),
    before jsonb,
    after jsonb,
    network text COLLATE "C" CHECK (network <> ''),
    request_id text COLLATE "C" CHECK (request_id <> ''),
    approval uuid,
    PRIMARY KEY (brand_id, id)
);
CREATE INDEX audit_record_time_index ON audit_record (brand_id, at, id);
CREATE INDEX audit_record_user_index ON audit_record (user_id);
CALL protect('audit_record', true);
REVOKE INSERT ON audit_record FROM qucheng_app;
GRANT INSERT (brand_id, id, user_id, role, action, subject, before, after, network, request_id, approval) ON audit_record TO qucheng_app;

-- The chain over the trail of a brand: each link is the hash of the one before and of a record.
CREATE TABLE audit_seal (
    brand_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    record uuid NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (brand_id, number),
    CONSTRAINT audit_seal_record_unique UNIQUE (brand_id, record),
    CONSTRAINT audit_seal_record_reference FOREIGN KEY (brand_id, record) REFERENCES audit_record
);
CALL protect('audit_seal', true);

-- What one person asks for and another allows. The payload is what will be done, word for word; it is done once, in the
-- transaction that marks it so. Times are this server's.
CREATE TABLE approval (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    action text COLLATE "C" NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    payload text NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    maker uuid NOT NULL REFERENCES person,
    checker uuid REFERENCES person,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'rejected', 'expired', 'executed')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '72 hours',
    decided_at timestamptz,
    executed_at timestamptz,
    reason text CHECK (reason <> ''),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT approval_two_people_check CHECK (maker <> checker),
    CONSTRAINT approval_hash_check CHECK (sha256 = encode(sha256(convert_to(payload, 'UTF8')), 'hex')),
    CONSTRAINT approval_decided_check CHECK ((checker IS NULL) = (decided_at IS NULL) AND (state NOT IN ('approved', 'rejected', 'executed') OR checker IS NOT NULL)
        AND (state <> 'waiting' OR checker IS NULL) AND (state <> 'rejected' OR reason IS NOT NULL)),
    CONSTRAINT approval_executed_check CHECK ((state = 'executed') = (executed_at IS NOT NULL))
);
CREATE INDEX approval_maker_index ON approval (maker);
CREATE INDEX approval_checker_index ON approval (checker);
CREATE INDEX approval_open_index ON approval (brand_id, requested_at) WHERE state IN ('waiting', 'approved');
CALL protect('approval', false);
REVOKE INSERT, UPDATE ON approval FROM qucheng_app;
GRANT INSERT (brand_id, id, action, payload, sha256, maker) ON approval TO qucheng_app;
GRANT UPDATE (state, checker, decided_at, executed_at, reason) ON approval TO qucheng_app;

CREATE FUNCTION check_approval_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    open_until constant text[] := ARRAY['state', 'checker', 'decided_at', 'executed_at', 'reason'];
BEGIN
    IF to_jsonb(OLD) - open_until IS DISTINCT FROM to_jsonb(NEW) - open_until
        OR (OLD.state, NEW.state) NOT IN (('waiting', 'approved'), ('waiting', 'rejected'), ('waiting', 'expired'), ('approved', 'executed'), ('approved', 'expired'))
        OR (OLD.state = 'approved' AND (NEW.checker, NEW.decided_at, NEW.reason) IS DISTINCT FROM (OLD.checker, OLD.decided_at, OLD.reason))
        OR (NEW.state IN ('approved', 'executed')) <> (OLD.expires_at > clock_timestamp()) AND NEW.state <> 'rejected' THEN
        RAISE EXCEPTION 'what was asked for stays as it is; it is decided once, in time, by somebody else, and done once'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_step BEFORE UPDATE ON approval FOR EACH ROW EXECUTE FUNCTION check_approval_step();
-- a request begins by waiting, whoever writes it
CREATE FUNCTION check_approval_begins() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'waiting' OR NEW.checker IS NOT NULL OR NEW.executed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a request begins by waiting' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'approval_begins';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_begins BEFORE INSERT ON approval FOR EACH ROW EXECUTE FUNCTION check_approval_begins();

-- How many of the brand's own people besides the one who asks could decide; nobody's name is told.
CREATE FUNCTION other_checkers(brand uuid, roles text[], asking uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(DISTINCT m.user_id) FROM membership m JOIN person p ON p.id = m.user_id
    WHERE m.brand_id = brand AND m.role = ANY (roles) AND m.revoked_at IS NULL AND p.state = 'active' AND m.user_id <> asking
$$;
REVOKE EXECUTE ON FUNCTION other_checkers(uuid, text[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION other_checkers(uuid, text[], uuid) TO qucheng_app;
