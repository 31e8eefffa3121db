-- What may become of a card, and that the levels and the record follow it, whoever writes.

-- From one state to another: the table of the specification, and nothing else.
CREATE FUNCTION card_step_allowed(old_state text, old_came_from text, new_state text, reason text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE old_state
        WHEN 'inactive' THEN new_state IN ('available', 'frozen') OR (new_state = 'void' AND reason IN ('expired', 'withdrawn'))
        WHEN 'available' THEN new_state IN ('reserved', 'delivered', 'frozen') OR (new_state = 'void' AND reason IN ('expired', 'withdrawn'))
        WHEN 'reserved' THEN new_state IN ('available', 'delivered', 'frozen')
        WHEN 'delivered' THEN new_state IN ('revealed', 'redeemed', 'available', 'frozen') OR (new_state = 'void' AND reason IN ('expired', 'faulty'))
        WHEN 'revealed' THEN new_state IN ('redeemed', 'frozen') OR (new_state = 'void' AND reason IN ('refunded', 'expired', 'faulty'))
        WHEN 'redeemed' THEN new_state = old_came_from
        WHEN 'frozen' THEN new_state = old_came_from OR (new_state = 'void' AND (reason IN ('withdrawn', 'expired')
            OR (reason = 'refunded' AND old_came_from IN ('delivered', 'revealed'))))
        ELSE false END
$$;

CREATE FUNCTION count_card_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    NEW.changes := OLD.changes + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER card_counted BEFORE UPDATE ON card FOR EACH ROW EXECUTE FUNCTION count_card_change();
CREATE TRIGGER card_facts BEFORE UPDATE OF brand_id, batch, number, sku, expires_on ON card FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_taken_out BEFORE DELETE OR TRUNCATE ON card FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_taken_out BEFORE DELETE OR TRUNCATE ON stock_level FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Cards that come in: of a batch that is being filled, as it says, inactive and in its pool.
CREATE FUNCTION take_cards_in() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM batch b JOIN (SELECT DISTINCT brand_id, batch FROM fresh) f ON f.brand_id = b.brand_id AND f.batch = b.number
    ORDER BY b.brand_id, b.number FOR NO KEY UPDATE OF b;
    IF EXISTS (
        SELECT 1 FROM (SELECT brand_id, batch, sku, pool, max(number) AS highest, bool_and(state = 'inactive' AND changes = 0 AND NOT borrowed) AS plain
                       FROM fresh GROUP BY 1, 2, 3, 4) f
        LEFT JOIN batch b ON b.brand_id = f.brand_id AND b.number = f.batch AND b.sku = f.sku AND b.pool = f.pool
        WHERE b.state IS DISTINCT FROM 'filling' OR f.highest > b.quantity OR NOT f.plain) THEN
        RAISE EXCEPTION 'cards come in inactive, with a batch that is being filled, and as it says'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_in';
    END IF;
    INSERT INTO pool_sku (brand_id, sku, pool) SELECT DISTINCT brand_id, sku, pool FROM fresh ON CONFLICT DO NOTHING;
    INSERT INTO stock_level AS l (brand_id, pool, batch, sku, inactive, came_in)
    SELECT brand_id, pool, batch, sku, count(*), count(*) FROM fresh GROUP BY 1, 2, 3, 4
    ON CONFLICT (brand_id, pool, batch) DO UPDATE SET inactive = l.inactive + excluded.inactive, came_in = l.came_in + excluded.came_in;
    UPDATE batch b SET earliest_expiry = least(b.earliest_expiry, f.earliest), latest_expiry = greatest(b.latest_expiry, f.latest)
    FROM (SELECT brand_id, batch, min(expires_on) AS earliest, max(expires_on) AS latest FROM fresh GROUP BY 1, 2) f
    WHERE b.brand_id = f.brand_id AND b.number = f.batch AND (f.earliest < b.earliest_expiry OR f.latest > b.latest_expiry);
    RETURN NULL;
END $$;
CREATE TRIGGER card_in AFTER INSERT ON card REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION take_cards_in();

-- What is wrong with a change of a card; NULL where nothing is. Of a state goes with it what belongs to it, and only then.
-- card_pool: between what is not allocated and a pool go cards that are free (who may do that, is looked at elsewhere), a borrowed
-- one when it is taken, and the same when it is free again; nobody draws from what is not allocated.
-- card_holder: who has a card is said when it is taken, and stays; so with the deadline, the day it was seen and its last day.
CREATE FUNCTION card_fault(o card, n card) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN o.state = 'available' AND n.state = 'available' AND n.pool <> o.pool THEN CASE WHEN (o.pool = 0) = (n.pool = 0) THEN 'card_pool' END
        WHEN NOT card_step_allowed(o.state, o.came_from, n.state, n.void_reason)
            OR n.came_from IS DISTINCT FROM (CASE WHEN n.state IN ('frozen', 'redeemed') THEN o.state END) THEN 'card_step'
        WHEN (n.pool <> o.pool OR n.borrowed <> o.borrowed)
            AND NOT (o.state = 'available' AND n.state IN ('reserved', 'delivered') AND o.pool = 0 AND n.pool <> 0 AND n.borrowed)
            AND NOT (o.borrowed AND n.state = 'available' AND n.pool = 0 AND NOT n.borrowed) THEN 'card_pool'
        WHEN (o.borrowed AND n.state = 'available' AND n.pool <> 0)
            OR (o.state = 'available' AND n.state IN ('reserved', 'delivered') AND n.pool = 0) THEN 'card_pool'
        WHEN (n.state <> 'available' AND NOT (o.state IN ('available', 'reserved') AND n.state IN ('reserved', 'delivered'))
              AND (n.order_no IS DISTINCT FROM o.order_no OR n.line_no IS DISTINCT FROM o.line_no OR n.claim IS DISTINCT FROM o.claim))
            OR (o.claim IS NOT NULL AND n.state = 'delivered' AND n.claim IS DISTINCT FROM o.claim)
            OR (n.state IN ('frozen', 'reserved') AND o.state <> 'available'
                AND (n.reservation IS DISTINCT FROM o.reservation OR n.reserved_until IS DISTINCT FROM o.reserved_until))
            OR (n.revealed_at IS DISTINCT FROM o.revealed_at AND NOT (n.state = 'revealed' AND o.state = 'delivered'))
            OR (n.valid_until IS DISTINCT FROM o.valid_until AND NOT (n.state = 'available' OR (n.state = 'delivered' AND o.state IN ('available', 'reserved'))))
            THEN 'card_holder' END
$$;

-- After the cards of a statement have changed: each step is one of the table, and on record. Joined by hash or merge: what is
-- planned when one card changes must do for a million.
CREATE FUNCTION record_card_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_nestloop = off AS $$
DECLARE
    act_id uuid := nullif(current_setting('qucheng.stock_act', true), '')::uuid;
    wrong record;
BEGIN
    IF act_id IS NULL THEN
        RAISE EXCEPTION 'who changes a card says so first, in the same transaction' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_act';
    END IF;
    WITH pair AS MATERIALIZED (
        SELECT n.brand_id, n.batch, n.number, n.changes, o.pool AS from_pool, n.pool AS to_pool, o.state AS from_state, n.state AS to_state, o.came_from,
               coalesce(n.order_no, o.order_no) AS order_no, coalesce(n.line_no, o.line_no) AS line_no, card_fault(o::card, n::card) AS fault
        FROM stale o JOIN fresh n ON n.brand_id = o.brand_id AND n.batch = o.batch AND n.number = o.number
    ), noted AS (
        INSERT INTO card_event (brand_id, batch, number, change, act, from_pool, to_pool, from_state, to_state, order_no, line_no)
        SELECT brand_id, batch, number, changes, act_id, from_pool, to_pool, from_state, to_state, order_no, line_no FROM pair
    ) SELECT fault, concat_ws(' of ', from_state, came_from) AS was, to_state INTO wrong FROM pair WHERE fault IS NOT NULL LIMIT 1;
    IF wrong.fault IS NOT NULL THEN
        RAISE EXCEPTION 'a card that is % does not become %', wrong.was, wrong.to_state USING ERRCODE = 'restrict_violation', CONSTRAINT = wrong.fault;
    END IF;
    RETURN NULL;
END $$;

-- Somebody answers for the changes; nobody's order has a card of a pool that is not its seller's or its channel's; the levels follow the
-- changes; what is borrowed stays within its quota; and what else goes from pool to pool is an allocation, by the brand.
CREATE FUNCTION keep_stock_levels() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    act_id uuid := nullif(current_setting('qucheng.stock_act', true), '')::uuid;
    pools_changed boolean;
    within_quota boolean;
    allocations boolean;
BEGIN
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT brand_id FROM fresh) f LEFT JOIN stock_act a
                   ON a.brand_id = f.brand_id AND a.id = act_id AND a.in_transaction = pg_current_xact_id()::text::bigint
               WHERE a.id IS NULL) THEN
        RAISE EXCEPTION 'who changes a card says so first, in the same transaction' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_act';
    END IF;
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT brand_id, order_no, line_no FROM fresh WHERE state = 'delivered' AND order_no IS NOT NULL) f
               WHERE NOT EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = f.brand_id AND l.order_no = f.order_no AND l.line_no = f.line_no)) THEN
        RAISE EXCEPTION 'a card is delivered to a line of an order that is there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'card_line';
    END IF;
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT brand_id, pool, order_no, line_no FROM fresh WHERE state = 'delivered' AND order_no IS NOT NULL) f
               JOIN pool p ON p.brand_id = f.brand_id AND p.number = f.pool
               JOIN order_line l ON l.brand_id = f.brand_id AND l.order_no = f.order_no AND l.line_no = f.line_no
               WHERE p.reseller <> l.reseller OR p.channel <> l.channel) THEN
        RAISE EXCEPTION 'nobody draws from another''s pool' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_owner';
    END IF;
    INSERT INTO stock_level (brand_id, pool, batch, sku)
    SELECT f.brand_id, f.pool, f.batch, f.sku FROM (SELECT DISTINCT brand_id, pool, batch, sku FROM fresh) f
    WHERE NOT EXISTS (SELECT 1 FROM stock_level l WHERE l.brand_id = f.brand_id AND l.pool = f.pool AND l.batch = f.batch) ON CONFLICT DO NOTHING;
    WITH delta AS (
        SELECT brand_id, pool, batch, sum(n) AS whole,
               sum(n) FILTER (WHERE state = 'inactive') AS inactive, sum(n) FILTER (WHERE state = 'available') AS available,
               sum(n) FILTER (WHERE state = 'reserved') AS reserved, sum(n) FILTER (WHERE state = 'delivered') AS delivered,
               sum(n) FILTER (WHERE state = 'revealed') AS revealed, sum(n) FILTER (WHERE state = 'redeemed') AS redeemed,
               sum(n) FILTER (WHERE state = 'frozen') AS frozen, sum(n) FILTER (WHERE state = 'void') AS void
        FROM (SELECT brand_id, pool, batch, state, -count(*)::integer AS n FROM stale GROUP BY 1, 2, 3, 4
              UNION ALL SELECT brand_id, pool, batch, state, count(*)::integer FROM fresh GROUP BY 1, 2, 3, 4) both_sides
        GROUP BY 1, 2, 3
    ), levelled AS (
        UPDATE stock_level l SET inactive = l.inactive + coalesce(d.inactive, 0), available = l.available + coalesce(d.available, 0),
            reserved = l.reserved + coalesce(d.reserved, 0), delivered = l.delivered + coalesce(d.delivered, 0), revealed = l.revealed + coalesce(d.revealed, 0),
            redeemed = l.redeemed + coalesce(d.redeemed, 0), frozen = l.frozen + coalesce(d.frozen, 0), void = l.void + coalesce(d.void, 0),
            moved_in = l.moved_in + greatest(d.whole, 0), moved_out = l.moved_out + greatest(-d.whole, 0)
        FROM delta d WHERE l.brand_id = d.brand_id AND l.pool = d.pool AND l.batch = d.batch
    ) SELECT coalesce(bool_or(whole <> 0), false) INTO pools_changed FROM delta;
    IF NOT pools_changed THEN
        RETURN NULL;
    END IF;
    WITH net AS MATERIALIZED (
        SELECT brand_id, sku, pool, sum(n)::integer AS cards, coalesce(sum(n) FILTER (WHERE borrowed), 0)::integer AS lent
        FROM (SELECT brand_id, sku, pool, borrowed, -count(*) AS n FROM stale GROUP BY 1, 2, 3, 4
              UNION ALL SELECT brand_id, sku, pool, borrowed, count(*) FROM fresh GROUP BY 1, 2, 3, 4) both_sides
        GROUP BY 1, 2, 3 HAVING pool <> 0
    ), opened AS (
        INSERT INTO pool_sku (brand_id, sku, pool) SELECT brand_id, sku, pool FROM net WHERE cards > lent ON CONFLICT DO NOTHING
    ), counted AS (
        UPDATE pool_sku p SET borrowed = p.borrowed + n.lent FROM net n
        WHERE p.brand_id = n.brand_id AND p.sku = n.sku AND p.pool = n.pool AND n.lent <> 0
        RETURNING n.lent > 0 AND p.borrowed > coalesce(p.borrow_quota, 0) AS beyond
    ), allocated AS (
        INSERT INTO allocation (brand_id, act, sku, from_pool, to_pool, quantity)
        SELECT brand_id, act_id, sku, CASE WHEN cards > lent THEN 0 ELSE pool END, CASE WHEN cards > lent THEN pool ELSE 0 END, abs(cards - lent)
        FROM net WHERE cards <> lent RETURNING 1
    ) SELECT (SELECT count(*) FROM net WHERE lent <> 0) = (SELECT count(*) FROM counted WHERE NOT beyond),
             EXISTS (SELECT 1 FROM allocated) INTO within_quota, allocations;
    IF NOT within_quota THEN
        RAISE EXCEPTION 'a pool borrows no more than its quota' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_borrowed';
    END IF;
    IF allocations AND (current_reseller() IS NOT NULL OR EXISTS (
        SELECT 1 FROM stock_act a WHERE a.id = act_id AND a.in_transaction = pg_current_xact_id()::text::bigint
            AND a.brand_id IN (SELECT brand_id FROM fresh) AND (a.kind <> 'allocate' OR a.role IN ('admin', 'seller')))) THEN
        RAISE EXCEPTION 'cards are allocated by the brand alone' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'card_allocated';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER card_changed_events AFTER UPDATE ON card REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION record_card_changes();
