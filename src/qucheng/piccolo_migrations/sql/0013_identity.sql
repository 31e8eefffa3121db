-- What belongs to no brand but to the platform itself stands under this id in the tables of brands: the memberships and
-- invitations of operators, and their trail.
CREATE FUNCTION platform_id() RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '00000000-0000-7000-8000-000000000000'::uuid $$;

-- A user. Nobody is found or named by this table alone: the login is a keyed fingerprint, what a person is called is ciphertext.
CREATE TABLE person (
    id uuid PRIMARY KEY,
    login_hash bytea NOT NULL UNIQUE CHECK (length(login_hash) = 32),
    login_cipher bytea NOT NULL,
    name_cipher bytea NOT NULL,
    locale text NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    password_hash text COLLATE "C" NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    state text NOT NULL CHECK (state IN ('active', 'locked', 'closed')),
    created_at timestamptz NOT NULL,
    password_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON person TO qucheng_app;

-- Attempts to sign in that have not succeeded, by login and network. Logins that nobody has are counted too: a stranger
-- cannot tell them apart.
CREATE TABLE sign_in_failure (
    login_hash bytea NOT NULL CHECK (length(login_hash) = 32),
    network text COLLATE "C" NOT NULL CHECK (network <> ''),
    failures integer NOT NULL CHECK (failures >= 1),
    last_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL,
    PRIMARY KEY (login_hash, network)
);
CREATE INDEX sign_in_failure_last_index ON sign_in_failure (last_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_failure TO qucheng_app;

-- The same over all networks within an hour: past a number of them a sign-in needs a proof besides the password.
CREATE TABLE sign_in_pressure (
    login_hash bytea PRIMARY KEY CHECK (length(login_hash) = 32),
    since timestamptz NOT NULL,
    failures integer NOT NULL CHECK (failures >= 0)
);
CREATE INDEX sign_in_pressure_since_index ON sign_in_pressure (since);
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_pressure TO qucheng_app;

-- last_step: a code of this step or an earlier one is not taken again.
CREATE TABLE second_factor (
    user_id uuid PRIMARY KEY REFERENCES person,
    secret_cipher bytea NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    blocked_until timestamptz
);
GRANT SELECT, INSERT, UPDATE, DELETE ON second_factor TO qucheng_app;

CREATE TABLE recovery_code (
    user_id uuid NOT NULL REFERENCES person,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    used_at timestamptz,
    PRIMARY KEY (user_id, code_hash)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_code TO qucheng_app;

-- A sign-in on a device. The token itself is with the browser only; it is another after every step up. brand and membership:
-- the role that was chosen; whether it still stands is asked at every request.
CREATE TABLE session (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES person,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    brand uuid,
    membership uuid,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    second_factor_at timestamptz,
    device text NOT NULL CHECK (length(device) BETWEEN 1 AND 80),
    network text COLLATE "C" NOT NULL CHECK (network <> ''),
    ended_at timestamptz,
    ending text CHECK (ending IN ('signed-out', 'ended', 'password', 'account', 'expired')),
    CONSTRAINT session_role_check CHECK ((brand IS NULL) = (membership IS NULL)),
    CONSTRAINT session_ended_check CHECK ((ended_at IS NULL) = (ending IS NULL))
);
CREATE INDEX session_user_index ON session (user_id);
GRANT SELECT, INSERT, UPDATE ON session TO qucheng_app;
-- what has ended is pruned; what lives is ended first
GRANT DELETE ON session TO qucheng_app;

CREATE TABLE password_reset (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id uuid NOT NULL REFERENCES person,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > requested_at),
    used_at timestamptz
);
CREATE INDEX password_reset_user_index ON password_reset (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON password_reset TO qucheng_app;

-- A letter that waits to be sent. To whom and with what is ciphertext, and is wiped when it has been sent.
CREATE TABLE letter (
    id uuid PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('invitation', 'password-reset')),
    locale text NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    to_cipher bytea,
    values_cipher bytea,
    written_at timestamptz NOT NULL,
    sent_at timestamptz,
    CONSTRAINT letter_wiped_check CHECK ((sent_at IS NULL) = (to_cipher IS NOT NULL) AND (sent_at IS NULL) = (values_cipher IS NOT NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON letter TO qucheng_app;

-- What a user may be: an operator of the platform, something in a brand, or something in one of its resellers. Rows stay:
-- they are the history. A role that was revoked is given again by a new row.
CREATE TABLE membership (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES person,
    role text NOT NULL CHECK (role IN ('operator', 'owner', 'manager', 'accountant', 'auditor', 'support', 'admin', 'seller')),
    reseller text COLLATE "C",
    granted_at timestamptz NOT NULL,
    granted_by uuid REFERENCES person,
    revoked_at timestamptz,
    revoked_by uuid REFERENCES person,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT membership_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT membership_platform_check CHECK ((role = 'operator') = (brand_id = platform_id())),
    CONSTRAINT membership_reseller_check CHECK ((role IN ('admin', 'seller')) = (reseller IS NOT NULL)),
    CONSTRAINT membership_revoked_check CHECK (revoked_at >= granted_at AND (revoked_at IS NOT NULL OR revoked_by IS NULL))
);
CREATE UNIQUE INDEX membership_standing_unique ON membership (brand_id, user_id, role, reseller) NULLS NOT DISTINCT WHERE revoked_at IS NULL;
CREATE INDEX membership_user_index ON membership (user_id);
CREATE INDEX membership_granted_by_index ON membership (granted_by);
CREATE INDEX membership_revoked_by_index ON membership (revoked_by);
CREATE INDEX membership_reseller_index ON membership (brand_id, reseller);
CALL protect('membership', false);
REVOKE UPDATE ON membership FROM qucheng_app;
GRANT UPDATE (revoked_at, revoked_by) ON membership TO qucheng_app;

CREATE FUNCTION check_revocation() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL OR to_jsonb(OLD) - ARRAY['revoked_at', 'revoked_by'] IS DISTINCT FROM to_jsonb(NEW) - ARRAY['revoked_at', 'revoked_by'] THEN
        RAISE EXCEPTION 'a membership is revoked once, and nothing else of it changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'membership_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER membership_step BEFORE UPDATE ON membership FOR EACH ROW EXECUTE FUNCTION check_revocation();

-- What a user is, over all brands: asked when somebody signs in or chooses a role, before any brand is stood in.
CREATE FUNCTION memberships_of(person_id uuid) RETURNS TABLE (brand_id uuid, id uuid, role text, reseller text, brand_code text, brand_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.brand_id, m.id, m.role, m.reseller, b.code, b.name
    FROM membership m LEFT JOIN brand b ON b.id = m.brand_id WHERE m.user_id = person_id AND m.revoked_at IS NULL ORDER BY b.code NULLS FIRST, m.id
$$;
-- Whether the user has one of the roles in the brand, or on the platform, now and until the transaction ends: a revocation waits for it.
CREATE FUNCTION hold_role(person_id uuid, brand uuid, roles text[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found text;
BEGIN
    PERFORM require_read_committed();
    SELECT m.role INTO found FROM membership m JOIN person p ON p.id = m.user_id
    WHERE m.user_id = person_id AND m.brand_id IN (brand, platform_id()) AND m.role = ANY (roles) AND m.revoked_at IS NULL AND p.state = 'active'
    ORDER BY m.brand_id = platform_id(), array_position(roles, m.role), m.id LIMIT 1 FOR SHARE;
    RETURN found;
END $$;
REVOKE EXECUTE ON FUNCTION memberships_of(uuid), hold_role(uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of(uuid), hold_role(uuid, uuid, text[]) TO qucheng_app;

-- Rows stay: who invited whom. For whom it is, is ciphertext, and a fingerprint to find it again.
CREATE TABLE invitation (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    login_hash bytea NOT NULL CHECK (length(login_hash) = 32),
    login_cipher bytea NOT NULL,
    role text NOT NULL CHECK (role IN ('operator', 'owner', 'manager', 'accountant', 'auditor', 'support', 'admin', 'seller')),
    reseller text COLLATE "C",
    invited_at timestamptz NOT NULL,
    invited_by uuid REFERENCES person,
    expires_at timestamptz NOT NULL CHECK (expires_at > invited_at),
    accepted_at timestamptz,
    accepted_by uuid REFERENCES person,
    withdrawn_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT invitation_token_unique UNIQUE (brand_id, token_hash),
    CONSTRAINT invitation_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT invitation_platform_check CHECK ((role = 'operator') = (brand_id = platform_id())),
    CONSTRAINT invitation_reseller_check CHECK ((role IN ('admin', 'seller')) = (reseller IS NOT NULL)),
    CONSTRAINT invitation_end_check CHECK ((accepted_at IS NULL) = (accepted_by IS NULL) AND (accepted_at IS NULL OR withdrawn_at IS NULL))
);
CREATE INDEX invitation_reseller_index ON invitation (brand_id, reseller);
CREATE INDEX invitation_invited_by_index ON invitation (invited_by);
CREATE INDEX invitation_accepted_by_index ON invitation (accepted_by);
CALL protect('invitation', false);
REVOKE UPDATE ON invitation FROM qucheng_app;
GRANT UPDATE (accepted_at, accepted_by, withdrawn_at) ON invitation TO qucheng_app;

CREATE FUNCTION check_invitation() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.accepted_at IS NOT NULL OR OLD.withdrawn_at IS NOT NULL
        OR to_jsonb(OLD) - ARRAY['accepted_at', 'accepted_by', 'withdrawn_at'] IS DISTINCT FROM to_jsonb(NEW) - ARRAY['accepted_at', 'accepted_by', 'withdrawn_at']
        OR NEW.accepted_at >= OLD.expires_at THEN
        RAISE EXCEPTION 'an invitation is taken up or withdrawn once, in time, and nothing else of it changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invitation_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invitation_step BEFORE UPDATE ON invitation FOR EACH ROW EXECUTE FUNCTION check_invitation();
