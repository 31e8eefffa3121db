-- What is sold from stock: each card in one pool, always, and every change of it on record. The kernel of it is in 0040.
-- A pool belongs to a reseller in a channel, to a reseller, to a channel, or (number 0) to the brand: what is not allocated.
CREATE TABLE pool (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 0),
    reseller text COLLATE "C",
    channel text COLLATE "C",
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, number),
    CONSTRAINT pool_owner_unique UNIQUE NULLS NOT DISTINCT (brand_id, reseller, channel),
    CONSTRAINT pool_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT pool_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT pool_unallocated_check CHECK ((number = 0) = (reseller IS NULL AND channel IS NULL))
);
CREATE INDEX pool_reseller_index ON pool (brand_id, reseller);
CREATE INDEX pool_channel_index ON pool (brand_id, channel);
CALL protect('pool', false);
REVOKE UPDATE ON pool FROM qucheng_app;
CALL show_to_reseller('pool', 'reseller = (SELECT current_reseller())');

-- A SKU in a pool: its rules, and the row that whoever writes its cards locks. low_level: fewer available than this is told.
-- borrow_quota: so many cards may be borrowed from what is not allocated; borrowed: so many are, and have not come back.
CREATE TABLE pool_sku (
    brand_id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    pool integer NOT NULL,
    low_level integer CHECK (low_level BETWEEN 1 AND 1000000000),
    borrow_quota integer CHECK (borrow_quota BETWEEN 1 AND 1000000000),
    borrowed integer NOT NULL DEFAULT 0 CHECK (borrowed >= 0),
    PRIMARY KEY (brand_id, sku, pool),
    CONSTRAINT pool_sku_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT pool_sku_pool_reference FOREIGN KEY (brand_id, pool) REFERENCES pool,
    CONSTRAINT pool_sku_unallocated_check CHECK (pool <> 0 OR (borrow_quota IS NULL AND borrowed = 0))
);
CREATE INDEX pool_sku_pool_index ON pool_sku (brand_id, pool);
CALL protect('pool_sku', false);
REVOKE INSERT, UPDATE ON pool_sku FROM qucheng_app;
GRANT INSERT (brand_id, sku, pool, low_level, borrow_quota), UPDATE (low_level, borrow_quota) ON pool_sku TO qucheng_app;

-- Cards that came in together. quantity: how many were asked for; what came in stands in stock_level. pool: where they came in.
-- The expiries are those of its cards, kept by the database.
CREATE TABLE batch (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    sku text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL CHECK (source IN ('generated', 'imported')),
    pool integer NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 0 AND 1000000),
    face_value_minor bigint CHECK (face_value_minor >= 0),
    note text CHECK (note ~ '\S' AND length(note) <= 200),
    state text COLLATE "C" NOT NULL DEFAULT 'filling' CHECK (state IN ('filling', 'filled', 'releasing', 'released', 'withdrawn')),
    earliest_expiry date NOT NULL DEFAULT 'infinity',
    latest_expiry date NOT NULL DEFAULT '-infinity',
    opened_by uuid REFERENCES person,
    opened_at timestamptz NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (brand_id, number),
    CONSTRAINT batch_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT batch_pool_reference FOREIGN KEY (brand_id, pool) REFERENCES pool,
    CONSTRAINT batch_filling_check CHECK (quantity >= 1 OR state <> 'filling'),
    CONSTRAINT batch_released_check CHECK ((state = 'released') <= (released_at IS NOT NULL))
);
CREATE INDEX batch_sku_index ON batch (brand_id, sku);
CREATE INDEX batch_pool_index ON batch (brand_id, pool);
CREATE INDEX batch_opened_by_index ON batch (opened_by);
CREATE INDEX batch_expiry_index ON batch (brand_id, earliest_expiry);
CALL protect('batch', false);
REVOKE INSERT, UPDATE ON batch FROM qucheng_app;
GRANT INSERT (brand_id, number, sku, source, pool, quantity, face_value_minor, note, opened_by, opened_at),
    UPDATE (state, quantity, released_at) ON batch TO qucheng_app;

