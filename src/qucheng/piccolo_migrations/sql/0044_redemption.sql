-- Where cards are used up, on what device, and by which rules; and every answer that was given.
CREATE TABLE store (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name ~ '\S' AND length(name) <= 80),
    name_en text CHECK (name_en ~ '\S' AND length(name_en) <= 80),
    area text COLLATE "C" CHECK (area ~ '\S' AND length(area) <= 40),
    address text CHECK (address ~ '\S' AND length(address) <= 200),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (brand_id, code)
);
CALL protect('store', false);
REVOKE UPDATE ON store FROM qucheng_app;
GRANT UPDATE (name, name_en, area, address, closed_at) ON store TO qucheng_app;

-- A device of a store, known by its key. all_skus: it may redeem whatever there is; else what terminal_sku names.
-- digits_closed_until, codes_closed_until: too many wrong ones were entered on it.
CREATE TABLE terminal (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    store text COLLATE "C" NOT NULL,
    name text NOT NULL CHECK (name ~ '\S' AND length(name) <= 80),
    api_key uuid NOT NULL,
    all_skus boolean NOT NULL,
    added_at timestamptz NOT NULL,
    ended_at timestamptz,
    digits_closed_until timestamptz,
    codes_closed_until timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT terminal_store_reference FOREIGN KEY (brand_id, store) REFERENCES store,
    CONSTRAINT terminal_key_reference FOREIGN KEY (brand_id, api_key) REFERENCES api_key
);
CREATE INDEX terminal_store_index ON terminal (brand_id, store);
CREATE INDEX terminal_key_index ON terminal (brand_id, api_key);
CREATE UNIQUE INDEX terminal_key_unique ON terminal (brand_id, api_key) WHERE ended_at IS NULL;
CALL protect('terminal', false);
REVOKE UPDATE ON terminal FROM qucheng_app;
GRANT UPDATE (ended_at, digits_closed_until, codes_closed_until) ON terminal TO qucheng_app;

CREATE TABLE terminal_sku (
    brand_id uuid NOT NULL,
    terminal uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    PRIMARY KEY (brand_id, terminal, sku),
    CONSTRAINT terminal_sku_terminal_reference FOREIGN KEY (brand_id, terminal) REFERENCES terminal,
    CONSTRAINT terminal_sku_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CREATE INDEX terminal_sku_sku_index ON terminal_sku (brand_id, sku);
CALL protect('terminal_sku', true);

-- When and where cards of a SKU may be used: the newest version holds. Without one, anywhere and at any time.
CREATE TABLE redemption_rule (
    brand_id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object' AND length(document::text) <= 20000),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, sku, version),
    CONSTRAINT redemption_rule_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CALL protect('redemption_rule', true);
CREATE INDEX audit_record_rule_index ON audit_record (brand_id, subject) WHERE action = 'redemption_rule.set';

-- Every answer that a terminal got, with what it was judged by. key: the request's own, for ever. batch and number: blank where no card
-- was found. presented: a keyed fingerprint of what was; blank where the key is a ticket's. recorded_at: it is past being undone, and the hold of its order line may count from it.
CREATE TABLE redemption (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    terminal uuid NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    way text COLLATE "C" NOT NULL CHECK (way IN ('code', 'dynamic', 'digits')),
    at timestamptz NOT NULL,
    verdict text COLLATE "C" NOT NULL CHECK (verdict IN ('ok', 'used', 'frozen', 'expired', 'not_yet', 'not_here', 'void', 'unknown')),
    batch integer,
    number integer,
    snapshot jsonb NOT NULL,
    undone boolean NOT NULL DEFAULT false,
    recorded_at timestamptz,
    presented bytea CHECK (length(presented) = 32),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT redemption_key_unique UNIQUE (brand_id, terminal, key),
    CONSTRAINT redemption_terminal_reference FOREIGN KEY (brand_id, terminal) REFERENCES terminal,
    CONSTRAINT redemption_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card,
    CONSTRAINT redemption_card_check CHECK ((batch IS NULL) = (number IS NULL) AND (verdict = 'unknown' OR batch IS NOT NULL)),
    CONSTRAINT redemption_ok_check CHECK (verdict = 'ok' OR (NOT undone AND recorded_at IS NULL))
);
CREATE UNIQUE INDEX redemption_card_unique ON redemption (brand_id, batch, number) WHERE verdict = 'ok' AND NOT undone;
CREATE INDEX redemption_card_index ON redemption (brand_id, batch, number);
CREATE INDEX redemption_time_index ON redemption (brand_id, at, id);
CREATE INDEX redemption_open_index ON redemption (brand_id, at) WHERE verdict = 'ok' AND NOT undone AND recorded_at IS NULL;
CALL protect('redemption', false);
REVOKE INSERT, UPDATE ON redemption FROM qucheng_app;
GRANT INSERT (brand_id, id, terminal, key, way, at, verdict, batch, number, snapshot, presented), UPDATE (undone, recorded_at) ON redemption TO qucheng_app;
CREATE TRIGGER never_taken_out BEFORE DELETE OR TRUNCATE ON redemption FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- In plpgsql, for who took it back stands in a table that comes later.
CREATE FUNCTION check_redemption_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.undone AND NOT NEW.undone) OR (OLD.recorded_at IS NOT NULL AND NEW.recorded_at IS DISTINCT FROM OLD.recorded_at)
        OR (NEW.undone AND NOT EXISTS (SELECT 1 FROM redemption_undo u WHERE u.brand_id = NEW.brand_id AND u.redemption = NEW.id)) THEN
        RAISE EXCEPTION 'a redemption is undone once, by somebody, and recorded once'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'redemption_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redemption_step BEFORE UPDATE ON redemption FOR EACH ROW EXECUTE FUNCTION check_redemption_step();

-- A card that was redeemed goes back when its redemption was taken back, and not before.
CREATE FUNCTION check_redeemed_card() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM redemption r WHERE r.brand_id = NEW.brand_id AND r.batch = NEW.batch AND r.number = NEW.number AND r.verdict = 'ok' AND NOT r.undone) THEN
        RAISE EXCEPTION 'a card that is redeemed goes back with its redemption alone' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_redeemed';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER card_redeemed AFTER UPDATE ON card FOR EACH ROW WHEN (OLD.state = 'redeemed' AND NEW.state <> 'redeemed') EXECUTE FUNCTION check_redeemed_card();

