-- Commission plans by version. What a version holds is written as a draft, frozen when it is submitted, and becomes rules only
-- when another person has allowed it: the database itself turns the rows of the draft into rules, and nobody else can.

-- follows: the newest approved version when this was opened or brought up to date; known: the last delivery that had brought
-- rules by then. document: the plan word for word, as it was asked for. intake: the delivery as which it came into force.
CREATE TABLE plan_version (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'submitted', 'approved', 'discarded')),
    name text CHECK (name ~ '\S' AND length(name) <= 80),
    based_on integer,
    follows integer,
    known integer NOT NULL CHECK (known >= 0),
    opened_by uuid NOT NULL REFERENCES person,
    opened_at timestamptz NOT NULL,
    effective_on date,
    document text,
    sha256 text,
    author uuid REFERENCES person,
    submitted_at timestamptz,
    approval uuid,
    approver uuid REFERENCES person,
    approved_at timestamptz,
    intake integer,
    PRIMARY KEY (brand_id, number),
    CONSTRAINT plan_version_based_on_reference FOREIGN KEY (brand_id, based_on) REFERENCES plan_version,
    CONSTRAINT plan_version_follows_reference FOREIGN KEY (brand_id, follows) REFERENCES plan_version,
    CONSTRAINT plan_version_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT plan_version_approval_unique UNIQUE (brand_id, approval),
    CONSTRAINT plan_version_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake,
    CONSTRAINT plan_version_before_check CHECK (based_on < number AND follows < number),
    CONSTRAINT plan_version_sha256_check CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    CONSTRAINT plan_version_people_check CHECK (approver <> author),
    CONSTRAINT plan_version_submitted_check CHECK ((state IN ('submitted', 'approved'))
        = (effective_on IS NOT NULL AND document IS NOT NULL AND sha256 IS NOT NULL AND author IS NOT NULL AND submitted_at IS NOT NULL
           AND approval IS NOT NULL)),
    CONSTRAINT plan_version_approved_check CHECK ((state = 'approved') = (approver IS NOT NULL AND approved_at IS NOT NULL AND intake IS NOT NULL))
);
CREATE UNIQUE INDEX plan_version_open_unique ON plan_version (brand_id) WHERE state IN ('draft', 'submitted');
CREATE INDEX plan_version_based_on_index ON plan_version (brand_id, based_on);
CREATE INDEX plan_version_follows_index ON plan_version (brand_id, follows);
CREATE INDEX plan_version_intake_index ON plan_version (brand_id, intake);
CREATE INDEX plan_version_opened_by_index ON plan_version (opened_by);
CREATE INDEX plan_version_author_index ON plan_version (author);
CREATE INDEX plan_version_approver_index ON plan_version (approver);
CALL protect('plan_version', false);
REVOKE INSERT, UPDATE ON plan_version FROM qucheng_app;
GRANT INSERT (brand_id, number, name, based_on, follows, known, opened_by, opened_at) ON plan_version TO qucheng_app;
GRANT UPDATE (state, name, follows, known, effective_on, document, sha256, author, approval, approver, intake) ON plan_version TO qucheng_app;