CREATE FUNCTION check_batch_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.brand_id, NEW.number, NEW.sku, NEW.source, NEW.pool, NEW.face_value_minor, NEW.note, NEW.opened_by, NEW.opened_at)
            IS DISTINCT FROM (OLD.brand_id, OLD.number, OLD.sku, OLD.source, OLD.pool, OLD.face_value_minor, OLD.note, OLD.opened_by, OLD.opened_at)
        OR (NEW.quantity <> OLD.quantity AND (OLD.state <> 'filling' OR NEW.quantity > OLD.quantity))
        OR (NEW.released_at IS DISTINCT FROM OLD.released_at AND OLD.released_at IS NOT NULL)
        OR (NEW.state <> OLD.state AND NOT CASE OLD.state WHEN 'filling' THEN NEW.state IN ('filled', 'withdrawn')
            WHEN 'filled' THEN NEW.state IN ('releasing', 'released', 'withdrawn')
            WHEN 'releasing' THEN NEW.state IN ('released', 'withdrawn') WHEN 'released' THEN NEW.state = 'withdrawn' ELSE false END) THEN
        RAISE EXCEPTION 'a batch is filled, released and withdrawn in this order, and what it is stays'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'batch_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER batch_step BEFORE UPDATE ON batch FOR EACH ROW EXECUTE FUNCTION check_batch_step();

-- Who changed cards, when, from where and why: one row for the changes of a transaction that belong together.
CREATE TABLE stock_act (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z][a-z_.]{1,38}[a-z]$'),
    at timestamptz NOT NULL,
    user_id uuid REFERENCES person,
    role text COLLATE "C" NOT NULL CHECK (length(role) BETWEEN 1 AND 40),
    network text COLLATE "C",
    request_id text COLLATE "C",
    note text CHECK (note ~ '\S' AND length(note) <= 500),
    in_transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (brand_id, id)
);
CREATE INDEX stock_act_user_index ON stock_act (user_id);
CALL protect('stock_act', true);
REVOKE INSERT ON stock_act FROM qucheng_app;
GRANT INSERT (brand_id, id, kind, at, user_id, role, network, request_id, note) ON stock_act TO qucheng_app;

-- Cards held for somebody until a deadline. order_no: the order that took them.
CREATE TABLE reservation (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    units integer NOT NULL CHECK (units BETWEEN 1 AND 1000000),
    pool integer NOT NULL CHECK (pool <> 0),
    state text COLLATE "C" NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'used', 'released', 'lapsed')),
    made_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    order_no text COLLATE "C" CHECK (length(order_no) BETWEEN 1 AND 40),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT reservation_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT reservation_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT reservation_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT reservation_pool_reference FOREIGN KEY (brand_id, pool) REFERENCES pool,
    CONSTRAINT reservation_hour_check CHECK (until > made_at AND until <= made_at + interval '60 minutes'),
    CONSTRAINT reservation_ended_check CHECK ((state = 'held') = (ended_at IS NULL) AND (state = 'used') = (order_no IS NOT NULL))
);
CREATE INDEX reservation_reseller_index ON reservation (brand_id, reseller);
CREATE INDEX reservation_channel_index ON reservation (brand_id, channel);
CREATE INDEX reservation_sku_index ON reservation (brand_id, sku);
CREATE INDEX reservation_pool_index ON reservation (brand_id, pool);
CREATE INDEX reservation_held_index ON reservation (brand_id, until) WHERE state = 'held';
CALL protect('reservation', false);
REVOKE UPDATE ON reservation FROM qucheng_app;
GRANT UPDATE (state, ended_at, order_no) ON reservation TO qucheng_app;
CALL show_to_reseller('reservation', 'reseller = (SELECT current_reseller())');

