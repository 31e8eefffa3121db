-- The price book: one for each brand, in versions. A draft is edited, submitted, approved by somebody else, and in force from its
-- effective_at on until a later version is; from its submission on it never changes. One that a bundle brought is in force since ever.
-- based_on: the newest approved version when it was made, which the order of numbers and of effect rests on. restores: the older
-- one whose prices it took back.
CREATE TABLE price_version (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    state text COLLATE "C" NOT NULL DEFAULT 'draft' CHECK (state IN ('importing', 'draft', 'submitted', 'approved', 'discarded')),
    based_on integer,
    restores integer,
    intake integer,
    effective_at timestamptz,
    name text CHECK (name ~ '\S' AND length(name) <= 80),
    maker uuid REFERENCES person,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    submitted_at timestamptz,
    sha256 text COLLATE "C",
    approval uuid,
    approver uuid REFERENCES person,
    approved_at timestamptz,
    PRIMARY KEY (brand_id, number),
    CONSTRAINT price_version_base_reference FOREIGN KEY (brand_id, based_on) REFERENCES price_version,
    CONSTRAINT price_version_restored_reference FOREIGN KEY (brand_id, restores) REFERENCES price_version,
    CONSTRAINT price_version_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT price_version_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT price_version_order_check CHECK (based_on < number AND restores < number),
    CONSTRAINT price_version_maker_check CHECK ((intake IS NULL) = (maker IS NOT NULL)),
    CONSTRAINT price_version_imported_check CHECK (intake IS NULL OR (state IN ('importing', 'approved') AND effective_at = '-infinity' AND approval IS NULL)),
    CONSTRAINT price_version_draft_check CHECK (state <> 'draft' OR (effective_at IS NULL AND sha256 IS NULL AND approval IS NULL)),
    CONSTRAINT price_version_submitted_check CHECK (intake IS NOT NULL OR state NOT IN ('submitted', 'approved')
        OR (effective_at > '-infinity' AND effective_at < 'infinity' AND sha256 IS NOT NULL AND approval IS NOT NULL AND submitted_at IS NOT NULL)),
    CONSTRAINT price_version_approved_check CHECK (intake IS NOT NULL
        OR ((state = 'approved') = (approver IS NOT NULL) AND (state = 'approved') = (approved_at IS NOT NULL)))
);
CREATE UNIQUE INDEX price_version_draft_unique ON price_version (brand_id) WHERE state IN ('draft', 'submitted');
CREATE INDEX price_version_base_index ON price_version (brand_id, based_on);
CREATE INDEX price_version_restored_index ON price_version (brand_id, restores);
CREATE INDEX price_version_intake_index ON price_version (brand_id, intake);
CREATE INDEX price_version_approval_index ON price_version (brand_id, approval);
CREATE INDEX price_version_maker_index ON price_version (maker);
CREATE INDEX price_version_approver_index ON price_version (approver);
CALL protect('price_version', false);
REVOKE INSERT, UPDATE ON price_version FROM qucheng_app;
GRANT INSERT (brand_id, number, based_on, restores, name, maker, opened_at) ON price_version TO qucheng_app;
GRANT UPDATE (state, effective_at, name, submitted_at, sha256, approval, approver) ON price_version TO qucheng_app;

-- channel NULL: the base; tier NULL: any tier; price_minor NULL: not sold in the channel on these days
CREATE TABLE price_cell (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    version integer NOT NULL,
    sku text COLLATE "C" NOT NULL,
    channel text COLLATE "C",
    tier text COLLATE "C",
    starts_on date NOT NULL CHECK (isfinite(starts_on)),
    ends_on date CHECK (isfinite(ends_on)),
    price_minor bigint CHECK (price_minor >= 0),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT price_cell_version_reference FOREIGN KEY (brand_id, version) REFERENCES price_version,
    CONSTRAINT price_cell_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT price_cell_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT price_cell_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier,
    CONSTRAINT price_cell_dates_check CHECK (ends_on > starts_on),
    CONSTRAINT price_cell_closed_check CHECK (price_minor IS NOT NULL OR (channel IS NOT NULL AND tier IS NULL)),
    CONSTRAINT price_cell_overlap_exclude EXCLUDE USING gist (brand_id WITH =, version WITH =, sku WITH =, coalesce(channel, '') WITH =,
        coalesce(tier, '') WITH =, daterange(starts_on, ends_on) WITH &&)
);
CREATE INDEX price_cell_version_index ON price_cell (brand_id, version, sku);
CREATE INDEX price_cell_sku_index ON price_cell (brand_id, sku);
CREATE INDEX price_cell_channel_index ON price_cell (brand_id, channel);
CREATE INDEX price_cell_tier_index ON price_cell (brand_id, tier);

