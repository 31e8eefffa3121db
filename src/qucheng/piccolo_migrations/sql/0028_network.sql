-- What resellers agree to, in both languages. In force on a day is the highest number that has taken effect by then.
CREATE TABLE agreement (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    effective_on date NOT NULL,
    title_zh text NOT NULL CHECK (length(title_zh) BETWEEN 1 AND 80),
    title_en text NOT NULL CHECK (length(title_en) BETWEEN 1 AND 80),
    text_zh text NOT NULL CHECK (length(text_zh) BETWEEN 1 AND 20000),
    text_en text NOT NULL CHECK (length(text_en) BETWEEN 1 AND 20000),
    sha256 text COLLATE "C" NOT NULL,
    published_at timestamptz NOT NULL,
    published_by uuid REFERENCES person,
    PRIMARY KEY (brand_id, number),
    CONSTRAINT agreement_text_unique UNIQUE (brand_id, number, sha256),
    CONSTRAINT agreement_hash_check CHECK (
        sha256 = encode(sha256(convert_to(title_zh || E'\n\n' || text_zh || E'\n\n' || title_en || E'\n\n' || text_en, 'UTF8')), 'hex'))
);
CREATE INDEX agreement_published_by_index ON agreement (published_by);
CALL protect('agreement', true);

-- Two versions published at once: the second waits, and must follow the first.
CREATE FUNCTION check_agreement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'agreement');
    IF NEW.number <> (SELECT count(*) FROM agreement WHERE brand_id = NEW.brand_id)
        OR EXISTS (SELECT 1 FROM agreement WHERE brand_id = NEW.brand_id AND effective_on > NEW.effective_on) THEN
        RAISE EXCEPTION 'versions of an agreement are numbered and take effect one after the other'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'agreement_order';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER agreement_order AFTER INSERT ON agreement FOR EACH ROW EXECUTE FUNCTION check_agreement();

-- Somebody who asks to become a reseller. What they are called by law, their number and how they are reached is ciphertext.
-- repeated: another application of the same person waited already. invited_by: a code as it was typed; it earns nothing.
-- Joining has no price, and no row can say otherwise: 禁止传销条例 (2005) art. 7 (2).
CREATE TABLE application (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    kind text NOT NULL CHECK (kind IN ('individual', 'company')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    facts_cipher bytea NOT NULL,
    identity_hash bytea NOT NULL CHECK (length(identity_hash) = 32),
    locale text NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    invited_by text COLLATE "C" CHECK (invited_by ~ '^[A-Za-z0-9._-]{1,40}$'),
    agreement integer NOT NULL,
    agreement_sha256 text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL CHECK (length(address) BETWEEN 1 AND 45),
    fee_minor bigint NOT NULL DEFAULT 0,
    applied_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'repeated', 'approved', 'rejected')),
    decided_at timestamptz,
    decided_by uuid REFERENCES person,
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    reseller text COLLATE "C",
    PRIMARY KEY (brand_id, id),
    CONSTRAINT application_token_unique UNIQUE (brand_id, token_hash),
    CONSTRAINT application_agreement_reference FOREIGN KEY (brand_id, agreement, agreement_sha256) REFERENCES agreement (brand_id, number, sha256),
    CONSTRAINT application_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT application_free_check CHECK (fee_minor = 0),
    CONSTRAINT application_decided_check CHECK (
        CASE state WHEN 'approved' THEN decided_at IS NOT NULL AND decided_by IS NOT NULL AND reseller IS NOT NULL AND reason IS NULL
                   WHEN 'rejected' THEN decided_at IS NOT NULL AND decided_by IS NOT NULL AND reseller IS NULL AND reason IS NOT NULL
                   ELSE decided_at IS NULL AND decided_by IS NULL AND reseller IS NULL AND reason IS NULL END)
);
-- one that waits for each person, one reseller from each application
CREATE UNIQUE INDEX application_waiting_unique ON application (brand_id, identity_hash) WHERE state = 'waiting';
CREATE UNIQUE INDEX application_reseller_unique ON application (brand_id, reseller);
CREATE INDEX application_state_index ON application (brand_id, state, applied_at);
CREATE INDEX application_identity_index ON application (brand_id, identity_hash);
CREATE INDEX application_agreement_index ON application (brand_id, agreement, agreement_sha256);
CREATE INDEX application_decided_by_index ON application (decided_by);
CALL protect('application', false);
REVOKE UPDATE ON application FROM qucheng_app;
GRANT UPDATE (state, decided_at, decided_by, reason, reseller) ON application TO qucheng_app;