-- A card. expires_on: the last day of its use, infinity for never; valid_until: the same, counted from its delivery. came_from:
-- where a frozen or redeemed one goes back to. claim: who claimed it, where no order has it. borrowed: it goes back to pool 0.
-- It has no secret. That its batch, SKU and pool are there is known by stock_level, and its order line by the trigger: a reference
-- of each row would be a look for each of a million.
CREATE TABLE card (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    pool integer NOT NULL,
    changes integer NOT NULL DEFAULT 0,
    expires_on date NOT NULL DEFAULT 'infinity',
    valid_until date,
    revealed_at timestamptz,
    reserved_until timestamptz,
    reservation uuid,
    claim uuid,
    borrowed boolean NOT NULL DEFAULT false,
    state text COLLATE "C" NOT NULL DEFAULT 'inactive'
        CHECK (state IN ('inactive', 'available', 'reserved', 'delivered', 'revealed', 'redeemed', 'frozen', 'void')),
    came_from text COLLATE "C",
    sku text COLLATE "C" NOT NULL,
    order_no text COLLATE "C",
    line_no text COLLATE "C",
    void_reason text COLLATE "C",
    PRIMARY KEY (brand_id, batch, number),
    CONSTRAINT card_came_from_check CHECK (CASE state WHEN 'frozen' THEN came_from IN ('inactive', 'available', 'reserved', 'delivered', 'revealed')
        WHEN 'redeemed' THEN came_from IN ('delivered', 'revealed') ELSE came_from IS NULL END IS TRUE),
    CONSTRAINT card_void_check CHECK (CASE state WHEN 'void' THEN void_reason IN ('expired', 'refunded', 'withdrawn', 'faulty') ELSE void_reason IS NULL END IS TRUE),
    CONSTRAINT card_line_check CHECK ((order_no IS NULL) = (line_no IS NULL)),
    CONSTRAINT card_holder_check CHECK (CASE coalesce(came_from, state)
        WHEN 'inactive' THEN num_nonnulls(order_no, claim, reservation) = 0 WHEN 'available' THEN num_nonnulls(order_no, claim, reservation) = 0
        WHEN 'reserved' THEN order_no IS NULL AND num_nonnulls(claim, reservation) = 1
        WHEN 'void' THEN reservation IS NULL AND num_nonnulls(order_no, claim) <= 1
        ELSE reservation IS NULL AND num_nonnulls(order_no, claim) = 1 END),
    CONSTRAINT card_reserved_check CHECK ((coalesce(came_from, state) = 'reserved') = (reserved_until IS NOT NULL)),
    CONSTRAINT card_revealed_check CHECK (CASE coalesce(came_from, state) WHEN 'revealed' THEN revealed_at IS NOT NULL
        WHEN 'void' THEN true ELSE revealed_at IS NULL END),
    CONSTRAINT card_valid_check CHECK (valid_until IS NULL OR coalesce(came_from, state) IN ('delivered', 'revealed', 'void')),
    CONSTRAINT card_borrowed_check CHECK (NOT borrowed OR (pool <> 0 AND coalesce(came_from, state) NOT IN ('inactive', 'available')))
);
-- the one that expires first goes first
CREATE INDEX card_available_index ON card (brand_id, sku, pool, expires_on, batch, number) WHERE state = 'available';
CREATE INDEX card_order_index ON card (brand_id, order_no, line_no) WHERE order_no IS NOT NULL;
CREATE INDEX card_claim_index ON card (brand_id, claim) WHERE claim IS NOT NULL;
CREATE INDEX card_reserved_index ON card (brand_id, reserved_until) WHERE reserved_until IS NOT NULL;
CREATE INDEX card_valid_index ON card (brand_id, valid_until) WHERE valid_until IS NOT NULL AND state IN ('delivered', 'revealed', 'frozen');
CALL protect('card', false);
REVOKE INSERT, UPDATE ON card FROM qucheng_app;
GRANT INSERT (brand_id, batch, number, sku, pool, expires_on) ON card TO qucheng_app;
GRANT UPDATE (state, came_from, void_reason, pool, borrowed, order_no, line_no, claim, reservation, reserved_until, valid_until, revealed_at)
    ON card TO qucheng_app;
CALL show_to_reseller('card', 'EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = card.brand_id AND l.order_no = card.order_no AND l.line_no = card.line_no)',
    'SELECT (brand_id, batch, number, sku, state, void_reason, expires_on, valid_until, order_no, line_no, revealed_at)');

-- Every change of a card, written by the database alone. change: the card's own count. order_no: of the line that has it, or had it.
CREATE TABLE card_event (
    brand_id uuid NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL,
    change integer NOT NULL,
    act uuid NOT NULL,
    from_pool integer NOT NULL,
    to_pool integer NOT NULL,
    from_state text COLLATE "C" NOT NULL,
    to_state text COLLATE "C" NOT NULL,
    order_no text COLLATE "C",
    line_no text COLLATE "C",
    PRIMARY KEY (brand_id, batch, number, change)
);
CALL protect('card_event', true);
REVOKE INSERT ON card_event FROM qucheng_app;

