-- How cards are drawn, held and given back. Whoever writes cards first locks the SKUs in the pools they are in, always in the same
-- order: what is not allocated last, then by SKU and pool. So two that want the same cards wait for each other and never both.
CREATE FUNCTION lock_stock(skus text[], pools integer[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM 1 FROM pool_sku p JOIN unnest(skus, pools) wanted (sku, pool) ON wanted.sku = p.sku AND wanted.pool = p.pool
    WHERE p.brand_id = current_brand() ORDER BY p.pool = 0, p.sku, p.pool FOR NO KEY UPDATE OF p;
END $$;

-- One card, and where it is: locked there, for it may have been moved while it was waited for.
CREATE FUNCTION lock_card(of_batch integer, of_number integer) RETURNS TABLE (sku text, pool integer, state text)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
    again record;
BEGIN
    SELECT c.sku, c.pool INTO found FROM card c WHERE c.brand_id = current_brand() AND c.batch = of_batch AND c.number = of_number;
    WHILE found.pool IS NOT NULL LOOP
        PERFORM lock_stock(ARRAY[found.sku], ARRAY[found.pool]);
        SELECT c.sku, c.pool, c.state INTO again FROM card c
        WHERE c.brand_id = current_brand() AND c.batch = of_batch AND c.number = of_number FOR NO KEY UPDATE;
        IF again.pool = found.pool THEN
            RETURN QUERY SELECT again.sku, again.pool, again.state;
            RETURN;
        END IF;
        found := again;
    END LOOP;
END $$;

-- What happens by itself is an act of the system's. Returns the act that stood, to be taken up again.
CREATE FUNCTION open_system_act(of_kind text, at timestamptz) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood text := current_setting('qucheng.stock_act', true);
    fresh uuid := gen_random_uuid();
BEGIN
    INSERT INTO stock_act (brand_id, id, kind, at, role) VALUES (current_brand(), fresh, of_kind, at, 'system');
    PERFORM set_config('qucheng.stock_act', fresh::text, true);
    RETURN coalesce(stood, '');
END $$;

-- Cards that were held past their deadline are free again; those of these SKUs in these pools, or all where none are named.
CREATE FUNCTION lapse_stock(at timestamptz, skus text[] DEFAULT NULL, pools integer[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ours uuid := current_brand();
    stood text;
    pairs record;
    freed integer;
BEGIN
    SELECT array_agg(d.sku) AS skus, array_agg(d.pool) AS pools INTO pairs FROM (
        SELECT c.sku, c.pool FROM card c WHERE c.brand_id = ours AND c.reserved_until <= at AND c.state = 'reserved'
            AND (skus IS NULL OR (c.sku = ANY (skus) AND c.pool = ANY (pools)))
        UNION SELECT c.sku, 0 FROM card c WHERE c.brand_id = ours AND c.reserved_until <= at AND c.state = 'reserved' AND c.borrowed
            AND (skus IS NULL OR (c.sku = ANY (skus) AND c.pool = ANY (pools)))) d;
    IF pairs.skus IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM lock_stock(pairs.skus, pairs.pools);
    stood := open_system_act('lapse', at);
    UPDATE card c SET state = 'available', reservation = NULL, claim = NULL, reserved_until = NULL,
        pool = CASE WHEN c.borrowed THEN 0 ELSE c.pool END, borrowed = false
    WHERE c.brand_id = ours AND c.reserved_until <= at AND c.state = 'reserved' AND c.sku = ANY (pairs.skus) AND c.pool = ANY (pairs.pools);
    GET DIAGNOSTICS freed = ROW_COUNT;
    UPDATE reservation r SET state = 'lapsed', ended_at = at WHERE r.brand_id = ours AND r.state = 'held' AND r.until <= at AND r.pool = ANY (pairs.pools)
        AND NOT EXISTS (SELECT 1 FROM card c WHERE c.brand_id = ours AND c.reserved_until = r.until AND c.reservation = r.id AND c.state = 'reserved');
    PERFORM set_config('qucheng.stock_act', stood, true);
    RETURN freed;
END $$;

-- From which pools a reseller draws in a channel, in their order.
CREATE FUNCTION pools_for(seller text, place text) RETURNS integer[] LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(p.number ORDER BY p.reseller IS NULL, p.channel IS NULL), '{}') FROM pool p WHERE p.brand_id = current_brand() AND p.number <> 0
        AND (p.reseller = seller OR (p.reseller IS NULL AND p.channel = place)) AND (p.channel = place OR p.channel IS NULL)
$$;

-- How many cards are there to be drawn, counted up to what is wanted.
CREATE FUNCTION count_drawable(of_sku text, of_pool integer, wanted integer, today date) RETURNS integer
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT count(*) FROM (SELECT 1 FROM card c WHERE c.brand_id = current_brand() AND c.sku = of_sku AND c.pool = of_pool AND c.state = 'available'
                                  AND c.expires_on > today LIMIT wanted) there);
END $$;

-- The first pool that has all that is wanted; with borrowing, together with what it may borrow. NULL where there is none.
CREATE FUNCTION choose_pool(skus text[], counts integer[], candidates integer[], today date, borrowing boolean) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    candidate integer;
    missing integer;
    enough boolean;
BEGIN
    FOREACH candidate IN ARRAY candidates LOOP
        enough := true;
        FOR part IN 1 .. cardinality(skus) LOOP
            missing := counts[part] - count_drawable(skus[part], candidate, counts[part], today);
            IF missing > 0 AND borrowing THEN
                missing := missing - least(missing, coalesce((SELECT greatest(p.borrow_quota - p.borrowed, 0) FROM pool_sku p
                    WHERE p.brand_id = current_brand() AND p.sku = skus[part] AND p.pool = candidate), 0), count_drawable(skus[part], 0, missing, today));
            END IF;
            enough := missing = 0;
            EXIT WHEN NOT enough;
        END LOOP;
        IF enough THEN
            RETURN candidate;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- So many cards of a SKU for a line of an order, or held for a reservation: the pool's own, the rest borrowed.
CREATE FUNCTION take_cards(of_sku text, of_pool integer, wanted integer, today date, for_order text, for_line text, for_reservation uuid, deadline timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ours uuid := current_brand();
    source integer := of_pool;
    days integer := (SELECT s.valid_days FROM sku s WHERE s.brand_id = ours AND s.code = of_sku);
    left_over integer := wanted;
    taken integer;
BEGIN
    LOOP
        UPDATE card c SET state = CASE WHEN for_order IS NULL THEN 'reserved' ELSE 'delivered' END, order_no = for_order, line_no = for_line,
            reservation = for_reservation, reserved_until = deadline, valid_until = CASE WHEN for_order IS NOT NULL THEN today + days END,
            pool = of_pool, borrowed = source <> of_pool
        WHERE c.ctid = ANY (ARRAY(
            SELECT d.ctid FROM card d WHERE d.brand_id = ours AND d.sku = of_sku AND d.pool = source AND d.state = 'available' AND d.expires_on > today
            ORDER BY d.expires_on, d.batch, d.number LIMIT left_over FOR NO KEY UPDATE));
        GET DIAGNOSTICS taken = ROW_COUNT;
        left_over := left_over - taken;
        EXIT WHEN left_over = 0;
        IF source = 0 THEN
            RAISE EXCEPTION 'cards that were counted are gone' USING ERRCODE = 'serialization_failure';
        END IF;
        source := 0;
    END LOOP;
END $$;

-- The cards that a reservation holds go to the line that wants them, with what its pool has besides; those left over are free.
-- False, and nothing drawn, where that is not enough.
CREATE FUNCTION use_reservation(held reservation, of_order text, of_line text, skus text[], counts integer[], today date, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ours uuid := current_brand();
    had integer[];
    enough boolean := true;
BEGIN
    SELECT array_agg(least(wanted.cards, (SELECT count(*) FROM card c WHERE c.brand_id = ours AND c.reserved_until = held.until AND c.reservation = held.id
               AND c.state = 'reserved' AND c.sku = wanted.sku AND c.expires_on > today))::integer ORDER BY place) INTO had
    FROM unnest(skus, counts) WITH ORDINALITY wanted (sku, cards, place);
    FOR part IN 1 .. cardinality(skus) LOOP
        enough := enough AND had[part] + count_drawable(skus[part], held.pool, counts[part] - had[part], today) >= counts[part];
    END LOOP;
    FOR part IN 1 .. cardinality(skus) LOOP
        EXIT WHEN NOT enough;
        UPDATE card c SET state = 'delivered', order_no = of_order, line_no = of_line, reservation = NULL, reserved_until = NULL,
            valid_until = today + (SELECT s.valid_days FROM sku s WHERE s.brand_id = ours AND s.code = skus[part])
        WHERE c.ctid = ANY (ARRAY(
            SELECT d.ctid FROM card d WHERE d.brand_id = ours AND d.reserved_until = held.until AND d.reservation = held.id AND d.state = 'reserved'
                AND d.sku = skus[part] AND d.expires_on > today ORDER BY d.expires_on, d.batch, d.number LIMIT had[part] FOR NO KEY UPDATE));
        IF had[part] < counts[part] THEN
            PERFORM take_cards(skus[part], held.pool, counts[part] - had[part], today, of_order, of_line, NULL, NULL);
        END IF;
    END LOOP;
    PERFORM free_reservation(held, CASE WHEN enough THEN 'used' ELSE 'released' END, CASE WHEN enough THEN of_order END, at);
    RETURN enough;
END $$;

-- What a reservation still holds is free again, and the reservation over.
CREATE FUNCTION free_reservation(held reservation, outcome text, of_order text, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE card c SET state = 'available', reservation = NULL, reserved_until = NULL, pool = CASE WHEN c.borrowed THEN 0 ELSE c.pool END, borrowed = false
    WHERE c.brand_id = held.brand_id AND c.reserved_until = held.until AND c.reservation = held.id AND c.state = 'reserved';
    UPDATE reservation r SET state = outcome, ended_at = at, order_no = of_order WHERE r.brand_id = held.brand_id AND r.id = held.id;
END $$;

-- The SKUs that an order's lines take cards of: the pools' own locked first, what is not allocated only where something may be
-- borrowed or comes back there.
CREATE FUNCTION lock_for_drawing(skus text[], candidates integer[], at timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM lock_stock(array_agg(s), array_agg(p)) FROM unnest(skus) s CROSS JOIN unnest(candidates) p;
    PERFORM lapse_stock(at, skus, candidates);
END $$;

-- all_skus: what else the order may want of what is not allocated. It is locked at once: line by line two orders would lock it crosswise.
CREATE FUNCTION choose_and_lock(skus text[], counts integer[], candidates integer[], today date, all_skus text[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    chosen integer := choose_pool(skus, counts, candidates, today, false);
BEGIN
    IF chosen IS NULL AND EXISTS (SELECT 1 FROM pool_sku p WHERE p.brand_id = current_brand() AND p.sku = ANY (skus) AND p.pool = ANY (candidates)
                                  AND p.borrow_quota > p.borrowed) THEN
        PERFORM lock_stock(w.skus, array_fill(0, ARRAY[cardinality(w.skus)])) FROM (SELECT coalesce(all_skus, choose_and_lock.skus) AS skus) w;
        chosen := choose_pool(skus, counts, candidates, today, true);
    END IF;
    RETURN chosen;
END $$;

-- The lines of an order draw their cards: each all of them, from one pool, or none. held: the reservation the order names.
CREATE FUNCTION draw_cards(of_order text, seller text, place text, lines text[], line_skus text[], line_units integer[], today date, at timestamptz, held_id uuid)
RETURNS TABLE (line_no text, state text, cards integer, pool integer) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    ours uuid := current_brand();
    candidates integer[] := pools_for(seller, place);
    held reservation;
    all_skus text[];
    wanted record;
    chosen integer;
BEGIN
    INSERT INTO line_need (brand_id, order_no, line_no, sku, each)
    SELECT ours, of_order, w.line, coalesce(p.part, w.sku), coalesce(p.quantity, 1) FROM unnest(lines, line_skus) w (line, sku)
    JOIN sku s ON s.brand_id = ours AND s.code = w.sku LEFT JOIN sku_part p ON p.brand_id = ours AND p.package = w.sku AND s.kind = 'package'
    LEFT JOIN sku k ON k.brand_id = ours AND k.code = p.part
    WHERE (s.kind = 'card_secret' OR k.kind = 'card_secret')
        AND NOT EXISTS (SELECT 1 FROM line_need n WHERE n.brand_id = ours AND n.order_no = of_order AND n.line_no = w.line);
    SELECT array_agg(DISTINCT n.sku) INTO all_skus FROM line_need n
    WHERE n.brand_id = ours AND n.order_no = of_order AND n.line_no = ANY (lines) AND n.each > 0;
    IF all_skus IS NOT NULL THEN
        PERFORM lock_for_drawing(all_skus, candidates, at);
    END IF;
    IF held_id IS NOT NULL THEN
        SELECT r.* INTO held FROM reservation r WHERE r.brand_id = ours AND r.id = held_id AND r.state = 'held' AND r.until > at FOR NO KEY UPDATE;
    END IF;
    FOR wanted IN
        SELECT w.line, w.sku, w.units, n.skus, n.counts FROM unnest(lines, line_skus, line_units) WITH ORDINALITY w (line, sku, units, place)
        LEFT JOIN LATERAL (SELECT array_agg(d.sku ORDER BY d.sku) AS skus, array_agg(d.each * w.units ORDER BY d.sku) AS counts FROM line_need d
                           WHERE d.brand_id = ours AND d.order_no = of_order AND d.line_no = w.line AND d.each > 0) n ON true ORDER BY w.place
    LOOP
        chosen := NULL;
        IF wanted.skus IS NULL THEN
            RETURN QUERY SELECT wanted.line, 'none', 0, NULL::integer;
            CONTINUE;
        END IF;
        IF held.id IS NOT NULL AND held.sku = wanted.sku THEN
            IF EXISTS (SELECT 1 FROM card c WHERE c.brand_id = ours AND c.reserved_until = held.until AND c.reservation = held.id AND c.borrowed) THEN
                PERFORM lock_stock(all_skus, array_fill(0, ARRAY[cardinality(all_skus)]));
            END IF;
            IF use_reservation(held, of_order, wanted.line, wanted.skus, wanted.counts, today, at) THEN
                chosen := held.pool;
            END IF;
            held := NULL;
        END IF;
        IF chosen IS NULL THEN
            chosen := choose_and_lock(wanted.skus, wanted.counts, candidates, today, all_skus);
            IF chosen IS NULL THEN
                INSERT INTO stock_case (brand_id, kind, order_no, line_no, reseller, channel, sku, units, opened_at)
                VALUES (ours, 'short', of_order, wanted.line, seller, place, wanted.sku, wanted.units, at)
                ON CONFLICT (brand_id, order_no, line_no) WHERE kind = 'short' AND closed_at IS NULL DO NOTHING;
                RETURN QUERY SELECT wanted.line, 'short', 0, NULL::integer;
                CONTINUE;
            END IF;
            PERFORM take_cards(n.sku, chosen, n.cards, today, of_order, wanted.line, NULL, NULL) FROM unnest(wanted.skus, wanted.counts) n (sku, cards);
        END IF;
        RETURN QUERY SELECT wanted.line, 'delivered', (SELECT sum(n)::integer FROM unnest(wanted.counts) n), chosen;
    END LOOP;
END $$;

-- Cards for a reservation, as an order would draw them. Returns the pool, NULL where there are not enough.
CREATE FUNCTION reserve_cards(of_reservation uuid, seller text, place text, of_sku text, of_units integer, today date, at timestamptz, deadline timestamptz)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ours uuid := current_brand();
    candidates integer[] := pools_for(seller, place);
    wanted record;
    chosen integer;
BEGIN
    SELECT array_agg(n.sku ORDER BY n.sku) AS skus, array_agg(n.cards ORDER BY n.sku) AS counts INTO wanted FROM (
        SELECT coalesce(p.part, s.code) AS sku, coalesce(p.quantity, 1) * of_units AS cards FROM sku s
        LEFT JOIN sku_part p ON p.brand_id = ours AND p.package = s.code AND s.kind = 'package' LEFT JOIN sku k ON k.brand_id = ours AND k.code = p.part
        WHERE s.brand_id = ours AND s.code = of_sku AND (s.kind = 'card_secret' OR k.kind = 'card_secret')) n;
    IF wanted.skus IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM lock_for_drawing(wanted.skus, candidates, at);
    chosen := choose_and_lock(wanted.skus, wanted.counts, candidates, today);
    IF chosen IS NOT NULL THEN
        INSERT INTO reservation (brand_id, id, reseller, channel, sku, units, pool, made_at, until)
        VALUES (ours, of_reservation, seller, place, of_sku, of_units, chosen, at, deadline);
        PERFORM take_cards(n.sku, chosen, n.cards, today, NULL, NULL, of_reservation, deadline) FROM unnest(wanted.skus, wanted.counts) n (sku, cards);
    END IF;
    RETURN chosen;
END $$;

-- Units of a line are refunded: of each SKU so many cards as they took, the named ones, else unseen before seen, the latest expiry
-- first. What was not seen, and typed at no till, is free again, what was seen or frozen is void, what was redeemed stays so and is missing.
CREATE FUNCTION return_cards(of_order text, of_line text, of_units integer, named_batches integer[], named_numbers integer[])
RETURNS TABLE (returned integer, voided integer, missing integer) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ours uuid := current_brand();
    wanted integer;
    changed integer;
    freed integer;
BEGIN
    PERFORM lock_stock(array_agg(d.sku), array_agg(d.pool)) FROM (
        SELECT c.sku, c.pool FROM card c WHERE c.brand_id = ours AND c.order_no = of_order AND c.line_no = of_line
        UNION SELECT c.sku, 0 FROM card c WHERE c.brand_id = ours AND c.order_no = of_order AND c.line_no = of_line AND c.borrowed) d;
    -- a code that was typed at a till is known to somebody, though it was not shown here
    UPDATE card c SET state = 'revealed', revealed_at = typed.at FROM (
        SELECT d.batch, d.number, max(r.at) AS at FROM card d
        JOIN redemption r ON r.brand_id = d.brand_id AND r.batch = d.batch AND r.number = d.number AND r.way = 'code'
        WHERE d.brand_id = ours AND d.order_no = of_order AND d.line_no = of_line AND d.state = 'delivered' GROUP BY 1, 2) typed
    WHERE c.brand_id = ours AND c.batch = typed.batch AND c.number = typed.number;
    SELECT coalesce(sum(n.each) * of_units, 0) INTO wanted FROM line_need n WHERE n.brand_id = ours AND n.order_no = of_order AND n.line_no = of_line;
    WITH mine AS (
        SELECT c.ctid AS place, c.sku, c.state, named.batch IS NOT NULL AS is_named,
               row_number() OVER (PARTITION BY c.sku, named.batch IS NOT NULL ORDER BY c.revealed_at IS NOT NULL,
                                  least(c.expires_on, coalesce(c.valid_until, 'infinity')) DESC, c.batch DESC, c.number DESC) AS turn
        FROM card c LEFT JOIN unnest(named_batches, named_numbers) named (batch, number) ON named.batch = c.batch AND named.number = c.number
        WHERE c.brand_id = ours AND c.order_no = of_order AND c.line_no = of_line AND c.state IN ('delivered', 'revealed', 'frozen')
    ), by_rule AS (
        SELECT n.sku, n.each * of_units - (SELECT count(*) FROM card c JOIN unnest(named_batches, named_numbers) named (batch, number)
                                               ON named.batch = c.batch AND named.number = c.number WHERE c.brand_id = ours AND c.sku = n.sku) AS cards
        FROM line_need n WHERE n.brand_id = ours AND n.order_no = of_order AND n.line_no = of_line AND n.each > 0
    ), changing AS (
        UPDATE card c SET state = CASE c.state WHEN 'delivered' THEN 'available' ELSE 'void' END, came_from = NULL,
            void_reason = CASE c.state WHEN 'delivered' THEN NULL ELSE 'refunded' END,
            order_no = CASE c.state WHEN 'delivered' THEN NULL ELSE c.order_no END, line_no = CASE c.state WHEN 'delivered' THEN NULL ELSE c.line_no END,
            valid_until = CASE c.state WHEN 'delivered' THEN NULL ELSE c.valid_until END,
            pool = CASE WHEN c.state = 'delivered' AND c.borrowed THEN 0 ELSE c.pool END, borrowed = c.borrowed AND c.state <> 'delivered'
        WHERE c.ctid = ANY (ARRAY(SELECT m.place FROM mine m LEFT JOIN by_rule r ON r.sku = m.sku WHERE m.is_named OR m.turn <= r.cards))
        RETURNING c.state
    ) SELECT count(*), count(*) FILTER (WHERE changing.state = 'available') INTO changed, freed FROM changing;
    RETURN QUERY SELECT freed, changed - freed, wanted - changed;
END $$;