CREATE FUNCTION check_application_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changing constant text[] := ARRAY['state', 'decided_at', 'decided_by', 'reason', 'reseller'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state NOT IN ('waiting', 'repeated') OR NEW.state NOT IN ('approved', 'rejected')
        OR to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing THEN
        RAISE EXCEPTION 'an application is decided once, and nothing else of it changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'application_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER application_step BEFORE UPDATE OR DELETE ON application FOR EACH ROW EXECUTE FUNCTION check_application_step();

-- Where it wants to sell.
CREATE TABLE application_channel (
    brand_id uuid NOT NULL,
    application uuid NOT NULL,
    channel text COLLATE "C" NOT NULL,
    PRIMARY KEY (brand_id, application, channel),
    CONSTRAINT application_channel_application_reference FOREIGN KEY (brand_id, application) REFERENCES application,
    CONSTRAINT application_channel_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel
);
CREATE INDEX application_channel_channel_index ON application_channel (brand_id, channel);
CALL protect('application_channel', true);

-- Which version a reseller agreed to, when and from where: with its application, or later by one of its people.
CREATE TABLE agreement_acceptance (
    brand_id uuid NOT NULL,
    number integer NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    accepted_at timestamptz NOT NULL,
    accepted_by uuid REFERENCES person,
    application uuid,
    address text COLLATE "C" NOT NULL CHECK (length(address) BETWEEN 1 AND 45),
    PRIMARY KEY (brand_id, number, reseller),
    CONSTRAINT agreement_acceptance_agreement_reference FOREIGN KEY (brand_id, number, sha256) REFERENCES agreement (brand_id, number, sha256),
    CONSTRAINT agreement_acceptance_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT agreement_acceptance_application_reference FOREIGN KEY (brand_id, application) REFERENCES application,
    CONSTRAINT agreement_acceptance_by_check CHECK ((accepted_by IS NULL) <> (application IS NULL))
);
CREATE INDEX agreement_acceptance_agreement_index ON agreement_acceptance (brand_id, number, sha256);
CREATE INDEX agreement_acceptance_reseller_index ON agreement_acceptance (brand_id, reseller);
CREATE INDEX agreement_acceptance_person_index ON agreement_acceptance (accepted_by);
CREATE INDEX agreement_acceptance_application_index ON agreement_acceptance (brand_id, application);
CALL protect('agreement_acceptance', true);

-- Who a reseller is by law: ciphertext, and a keyed fingerprint that finds the same person again within the brand.
CREATE TABLE reseller_identity (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    facts_cipher bytea NOT NULL,
    identity_hash bytea NOT NULL CHECK (length(identity_hash) = 32),
    application uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, reseller),
    CONSTRAINT reseller_identity_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT reseller_identity_application_reference FOREIGN KEY (brand_id, application) REFERENCES application
);
CREATE INDEX reseller_identity_hash_index ON reseller_identity (brand_id, identity_hash);
CREATE INDEX reseller_identity_application_index ON reseller_identity (brand_id, application);
CALL protect('reseller_identity', true);

-- Whether somebody has looked at the papers; the last row of a reseller counts. reference: where the proof is kept, never the number.
CREATE TABLE identity_verification (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    outcome text NOT NULL CHECK (outcome IN ('verified', 'failed')),
    method text NOT NULL CHECK (method IN ('document', 'register', 'video', 'bank')),
    reference text CHECK (length(reference) BETWEEN 1 AND 80),
    expires_on date,
    verified_at timestamptz NOT NULL,
    verified_by uuid NOT NULL REFERENCES person,
    PRIMARY KEY (brand_id, reseller, number),
    CONSTRAINT identity_verification_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT identity_verification_expiry_check CHECK (outcome = 'verified' OR expires_on IS NULL)
);
CREATE INDEX identity_verification_by_index ON identity_verification (verified_by);
CALL protect('identity_verification', true);

-- Why the platform moved a reseller, and by whom. Placements that a bundle brought have none.
CREATE TABLE placement_decision (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    decided_at timestamptz NOT NULL,
    decided_by uuid NOT NULL REFERENCES person,
    PRIMARY KEY (brand_id, reseller, effective_on),
    CONSTRAINT placement_decision_placement_reference FOREIGN KEY (brand_id, reseller, effective_on) REFERENCES placement
);
CREATE INDEX placement_decision_by_index ON placement_decision (decided_by);
CALL protect('placement_decision', true);

-- Whether a reseller may work. What it has earned and is owed does not depend on it.
CREATE TABLE standing_change (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    change text NOT NULL CHECK (change IN ('freeze', 'unfreeze', 'close')),
    effective_on date NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL REFERENCES person,
    PRIMARY KEY (brand_id, reseller, number),
    CONSTRAINT standing_change_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller
);
CREATE UNIQUE INDEX standing_change_close_unique ON standing_change (brand_id, reseller) WHERE change = 'close';
CREATE INDEX standing_change_by_index ON standing_change (changed_by);
CALL protect('standing_change', true);

