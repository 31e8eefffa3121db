-- What a brand lets its resellers sell by hand, and who takes money for it online. Without a row: nothing by hand, no payment
-- online. manual_daily_minor: at most so much a day of each reseller.
CREATE TABLE sales_setting (
    brand_id uuid NOT NULL PRIMARY KEY,
    manual_sale text COLLATE "C" NOT NULL CHECK (manual_sale IN ('off', 'paid')),
    manual_daily_minor bigint CHECK (manual_daily_minor > 0),
    provider text COLLATE "C" NOT NULL CHECK (provider IN ('null', 'simulator')),
    changed_at timestamptz NOT NULL,
    changed_by uuid REFERENCES person,
    CONSTRAINT sales_setting_brand_reference FOREIGN KEY (brand_id) REFERENCES brand
);
CREATE INDEX sales_setting_changed_by_index ON sales_setting (changed_by);
CALL protect('sales_setting', false);
REVOKE UPDATE ON sales_setting FROM qucheng_app;
GRANT UPDATE (manual_sale, manual_daily_minor, provider, changed_at, changed_by) ON sales_setting TO qucheng_app;
CALL show_to_reseller('sales_setting', '(SELECT current_reseller()) IS NOT NULL', 'SELECT (brand_id, manual_sale, manual_daily_minor, provider)');

