-- Orders that come one by one. Their lines and refunds stand in the brand's one open intake, like those of a delivery.

-- live: not a delivery, but what came by itself meanwhile. open: still taken in; it is closed when the kernel is to run.
ALTER TABLE intake ADD COLUMN live boolean NOT NULL DEFAULT false, ADD COLUMN open boolean NOT NULL DEFAULT false;
ALTER TABLE intake ADD CONSTRAINT intake_open_check CHECK (NOT open OR (live AND accrued_at IS NULL));
CREATE UNIQUE INDEX intake_open_unique ON intake (brand_id) WHERE open;
CREATE INDEX intake_waiting_index ON intake (brand_id, number) WHERE accrued_at IS NULL;
CREATE INDEX intake_through_index ON intake (brand_id, accrued_through);

-- What is live has no row of a file: the order in which it came.
CREATE SEQUENCE live_row AS integer CYCLE;
GRANT USAGE ON SEQUENCE live_row TO qucheng_app;

-- The open intake, for a transaction that writes a live fact: it stays open until that transaction has ended. The number is read by
-- a statement after the lock, for who waited for the lock must see what was committed meanwhile. Only a brand's first live order
-- ever may wait here for a delivery that is being taken in.
CREATE FUNCTION enter_intake(at timestamptz) RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found integer;
BEGIN
    PERFORM require_read_committed();
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_brand()::text || ':sale', 0));
    LOOP
        SELECT number INTO found FROM intake WHERE brand_id = current_brand() AND open;
        EXIT WHEN found IS NOT NULL;
        INSERT INTO intake (brand_id, number, received_at, live, open)
        SELECT current_brand(), coalesce(max(number), 0) + 1, at, true, true FROM intake WHERE brand_id = current_brand()
        ON CONFLICT DO NOTHING;
    END LOOP;
    -- after the other, for who holds this one has its intake and waits for no delivery: see meet_live_orders()
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_brand()::text || ':order', 0));
    RETURN found;
END $$;

-- Closes the open intake if there is anything in it, and opens the next at once. Whoever writes a live fact is waited for.
CREATE FUNCTION close_intake(at timestamptz) RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    closed integer;
BEGIN
    PERFORM require_read_committed();
    PERFORM pg_advisory_xact_lock(hashtextextended(current_brand()::text || ':sale', 0));
    UPDATE intake i SET open = false WHERE i.brand_id = current_brand() AND i.open AND holds_facts(i.number) RETURNING i.number INTO closed;
    IF closed IS NOT NULL THEN
        INSERT INTO intake (brand_id, number, received_at, live, open)
        SELECT current_brand(), max(number) + 1, at, true, true FROM intake WHERE brand_id = current_brand();
    END IF;
    RETURN closed;
END $$;

-- In plpgsql, for fulfilments are a table of a later file.
CREATE FUNCTION holds_facts(of_intake integer) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM order_line WHERE brand_id = current_brand() AND intake = of_intake)
        OR EXISTS (SELECT 1 FROM refund WHERE brand_id = current_brand() AND intake = of_intake)
        OR EXISTS (SELECT 1 FROM fulfilment WHERE brand_id = current_brand() AND intake = of_intake);
END $$;

-- At the end of a delivery: live orders that are being placed are waited for, and those that come after it wait. Without an open intake
-- there are none: the first waits for the number of the delivery.
CREATE FUNCTION meet_live_orders() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    IF EXISTS (SELECT 1 FROM intake WHERE brand_id = current_brand() AND open) THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(current_brand()::text || ':order', 0));
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION meet_live_orders() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION meet_live_orders() TO qucheng_app;

-- An intake is closed once, and accrued after that.
CREATE FUNCTION check_intake_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.open AND NOT OLD.open) OR NEW.live <> OLD.live OR (OLD.open AND NEW.accrued_at IS NOT NULL) THEN
        RAISE EXCEPTION 'an intake is closed once, and accrued when it is closed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'intake_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER intake_step BEFORE UPDATE ON intake FOR EACH ROW EXECUTE FUNCTION check_intake_step();

