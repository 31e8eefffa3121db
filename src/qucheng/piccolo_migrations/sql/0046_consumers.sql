-- Who claims of a brand's offers: by a phone that was proven, or as the brand's app names them. subject_hash: the same as of their claims.
-- The phone stands sealed, and by the fingerprint that sales have of it.
CREATE TABLE consumer (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    subject_hash bytea NOT NULL CHECK (length(subject_hash) = 32),
    phone_cipher bytea,
    phone_fingerprint bytea CHECK (length(phone_fingerprint) = 32),
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT consumer_subject_unique UNIQUE (brand_id, subject_hash),
    CONSTRAINT consumer_phone_check CHECK ((phone_cipher IS NULL) = (phone_fingerprint IS NULL))
);
CALL protect('consumer', false);
REVOKE UPDATE ON consumer FROM qucheng_app;
GRANT UPDATE (phone_cipher, phone_fingerprint) ON consumer TO qucheng_app;

-- Of the cookie stands a hash. way: what they signed in with. api_key: the app's that signed for them; revoked or expired it opens nothing.
CREATE TABLE consumer_session (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    consumer uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    way text COLLATE "C" NOT NULL CHECK (way IN ('phone', 'app')),
    signed_in_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    api_key uuid,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT consumer_session_token_unique UNIQUE (brand_id, token_hash),
    CONSTRAINT consumer_session_consumer_reference FOREIGN KEY (brand_id, consumer) REFERENCES consumer,
    CONSTRAINT consumer_session_api_key_reference FOREIGN KEY (brand_id, api_key) REFERENCES api_key,
    CONSTRAINT consumer_session_app_check CHECK (api_key IS NULL OR way = 'app'),
    CONSTRAINT consumer_session_time_check CHECK (until > signed_in_at AND until <= signed_in_at + interval '30 days')
);
CREATE INDEX consumer_session_consumer_index ON consumer_session (brand_id, consumer);
CREATE INDEX consumer_session_api_key_index ON consumer_session (brand_id, api_key);
CREATE INDEX consumer_session_until_index ON consumer_session (brand_id, until);
CALL protect('consumer_session', false);
REVOKE UPDATE ON consumer_session FROM qucheng_app;
GRANT UPDATE (ended_at), DELETE ON consumer_session TO qucheng_app;

-- The code that was sent to a phone last, by keyed fingerprints: a new one takes its place. wrong: so many others were tried for it.
-- spent_by: the browser that signed in with it, by fingerprint; it alone may send it again, for the answer may have been lost.
CREATE TABLE sign_in_code (
    brand_id uuid NOT NULL REFERENCES brand,
    phone_fingerprint bytea NOT NULL CHECK (length(phone_fingerprint) = 32),
    code_fingerprint bytea NOT NULL CHECK (length(code_fingerprint) = 32),
    sent_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    wrong integer NOT NULL DEFAULT 0 CHECK (wrong BETWEEN 0 AND 5),
    spent_by bytea CHECK (length(spent_by) = 32),
    PRIMARY KEY (brand_id, phone_fingerprint),
    CONSTRAINT sign_in_code_time_check CHECK (until > sent_at AND until <= sent_at + interval '5 minutes')
);
CREATE INDEX sign_in_code_until_index ON sign_in_code (brand_id, until);
CALL protect('sign_in_code', false);
REVOKE UPDATE ON sign_in_code FROM qucheng_app;
GRANT UPDATE (code_fingerprint, sent_at, until, wrong, spent_by), DELETE ON sign_in_code TO qucheng_app;

-- Text messages are waited for: they never stand behind long work.
ALTER TABLE task DROP CONSTRAINT task_queue_check, ADD CONSTRAINT task_queue_check CHECK (queue IN ('money', 'documents', 'messages', 'rest'));