-- A reseller's way to its buyers: an address with 80 bits by chance. sku: of one article alone.
CREATE TABLE sales_link (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[0-9a-hjkmnp-tv-z]{16}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sku text COLLATE "C",
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    created_by uuid REFERENCES person,
    expires_at timestamptz CHECK (expires_at > created_at),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT sales_link_code_unique UNIQUE (brand_id, code),
    CONSTRAINT sales_link_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT sales_link_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT sales_link_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CREATE INDEX sales_link_code_index ON sales_link (code);
CREATE INDEX sales_link_reseller_index ON sales_link (brand_id, reseller, created_at DESC);
CREATE INDEX sales_link_channel_index ON sales_link (brand_id, channel);
CREATE INDEX sales_link_sku_index ON sales_link (brand_id, sku);
CREATE INDEX sales_link_created_by_index ON sales_link (created_by);
CALL protect('sales_link', false);
REVOKE UPDATE ON sales_link FROM qucheng_app;
GRANT UPDATE (name, active) ON sales_link TO qucheng_app;
CALL show_to_reseller('sales_link', 'reseller = (SELECT current_reseller())', 'SELECT, INSERT');
GRANT UPDATE (name, active) ON sales_link TO qucheng_reseller;

-- Of each day of the brand how often the page was opened and how many paid; nothing of who it was.
CREATE TABLE sales_link_day (
    brand_id uuid NOT NULL,
    link uuid NOT NULL,
    day date NOT NULL,
    views integer NOT NULL DEFAULT 0 CHECK (views >= 0),
    orders integer NOT NULL DEFAULT 0 CHECK (orders >= 0),
    PRIMARY KEY (brand_id, link, day),
    CONSTRAINT sales_link_day_link_reference FOREIGN KEY (brand_id, link) REFERENCES sales_link
);
CALL protect('sales_link_day', false);
REVOKE UPDATE ON sales_link_day FROM qucheng_app;
GRANT UPDATE (views, orders) ON sales_link_day TO qucheng_app;
CALL show_to_reseller('sales_link_day',
    'EXISTS (SELECT 1 FROM sales_link l WHERE l.brand_id = sales_link_day.brand_id AND l.id = sales_link_day.link)');

-- What a buyer is to pay for: fixed before anybody is asked for money, with the number of the order that comes of it. The price
-- holds until good_until. problem: why no order came of money that did. order_no is nobody else's: the order is made with it.
CREATE TABLE payment (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL CHECK (length(order_no) BETWEEN 1 AND 40),
    provider text COLLATE "C" NOT NULL CHECK (provider IN ('simulator')),
    state text COLLATE "C" NOT NULL CHECK (state IN ('created', 'pending', 'failed', 'expired', 'paid', 'refunded')),
    link uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    unit_minor bigint NOT NULL CHECK (unit_minor > 0),
    gross_minor bigint NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    phone_cipher bytea NOT NULL,
    phone_mark bytea NOT NULL CHECK (length(phone_mark) = 32),
    locale text COLLATE "C" NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    reservation uuid,
    created_at timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    pay_address text COLLATE "C" CHECK (length(pay_address) BETWEEN 1 AND 500),
    provider_no text COLLATE "C" CHECK (length(provider_no) BETWEEN 1 AND 64),
    asked_at timestamptz,
    paid_at timestamptz,
    placed_at timestamptz,
    problem text COLLATE "C" CHECK (length(problem) BETWEEN 1 AND 60),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT payment_order_unique UNIQUE (brand_id, order_no),
    CONSTRAINT payment_gross_check CHECK (gross_minor = unit_minor::numeric * quantity),
    CONSTRAINT payment_until_check CHECK (good_until > created_at),
    CONSTRAINT payment_pending_check CHECK (state <> 'pending' OR pay_address IS NOT NULL),
    CONSTRAINT payment_paid_check CHECK ((state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)),
    CONSTRAINT payment_placed_check CHECK (placed_at IS NULL OR paid_at IS NOT NULL),
    CONSTRAINT payment_link_reference FOREIGN KEY (brand_id, link) REFERENCES sales_link,
    CONSTRAINT payment_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT payment_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT payment_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CREATE INDEX payment_id_index ON payment (id);
CREATE INDEX payment_link_index ON payment (brand_id, link);
CREATE INDEX payment_reseller_index ON payment (brand_id, reseller);
CREATE INDEX payment_channel_index ON payment (brand_id, channel);
CREATE INDEX payment_sku_index ON payment (brand_id, sku);
CREATE INDEX payment_open_index ON payment (brand_id, created_at) WHERE state IN ('created', 'pending');
CREATE INDEX payment_late_index ON payment (brand_id, created_at) WHERE state IN ('failed', 'expired');
CREATE INDEX payment_problem_index ON payment (brand_id, created_at) WHERE problem IS NOT NULL;
CALL protect('payment', false);
REVOKE UPDATE ON payment FROM qucheng_app;
GRANT UPDATE (state, reservation, pay_address, provider_no, asked_at, paid_at, placed_at, problem) ON payment TO qucheng_app;
CALL show_to_reseller('payment', 'reseller = (SELECT current_reseller())', 'SELECT (brand_id, id, order_no, provider, state, link, reseller, channel, sku,
    quantity, unit_minor, gross_minor, currency, created_at, good_until, paid_at, placed_at, problem)');

-- States go forwards only: money that came wins over everything that was said before or after, and nothing takes it back but a refund.
CREATE FUNCTION payment_forwards() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    places CONSTANT text[] := ARRAY['created', 'pending', 'failed', 'expired', 'paid', 'refunded'];
BEGIN
    IF (array_position(places, OLD.state) > array_position(places, NEW.state))
        OR (OLD.state = 'failed' AND NEW.state = 'expired')
        OR (NEW.state = 'refunded' AND OLD.state NOT IN ('paid', 'refunded'))
        OR (OLD.paid_at IS NOT NULL AND NEW.paid_at IS DISTINCT FROM OLD.paid_at)
        OR (OLD.placed_at IS NOT NULL AND NEW.placed_at IS DISTINCT FROM OLD.placed_at)
        OR (OLD.provider_no IS NOT NULL AND NEW.provider_no IS DISTINCT FROM OLD.provider_no) THEN
        RAISE EXCEPTION 'a payment goes forwards: % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_forwards_check';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_forwards BEFORE UPDATE ON payment FOR EACH ROW EXECUTE FUNCTION payment_forwards();

-- What a provider told us, each notice once. effect: what came of it.
CREATE TABLE payment_notice (
    brand_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    notice text COLLATE "C" NOT NULL CHECK (notice ~ '^[!-~]{1,100}$'),
    payment uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('paid', 'failed')),
    amount_minor bigint NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (length(currency) BETWEEN 1 AND 10),
    received_at timestamptz NOT NULL,
    effect text COLLATE "C" NOT NULL CHECK (effect IN ('paid', 'failed', 'none', 'differs')),
    PRIMARY KEY (brand_id, provider, notice),
    CONSTRAINT payment_notice_payment_reference FOREIGN KEY (brand_id, payment) REFERENCES payment
);
CREATE INDEX payment_notice_payment_index ON payment_notice (brand_id, payment);
CALL protect('payment_notice', true);

-- Money that goes back to a buyer: the id is the number under which the provider is asked for it, once and for ever. line_no null:
-- all of a payment of which no order came.
CREATE TABLE payment_refund (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    payment uuid NOT NULL,
    line_no text COLLATE "C",
    refund_no text COLLATE "C" NOT NULL CHECK (length(refund_no) BETWEEN 1 AND 40),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    state text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'sent', 'done', 'refused')),
    created_at timestamptz NOT NULL,
    asked_at timestamptz,
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    ended_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT payment_refund_once_unique UNIQUE NULLS NOT DISTINCT (brand_id, payment, line_no, refund_no),
    CONSTRAINT payment_refund_ended_check CHECK ((state IN ('done', 'refused')) = (ended_at IS NOT NULL)),
    CONSTRAINT payment_refund_payment_reference FOREIGN KEY (brand_id, payment) REFERENCES payment
);
CREATE INDEX payment_refund_open_index ON payment_refund (brand_id, created_at) WHERE state IN ('waiting', 'sent');
CREATE INDEX payment_refund_refused_index ON payment_refund (brand_id, ended_at) WHERE state = 'refused';
CALL protect('payment_refund', false);
REVOKE UPDATE ON payment_refund FROM qucheng_app;
GRANT UPDATE (state, asked_at, tries, ended_at) ON payment_refund TO qucheng_app;