-- What a SKU may not be sold below, and what it costs. cost_minor NULL: as it stands at the SKU.
CREATE TABLE price_limit (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    version integer NOT NULL,
    sku text COLLATE "C" NOT NULL,
    starts_on date NOT NULL CHECK (isfinite(starts_on)),
    ends_on date CHECK (isfinite(ends_on)),
    floor_minor bigint CHECK (floor_minor >= 0),
    cost_minor bigint CHECK (cost_minor >= 0),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT price_limit_version_reference FOREIGN KEY (brand_id, version) REFERENCES price_version,
    CONSTRAINT price_limit_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT price_limit_dates_check CHECK (ends_on > starts_on),
    CONSTRAINT price_limit_something_check CHECK (floor_minor IS NOT NULL OR cost_minor IS NOT NULL),
    CONSTRAINT price_limit_overlap_exclude EXCLUDE USING gist (brand_id WITH =, version WITH =, sku WITH =, daterange(starts_on, ends_on) WITH &&)
);
CREATE INDEX price_limit_version_index ON price_limit (brand_id, version, sku);
CREATE INDEX price_limit_sku_index ON price_limit (brand_id, sku);

-- What has been edited in a draft, and how often: who edits what another has edited since is told so. limits: the SKU's floor
-- and cost, else the prices of the SKU, channel and tier.
CREATE TABLE price_edit (
    brand_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    version integer NOT NULL,
    limits boolean NOT NULL,
    sku text COLLATE "C" NOT NULL,
    channel text COLLATE "C",
    tier text COLLATE "C",
    revision integer NOT NULL CHECK (revision >= 1),
    reason text CHECK (reason ~ '\S' AND length(reason) <= 200),
    edited_by uuid REFERENCES person,
    edited_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT price_edit_key_unique UNIQUE NULLS NOT DISTINCT (brand_id, version, limits, sku, channel, tier),
    CONSTRAINT price_edit_version_reference FOREIGN KEY (brand_id, version) REFERENCES price_version,
    CONSTRAINT price_edit_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT price_edit_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT price_edit_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier
);
CREATE INDEX price_edit_version_index ON price_edit (brand_id, version);
CREATE INDEX price_edit_sku_index ON price_edit (brand_id, sku);
CREATE INDEX price_edit_channel_index ON price_edit (brand_id, channel);
CREATE INDEX price_edit_tier_index ON price_edit (brand_id, tier);
CREATE INDEX price_edit_edited_by_index ON price_edit (edited_by);

-- What stands in a version may be written as long as it is a draft. Its row is held, so that a submission waits for the writer
-- and the writer for a submission.
CREATE FUNCTION check_price_draft() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    standing record;
BEGIN
    PERFORM require_read_committed();
    FOR standing IN
        SELECT v.state FROM price_version v JOIN (SELECT DISTINCT brand_id, version FROM touched) t ON t.brand_id = v.brand_id AND t.version = v.number
        ORDER BY v.brand_id, v.number FOR SHARE OF v
    LOOP
        IF standing.state NOT IN ('draft', 'importing') THEN
            RAISE EXCEPTION 'prices of a version that is % do not change', standing.state
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_frozen';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['price_cell', 'price_limit', 'price_edit'] LOOP
        CALL protect(part::regclass, false);
        EXECUTE format('CREATE TRIGGER draft_added AFTER INSERT ON %I REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION check_price_draft()', part);
        EXECUTE format('CREATE TRIGGER draft_removed AFTER DELETE ON %I REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION check_price_draft()', part);
        EXECUTE format('CREATE TRIGGER draft_changed_from AFTER UPDATE ON %I REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION check_price_draft()', part);
        EXECUTE format('CREATE TRIGGER draft_changed_to AFTER UPDATE ON %I REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION check_price_draft()', part);
        EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
        EXECUTE format('REVOKE UPDATE ON %I FROM qucheng_app', part);
        EXECUTE format('GRANT DELETE ON %I TO qucheng_app', part);
    END LOOP;