-- That a redemption was taken back, where, by whom and why. terminal: whose key asked.
CREATE TABLE redemption_undo (
    brand_id uuid NOT NULL,
    redemption uuid NOT NULL,
    at timestamptz NOT NULL,
    terminal uuid NOT NULL,
    user_id uuid REFERENCES person,
    reason text CHECK (reason ~ '\S' AND length(reason) <= 200),
    approval uuid,
    PRIMARY KEY (brand_id, redemption),
    CONSTRAINT redemption_undo_redemption_reference FOREIGN KEY (brand_id, redemption) REFERENCES redemption,
    CONSTRAINT redemption_undo_terminal_reference FOREIGN KEY (brand_id, terminal) REFERENCES terminal,
    CONSTRAINT redemption_undo_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval
);
CREATE INDEX redemption_undo_terminal_index ON redemption_undo (brand_id, terminal);
CREATE INDEX redemption_undo_user_index ON redemption_undo (user_id);
CREATE INDEX redemption_undo_approval_index ON redemption_undo (brand_id, approval);
CALL protect('redemption_undo', true);

-- Within five minutes by the terminal that redeemed; later by an approval that is used up with it.
CREATE FUNCTION check_redemption_undo() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM redemption r WHERE r.brand_id = NEW.brand_id AND r.id = NEW.redemption AND r.verdict = 'ok' AND r.terminal = NEW.terminal
            AND CASE WHEN NEW.approval IS NULL THEN NEW.at <= r.at + interval '5 minutes' AND r.recorded_at IS NULL
                ELSE EXISTS (SELECT 1 FROM approval a WHERE a.brand_id = NEW.brand_id AND a.id = NEW.approval AND a.action = 'redemption.reverse'
                             AND a.state = 'executed' AND a.payload::jsonb ->> 'redemption' = NEW.redemption::text) END) THEN
        RAISE EXCEPTION 'a redemption is undone within five minutes by the terminal that redeemed, later with approval'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'redemption_undo_time';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redemption_undo_time BEFORE INSERT ON redemption_undo FOR EACH ROW EXECUTE FUNCTION check_redemption_undo();

