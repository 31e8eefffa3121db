-- Offers of a brand, and what was claimed of them. pool: from which the cards come; never what is not allocated. period: how often a
-- person may claim. quota: so many at most; taken: so many were, counted by the database alone.
CREATE TABLE claim_offer (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name ~ '\S' AND length(name) <= 80),
    sku text COLLATE "C" NOT NULL,
    pool integer NOT NULL CHECK (pool <> 0),
    period text COLLATE "C" NOT NULL CHECK (period IN ('ever', 'month', 'day')),
    quota integer CHECK (quota BETWEEN 1 AND 1000000000),
    taken integer NOT NULL DEFAULT 0 CHECK (taken >= 0),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    made_by uuid REFERENCES person,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, code),
    CONSTRAINT claim_offer_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT claim_offer_pool_reference FOREIGN KEY (brand_id, pool) REFERENCES pool,
    CONSTRAINT claim_offer_time_check CHECK (starts_at <= ends_at),
    CONSTRAINT claim_offer_taken_within_check CHECK (taken <= quota)
) WITH (fillfactor = 70);
CREATE INDEX claim_offer_sku_index ON claim_offer (brand_id, sku);
CREATE INDEX claim_offer_pool_index ON claim_offer (brand_id, pool);
CREATE INDEX claim_offer_made_by_index ON claim_offer (made_by);
CALL protect('claim_offer', false);
REVOKE INSERT, UPDATE ON claim_offer FROM qucheng_app;
GRANT INSERT (brand_id, code, name, sku, pool, period, quota, starts_at, ends_at, made_by, made_at), UPDATE (ends_at) ON claim_offer TO qucheng_app;

CREATE FUNCTION check_claim_offer_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - '{taken,ends_at}'::text[] <> to_jsonb(OLD) - '{taken,ends_at}'::text[] OR NEW.ends_at > OLD.ends_at OR NEW.taken < OLD.taken THEN
        RAISE EXCEPTION 'an offer stays as it was made, and only ends sooner' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'claim_offer_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER claim_offer_step BEFORE UPDATE ON claim_offer FOR EACH ROW EXECUTE FUNCTION check_claim_offer_step();

CREATE TRIGGER never_taken_out BEFORE DELETE OR TRUNCATE ON claim_offer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One claim for each person and period. subject_hash: who, by a keyed fingerprint. Which card it is, the card says. The key of the
-- request stands with what it did: whoever sends it again is given this claim. That its offer is there is known by who counts them: a
-- reference of each row would be a look for each of those who are served together.
CREATE TABLE claim (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    offer text COLLATE "C" NOT NULL,
    subject_hash bytea NOT NULL CHECK (length(subject_hash) = 32),
    period text COLLATE "C" NOT NULL CHECK (period ~ '^(ever|[0-9]{4}-[0-9]{2}(-[0-9]{2})?)$'),
    claimed_at timestamptz NOT NULL,
    api_key uuid,
    idempotency_key text COLLATE "C" CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea CHECK (length(request_hash) = 32),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT claim_person_unique UNIQUE (brand_id, offer, subject_hash, period),
    CONSTRAINT claim_request_unique UNIQUE (brand_id, api_key, idempotency_key),
    CONSTRAINT claim_api_key_reference FOREIGN KEY (brand_id, api_key) REFERENCES api_key,
    CONSTRAINT claim_request_check CHECK (num_nonnulls(api_key, idempotency_key, request_hash) IN (0, 3))
);
CALL protect('claim', true);

CREATE FUNCTION count_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    counted integer;
BEGIN
    UPDATE claim_offer o SET taken = o.taken + f.claims FROM (SELECT brand_id, offer, count(*) AS claims FROM fresh GROUP BY 1, 2) f
    WHERE o.brand_id = f.brand_id AND o.code = f.offer;
    GET DIAGNOSTICS counted = ROW_COUNT;
    IF counted <> (SELECT count(*) FROM (SELECT DISTINCT brand_id, offer FROM fresh) f) THEN
        RAISE EXCEPTION 'a claim is of an offer that is there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'claim_offer_reference';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER claim_counted AFTER INSERT ON claim REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION count_claims();