END $$;
CREATE TRIGGER never_taken_out BEFORE DELETE OR TRUNCATE ON price_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT UPDATE (revision, reason, edited_by, edited_at) ON price_edit TO qucheng_app;

-- Everything that a version says, as one text.
CREATE FUNCTION price_digest(brand uuid, of_version integer) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT encode(sha256(convert_to(
        coalesce((SELECT string_agg(concat_ws('|', c.sku, coalesce(c.channel, ''), coalesce(c.tier, ''), c.starts_on, coalesce(c.ends_on::text, ''),
                                              coalesce(c.price_minor::text, '')), E'\n' ORDER BY c.sku, coalesce(c.channel, ''), coalesce(c.tier, ''), c.starts_on)
                  FROM price_cell c WHERE c.brand_id = brand AND c.version = of_version), '') || E'\n\n' ||
        coalesce((SELECT string_agg(concat_ws('|', l.sku, l.starts_on, coalesce(l.ends_on::text, ''), coalesce(l.floor_minor::text, ''),
                                              coalesce(l.cost_minor::text, '')), E'\n' ORDER BY l.sku, l.starts_on)
                  FROM price_limit l WHERE l.brand_id = brand AND l.version = of_version), ''), 'UTF8')), 'hex')
$$;

-- What keeps a version from being submitted, on and after a day: prices below the floor, floors below the cost, and prices for a
-- tier in a channel in which the SKU is not sold.
CREATE FUNCTION price_faults(brand uuid, of_version integer, from_day date) RETURNS TABLE (
    code text, sku text, channel text, tier text, starts_on date, ends_on date, price_minor bigint, floor_minor bigint, cost_minor bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT 'price.under_floor', c.sku, c.channel, c.tier, greatest(c.starts_on, l.starts_on, from_day),
           CASE WHEN c.ends_on IS NULL AND l.ends_on IS NULL THEN NULL ELSE least(c.ends_on, l.ends_on) END, c.price_minor, l.floor_minor, NULL::bigint
    FROM price_cell c JOIN price_limit l USING (brand_id, version, sku)
    WHERE brand_id = brand AND version = of_version AND c.price_minor < l.floor_minor
      AND greatest(c.starts_on, l.starts_on, from_day) < least(coalesce(c.ends_on, 'infinity'), coalesce(l.ends_on, 'infinity'))
    UNION ALL
    SELECT 'price.floor_under_cost', l.sku, NULL, NULL, greatest(l.starts_on, from_day), l.ends_on, NULL, l.floor_minor, coalesce(l.cost_minor, s.cost_minor)
    FROM price_limit l JOIN sku s ON s.brand_id = l.brand_id AND s.code = l.sku
    WHERE l.brand_id = brand AND l.version = of_version AND l.floor_minor < coalesce(l.cost_minor, s.cost_minor) AND from_day < coalesce(l.ends_on, 'infinity')
    UNION ALL
    SELECT 'price.closed', c.sku, c.channel, c.tier, greatest(c.starts_on, m.starts_on, from_day),
           CASE WHEN c.ends_on IS NULL AND m.ends_on IS NULL THEN NULL ELSE least(c.ends_on, m.ends_on) END, c.price_minor, NULL, NULL
    FROM price_cell c JOIN price_cell m USING (brand_id, version, sku, channel)
    WHERE brand_id = brand AND version = of_version AND c.tier IS NOT NULL AND m.tier IS NULL AND m.price_minor IS NULL
      AND greatest(c.starts_on, m.starts_on, from_day) < least(coalesce(c.ends_on, 'infinity'), coalesce(m.ends_on, 'infinity'))
$$;

-- A version begins as a draft, made from the newest approved one, with the next number.
CREATE FUNCTION check_price_version_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'prices');
    IF NEW.state <> (CASE WHEN NEW.intake IS NULL THEN 'draft' ELSE 'importing' END)
        OR NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM price_version WHERE brand_id = NEW.brand_id AND number <> NEW.number)
        OR NEW.based_on IS DISTINCT FROM (SELECT max(number) FROM price_version WHERE brand_id = NEW.brand_id AND state = 'approved')
        OR (NEW.restores IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM price_version WHERE brand_id = NEW.brand_id AND number = NEW.restores AND state = 'approved')) THEN
        RAISE EXCEPTION 'a price version begins as a draft made from the newest approved one, with the next number'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_begins';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER price_version_begins AFTER INSERT ON price_version FOR EACH ROW EXECUTE FUNCTION check_price_version_begins();

