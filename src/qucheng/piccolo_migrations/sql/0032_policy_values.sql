-- The limits of a brand by day. It begins with those it was founded with and may tighten them, never loosen: from a day to come
-- on, when one person put it forward and another allowed it. What a sale of an earlier day earns, and what its refunds take
-- back, stays as it was.
CREATE TABLE policy_value (
    brand_id uuid NOT NULL REFERENCES brand,
    starts_on date NOT NULL,
    max_depth smallint NOT NULL CHECK (max_depth >= 1),
    max_levels smallint NOT NULL CHECK (max_levels >= 1),
    max_total_rate_ppm integer NOT NULL CHECK (max_total_rate_ppm BETWEEN 0 AND 1000000),
    author uuid NOT NULL REFERENCES person,
    approver uuid NOT NULL REFERENCES person,
    approval uuid NOT NULL,
    approved_on date NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, starts_on),
    CONSTRAINT policy_value_approval_unique UNIQUE (brand_id, approval),
    CONSTRAINT policy_value_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT policy_value_people_check CHECK (author <> approver),
    CONSTRAINT policy_value_start_check CHECK (starts_on > approved_on)
);
CREATE INDEX policy_value_author_index ON policy_value (author);
CREATE INDEX policy_value_approver_index ON policy_value (approver);
CALL protect('policy_value', true);
REVOKE INSERT ON policy_value FROM qucheng_app;
GRANT INSERT (brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm, author, approver, approval) ON policy_value TO qucheng_app;
CALL show_to_reseller('policy_value', 'true', 'SELECT (brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm)');

-- All of them with their days, the founding ones first.
CREATE VIEW policy_term WITH (security_invoker = true) AS
SELECT brand_id, starts_on, lead(starts_on, 1, 'infinity') OVER (PARTITION BY brand_id ORDER BY starts_on) AS ends_on,
       max_depth, max_levels, max_total_rate_ppm
FROM (
    SELECT id AS brand_id, date '-infinity' AS starts_on, max_depth, max_levels, max_total_rate_ppm FROM brand
    UNION ALL
    SELECT brand_id, starts_on, max_depth, max_levels, max_total_rate_ppm FROM policy_value
) known;
GRANT SELECT ON policy_term TO qucheng_app, qucheng_reseller;

-- The first day is the one asked for, or a later one: it comes after today and after the last day of which the brand has a
-- sale; deliveries wait meanwhile.
CREATE FUNCTION begin_policy_value() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked date := NEW.starts_on;
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'intake');
    PERFORM lock_brand(NEW.brand_id, 'network');
    SELECT (clock_timestamp() AT TIME ZONE b.time_zone)::date INTO NEW.approved_on FROM brand b WHERE b.id = NEW.brand_id;
    NEW.approved_at := clock_timestamp();
    SELECT greatest(asked, NEW.approved_on + 1, max(l.paid_on) + 1) INTO NEW.starts_on FROM order_line l WHERE l.brand_id = NEW.brand_id;
    IF NOT EXISTS (
        SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
        WHERE a.brand_id = NEW.brand_id AND a.id = NEW.approval AND a.action = 'policy.tighten' AND a.state = 'executed'
          AND (a.maker, a.checker) = (NEW.author, NEW.approver)
          AND (said ->> 'starts_on', said -> 'max_depth', said -> 'max_levels', said -> 'max_total_rate_ppm')
              IS NOT DISTINCT FROM (asked::text, to_jsonb(NEW.max_depth), to_jsonb(NEW.max_levels), to_jsonb(NEW.max_total_rate_ppm))) THEN
        RAISE EXCEPTION 'these limits are not what was allowed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'policy_value_allowed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER policy_value_allowed BEFORE INSERT ON policy_value FOR EACH ROW EXECUTE FUNCTION begin_policy_value();

-- Each is tighter than the one before it, and whoever would stand deeper than the new cap from its day on has been moved before.
CREATE FUNCTION check_policy_value() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    last policy_term%ROWTYPE;
    found text;
