-- The key that sealed the secrets of a batch, wrapped by a key that stands outside the database. It is wrapped anew, never replaced.
CREATE TABLE data_key (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    wrapped bytea NOT NULL CHECK (length(wrapped) BETWEEN 48 AND 1024),
    made_at timestamptz NOT NULL,
    wrapped_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, batch),
    CONSTRAINT data_key_batch_reference FOREIGN KEY (brand_id, batch) REFERENCES batch
);
CALL protect('data_key', false);
REVOKE UPDATE ON data_key FROM qucheng_app;
GRANT UPDATE (wrapped, wrapped_at) ON data_key TO qucheng_app;

-- One for each card: ciphertext, a keyed fingerprint by which the code is found again, and the end of the code in clear.
-- A data key seals a million at most, far from where chance could give a nonce twice.
CREATE TABLE card_secret (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 1000000),
    blob bytea NOT NULL CHECK (length(blob) BETWEEN 31 AND 1024),
    blind bytea NOT NULL CHECK (length(blind) = 16),
    last_four text COLLATE "C" NOT NULL CHECK (length(last_four) <= 4),
    PRIMARY KEY (brand_id, batch, number),
    CONSTRAINT card_secret_code_unique UNIQUE (brand_id, blind),
    CONSTRAINT card_secret_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card
);
CREATE INDEX card_secret_last_four_index ON card_secret (brand_id, last_four);
CALL protect('card_secret', true);

-- How the cards of a batch come in: rows_done is where the next attempt goes on. of imported ones: the file, and the key that sealed it on the way.
CREATE TABLE card_intake (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    way text NOT NULL CHECK (way IN ('generated', 'imported')),
    task uuid NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'refused')),
    code text COLLATE "C" CHECK (code <> ''),
    wanted integer CHECK (wanted BETWEEN 1 AND 1000000),
    rows_done integer NOT NULL DEFAULT 0 CHECK (rows_done >= 0),
    made integer NOT NULL DEFAULT 0 CHECK (made BETWEEN 0 AND 1000000),
    refused integer NOT NULL DEFAULT 0 CHECK (refused >= 0),
    expires_on date,
    strength text CHECK (strength IN ('light', 'standard', 'strong')),
    file_name text CHECK (length(file_name) BETWEEN 1 AND 200),
    bytes bigint CHECK (bytes > 0),
    refuse_weak boolean,
    file uuid,
    wrapped bytea,
    asked_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (brand_id, batch),
    CONSTRAINT card_intake_batch_reference FOREIGN KEY (brand_id, batch) REFERENCES batch,
    CONSTRAINT card_intake_shape_check CHECK (CASE way
        WHEN 'generated' THEN strength IS NOT NULL AND wanted IS NOT NULL AND refused = 0 AND num_nonnulls(file_name, bytes, refuse_weak, file, wrapped) = 0
        ELSE strength IS NULL AND num_nonnulls(file_name, bytes, refuse_weak, file) = 4 AND (wrapped IS NULL) = (state IN ('done', 'refused')) END),
    CONSTRAINT card_intake_sum_check CHECK (rows_done = made + refused AND (wanted IS NULL OR rows_done <= wanted)),
    CONSTRAINT card_intake_ended_check CHECK ((state IN ('done', 'refused')) = (ended_at IS NOT NULL) AND (state = 'refused') = (code IS NOT NULL))
);
CALL protect('card_intake', false);
REVOKE UPDATE ON card_intake FROM qucheng_app;
GRANT UPDATE (state, code, wanted, rows_done, made, refused, wrapped, ended_at) ON card_intake TO qucheng_app;

CREATE FUNCTION check_card_intake_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- a key that wrapped the file's key may go, and the file with it
    IF OLD.state IN ('done', 'refused') OR NEW.rows_done < OLD.rows_done OR NEW.made < OLD.made OR NEW.refused < OLD.refused
        OR (OLD.state = 'running' AND NEW.state = 'waiting') THEN
        RAISE EXCEPTION 'rows of a batch come in once, and what came of them stays so'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_intake_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER card_intake_step BEFORE UPDATE ON card_intake FOR EACH ROW EXECUTE FUNCTION check_card_intake_step();