-- Keys that were reversed before they came: never to be redeemed with.
CREATE TABLE reversed_key (
    brand_id uuid NOT NULL,
    terminal uuid NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, terminal, key),
    CONSTRAINT reversed_key_terminal_reference FOREIGN KEY (brand_id, terminal) REFERENCES terminal
);
CALL protect('reversed_key', true);

CREATE FUNCTION check_reversed_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM pg_advisory_xact_lock(hashtextextended('redemption:' || NEW.brand_id || ':' || NEW.terminal || ':' || NEW.key, 0));
    IF (CASE TG_TABLE_NAME
            WHEN 'redemption' THEN EXISTS (SELECT 1 FROM reversed_key k WHERE k.brand_id = NEW.brand_id AND k.terminal = NEW.terminal AND k.key = NEW.key)
            ELSE EXISTS (SELECT 1 FROM redemption r WHERE r.brand_id = NEW.brand_id AND r.terminal = NEW.terminal AND r.key = NEW.key) END) THEN
        RAISE EXCEPTION 'a key is redeemed with, or blocked for good'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'reversed_key_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reversed_key_once BEFORE INSERT ON reversed_key FOR EACH ROW EXECUTE FUNCTION check_reversed_key();
CREATE TRIGGER reversed_key_once BEFORE INSERT ON redemption FOR EACH ROW EXECUTE FUNCTION check_reversed_key();

-- What a moving QR calls a card: chance, and nothing of its secret.
CREATE TABLE card_alias (
    brand_id uuid NOT NULL,
    alias bytea NOT NULL CHECK (length(alias) = 10),
    batch integer NOT NULL,
    number integer NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, alias),
    CONSTRAINT card_alias_card_unique UNIQUE (brand_id, batch, number),
    CONSTRAINT card_alias_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card
);
CALL protect('card_alias', true);

-- A picture of a moving QR is good once.
CREATE TABLE spent_picture (
    brand_id uuid NOT NULL,
    alias bytea NOT NULL,
    step bigint NOT NULL CHECK (step >= 0),
    redemption uuid NOT NULL,
    PRIMARY KEY (brand_id, alias, step),
    CONSTRAINT spent_picture_alias_reference FOREIGN KEY (brand_id, alias) REFERENCES card_alias,
    CONSTRAINT spent_picture_redemption_reference FOREIGN KEY (brand_id, redemption) REFERENCES redemption
);
CREATE INDEX spent_picture_redemption_index ON spent_picture (brand_id, redemption);
CALL protect('spent_picture', true);

-- Digits that stand under a QR, by fingerprint; taken anew when their time is over. holder: with the end of the phone.
CREATE TABLE short_digits (
    brand_id uuid NOT NULL,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    holder bytea NOT NULL CHECK (length(holder) = 32),
    store text COLLATE "C" NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL,
    until timestamptz NOT NULL,
    spent boolean NOT NULL DEFAULT false,
    PRIMARY KEY (brand_id, fingerprint),
    CONSTRAINT short_digits_store_reference FOREIGN KEY (brand_id, store) REFERENCES store,
    CONSTRAINT short_digits_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card
);
CREATE INDEX short_digits_store_index ON short_digits (brand_id, store);
CREATE INDEX short_digits_card_index ON short_digits (brand_id, batch, number);
CREATE INDEX short_digits_until_index ON short_digits (brand_id, until);
CALL protect('short_digits', false);
REVOKE UPDATE ON short_digits FROM qucheng_app;
GRANT UPDATE (holder, store, batch, number, until, spent) ON short_digits TO qucheng_app;
GRANT DELETE ON short_digits TO qucheng_app;

-- Wrong digits and codes of the last minutes, terminal by terminal.
CREATE TABLE wrong_entry (
    brand_id uuid NOT NULL,
    terminal uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    way text COLLATE "C" NOT NULL CHECK (way IN ('code', 'digits')),
    at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, terminal, id),
    CONSTRAINT wrong_entry_terminal_reference FOREIGN KEY (brand_id, terminal) REFERENCES terminal
);
CALL protect('wrong_entry', false);
REVOKE UPDATE ON wrong_entry FROM qucheng_app;
GRANT DELETE ON wrong_entry TO qucheng_app;