-- The whole plan of a version, rule by rule. A rule that stays is `kept`; one that is new, or takes the place of another, has
-- a code that no rule had before. The words for what is forbidden can be written down, so that they are refused by name.
CREATE TABLE plan_draft_rule (
    brand_id uuid NOT NULL,
    version integer NOT NULL,
    code text COLLATE "C" NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
    change text NOT NULL CHECK (change IN ('kept', 'added', 'changed')),
    replaces text COLLATE "C",
    kind text NOT NULL CHECK (kind IN ('percent', 'per_unit', 'graduated', 'slab', 'differential', 'same_level', 'team', 'entry_fee', 'deposit', 'purchase', 'right')),
    event text NOT NULL CHECK (event IN ('order', 'join', 'invite', 'register', 'upgrade')),
    reads text NOT NULL CHECK (reads IN ('own', 'downline_count', 'downline_volume', 'team_volume')),
    level smallint CHECK (level BETWEEN 1 AND 1000),
    sku text COLLATE "C",
    category text COLLATE "C" CHECK (category <> ''),
    channel text COLLATE "C",
    tier text COLLATE "C",
    basis text CHECK (basis IN ('net', 'gross', 'margin', 'unit')),
    rate_text text CHECK (rate_text <> ''),
    priority integer NOT NULL,
    starts_on date,
    ends_on date,
    changed_by uuid NOT NULL REFERENCES person,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, version, code),
    CONSTRAINT plan_draft_rule_version_reference FOREIGN KEY (brand_id, version) REFERENCES plan_version,
    CONSTRAINT plan_draft_rule_replaces_reference FOREIGN KEY (brand_id, replaces) REFERENCES rule,
    CONSTRAINT plan_draft_rule_replaces_unique UNIQUE (brand_id, version, replaces),
    CONSTRAINT plan_draft_rule_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT plan_draft_rule_channel_reference FOREIGN KEY (brand_id, channel) REFERENCES channel,
    CONSTRAINT plan_draft_rule_tier_reference FOREIGN KEY (brand_id, tier) REFERENCES tier,
    CONSTRAINT plan_draft_rule_dates_check CHECK (ends_on > starts_on),
    CONSTRAINT plan_draft_rule_replaced_check CHECK ((change = 'changed') = (replaces IS NOT NULL)),
    CONSTRAINT plan_draft_rule_rate_check CHECK (kind NOT IN ('percent', 'per_unit', 'graduated', 'slab') OR (basis IS NOT NULL AND rate_text IS NOT NULL))
);
CREATE INDEX plan_draft_rule_changed_by_index ON plan_draft_rule (changed_by);
CREATE INDEX plan_draft_rule_replaces_index ON plan_draft_rule (brand_id, replaces);
CREATE INDEX plan_draft_rule_sku_index ON plan_draft_rule (brand_id, sku);
CREATE INDEX plan_draft_rule_channel_index ON plan_draft_rule (brand_id, channel);
CREATE INDEX plan_draft_rule_tier_index ON plan_draft_rule (brand_id, tier);
CALL protect('plan_draft_rule', false);
REVOKE UPDATE ON plan_draft_rule FROM qucheng_app;
GRANT UPDATE (revision, change, replaces, kind, event, reads, level, sku, category, channel, tier, basis, rate_text, priority, starts_on, ends_on, changed_by, changed_at)
    ON plan_draft_rule TO qucheng_app;
GRANT DELETE ON plan_draft_rule TO qucheng_app;

-- From which day on a version drops a rule. A rule ends once.
CREATE TABLE rule_end (
    brand_id uuid NOT NULL,
    rule text COLLATE "C" NOT NULL,
    plan_version integer NOT NULL,
    ends_on date NOT NULL,
    intake integer NOT NULL,
    PRIMARY KEY (brand_id, rule),
    CONSTRAINT rule_end_rule_reference FOREIGN KEY (brand_id, rule) REFERENCES rule,
    CONSTRAINT rule_end_plan_version_reference FOREIGN KEY (brand_id, plan_version) REFERENCES plan_version,
    CONSTRAINT rule_end_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake
);
CREATE INDEX rule_end_plan_version_index ON rule_end (brand_id, plan_version);
CREATE INDEX rule_end_intake_index ON rule_end (brand_id, intake);
CALL protect('rule_end', true);
REVOKE INSERT ON rule_end FROM qucheng_app;
CALL show_to_reseller('rule_end', 'EXISTS (SELECT 1 FROM rule r WHERE r.brand_id = rule_end.brand_id AND r.code = rule_end.rule)');

-- plan_version: NULL where a bundle brought the rule. Only the database writes it.
ALTER TABLE rule ADD COLUMN plan_version integer;
ALTER TABLE rule ADD CONSTRAINT rule_plan_version_reference FOREIGN KEY (brand_id, plan_version) REFERENCES plan_version;
CREATE INDEX rule_plan_version_index ON rule (brand_id, plan_version);
REVOKE INSERT ON rule FROM qucheng_app;
GRANT INSERT (brand_id, code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor, rate_text, priority, starts_on, ends_on, intake)
    ON rule TO qucheng_app;