-- The stock equation, for every batch in every pool: what came in is somewhere. For a pool, a batch or a SKU it is the sum of them.
CREATE TABLE stock_level (
    brand_id uuid NOT NULL,
    pool integer NOT NULL,
    batch integer NOT NULL,
    sku text COLLATE "C" NOT NULL,
    inactive integer NOT NULL DEFAULT 0 CHECK (inactive >= 0),
    available integer NOT NULL DEFAULT 0 CHECK (available >= 0),
    reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    delivered integer NOT NULL DEFAULT 0 CHECK (delivered >= 0),
    revealed integer NOT NULL DEFAULT 0 CHECK (revealed >= 0),
    redeemed integer NOT NULL DEFAULT 0 CHECK (redeemed >= 0),
    frozen integer NOT NULL DEFAULT 0 CHECK (frozen >= 0),
    void integer NOT NULL DEFAULT 0 CHECK (void >= 0),
    came_in integer NOT NULL DEFAULT 0 CHECK (came_in >= 0),
    moved_in bigint NOT NULL DEFAULT 0 CHECK (moved_in >= 0),
    moved_out bigint NOT NULL DEFAULT 0 CHECK (moved_out >= 0),
    PRIMARY KEY (brand_id, pool, batch),
    CONSTRAINT stock_level_pool_reference FOREIGN KEY (brand_id, pool) REFERENCES pool,
    CONSTRAINT stock_level_batch_reference FOREIGN KEY (brand_id, batch) REFERENCES batch,
    CONSTRAINT stock_level_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT stock_level_equation CHECK (
        came_in + moved_in - moved_out = inactive + available + reserved + delivered + revealed + redeemed + frozen + void)
) WITH (fillfactor = 70);
CREATE INDEX stock_level_batch_index ON stock_level (brand_id, batch);
CREATE INDEX stock_level_sku_index ON stock_level (brand_id, sku);
CALL protect('stock_level', false);
REVOKE INSERT, UPDATE ON stock_level FROM qucheng_app;
CALL show_to_reseller('stock_level', 'EXISTS (SELECT 1 FROM pool p WHERE p.brand_id = stock_level.brand_id AND p.number = stock_level.pool)',
    'SELECT (brand_id, pool, batch, sku, inactive, available, reserved, delivered, revealed, redeemed, frozen, void)');

-- Cards moved between what is not allocated and a pool, by an act of the brand's people; written by the database alone.
CREATE TABLE allocation (
    brand_id uuid NOT NULL,
    act uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    from_pool integer NOT NULL,
    to_pool integer NOT NULL,
    quantity integer NOT NULL CHECK (quantity >= 1),
    PRIMARY KEY (brand_id, act, sku, from_pool, to_pool),
    CONSTRAINT allocation_act_reference FOREIGN KEY (brand_id, act) REFERENCES stock_act,
    CONSTRAINT allocation_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT allocation_from_reference FOREIGN KEY (brand_id, from_pool) REFERENCES pool,
    CONSTRAINT allocation_to_reference FOREIGN KEY (brand_id, to_pool) REFERENCES pool,
    CONSTRAINT allocation_pools_check CHECK ((from_pool = 0) <> (to_pool = 0))
);
CREATE INDEX allocation_sku_index ON allocation (brand_id, sku);
CREATE INDEX allocation_from_index ON allocation (brand_id, from_pool);
CREATE INDEX allocation_to_index ON allocation (brand_id, to_pool);
CALL protect('allocation', true);
REVOKE INSERT ON allocation FROM qucheng_app;

-- A reseller asks for cards; the brand allocates them, all or fewer, or says why not.
CREATE TABLE allocation_request (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C",
    sku text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    note text CHECK (note ~ '\S' AND length(note) <= 200),
    asked_by uuid NOT NULL REFERENCES person,
    asked_at timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'granted', 'refused', 'withdrawn')),
    granted integer CHECK (granted >= 1),
    act uuid,
    answer text CHECK (answer ~ '\S' AND length(answer) <= 200),
    decided_by uuid REFERENCES person,
    decided_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT allocation_request_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT allocation_request_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT allocation_request_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT allocation_request_act_reference FOREIGN KEY (brand_id, act) REFERENCES stock_act,
    CONSTRAINT allocation_request_decided_check CHECK ((state = 'waiting') = (decided_at IS NULL) AND (state = 'granted') = (act IS NOT NULL)
        AND (state = 'granted') = (granted IS NOT NULL) AND (state <> 'refused' OR answer IS NOT NULL) AND granted <= quantity)
);
CREATE INDEX allocation_request_reseller_index ON allocation_request (brand_id, reseller);
CREATE INDEX allocation_request_channel_index ON allocation_request (brand_id, channel);
CREATE INDEX allocation_request_sku_index ON allocation_request (brand_id, sku);
CREATE INDEX allocation_request_act_index ON allocation_request (brand_id, act);
CREATE INDEX allocation_request_asked_by_index ON allocation_request (asked_by);
CREATE INDEX allocation_request_decided_by_index ON allocation_request (decided_by);
CREATE INDEX allocation_request_waiting_index ON allocation_request (brand_id, asked_at) WHERE state = 'waiting';
CALL protect('allocation_request', false);
REVOKE INSERT, UPDATE ON allocation_request FROM qucheng_app;
GRANT INSERT (brand_id, id, reseller, channel, sku, quantity, note, asked_by, asked_at),
    UPDATE (state, granted, act, answer, decided_by, decided_at) ON allocation_request TO qucheng_app;