BEGIN
    SELECT * INTO last FROM policy_term p WHERE p.brand_id = NEW.brand_id AND p.starts_on <> NEW.starts_on ORDER BY p.starts_on DESC LIMIT 1;
    IF NEW.starts_on < last.starts_on THEN
        RAISE EXCEPTION 'other limits hold from % on already', last.starts_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_value_order';
    END IF;
    IF NEW.max_depth > last.max_depth OR NEW.max_levels > last.max_levels OR NEW.max_total_rate_ppm > last.max_total_rate_ppm
        OR (NEW.max_depth, NEW.max_levels, NEW.max_total_rate_ppm) = (last.max_depth, last.max_levels, last.max_total_rate_ppm) THEN
        RAISE EXCEPTION 'limits are tightened, never loosened' USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_value_tighter';
    END IF;
    SELECT c.reseller INTO found FROM chain c
    WHERE c.brand_id = NEW.brand_id AND c.ends_on > NEW.starts_on AND c.depth > NEW.max_depth ORDER BY c.reseller LIMIT 1;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'reseller % would stand deeper than % in a line', found, NEW.max_depth
            USING ERRCODE = 'check_violation', CONSTRAINT = 'network_depth';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER policy_value_tighter AFTER INSERT ON policy_value FOR EACH ROW EXECUTE FUNCTION check_policy_value();

-- How many levels earn on a sale of that day, of the visible brand.
CREATE OR REPLACE FUNCTION paid_levels(day date) RETURNS smallint LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN b.policy = 'cn-two-tier' AND day >= b.expires_on
                     AND NOT EXISTS (SELECT 1 FROM legal_opinion o WHERE o.brand_id = b.id AND o.starts_on <= day AND day < o.expires_on)
                THEN 1::smallint ELSE p.max_levels END
    FROM brand b JOIN policy_term p ON p.brand_id = b.id AND p.starts_on <= day AND day < p.ends_on WHERE b.id = current_brand()
$$;

-- By which rules the reseller itself earns on a day, in its tier of that day: none of another tier, none past the levels that
-- earn then, and no level on which nobody stands below it yet.
CREATE OR REPLACE FUNCTION own_rules(on_day date) RETURNS TABLE (
    code text, kind text, level smallint, sku text, category text, channel text, tier text, basis text, rate_ppm integer, rate_minor bigint, rate_text text,
    priority integer, starts_on date, ends_on date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.code, t.kind, t.level, t.sku, t.category, t.channel, t.tier, t.basis, t.rate_ppm, t.rate_minor, t.rate_text, t.priority, t.starts_on, t.ends_on
    FROM brand b JOIN chain h ON h.brand_id = b.id AND h.reseller = current_reseller() AND h.starts_on <= on_day AND (h.ends_on IS NULL OR on_day < h.ends_on)
    JOIN rule_term t ON t.brand_id = b.id AND (t.tier IS NULL OR t.tier = h.tier)
        AND (t.starts_on IS NULL OR t.starts_on <= on_day) AND (t.ends_on IS NULL OR on_day < t.ends_on)
    WHERE b.id = current_brand()
      AND coalesce(t.level, 1) <= paid_levels(on_day)
      AND (coalesce(t.level, 1) = 1 OR EXISTS (
          SELECT 1 FROM chain below WHERE below.brand_id = b.id AND below.starts_on <= on_day AND (below.ends_on IS NULL OR on_day < below.ends_on)
            AND CASE t.level WHEN 2 THEN below.parent ELSE below.grandparent END = h.reseller))
    ORDER BY t.level NULLS LAST, t.code
$$;

-- The law's cap, as before; a line of resellers is held against the cap of each of its days.
CREATE OR REPLACE FUNCTION check_network() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    subject uuid;
    rules brand%ROWTYPE;
    found text;
    cap smallint;
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
        SELECT c.reseller, p.max_depth INTO found, cap FROM chain c JOIN policy_term p
            ON p.brand_id = c.brand_id AND p.starts_on < c.ends_on AND c.starts_on < p.ends_on AND c.depth > p.max_depth
        WHERE c.brand_id = subject LIMIT 1;
        IF found IS NOT NULL THEN
            RAISE EXCEPTION 'reseller % would stand deeper than % in a line, or in a ring', found, cap
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