-- Rows of a file that became no card. Of the code stands its end alone.
CREATE TABLE card_rejection (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    source_row integer NOT NULL CHECK (source_row >= 2),
    fault text COLLATE "C" NOT NULL CHECK (fault IN ('malformed', 'weak', 'pin', 'expires_on', 'expired', 'twice_in_file', 'in_stock')),
    last_four text COLLATE "C" NOT NULL CHECK (length(last_four) <= 4),
    PRIMARY KEY (brand_id, batch, source_row),
    CONSTRAINT card_rejection_intake_reference FOREIGN KEY (brand_id, batch) REFERENCES card_intake
);
CALL protect('card_rejection', true);

-- Who was shown a secret, when and what for. viewer: the person, the key, the link of the buyer, or the consumer. Counted for the limits of a viewer.
CREATE TABLE card_reveal (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL,
    viewer_kind text NOT NULL CHECK (viewer_kind IN ('user', 'api_key', 'link', 'consumer')),
    viewer uuid NOT NULL,
    purpose text NOT NULL CHECK (length(purpose) BETWEEN 1 AND 200),
    at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT card_reveal_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card
);
CREATE INDEX card_reveal_card_index ON card_reveal (brand_id, batch, number, at);
CREATE INDEX card_reveal_viewer_index ON card_reveal (brand_id, viewer, at);
CALL protect('card_reveal', true);

-- The way of a buyer to what was bought: of the link stands a hash. One is good for an order at a time.
CREATE TABLE delivery_link (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL CHECK (order_no <> ''),
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT delivery_link_token_unique UNIQUE (brand_id, token_hash),
    CONSTRAINT delivery_link_time_check CHECK (expires_at > made_at)
);
CREATE UNIQUE INDEX delivery_link_order_unique ON delivery_link (brand_id, order_no) WHERE ended_at IS NULL;
CREATE INDEX delivery_link_hash_index ON delivery_link (token_hash);
CALL protect('delivery_link', false);
REVOKE UPDATE ON delivery_link FROM qucheng_app;
GRANT UPDATE (ended_at) ON delivery_link TO qucheng_app;

-- Whose link it is, asked before the brand is known.
CREATE FUNCTION delivery_link_of(hash bytea) RETURNS TABLE (brand_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.brand_id, l.id FROM delivery_link l WHERE l.token_hash = hash
$$;
REVOKE EXECUTE ON FUNCTION delivery_link_of(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delivery_link_of(bytea) TO qucheng_app;

-- A text message on its way: to whom and what are ciphertext, and gone when it is sent.
CREATE TABLE text_message (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('delivery', 'code')),
    locale text NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    to_cipher bytea,
    values_cipher bytea,
    written_at timestamptz NOT NULL,
    sent_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT text_message_wiped_check CHECK ((sent_at IS NULL) = (to_cipher IS NOT NULL) AND (sent_at IS NULL) = (values_cipher IS NOT NULL))
);
CREATE INDEX text_message_written_index ON text_message (brand_id, written_at);
CALL protect('text_message', false);
REVOKE UPDATE ON text_message FROM qucheng_app;
GRANT UPDATE (sent_at, to_cipher, values_cipher), DELETE ON text_message TO qucheng_app;

-- How many values each key of the ring has sealed or wrapped: a key goes when it is needed no more. Values begin with their form and its number.
CREATE FUNCTION sealed_values() RETURNS TABLE (key integer, place text, count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT c.oid::regclass AS name, a.attname AS col FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped AND a.atttypid = 'bytea'::regtype
          AND (a.attname LIKE '%cipher' OR a.attname IN ('wrapped', 'sealed'))
        ORDER BY 1, 2
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT get_byte(%2$I, 1) * 256 + get_byte(%2$I, 2), %3$L::text, count(*) FROM %1$s WHERE length(%2$I) > 2 GROUP BY 1',
            found.name, found.col, found.name || '.' || found.col);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION sealed_values() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealed_values() TO qucheng_app;

-- What a brand decides about secrets. Without a row its resellers see none.
CREATE TABLE card_setting (
    brand_id uuid NOT NULL REFERENCES brand,
    resellers_reveal boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by uuid REFERENCES person,
    PRIMARY KEY (brand_id)
);
CREATE INDEX card_setting_changed_by_index ON card_setting (changed_by);
CALL protect('card_setting', false);
REVOKE UPDATE ON card_setting FROM qucheng_app;
GRANT UPDATE (resellers_reveal, changed_at, changed_by) ON card_setting TO qucheng_app;