-- A rule with the days on which it counts, as it is known now. dropped_on, dropped_by: from which day a version drops it, and
-- the delivery from which on that is known; what was accrued before is not touched by it.
CREATE VIEW rule_term WITH (security_invoker = true) AS
SELECT r.brand_id, r.code, r.kind, r.level, r.sku, r.category, r.channel, r.tier, r.basis, r.rate_ppm, r.rate_minor, r.rate_text, r.priority,
       r.starts_on, least(r.ends_on, e.ends_on) AS ends_on, r.intake, r.plan_version,
       r.ends_on AS own_ends_on, e.ends_on AS dropped_on, e.intake AS dropped_by
FROM rule r LEFT JOIN rule_end e ON e.brand_id = r.brand_id AND e.rule = r.code;
GRANT SELECT ON rule_term TO qucheng_app, qucheng_reseller;

-- What a version says, rule by rule, in the form in which it is asked for.
CREATE FUNCTION plan_rules(brand uuid, of_version integer) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('code', code, 'kind', kind, 'level', level, 'sku', sku, 'category', category, 'channel', channel,
        'tier', tier, 'basis', basis, 'rate', rate_text, 'priority', priority, 'starts_on', starts_on, 'ends_on', ends_on, 'change', change,
        'replaces', replaces) ORDER BY code), '[]')
    FROM plan_draft_rule WHERE brand_id = brand AND version = of_version
$$;

-- Once the plan is kept here, no delivery changes it. And nobody earns on a level that the policy does not have.
CREATE FUNCTION check_rule_place() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh f JOIN brand b ON b.id = f.brand_id WHERE f.level > b.max_levels) THEN
        RAISE EXCEPTION 'a rule pays a level that the policy does not have' USING ERRCODE = 'check_violation', CONSTRAINT = 'rule_levels';
    END IF;
    IF EXISTS (SELECT 1 FROM fresh f WHERE f.plan_version IS NULL
               AND EXISTS (SELECT 1 FROM plan_version v WHERE v.brand_id = f.brand_id AND v.state = 'approved')) THEN
        RAISE EXCEPTION 'the rules of this brand are changed by versions of its plan' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'rule_plan_kept';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rule_place AFTER INSERT ON rule REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION check_rule_place();

-- The rows of a version change while it is a draft, and an edit and its submission wait for each other.
CREATE FUNCTION check_plan_draft_open() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    touched plan_draft_rule%ROWTYPE := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM require_read_committed();
    PERFORM 1 FROM plan_version v WHERE v.brand_id = touched.brand_id AND v.number = touched.version AND v.state = 'draft' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only a draft can be changed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_draft_rule_open';
    END IF;
    RETURN touched;
END $$;
CREATE TRIGGER plan_draft_rule_open BEFORE INSERT OR UPDATE OR DELETE ON plan_draft_rule FOR EACH ROW EXECUTE FUNCTION check_plan_draft_open();

CREATE FUNCTION check_plan_version_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'draft' THEN
        RAISE EXCEPTION 'a version begins as a draft' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_begins';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plan_version_begins BEFORE INSERT ON plan_version FOR EACH ROW EXECUTE FUNCTION check_plan_version_begins();