CREATE FUNCTION check_standing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before standing_change%ROWTYPE;
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'network');
    SELECT * INTO before FROM standing_change s WHERE s.brand_id = NEW.brand_id AND s.reseller = NEW.reseller AND s.change <> 'close'
        AND s.number < NEW.number ORDER BY s.number DESC LIMIT 1;
    IF NEW.number <> (SELECT count(*) FROM standing_change s WHERE s.brand_id = NEW.brand_id AND s.reseller = NEW.reseller)
        OR NEW.effective_on < before.effective_on
        OR EXISTS (SELECT 1 FROM standing_change s WHERE s.brand_id = NEW.brand_id AND s.reseller = NEW.reseller AND s.change = 'close'
                   AND s.number < NEW.number AND s.effective_on <= NEW.effective_on)
        OR (NEW.change = 'freeze' AND before.change IS NOT DISTINCT FROM 'freeze')
        OR (NEW.change = 'unfreeze' AND before.change IS DISTINCT FROM 'freeze') THEN
        RAISE EXCEPTION 'who is frozen is unfrozen, who is not is frozen, and nothing follows a closing'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'standing_step';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER standing_step AFTER INSERT ON standing_change FOR EACH ROW EXECUTE FUNCTION check_standing();

CREATE FUNCTION reseller_state(seller text, day date) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT 1 FROM standing_change c WHERE c.brand_id = current_brand() AND c.reseller = seller
                             AND c.change = 'close' AND c.effective_on <= day) THEN 'closed'
                WHEN (SELECT c.change FROM standing_change c WHERE c.brand_id = current_brand() AND c.reseller = seller
                      AND c.change <> 'close' AND c.effective_on <= day ORDER BY c.number DESC LIMIT 1) = 'freeze' THEN 'frozen'
                ELSE 'active' END
$$;
GRANT EXECUTE ON FUNCTION reseller_state(text, date) TO qucheng_app, qucheng_reseller;

-- Whether the reseller may sell in the channel on that day, as it is known now. Who is frozen or closed sells nowhere.
CREATE OR REPLACE FUNCTION may_sell(seller text, place text, day date) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT reseller_state(seller, day) = 'active' AND (
        NOT EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = current_brand() AND c.reseller = seller)
        OR EXISTS (SELECT 1 FROM reseller_channel c WHERE c.brand_id = current_brand() AND c.reseller = seller AND c.channel = place
                   AND c.starts_on <= day AND (c.ends_on IS NULL OR day < c.ends_on)))
$$;

-- What a reseller sees of itself, and that it agrees.
GRANT SELECT (brand_id, number, effective_on, title_zh, title_en, text_zh, text_en, sha256, published_at) ON agreement TO qucheng_reseller;
CALL show_to_reseller('agreement_acceptance', 'reseller = (SELECT current_reseller())', 'SELECT, INSERT');
CALL show_to_reseller('identity_verification', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, reseller, number, outcome, method, expires_on, verified_at)');
CALL show_to_reseller('standing_change', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, reseller, number, change, effective_on, reason, changed_at)');

-- Whose account is closed reads what it is still owed and does nothing else; so says `limited`, to whoever signs in.
DROP FUNCTION memberships_of(uuid);
CREATE FUNCTION memberships_of(person_id uuid) RETURNS TABLE (
    brand_id uuid, id uuid, role text, reseller text, brand_code text, brand_name text, limited boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.brand_id, m.id, m.role, m.reseller, b.code, b.name, EXISTS (
        SELECT 1 FROM standing_change c WHERE c.brand_id = m.brand_id AND c.reseller = m.reseller AND c.change = 'close'
            AND instant_of_local(c.effective_on, b.time_zone) <= clock_timestamp())
    FROM membership m LEFT JOIN brand b ON b.id = m.brand_id WHERE m.user_id = person_id AND m.revoked_at IS NULL ORDER BY b.code NULLS FIRST, m.id
$$;
REVOKE EXECUTE ON FUNCTION memberships_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of(uuid) TO qucheng_app;

-- The keys of its programs end with it.
CREATE OR REPLACE FUNCTION api_key_named(wanted uuid) RETURNS TABLE (
    brand_id uuid, id uuid, name text, mode text, reseller text, scopes text, networks text, created_by uuid, expires_at timestamptz,
    revoked_at timestamptz, last_used_on date, number smallint, token_hash bytea, signing_cipher bytea, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.brand_id, k.id, k.name, k.mode, k.reseller, k.scopes, k.networks, k.created_by,
           least(k.expires_at, instant_of_local(c.effective_on, b.time_zone)), k.revoked_at, k.last_used_on,
           s.number, s.token_hash, s.signing_cipher, s.ends_at
    FROM api_key k JOIN api_secret s ON s.brand_id = k.brand_id AND s.key = k.id JOIN brand b ON b.id = k.brand_id
    LEFT JOIN standing_change c ON c.brand_id = k.brand_id AND c.reseller = k.reseller AND c.change = 'close'
    WHERE k.id = wanted ORDER BY s.number DESC LIMIT 2
$$;

-- Letters to who has applied.
ALTER TABLE letter DROP CONSTRAINT letter_kind_check;
ALTER TABLE letter ADD CONSTRAINT letter_kind_check CHECK (kind IN (
    'invitation', 'password-reset', 'second-factor', 'application-received', 'application-approved', 'application-rejected'));