CALL show_to_reseller('allocation_request', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, id, reseller, channel, sku, quantity, note, asked_by, asked_at, state, granted, answer, decided_at)');
GRANT INSERT (brand_id, id, reseller, channel, sku, quantity, note, asked_by, asked_at) ON allocation_request TO qucheng_reseller;

-- How many cards of which SKU a unit of an order line takes, as it was when it was sold (or by what it was substituted).
CREATE TABLE line_need (
    brand_id uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    each integer NOT NULL CHECK (each BETWEEN 0 AND 1000),
    PRIMARY KEY (brand_id, order_no, line_no, sku),
    CONSTRAINT line_need_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT line_need_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku
);
CREATE INDEX line_need_sku_index ON line_need (brand_id, sku);
CALL protect('line_need', false);
REVOKE UPDATE ON line_need FROM qucheng_app;
GRANT UPDATE (each) ON line_need TO qucheng_app;

-- A line that was paid for and has no cards (short: units are those still owed), or of which more was refunded than cards came
-- back (exceeds: so many cards are missing).
CREATE TABLE stock_case (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('short', 'exceeds')),
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    units integer NOT NULL CHECK (units >= 0),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    way text COLLATE "C" CHECK (way IN ('retried', 'substituted', 'refunded', 'settled')),
    substitute text COLLATE "C",
    note text CHECK (note ~ '\S' AND length(note) <= 500),
    closed_by uuid REFERENCES person,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT stock_case_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT stock_case_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT stock_case_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT stock_case_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT stock_case_substitute_reference FOREIGN KEY (brand_id, substitute) REFERENCES sku,
    CONSTRAINT stock_case_closed_check CHECK ((closed_at IS NULL) = (way IS NULL) AND (way IS NOT DISTINCT FROM 'substituted') = (substitute IS NOT NULL)
        AND (closed_at IS NOT NULL OR closed_by IS NULL) AND (units > 0 OR way IS NOT DISTINCT FROM 'refunded') AND (way IS DISTINCT FROM 'settled' OR kind = 'exceeds'))
);
CREATE UNIQUE INDEX stock_case_short_unique ON stock_case (brand_id, order_no, line_no) WHERE kind = 'short' AND closed_at IS NULL;
CREATE INDEX stock_case_line_index ON stock_case (brand_id, order_no, line_no);
CREATE INDEX stock_case_reseller_index ON stock_case (brand_id, reseller);
CREATE INDEX stock_case_channel_index ON stock_case (brand_id, channel);
CREATE INDEX stock_case_sku_index ON stock_case (brand_id, sku);
CREATE INDEX stock_case_substitute_index ON stock_case (brand_id, substitute);
CREATE INDEX stock_case_closed_by_index ON stock_case (closed_by);
CREATE INDEX stock_case_open_index ON stock_case (brand_id, opened_at) WHERE closed_at IS NULL;
CALL protect('stock_case', false);
REVOKE UPDATE ON stock_case FROM qucheng_app;
GRANT UPDATE (units, closed_at, way, substitute, note, closed_by) ON stock_case TO qucheng_app;
CALL show_to_reseller('stock_case', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, id, kind, order_no, line_no, reseller, channel, sku, units, opened_at, closed_at, way)');

-- What is told of stock until it is so no more: few cards that are available, or some that expire within days.
CREATE TABLE stock_alert (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('low', 'expiry')),
    pool integer NOT NULL,
    sku text COLLATE "C" NOT NULL,
    cards integer NOT NULL CHECK (cards >= 0),
    expires_on date,
    raised_at timestamptz NOT NULL,
    cleared_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT stock_alert_pool_reference FOREIGN KEY (brand_id, sku, pool) REFERENCES pool_sku,
    CONSTRAINT stock_alert_expiry_check CHECK ((kind = 'expiry') = (expires_on IS NOT NULL))
);
CREATE UNIQUE INDEX stock_alert_open_unique ON stock_alert (brand_id, kind, sku, pool) WHERE cleared_at IS NULL;
CREATE INDEX stock_alert_pool_index ON stock_alert (brand_id, sku, pool);
CALL protect('stock_alert', false);
REVOKE UPDATE ON stock_alert FROM qucheng_app;
GRANT UPDATE (cards, expires_on, cleared_at) ON stock_alert TO qucheng_app;