-- What is submitted is what the draft holds, and all of it can be a rule.
CREATE FUNCTION require_plan_document(asked plan_version) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (asked.document::jsonb ->> 'version', asked.document::jsonb ->> 'effective_on') IS DISTINCT FROM (asked.number::text, asked.effective_on::text)
        OR asked.document::jsonb -> 'rules' IS DISTINCT FROM plan_rules(asked.brand_id, asked.number) THEN
        RAISE EXCEPTION 'the document of version % is not what its draft holds', asked.number
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_document';
    END IF;
    IF EXISTS (SELECT 1 FROM plan_draft_rule d JOIN brand b ON b.id = d.brand_id WHERE d.brand_id = asked.brand_id AND d.version = asked.number
               AND (d.kind NOT IN ('percent', 'per_unit', 'graduated', 'slab') OR d.event <> 'order' OR d.reads <> 'own' OR d.level > b.max_levels)) THEN
        RAISE EXCEPTION 'version % has a rule that pays for something else than a sale', asked.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_version_lawful';
    END IF;
    IF EXISTS (SELECT 1 FROM plan_draft_rule d LEFT JOIN rule r ON r.brand_id = d.brand_id AND r.code = d.code
               WHERE d.brand_id = asked.brand_id AND d.version = asked.number AND (d.change = 'kept') <> (r.code IS NOT NULL))
        OR EXISTS (SELECT 1 FROM plan_draft_rule d JOIN rule r ON r.brand_id = d.brand_id AND r.code = d.code
                   WHERE d.brand_id = asked.brand_id AND d.version = asked.number
                     AND (d.kind, d.level, d.sku, d.category, d.channel, d.tier, d.basis, d.rate_text, d.priority, d.starts_on, d.ends_on)
                         IS DISTINCT FROM (r.kind, r.level, r.sku, r.category, r.channel, r.tier, r.basis, r.rate_text, r.priority, r.starts_on, r.ends_on))
        OR EXISTS (SELECT 1 FROM plan_draft_rule d JOIN rule_end e ON e.brand_id = d.brand_id AND e.rule = d.code
                   WHERE d.brand_id = asked.brand_id AND d.version = asked.number) THEN
        RAISE EXCEPTION 'version % keeps a rule that is not there as it says, or takes a code a second time', asked.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_version_codes';
    END IF;
END $$;

-- Nothing was published or delivered since the version was last brought up to date, and it takes effect on a day to come.
CREATE FUNCTION require_plan_current(asked plan_version) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    newest plan_version%ROWTYPE;
BEGIN
    SELECT * INTO newest FROM plan_version v WHERE v.brand_id = asked.brand_id AND v.state = 'approved' AND v.number <> asked.number ORDER BY v.number DESC LIMIT 1;
    IF newest.number IS DISTINCT FROM asked.follows
        OR asked.known < (SELECT coalesce(max(r.intake), 0) FROM rule r WHERE r.brand_id = asked.brand_id) THEN
        RAISE EXCEPTION 'the plan has changed since version % was made', asked.number
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_current';
    END IF;
    IF asked.effective_on < newest.effective_on
        OR asked.effective_on <= (SELECT (clock_timestamp() AT TIME ZONE b.time_zone)::date FROM brand b WHERE b.id = asked.brand_id) THEN
        RAISE EXCEPTION 'version % takes effect on a day to come, and not before the one it follows', asked.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_version_effective';
    END IF;
END $$;

-- draft -> submitted -> approved, back from submitted to draft, and from draft to discarded. Nothing else changes.
CREATE FUNCTION check_plan_version_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked text[] := ARRAY['state', 'effective_on', 'document', 'sha256', 'author', 'submitted_at', 'approval'];
    changing text[] := CASE OLD.state || ' ' || NEW.state
        WHEN 'draft draft' THEN ARRAY['name', 'follows', 'known']
        WHEN 'draft submitted' THEN asked WHEN 'submitted draft' THEN asked
        WHEN 'draft discarded' THEN ARRAY['state']
        WHEN 'submitted approved' THEN ARRAY['state', 'approver', 'approved_at', 'intake'] END;