-- Cards for many that claim of an offer at once: each gets the card that expires first, or is told why not. outcome: claimed;
-- replayed (the same request has this claim already) or other_request (another one has its key); earlier (the person has this claim);
-- not_begun, ended, sold_out, unknown. The offer and its SKU in the pool are locked: those who claim are served one batch after
-- another, and what is read after that is what stands.
CREATE FUNCTION claim_cards(of_offer text, ids uuid[], subjects bytea[], keys uuid[], key_names text[], requests bytea[], today date, at timestamptz)
RETURNS TABLE (turn bigint, outcome text, id uuid, batch integer, number integer, claimed_at timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    ours uuid := current_brand();
    offer claim_offer;
    this_period text;
    turns bigint[];
    takers uuid[];
    persons bytea[];
    callers uuid[];
    names text[];
    hashes bytea[];
    places tid[];
    served integer := 0;
    batches integer[];
    numbers integer[];
BEGIN
    SELECT o.* INTO offer FROM claim_offer o WHERE o.brand_id = ours AND o.code = of_offer FOR NO KEY UPDATE;
    IF offer.code IS NULL THEN
        RETURN QUERY SELECT place, 'unknown', NULL::uuid, NULL::integer, NULL::integer, NULL::timestamptz FROM generate_series(1, cardinality(ids)::bigint) place;
        RETURN;
    END IF;
    PERFORM lock_stock(ARRAY[offer.sku], ARRAY[offer.pool]);
    this_period := CASE offer.period WHEN 'ever' THEN 'ever' WHEN 'month' THEN to_char(today, 'YYYY-MM') ELSE to_char(today, 'YYYY-MM-DD') END;
    IF at >= offer.starts_at AND at < offer.ends_at THEN
        SELECT array_agg(f.turn), array_agg(f.id), array_agg(f.subject), array_agg(f.key), array_agg(f.key_name), array_agg(f.request)
        INTO turns, takers, persons, callers, names, hashes FROM (
            SELECT * FROM (
                SELECT DISTINCT ON (a.subject) a.* FROM unnest(ids, subjects, keys, key_names, requests) WITH ORDINALITY a (id, subject, key, key_name, request, turn)
                WHERE (SELECT c.id FROM claim c WHERE c.brand_id = ours AND c.offer = of_offer AND c.subject_hash = a.subject AND c.period = this_period LIMIT 1) IS NULL
                    AND (SELECT c.id FROM claim c WHERE c.brand_id = ours AND c.api_key = a.key AND c.idempotency_key = a.key_name LIMIT 1) IS NULL
                ORDER BY a.subject, a.turn) first
            ORDER BY turn LIMIT offer.quota - offer.taken) f;
        FOR attempt IN 1 .. 2 LOOP
            places := ARRAY(
                SELECT d.ctid FROM card d WHERE d.brand_id = ours AND d.sku = offer.sku AND d.pool = offer.pool AND d.state = 'available' AND d.expires_on > today
                ORDER BY d.expires_on, d.batch, d.number LIMIT coalesce(cardinality(turns), 0));
            EXIT WHEN cardinality(places) = coalesce(cardinality(turns), 0) OR lapse_stock(at, ARRAY[offer.sku], ARRAY[offer.pool]) = 0;
        END LOOP;
        served := cardinality(places);
    END IF;
    IF served > 0 THEN
        PERFORM open_system_act('claim', at);
        INSERT INTO claim (brand_id, id, offer, subject_hash, period, claimed_at, api_key, idempotency_key, request_hash)
        SELECT ours, w.id, of_offer, w.subject, this_period, at, w.key, w.key_name, w.request
        FROM unnest(takers[1:served], persons[1:served], callers[1:served], names[1:served], hashes[1:served]) w (id, subject, key, key_name, request);
        -- nobody else draws from here now; a card that was stopped all the same is not given
        WITH given AS (
            UPDATE card c SET state = 'delivered', claim = w.taker,
                valid_until = today + (SELECT s.valid_days FROM sku s WHERE s.brand_id = ours AND s.code = offer.sku)
            FROM unnest(places, takers[1:served], turns[1:served]) w (place, taker, turn) WHERE c.ctid = w.place AND c.state = 'available' AND c.pool = offer.pool
            RETURNING w.turn, w.taker, c.batch, c.number
        ) SELECT array_agg(g.turn), array_agg(g.taker), array_agg(g.batch), array_agg(g.number) INTO turns, takers, batches, numbers FROM given g;
        IF cardinality(turns) IS DISTINCT FROM served THEN
            RAISE EXCEPTION 'cards that were found are gone' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN QUERY SELECT g.turn, 'claimed', g.id, g.batch, g.number, at FROM unnest(turns, takers, batches, numbers) g (turn, id, batch, number);
    END IF;
    IF served = cardinality(ids) THEN
        RETURN;
    END IF;
    -- one look after another, by index: they are few, or there are no cards for them
    RETURN QUERY
        SELECT a.turn, CASE WHEN k.request_hash = a.request THEN 'replayed' WHEN k.id IS NOT NULL THEN 'other_request'
                   WHEN s.id IS NOT NULL THEN 'earlier' WHEN at < offer.starts_at THEN 'not_begun' WHEN at >= offer.ends_at THEN 'ended' ELSE 'sold_out' END,
               coalesce(k.id, s.id), d.batch, d.number, coalesce(k.claimed_at, s.claimed_at)
        FROM unnest(subjects, keys, key_names, requests) WITH ORDINALITY a (subject, key, key_name, request, turn)
        LEFT JOIN LATERAL (SELECT c.* FROM claim c WHERE c.brand_id = ours AND c.api_key = a.key AND c.idempotency_key = a.key_name LIMIT 1) k ON true
        LEFT JOIN LATERAL (
            SELECT c.* FROM claim c WHERE c.brand_id = ours AND c.offer = of_offer AND c.subject_hash = a.subject AND c.period = this_period LIMIT 1) s ON true
        LEFT JOIN LATERAL (SELECT c.batch, c.number FROM card c WHERE c.brand_id = ours AND c.claim = coalesce(k.id, s.id)
                               AND c.void_reason IS DISTINCT FROM 'faulty' LIMIT 1) d ON true
        WHERE served = 0 OR a.turn <> ALL (turns);
END $$;

-- Another card of the same SKU for a claim whose card is faulty, from the pool in which that one is: the offer's. False where it has none.
CREATE FUNCTION replace_claimed(of_batch integer, of_number integer, today date) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    faulty card;
    taken integer;
BEGIN
    SELECT c.* INTO faulty FROM card c WHERE c.brand_id = current_brand() AND c.batch = of_batch AND c.number = of_number;
    UPDATE card c SET state = 'delivered', claim = faulty.claim,
        valid_until = today + (SELECT s.valid_days FROM sku s WHERE s.brand_id = faulty.brand_id AND s.code = faulty.sku)
    WHERE c.ctid = ANY (ARRAY(
        SELECT d.ctid FROM card d WHERE d.brand_id = faulty.brand_id AND d.sku = faulty.sku AND d.pool = faulty.pool AND d.state = 'available' AND d.expires_on > today
        ORDER BY d.expires_on, d.batch, d.number LIMIT 1 FOR NO KEY UPDATE));
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN taken = 1;
END $$;