CREATE FUNCTION payment_refund_forwards() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF array_position(ARRAY['waiting', 'sent', 'refused', 'done'], OLD.state) > array_position(ARRAY['waiting', 'sent', 'refused', 'done'], NEW.state) THEN
        RAISE EXCEPTION 'money that goes back goes forwards: % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_refund_forwards_check';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_refund_forwards BEFORE UPDATE ON payment_refund FOR EACH ROW EXECUTE FUNCTION payment_refund_forwards();

-- A refund of an order that was paid online sends the money back, whoever books it. A statement's rows at once: a delivery brings many.
CREATE FUNCTION send_money_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO payment_refund (brand_id, id, payment, line_no, refund_no, amount_minor, state, created_at)
    SELECT p.brand_id, gen_random_uuid(), p.id, f.line_no, f.refund_no, f.amount_minor, 'waiting', clock_timestamp()
    FROM fresh f JOIN payment p ON p.brand_id = f.brand_id AND p.order_no = f.order_no
    WHERE p.placed_at IS NOT NULL AND f.amount_minor > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER send_money_back AFTER INSERT ON refund REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION send_money_back();

-- Asked before it is known whose it is: an address holds a link's code, a notice a payment's id.
CREATE FUNCTION sales_link_named(wanted text) RETURNS TABLE (brand_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.brand_id, l.id FROM sales_link l WHERE l.code = wanted LIMIT 1
$$;
CREATE FUNCTION payment_named(wanted uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.brand_id FROM payment p WHERE p.id = wanted LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION sales_link_named(text), payment_named(uuid), send_money_back() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sales_link_named(text), payment_named(uuid) TO qucheng_app;

-- Which brands take money of nobody: a production start asks.
CREATE FUNCTION simulated_payments() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM sales_setting WHERE provider = 'simulator')
$$;
REVOKE EXECUTE ON FUNCTION simulated_payments() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION simulated_payments() TO qucheng_app;

-- What may be noted as looked at is said where it is found (insight/exceptions.py).
ALTER TABLE exception_review DROP CONSTRAINT exception_review_kind_check;
ALTER TABLE exception_review ADD CONSTRAINT exception_review_kind_check CHECK (kind ~ '^[a-z_]+\.[a-z_]+$');
