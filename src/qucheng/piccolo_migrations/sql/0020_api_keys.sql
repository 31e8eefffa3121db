-- Keys of machines. Rows stay: they are the history. networks: blank for anywhere. scopes and networks are lists with a space between.
CREATE TABLE api_key (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    mode text NOT NULL CHECK (mode IN ('live', 'test')),
    reseller text COLLATE "C",
    scopes text COLLATE "C" NOT NULL CHECK (scopes ~ '^[a-z._]+( [a-z._]+)*$'),
    networks text COLLATE "C" CHECK (networks ~ '^[0-9a-f.:/]+( [0-9a-f.:/]+)*$'),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL REFERENCES person,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    revoked_at timestamptz,
    revoked_by uuid REFERENCES person,
    last_used_on date,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT api_key_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT api_key_revoked_check CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX api_key_id_index ON api_key (id);
CREATE INDEX api_key_reseller_index ON api_key (brand_id, reseller);
CREATE INDEX api_key_created_by_index ON api_key (created_by);
CREATE INDEX api_key_revoked_by_index ON api_key (revoked_by);
CALL protect('api_key', false);
REVOKE UPDATE ON api_key FROM qucheng_app;
GRANT UPDATE (revoked_at, revoked_by, last_used_on) ON api_key TO qucheng_app;

CREATE FUNCTION check_api_key_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changing constant text[] := ARRAY['revoked_at', 'revoked_by', 'last_used_on'];
BEGIN
    IF to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing
        OR (OLD.revoked_at IS NOT NULL AND (OLD.revoked_at, OLD.revoked_by) IS DISTINCT FROM (NEW.revoked_at, NEW.revoked_by)) THEN
        RAISE EXCEPTION 'an API key is revoked once, and nothing else of it changes but the day it was last used'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'api_key_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER api_key_step BEFORE UPDATE ON api_key FOR EACH ROW EXECUTE FUNCTION check_api_key_step();

-- What proves that a caller has the key: the token's hash, and where the key may move money, what signatures are made with, sealed.
-- ends_at: blank for the newest, which is one; the one before it is good until then.
CREATE TABLE api_secret (
    brand_id uuid NOT NULL,
    key uuid NOT NULL,
    number smallint NOT NULL CHECK (number >= 1),
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    signing_cipher bytea,
    issued_at timestamptz NOT NULL,
    issued_by uuid NOT NULL REFERENCES person,
    ends_at timestamptz,
    PRIMARY KEY (brand_id, key, number),
    CONSTRAINT api_secret_key_reference FOREIGN KEY (brand_id, key) REFERENCES api_key,
    CONSTRAINT api_secret_ends_check CHECK (ends_at >= issued_at)
);
CREATE UNIQUE INDEX api_secret_newest_unique ON api_secret (brand_id, key) WHERE ends_at IS NULL;
CREATE INDEX api_secret_issued_by_index ON api_secret (issued_by);
CALL protect('api_secret', false);
REVOKE UPDATE ON api_secret FROM qucheng_app;
GRANT UPDATE (ends_at) ON api_secret TO qucheng_app;

-- The end of a secret is set once, and afterwards only brought forward. Beside the newest one at most is still good.
CREATE FUNCTION check_api_secret_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(OLD) - 'ends_at' IS DISTINCT FROM to_jsonb(NEW) - 'ends_at' OR NEW.ends_at IS NULL OR NEW.ends_at > OLD.ends_at) THEN
        RAISE EXCEPTION 'a secret ends once, and is never made good again'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'api_secret_step';
    END IF;
    IF TG_OP = 'INSERT' AND (SELECT count(*) FROM api_secret WHERE brand_id = NEW.brand_id AND key = NEW.key AND number <> NEW.number
                             AND (ends_at IS NULL OR ends_at > NEW.issued_at)) > 1 THEN
        RAISE EXCEPTION 'two secrets of a key are good at a time'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'api_secret_two';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER api_secret_step BEFORE INSERT OR UPDATE ON api_secret FOR EACH ROW EXECUTE FUNCTION check_api_secret_step();

-- A key is asked for before any brand is stood in: whoever asks has its id and nothing else. Hashes and ciphertext only.
CREATE FUNCTION api_key_named(wanted uuid) RETURNS TABLE (
    brand_id uuid, id uuid, name text, mode text, reseller text, scopes text, networks text, created_by uuid, expires_at timestamptz,
    revoked_at timestamptz, last_used_on date, number smallint, token_hash bytea, signing_cipher bytea, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.brand_id, k.id, k.name, k.mode, k.reseller, k.scopes, k.networks, k.created_by, k.expires_at, k.revoked_at, k.last_used_on,
           s.number, s.token_hash, s.signing_cipher, s.ends_at
    FROM api_key k JOIN api_secret s ON s.brand_id = k.brand_id AND s.key = k.id WHERE k.id = wanted ORDER BY s.number DESC LIMIT 2
$$;
REVOKE EXECUTE ON FUNCTION api_key_named(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_named(uuid) TO qucheng_app;

-- A number used once: the same signature a second time is refused. Kept for as long as its time of day would still be taken.
CREATE TABLE api_nonce (
    brand_id uuid NOT NULL,
    key uuid NOT NULL,
    nonce text COLLATE "C" NOT NULL CHECK (nonce ~ '^[A-Za-z0-9_-]{16,64}$'),
    used_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, key, nonce),
    CONSTRAINT api_nonce_key_reference FOREIGN KEY (brand_id, key) REFERENCES api_key
);
CREATE INDEX api_nonce_used_index ON api_nonce (brand_id, used_at);
CALL protect('api_nonce', false);
REVOKE UPDATE ON api_nonce FROM qucheng_app;
GRANT DELETE ON api_nonce TO qucheng_app;

-- What was answered to a request that is not to be done twice, written with what it did. It never holds a secret.
CREATE TABLE idempotent_reply (
    brand_id uuid NOT NULL,
    key uuid NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL CHECK (idempotency_key ~ '^[!-~]{1,255}$'),
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    answer smallint NOT NULL CHECK (answer BETWEEN 200 AND 299),
    body text NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, key, idempotency_key),
    CONSTRAINT idempotent_reply_key_reference FOREIGN KEY (brand_id, key) REFERENCES api_key
);
CREATE INDEX idempotent_reply_answered_index ON idempotent_reply (brand_id, answered_at);
CALL protect('idempotent_reply', false);
REVOKE UPDATE ON idempotent_reply FROM qucheng_app;
GRANT DELETE ON idempotent_reply TO qucheng_app;