CREATE FUNCTION check_price_version_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    open_until constant text[] := CASE OLD.state || ' ' || NEW.state
        WHEN 'importing approved' THEN ARRAY['state']
        WHEN 'draft draft' THEN ARRAY['name']
        WHEN 'draft submitted' THEN ARRAY['state', 'effective_at', 'sha256', 'submitted_at', 'approval']
        WHEN 'submitted approved' THEN ARRAY['state', 'approver', 'approved_at']
        WHEN 'draft discarded' THEN ARRAY['state']
        WHEN 'submitted discarded' THEN ARRAY['state'] END;
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'prices');
    IF open_until IS NULL OR to_jsonb(OLD) - open_until IS DISTINCT FROM to_jsonb(NEW) - open_until THEN
        RAISE EXCEPTION 'price version % is %: this of it does not change', OLD.number, OLD.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_step';
    END IF;
    IF NEW.state = 'submitted' AND OLD.state = 'draft' THEN
        PERFORM require_submittable(NEW);
    ELSIF NEW.state = 'approved' AND NEW.intake IS NULL THEN
        NEW.approved_at := clock_timestamp();
        PERFORM require_approvable(NEW);
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION require_submittable(version price_version) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    zone text := (SELECT b.time_zone FROM brand b WHERE b.id = version.brand_id);
    from_day date := (version.effective_at AT TIME ZONE zone)::date;
BEGIN
    IF version.effective_at <> instant_of_local(from_day::timestamp, zone) THEN
        RAISE EXCEPTION 'a price version takes effect at a midnight of the brand''s day' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_midnight';
    END IF;
    IF version.effective_at < (SELECT v.effective_at FROM price_version v WHERE v.brand_id = version.brand_id AND v.number = version.based_on) THEN
        RAISE EXCEPTION 'a price version takes effect no earlier than the one it was made from' USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_after_base';
    END IF;
    IF EXISTS (SELECT 1 FROM price_faults(version.brand_id, version.number, from_day)) THEN
        RAISE EXCEPTION 'price version % has prices below the floor, or floors below the cost', version.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_faults';
    END IF;
    IF version.sha256 <> price_digest(version.brand_id, version.number) OR NOT EXISTS (
        SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
        WHERE a.brand_id = version.brand_id AND a.id = version.approval AND a.action = 'prices.publish' AND a.state = 'waiting'
          AND (said ->> 'version', said ->> 'sha256', (said ->> 'effective_at')::timestamptz) = (version.number::text, version.sha256, version.effective_at)) THEN
        RAISE EXCEPTION 'price version % is not what was asked for', version.number USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_asked';
    END IF;
END $$;

-- It was allowed word for word, by somebody else, and nothing was approved since the version it was made from.
CREATE FUNCTION require_approvable(version price_version) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF version.sha256 <> price_digest(version.brand_id, version.number) OR NOT EXISTS (
        SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
        WHERE a.brand_id = version.brand_id AND a.id = version.approval AND a.action = 'prices.publish' AND a.state = 'executed'
          AND a.checker = version.approver AND a.checker <> a.maker
          AND (said ->> 'version', said ->> 'sha256', (said ->> 'effective_at')::timestamptz) = (version.number::text, version.sha256, version.effective_at)) THEN
        RAISE EXCEPTION 'price version % was not allowed by somebody else', version.number USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_allowed';
    END IF;
    IF EXISTS (SELECT 1 FROM price_version v WHERE v.brand_id = version.brand_id AND v.state = 'approved' AND v.number > coalesce(version.based_on, 0)) THEN
        RAISE EXCEPTION 'another price version was approved since the one that % was made from', version.number
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_overtaken';
    END IF;
    IF version.effective_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'price version % would take effect in the past', version.number USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_future';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION require_submittable(price_version), require_approvable(price_version) FROM PUBLIC;