BEGIN
    PERFORM require_read_committed();
    NEW.submitted_at := CASE WHEN NEW.state = 'submitted' AND OLD.state = 'draft' THEN clock_timestamp() WHEN NEW.state = 'draft' THEN NULL ELSE OLD.submitted_at END;
    NEW.approved_at := CASE WHEN NEW.state = 'approved' AND OLD.state = 'submitted' THEN clock_timestamp() ELSE OLD.approved_at END;
    IF changing IS NULL OR to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing THEN
        RAISE EXCEPTION 'version % goes from draft to submitted to approved, and what was said stays', OLD.number
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_step';
    END IF;
    IF NEW.state = 'draft' AND EXISTS (SELECT 1 FROM approval a WHERE a.brand_id = OLD.brand_id AND a.id = OLD.approval AND a.state = 'executed') THEN
        RAISE EXCEPTION 'version % was allowed and done', OLD.number USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_step';
    END IF;
    IF NEW.state = 'submitted' THEN
        PERFORM require_plan_document(NEW);
        PERFORM require_plan_current(NEW);
    ELSIF NEW.state = 'approved' THEN
        PERFORM require_plan_current(NEW);
        IF NOT EXISTS (
            SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
            WHERE a.brand_id = NEW.brand_id AND a.id = NEW.approval AND a.action = 'plan.publish' AND a.state = 'executed'
              AND (a.maker, a.checker) = (NEW.author, NEW.approver)
              AND (said ->> 'version', said ->> 'sha256', said ->> 'effective_on') = (NEW.number::text, NEW.sha256, NEW.effective_on::text)) THEN
            RAISE EXCEPTION 'version % is not what was allowed', NEW.number USING ERRCODE = 'restrict_violation', CONSTRAINT = 'plan_version_allowed';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plan_version_step BEFORE UPDATE ON plan_version FOR EACH ROW EXECUTE FUNCTION check_plan_version_step();

-- What was allowed becomes rules from its day on; what it no longer has ends on that day.
CREATE FUNCTION publish_plan() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    digits smallint := (SELECT decimals FROM brand WHERE id = NEW.brand_id);
BEGIN
    INSERT INTO rule_end (brand_id, rule, plan_version, ends_on, intake)
    SELECT r.brand_id, r.code, NEW.number, NEW.effective_on, NEW.intake
    FROM rule r LEFT JOIN rule_end e ON e.brand_id = r.brand_id AND e.rule = r.code
    LEFT JOIN plan_draft_rule d ON d.brand_id = r.brand_id AND d.version = NEW.number AND d.code = r.code
    WHERE r.brand_id = NEW.brand_id AND e.rule IS NULL AND d.code IS NULL AND (r.ends_on IS NULL OR r.ends_on > NEW.effective_on);

    INSERT INTO rule (brand_id, code, kind, level, sku, category, channel, tier, basis, rate_ppm, rate_minor, rate_text, priority, starts_on, ends_on, intake,
                      plan_version)
    SELECT d.brand_id, d.code, d.kind, d.level, d.sku, d.category, d.channel, d.tier, d.basis,
           CASE d.kind WHEN 'percent' THEN (d.rate_text::numeric * 1000000)::integer END,
           CASE d.kind WHEN 'per_unit' THEN (d.rate_text::numeric * power(10::numeric, digits))::bigint END,
           d.rate_text, d.priority, greatest(d.starts_on, NEW.effective_on), d.ends_on, NEW.intake, NEW.number
    FROM plan_draft_rule d WHERE d.brand_id = NEW.brand_id AND d.version = NEW.number AND d.change <> 'kept';

    INSERT INTO rule_bracket (brand_id, rule, from_value, rate_ppm, rate_minor)
    SELECT d.brand_id, d.code, (split_part(pair, ':', 1)::numeric * CASE d.basis WHEN 'unit' THEN 1 ELSE power(10::numeric, digits) END)::bigint,
           CASE WHEN d.basis <> 'unit' THEN (split_part(pair, ':', 2)::numeric * 1000000)::integer END,
           CASE WHEN d.basis = 'unit' THEN (split_part(pair, ':', 2)::numeric * power(10::numeric, digits))::bigint END
    FROM plan_draft_rule d CROSS JOIN LATERAL unnest(string_to_array(d.rate_text, ';')) pair
    WHERE d.brand_id = NEW.brand_id AND d.version = NEW.number AND d.change <> 'kept' AND d.kind IN ('graduated', 'slab');
    RETURN NULL;
END $$;
CREATE TRIGGER plan_version_publish AFTER UPDATE ON plan_version FOR EACH ROW WHEN (OLD.state = 'submitted' AND NEW.state = 'approved')
    EXECUTE FUNCTION publish_plan();

-- The paper of a version, for ever. document: what stands on it.
CREATE TABLE plan_certificate (
    brand_id uuid NOT NULL,
    version integer NOT NULL,
    document text NOT NULL CHECK (document <> ''),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    pdf bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, version),
    CONSTRAINT plan_certificate_version_reference FOREIGN KEY (brand_id, version) REFERENCES plan_version,
    CONSTRAINT plan_certificate_digest_check CHECK (sha256 = encode(sha256(pdf), 'hex'))
);
CALL protect('plan_certificate', true);