CREATE TRIGGER card_changed_levels AFTER UPDATE ON card REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION keep_stock_levels();

-- What was decided or is over stays so.
CREATE FUNCTION check_stock_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (CASE TG_TABLE_NAME WHEN 'stock_case' THEN (to_jsonb(OLD) ->> 'closed_at') IS NOT NULL OR (to_jsonb(NEW) ->> 'units')::integer > (to_jsonb(OLD) ->> 'units')::integer
            WHEN 'allocation_request' THEN to_jsonb(OLD) ->> 'state' <> 'waiting' ELSE to_jsonb(OLD) ->> 'state' <> 'held' END) THEN
        RAISE EXCEPTION 'what is over in % stays so', TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stock_case_step BEFORE UPDATE ON stock_case FOR EACH ROW EXECUTE FUNCTION check_stock_step();
CREATE TRIGGER allocation_request_step BEFORE UPDATE ON allocation_request FOR EACH ROW EXECUTE FUNCTION check_stock_step();
CREATE TRIGGER reservation_step BEFORE UPDATE ON reservation FOR EACH ROW EXECUTE FUNCTION check_stock_step();

-- Where the levels are not what the cards are: nothing, as long as the database was left to itself. For the nightly check and for tests.
CREATE FUNCTION stock_differences() RETURNS TABLE (pool integer, batch integer) LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    WITH counted AS (
        SELECT c.pool, c.batch, c.sku, count(*) FILTER (WHERE c.state = 'inactive') AS inactive, count(*) FILTER (WHERE c.state = 'available') AS available,
               count(*) FILTER (WHERE c.state = 'reserved') AS reserved, count(*) FILTER (WHERE c.state = 'delivered') AS delivered,
               count(*) FILTER (WHERE c.state = 'revealed') AS revealed, count(*) FILTER (WHERE c.state = 'redeemed') AS redeemed,
               count(*) FILTER (WHERE c.state = 'frozen') AS frozen, count(*) FILTER (WHERE c.state = 'void') AS void
        FROM card c WHERE c.brand_id = current_brand() GROUP BY 1, 2, 3)
    SELECT coalesce(l.pool, c.pool), coalesce(l.batch, c.batch) FROM (SELECT * FROM stock_level s WHERE s.brand_id = current_brand()) l
    FULL JOIN counted c ON c.pool = l.pool AND c.batch = l.batch AND c.sku = l.sku
    WHERE (coalesce(l.inactive, 0), coalesce(l.available, 0), coalesce(l.reserved, 0), coalesce(l.delivered, 0), coalesce(l.revealed, 0), coalesce(l.redeemed, 0),
           coalesce(l.frozen, 0), coalesce(l.void, 0))
       <> (coalesce(c.inactive, 0), coalesce(c.available, 0), coalesce(c.reserved, 0), coalesce(c.delivered, 0), coalesce(c.revealed, 0), coalesce(c.redeemed, 0),
           coalesce(c.frozen, 0), coalesce(c.void, 0))
    UNION
    SELECT 0, s.batch FROM stock_level s WHERE s.brand_id = current_brand() GROUP BY s.batch HAVING sum(s.moved_in) <> sum(s.moved_out)
    UNION
    SELECT p.pool, 0 FROM pool_sku p WHERE p.brand_id = current_brand()
        AND p.borrowed <> (SELECT count(*) FROM card c WHERE c.brand_id = current_brand() AND c.sku = p.sku AND c.pool = p.pool AND c.borrowed)
$$;