CREATE TRIGGER price_version_step BEFORE UPDATE ON price_version FOR EACH ROW EXECUTE FUNCTION check_price_version_step();

-- The prices that bundles brought, as a version: cells that overlap are cut so that at every date the later starts_on is the cell,
-- and the highest floor of the day is the SKU's. Once a version of the platform was approved, bundles bring no more prices.
CREATE FUNCTION import_prices(of_intake integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    brand uuid := current_brand();
    fresh integer;
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(brand, 'prices');
    IF EXISTS (SELECT 1 FROM price_version v WHERE v.brand_id = brand AND v.state = 'approved' AND v.intake IS NULL) THEN
        RAISE EXCEPTION 'the prices of the brand are kept on the platform' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'price_version_kept';
    END IF;
    INSERT INTO price_version (brand_id, number, state, based_on, intake, effective_at)
    SELECT brand, coalesce(max(v.number), 0) + 1, 'importing', max(v.number) FILTER (WHERE v.state = 'approved'), of_intake, '-infinity'
    FROM price_version v WHERE v.brand_id = brand RETURNING number INTO fresh;
    INSERT INTO price_cell (brand_id, version, sku, channel, tier, starts_on, ends_on, price_minor)
    WITH given AS (
        SELECT p.sku, coalesce(p.channel, '') AS channel, coalesce(p.tier, '') AS tier, p.price_minor, p.starts_on, coalesce(p.ends_on, 'infinity') AS ends_on
        FROM channel_price p WHERE p.brand_id = brand
    ), piece AS (
        SELECT e.sku, e.channel, e.tier, day AS starts_on, lead(day) OVER (PARTITION BY e.sku, e.channel, e.tier ORDER BY day) AS ends_on
        FROM (SELECT DISTINCT g.sku, g.channel, g.tier, day FROM given g CROSS JOIN LATERAL (VALUES (g.starts_on), (g.ends_on)) v (day)) e
    ), chosen AS (
        SELECT DISTINCT ON (p.sku, p.channel, p.tier, p.starts_on) p.*, g.price_minor, g.starts_on AS since
        FROM piece p JOIN given g USING (sku, channel, tier)
        WHERE g.starts_on <= p.starts_on AND p.starts_on < g.ends_on
        ORDER BY p.sku, p.channel, p.tier, p.starts_on, g.starts_on DESC
    ), island AS (
        SELECT c.*, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY c.sku, c.channel, c.tier ORDER BY c.starts_on) AS place
        FROM (SELECT c.*, lag(c.ends_on) OVER w = c.starts_on AND lag(c.since) OVER w = c.since AS follows FROM chosen c
              WINDOW w AS (PARTITION BY c.sku, c.channel, c.tier ORDER BY c.starts_on)) c
    )
    SELECT brand, fresh, i.sku, nullif(i.channel, ''), nullif(i.tier, ''), min(i.starts_on), nullif(max(i.ends_on), 'infinity'), i.price_minor
    FROM island i GROUP BY i.sku, i.channel, i.tier, i.place, i.price_minor;
    INSERT INTO price_limit (brand_id, version, sku, starts_on, ends_on, floor_minor)
    WITH given AS (
        SELECT p.sku, p.floor_minor, p.starts_on, coalesce(p.ends_on, 'infinity') AS ends_on FROM channel_price p WHERE p.brand_id = brand AND p.floor_minor IS NOT NULL
    ), piece AS (
        SELECT e.sku, day AS starts_on, lead(day) OVER (PARTITION BY e.sku ORDER BY day) AS ends_on
        FROM (SELECT DISTINCT g.sku, day FROM given g CROSS JOIN LATERAL (VALUES (g.starts_on), (g.ends_on)) v (day)) e
    ), highest AS (
        SELECT p.sku, p.starts_on, p.ends_on, max(g.floor_minor) AS floor_minor
        FROM piece p JOIN given g USING (sku) WHERE g.starts_on <= p.starts_on AND p.starts_on < g.ends_on GROUP BY 1, 2, 3
    ), island AS (
        SELECT h.*, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY h.sku ORDER BY h.starts_on) AS place
        FROM (SELECT h.*, lag(h.ends_on) OVER w = h.starts_on AND lag(h.floor_minor) OVER w = h.floor_minor AS follows FROM highest h
              WINDOW w AS (PARTITION BY h.sku ORDER BY h.starts_on)) h
    )
    SELECT brand, fresh, i.sku, min(i.starts_on), nullif(max(i.ends_on), 'infinity'), i.floor_minor FROM island i GROUP BY i.sku, i.place, i.floor_minor;
    UPDATE price_version SET state = 'approved' WHERE brand_id = brand AND number = fresh;
    RETURN fresh;
