CREATE TABLE tier (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    rank integer NOT NULL CHECK (rank >= 1),
    PRIMARY KEY (brand_id, code)
);
CALL protect('tier', false);

-- parent and tier are those at the join; later ones are placements
CREATE TABLE reseller (
    brand_id uuid NOT NULL REFERENCES brand,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('individual', 'company')),
    parent text COLLATE "C",
    tier text COLLATE "C" NOT NULL,
    joined_on date NOT NULL,
    identity text COLLATE "C" CHECK (identity <> ''),
    PRIMARY KEY (brand_id, code),
    CONSTRAINT reseller_parent_reference FOREIGN KEY (brand_id, parent) REFERENCES reseller,
    CONSTRAINT reseller_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier
);
CREATE INDEX reseller_parent_index ON reseller (brand_id, parent);
CREATE INDEX reseller_tier_index ON reseller (brand_id, tier);
CALL protect('reseller', true);

CREATE TABLE placement (
    brand_id uuid NOT NULL,
    reseller text COLLATE "C" NOT NULL,
    effective_on date NOT NULL,
    parent text COLLATE "C",
    tier text COLLATE "C" NOT NULL,
    PRIMARY KEY (brand_id, reseller, effective_on),
    CONSTRAINT placement_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT placement_parent_reference FOREIGN KEY (brand_id, parent) REFERENCES reseller,
    CONSTRAINT placement_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier
);
CREATE INDEX placement_parent_index ON placement (brand_id, parent);
CREATE INDEX placement_tier_index ON placement (brand_id, tier);
CALL protect('placement', true);

-- Where each reseller stood, as half-open spans of local dates: the join, then every placement until the next.
CREATE VIEW placement_span WITH (security_invoker = true) AS
SELECT * FROM (
    SELECT brand_id, reseller, parent, tier, starts_on,
           lead(starts_on, 1, 'infinity') OVER (PARTITION BY brand_id, reseller ORDER BY starts_on, moved) AS ends_on
    FROM (
        SELECT brand_id, code AS reseller, parent, tier, joined_on AS starts_on, false AS moved FROM reseller
        UNION ALL
        SELECT brand_id, reseller, parent, tier, effective_on, true FROM placement
    ) event
) span
WHERE starts_on < ends_on;
GRANT SELECT ON placement_span TO qucheng_app;

-- The chain above each reseller by date. No policy allows more than three in a line, so three joins are the whole chain;
-- `above` is set where even the third has a parent, which the check below refuses.
CREATE VIEW chain WITH (security_invoker = true) AS
SELECT a.brand_id, a.reseller, a.tier, a.parent, b.tier AS parent_tier, b.parent AS grandparent, c.tier AS grandparent_tier, c.parent AS above,
       greatest(a.starts_on, b.starts_on, c.starts_on) AS starts_on, least(a.ends_on, b.ends_on, c.ends_on) AS ends_on,
       CASE WHEN a.parent IS NULL THEN 1 WHEN b.parent IS NULL THEN 2 WHEN c.parent IS NULL THEN 3 ELSE 4 END AS depth,
       CASE WHEN a.parent IS NULL THEN a.reseller WHEN b.parent IS NULL THEN a.parent ELSE b.parent END AS root
FROM placement_span a
LEFT JOIN placement_span b ON b.brand_id = a.brand_id AND b.reseller = a.parent AND b.starts_on < a.ends_on AND a.starts_on < b.ends_on
LEFT JOIN placement_span c ON c.brand_id = b.brand_id AND c.reseller = b.parent
    AND c.starts_on < least(a.ends_on, b.ends_on) AND greatest(a.starts_on, b.starts_on) < c.ends_on;
GRANT SELECT ON chain TO qucheng_app;

-- The law's cap, for scripts, consoles and races alike (the room gives the readable refusal first). A ring is a line without
-- end, so it shows as a depth past the cap too. Two moves at once: the second waits for the first, then sees it.
CREATE FUNCTION check_network() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    subject uuid;
    rules brand%ROWTYPE;
    found text;
BEGIN
    PERFORM require_read_committed();
    FOR subject IN SELECT DISTINCT brand_id FROM fresh ORDER BY 1 LOOP
        PERFORM lock_brand(subject, 'network');
        SELECT * INTO rules FROM brand WHERE id = subject;
        SELECT reseller INTO found FROM placement_span s WHERE brand_id = subject AND (
            EXISTS (SELECT 1 FROM reseller r WHERE r.brand_id = subject AND r.code = s.parent AND r.joined_on > s.starts_on)
            OR EXISTS (SELECT 1 FROM reseller r WHERE r.brand_id = subject AND r.code = s.reseller AND r.joined_on > s.starts_on)) LIMIT 1;
        IF found IS NOT NULL THEN
            RAISE EXCEPTION 'reseller % would stand in the network before it or its parent has joined', found
                USING ERRCODE = 'check_violation', CONSTRAINT = 'network_joined';
        END IF;
        SELECT reseller INTO found FROM chain WHERE brand_id = subject AND depth > rules.max_depth LIMIT 1;
        IF found IS NOT NULL THEN
            RAISE EXCEPTION 'reseller % would stand deeper than % in a line, or in a ring', found, rules.max_depth
                USING ERRCODE = 'check_violation', CONSTRAINT = 'network_depth';
        END IF;
        IF rules.policy = 'intl' AND rules.max_depth >= 3 THEN
            SELECT root INTO found FROM (
                SELECT root, sum(heads) OVER w AS heads, sum(third) OVER w AS third
                FROM (SELECT root, day, sum(step) AS heads, sum(CASE WHEN depth = 3 THEN step ELSE 0 END) AS third
                      FROM (SELECT root, depth, starts_on AS day, 1 AS step FROM chain WHERE brand_id = subject
                            UNION ALL SELECT root, depth, ends_on, -1 FROM chain WHERE brand_id = subject) change
                      GROUP BY root, day) daily
                WINDOW w AS (PARTITION BY root ORDER BY day)) standing
            WHERE heads >= 30 AND third > 0 LIMIT 1;
            IF found IS NOT NULL THEN
                RAISE EXCEPTION 'root % would have 30 heads or more and a chain of three persons', found
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'network_heads';
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER reseller_network AFTER INSERT ON reseller REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_network();
CREATE TRIGGER placement_network AFTER INSERT ON placement REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_network();