-- The intakes that are not reckoned yet, for who may not see intakes: a line of one of them is waited for.
CREATE FUNCTION waiting_intakes() RETURNS integer[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT coalesce(array_agg(number), '{}') FROM intake WHERE brand_id = current_brand() AND accrued_at IS NULL $$;

-- Where a seller stands on a day with the chain above it, as the view `chain` says it, looked up by keys.
CREATE FUNCTION place_on(seller text, day date) RETURNS TABLE (tier text, parent text, identity text)
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN p.tier IS NULL THEN r.tier ELSE p.tier END, CASE WHEN p.tier IS NULL THEN r.parent ELSE p.parent END, r.identity
    FROM reseller r LEFT JOIN LATERAL (
        SELECT m.tier, m.parent FROM placement m WHERE m.brand_id = r.brand_id AND m.reseller = r.code AND m.effective_on <= day
        ORDER BY m.effective_on DESC LIMIT 1) p ON true
    WHERE r.brand_id = current_brand() AND r.code = seller AND r.joined_on <= day
$$;
REVOKE EXECUTE ON FUNCTION enter_intake(timestamptz), close_intake(timestamptz), holds_facts(integer), waiting_intakes(), place_on(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_intake(timestamptz), close_intake(timestamptz), holds_facts(integer), waiting_intakes(), place_on(text, date) TO qucheng_app;
GRANT EXECUTE ON FUNCTION waiting_intakes() TO qucheng_reseller;

-- What is known of a live order beside its lines. phone_*: the buyer's, sealed for this place, and a keyed fingerprint to find it again.
-- content_sha256: what was asked for; the same number with the same content is the same order. placed_by: blank for a consumer.
CREATE TABLE sale (
    brand_id uuid NOT NULL REFERENCES brand,
    order_no text COLLATE "C" NOT NULL CHECK (order_no ~ '^[A-Za-z0-9._-]{1,40}$'),
    source text COLLATE "C" NOT NULL CHECK (source IN ('api', 'manual', 'page')),
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    placed_at timestamptz NOT NULL,
    paid_at timestamptz NOT NULL,
    stock_state text COLLATE "C" NOT NULL DEFAULT 'none' CHECK (stock_state IN ('none', 'delivered', 'paid_without_stock', 'resolved')),
    phone_cipher bytea,
    phone_fingerprint bytea CHECK (length(phone_fingerprint) = 32),
    placed_by uuid REFERENCES person,
    api_key uuid,
    content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
    PRIMARY KEY (brand_id, order_no),
    CONSTRAINT sale_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT sale_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT sale_api_key_reference FOREIGN KEY (brand_id, api_key) REFERENCES api_key,
    CONSTRAINT sale_phone_check CHECK ((phone_cipher IS NULL) = (phone_fingerprint IS NULL)),
    CONSTRAINT sale_door_check CHECK ((api_key IS NOT NULL) = (source = 'api') AND (source <> 'manual' OR placed_by IS NOT NULL))
);
CREATE INDEX sale_reseller_index ON sale (brand_id, reseller);
CREATE INDEX sale_channel_index ON sale (brand_id, channel);
CREATE INDEX sale_placed_by_index ON sale (placed_by);
CREATE INDEX sale_api_key_index ON sale (brand_id, api_key);
CREATE INDEX sale_phone_index ON sale (brand_id, phone_fingerprint) WHERE phone_fingerprint IS NOT NULL;
CREATE INDEX sale_without_stock_index ON sale (brand_id, placed_at) WHERE stock_state = 'paid_without_stock';
CALL protect('sale', false);
REVOKE UPDATE ON sale FROM qucheng_app;
GRANT UPDATE (stock_state) ON sale TO qucheng_app;
CALL show_to_reseller('sale', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, order_no, source, reseller, channel, placed_at, paid_at, stock_state)');

-- Only an order without stock gets later what it waits for.
CREATE FUNCTION check_sale_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF to_jsonb(OLD) - 'stock_state' IS DISTINCT FROM to_jsonb(NEW) - 'stock_state' OR OLD.stock_state <> 'paid_without_stock'
        OR NEW.stock_state NOT IN ('paid_without_stock', 'delivered', 'resolved') THEN
        RAISE EXCEPTION 'of an order only the stock that it waits for changes' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'sale_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sale_step BEFORE UPDATE ON sale FOR EACH ROW EXECUTE FUNCTION check_sale_step();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON sale FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- the number of a live refund is the brand's
CREATE INDEX refund_number_index ON refund (brand_id, refund_no);

-- Brands may let a trusted key create orders by its token alone.
ALTER TABLE api_key ADD COLUMN bearer_orders boolean NOT NULL DEFAULT false
    CONSTRAINT api_key_bearer_orders_check CHECK (NOT bearer_orders OR scopes ~ '(^| )orders\.write( |$)');
DROP FUNCTION api_key_named(uuid);
CREATE FUNCTION api_key_named(wanted uuid) RETURNS TABLE (
    brand_id uuid, id uuid, name text, mode text, reseller text, scopes text, networks text, created_by uuid, expires_at timestamptz,
    revoked_at timestamptz, last_used_on date, bearer_orders boolean, number smallint, token_hash bytea, signing_cipher bytea, ends_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.brand_id, k.id, k.name, k.mode, k.reseller, k.scopes, k.networks, k.created_by,
           least(k.expires_at, instant_of_local(c.effective_on, b.time_zone)), k.revoked_at, k.last_used_on,
           k.bearer_orders, s.number, s.token_hash, s.signing_cipher, s.ends_at
    FROM api_key k JOIN api_secret s ON s.brand_id = k.brand_id AND s.key = k.id JOIN brand b ON b.id = k.brand_id
    LEFT JOIN standing_change c ON c.brand_id = k.brand_id AND c.reseller = k.reseller AND c.change = 'close'
    WHERE k.id = wanted ORDER BY s.number DESC LIMIT 2
$$;
REVOKE EXECUTE ON FUNCTION api_key_named(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_named(uuid) TO qucheng_app;