END $$;
REVOKE EXECUTE ON FUNCTION import_prices(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION import_prices(integer) TO qucheng_app;

-- When each approved version is in force, those to come included: effect follows the order of numbers.
CREATE VIEW price_live WITH (security_invoker = true) AS
SELECT * FROM (
    SELECT brand_id, number AS version, effective_at AS starts_at, lead(effective_at, 1, 'infinity') OVER (PARTITION BY brand_id ORDER BY number) AS ends_at
    FROM price_version WHERE state = 'approved'
) span WHERE starts_at < ends_at;

-- All approved versions laid end to end, by the local dates of their time.
CREATE VIEW price_live_day WITH (security_invoker = true) AS
SELECT l.brand_id, l.version, (l.starts_at AT TIME ZONE b.time_zone)::date AS starts_on, (l.ends_at AT TIME ZONE b.time_zone)::date AS ends_on
FROM price_live l JOIN brand b ON b.id = l.brand_id;

CREATE VIEW live_price_cell WITH (security_invoker = true) AS
SELECT c.brand_id, c.version, c.sku, c.channel, c.tier, c.price_minor, greatest(c.starts_on, d.starts_on) AS starts_on,
       nullif(least(coalesce(c.ends_on, 'infinity'), d.ends_on), 'infinity') AS ends_on
FROM price_cell c JOIN price_live_day d USING (brand_id, version)
WHERE greatest(c.starts_on, d.starts_on) < least(coalesce(c.ends_on, 'infinity'), d.ends_on);

CREATE VIEW live_price_limit WITH (security_invoker = true) AS
SELECT c.brand_id, c.version, c.sku, c.floor_minor, c.cost_minor, greatest(c.starts_on, d.starts_on) AS starts_on,
       nullif(least(coalesce(c.ends_on, 'infinity'), d.ends_on), 'infinity') AS ends_on
FROM price_limit c JOIN price_live_day d USING (brand_id, version)
WHERE greatest(c.starts_on, d.starts_on) < least(coalesce(c.ends_on, 'infinity'), d.ends_on);

-- What a version says, however it was put together: pieces of one key that follow each other at one price are one.
CREATE VIEW price_term WITH (security_invoker = true) AS
SELECT brand_id, version, sku, channel, tier, min(starts_on) AS starts_on, nullif(max(coalesce(ends_on, 'infinity')), 'infinity') AS ends_on, price_minor
FROM (SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY brand_id, version, sku, channel, tier ORDER BY starts_on) AS place
      FROM (SELECT *, lag(ends_on) OVER w = starts_on AND lag(price_minor) OVER w IS NOT DISTINCT FROM price_minor AS follows
            FROM price_cell WINDOW w AS (PARTITION BY brand_id, version, sku, channel, tier ORDER BY starts_on)) piece) island
GROUP BY brand_id, version, sku, channel, tier, place, price_minor;

CREATE VIEW price_limit_term WITH (security_invoker = true) AS
SELECT brand_id, version, sku, min(starts_on) AS starts_on, nullif(max(coalesce(ends_on, 'infinity')), 'infinity') AS ends_on, floor_minor, cost_minor
FROM (SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (PARTITION BY brand_id, version, sku ORDER BY starts_on) AS place
      FROM (SELECT *, lag(ends_on) OVER w = starts_on AND lag(floor_minor) OVER w IS NOT DISTINCT FROM floor_minor
                      AND lag(cost_minor) OVER w IS NOT DISTINCT FROM cost_minor AS follows
            FROM price_limit WINDOW w AS (PARTITION BY brand_id, version, sku ORDER BY starts_on)) piece) island
GROUP BY brand_id, version, sku, place, floor_minor, cost_minor;