-- What months past would have earned under a draft: what was asked, and the result beside what today's plan gives.
CREATE TABLE plan_simulation (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    version integer NOT NULL,
    first_month date NOT NULL CHECK (extract(day FROM first_month) = 1),
    last_month date NOT NULL CHECK (extract(day FROM last_month) = 1),
    task uuid NOT NULL,
    asked_by uuid NOT NULL REFERENCES person,
    asked_at timestamptz NOT NULL,
    lines integer CHECK (lines >= 0),
    today_minor bigint,
    draft_minor bigint,
    made_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT plan_simulation_version_reference FOREIGN KEY (brand_id, version) REFERENCES plan_version,
    CONSTRAINT plan_simulation_months_check CHECK (last_month >= first_month),
    CONSTRAINT plan_simulation_made_check CHECK (
        (lines IS NULL) = (made_at IS NULL) AND (today_minor IS NULL) = (made_at IS NULL) AND (draft_minor IS NULL) = (made_at IS NULL))
);
CREATE INDEX plan_simulation_version_index ON plan_simulation (brand_id, version, asked_at);
CREATE INDEX plan_simulation_asked_by_index ON plan_simulation (asked_by);
CALL protect('plan_simulation', false);
REVOKE UPDATE ON plan_simulation FROM qucheng_app;
GRANT UPDATE (lines, today_minor, draft_minor, made_at) ON plan_simulation TO qucheng_app;

-- By reseller and by SKU. A bonus is on no SKU: by SKU all bonuses stand under the code ''.
CREATE TABLE plan_simulation_row (
    brand_id uuid NOT NULL,
    simulation uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('reseller', 'sku')),
    code text COLLATE "C" NOT NULL,
    today_minor bigint NOT NULL,
    draft_minor bigint NOT NULL,
    PRIMARY KEY (brand_id, simulation, kind, code),
    CONSTRAINT plan_simulation_row_simulation_reference FOREIGN KEY (brand_id, simulation) REFERENCES plan_simulation
);
CALL protect('plan_simulation_row', true);

-- By which rules the reseller itself earns on a day, in its tier of that day: none of another tier, and no level on which
-- nobody stands below it yet.
CREATE FUNCTION own_rules(on_day date) RETURNS TABLE (
    code text, kind text, level smallint, sku text, category text, channel text, tier text, basis text, rate_ppm integer, rate_minor bigint, rate_text text,
    priority integer, starts_on date, ends_on date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.code, t.kind, t.level, t.sku, t.category, t.channel, t.tier, t.basis, t.rate_ppm, t.rate_minor, t.rate_text, t.priority, t.starts_on, t.ends_on
    FROM brand b JOIN chain h ON h.brand_id = b.id AND h.reseller = current_reseller() AND h.starts_on <= on_day AND (h.ends_on IS NULL OR on_day < h.ends_on)
    JOIN rule_term t ON t.brand_id = b.id AND (t.tier IS NULL OR t.tier = h.tier)
        AND (t.starts_on IS NULL OR t.starts_on <= on_day) AND (t.ends_on IS NULL OR on_day < t.ends_on)
    WHERE b.id = current_brand()
      AND coalesce(t.level, 1) <= CASE WHEN b.policy = 'cn-two-tier' AND on_day >= b.expires_on THEN 1 ELSE b.max_levels END
      AND (coalesce(t.level, 1) = 1 OR EXISTS (
          SELECT 1 FROM chain below WHERE below.brand_id = b.id AND below.starts_on <= on_day AND (below.ends_on IS NULL OR on_day < below.ends_on)
            AND CASE t.level WHEN 2 THEN below.parent ELSE below.grandparent END = h.reseller))
    ORDER BY t.level NULLS LAST, t.code
$$;
REVOKE EXECUTE ON FUNCTION own_rules(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION own_rules(date) TO qucheng_reseller;