-- The same by key: a version's pieces as one value, so that versions are compared. limits: of a SKU, else of a SKU, channel and tier.
CREATE VIEW price_key WITH (security_invoker = true) AS
SELECT brand_id, version, false AS limits, sku, channel, tier, jsonb_agg(jsonb_build_array(starts_on, ends_on, price_minor) ORDER BY starts_on) AS pieces
FROM price_term GROUP BY brand_id, version, sku, channel, tier
UNION ALL
SELECT brand_id, version, true, sku, NULL, NULL, jsonb_agg(jsonb_build_array(starts_on, ends_on, floor_minor, cost_minor) ORDER BY starts_on)
FROM price_limit_term GROUP BY brand_id, version, sku;

-- The keys in which two versions of a brand differ: what the one says, and what the other.
CREATE FUNCTION price_difference(of_version integer, to_version integer) RETURNS TABLE (limits boolean, sku text, channel text, tier text, before jsonb, after jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT limits, sku, nullif(channel, ''), nullif(tier, ''), a.pieces, b.pieces
    FROM (SELECT limits, sku, coalesce(channel, '') AS channel, coalesce(tier, '') AS tier, pieces FROM price_key WHERE brand_id = current_brand() AND version = of_version) a
    FULL JOIN (SELECT limits, sku, coalesce(channel, '') AS channel, coalesce(tier, '') AS tier, pieces FROM price_key WHERE brand_id = current_brand() AND version = to_version) b
    USING (limits, sku, channel, tier)
    WHERE a.pieces IS DISTINCT FROM b.pieces
$$;
GRANT SELECT ON price_live, price_live_day, live_price_cell, live_price_limit, price_term, price_limit_term, price_key TO qucheng_app;

-- The tier in which a reseller stands on a day, and those in which a reseller that asks has stood or will stand.
CREATE FUNCTION tier_on(seller text, day date) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.tier FROM placement_span s
    WHERE s.brand_id = current_brand() AND s.reseller = seller AND seller = coalesce(current_reseller(), seller) AND s.starts_on <= day AND day < s.ends_on
$$;
CREATE FUNCTION own_tiers() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT array_agg(DISTINCT s.tier) FROM placement_span s WHERE s.brand_id = current_brand() AND s.reseller = current_reseller()
$$;
REVOKE EXECUTE ON FUNCTION tier_on(text, date), own_tiers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tier_on(text, date), own_tiers() TO qucheng_app, qucheng_reseller;

-- What resellers read: of approved versions the prices for any tier and for their own; never a floor or a cost.
CALL show_to_reseller('price_version', 'state = ''approved'' AND (SELECT current_reseller()) IS NOT NULL', 'SELECT (brand_id, number, state, effective_at)');
CALL show_to_reseller('price_cell', 'version IN (SELECT v.number FROM price_version v WHERE v.brand_id = (SELECT current_brand()))
    AND (tier IS NULL OR tier = ANY ((SELECT own_tiers())::text[]))');
GRANT SELECT ON price_live TO qucheng_reseller;

-- What a channel does with an order whose amount is not its price: flag it, or refuse it.
ALTER TABLE channel ADD COLUMN IF NOT EXISTS deviation text NOT NULL DEFAULT 'flag' CHECK (deviation IN ('flag', 'refuse'));
ALTER TABLE order_flag DROP CONSTRAINT order_flag_code_check,
    ADD CONSTRAINT order_flag_code_check CHECK (code IN ('order.capped', 'order.not_for_sale', 'order.price_deviates', 'order.self_purchase'));

CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    ANALYZE tier, reseller, placement, sku, channel, channel_price, price_version, price_cell, price_limit, rule, rule_bracket, order_line, refund, order_flag,
            accrual, reversal, own_volume, adjustment, statement, statement_accrual, statement_reversal, statement_adjustment, bonus, account, journal_entry,
            posting, rejection;
END $$;

-- A brand that has prices of bundles already gets them as its first version, of its last delivery.
DO $$
DECLARE
    subject record;
BEGIN
    FOR subject IN SELECT p.brand_id, max(i.number) AS intake FROM (SELECT DISTINCT brand_id FROM channel_price) p JOIN intake i USING (brand_id) GROUP BY 1 ORDER BY 1 LOOP
        PERFORM set_config('qucheng.brand_id', subject.brand_id::text, true);
        PERFORM import_prices(subject.intake);
    END LOOP;
    PERFORM set_config('qucheng.brand_id', '', true);
END $$;
