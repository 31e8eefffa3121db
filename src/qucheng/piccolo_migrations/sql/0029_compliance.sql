-- What the law asks of the network, kept: opinions by which a second level earns, monthly reports, texts that resellers see.

-- A lawyer's opinion that one person of the brand put forward and another allowed. Under cn-two-tier a second level earns on
-- sales of the days that an opinion covers: those before brand.expires_on, by the opinion with which the brand came, and
-- those of these rows. An opinion never changes what has been reckoned: it starts after the day on which it is allowed, and
-- after the last day of which the brand has a sale.
CREATE TABLE legal_opinion (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    reference text COLLATE "C" NOT NULL CHECK (reference ~ '\S' AND length(reference) <= 80),
    starts_on date NOT NULL,
    expires_on date NOT NULL,
    author uuid NOT NULL REFERENCES person,
    approver uuid NOT NULL REFERENCES person,
    approval uuid NOT NULL,
    approved_on date NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, number),
    CONSTRAINT legal_opinion_approval_unique UNIQUE (brand_id, approval),
    CONSTRAINT legal_opinion_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT legal_opinion_people_check CHECK (author <> approver),
    CONSTRAINT legal_opinion_start_check CHECK (starts_on > approved_on AND expires_on > starts_on),
    CONSTRAINT legal_opinion_year_check CHECK (expires_on <= (approved_on + interval '12 months')::date)
);
CREATE INDEX legal_opinion_author_index ON legal_opinion (author);
CREATE INDEX legal_opinion_approver_index ON legal_opinion (approver);
CALL protect('legal_opinion', true);
REVOKE INSERT ON legal_opinion FROM qucheng_app;
GRANT INSERT (brand_id, number, reference, expires_on, author, approver, approval) ON legal_opinion TO qucheng_app;
CALL show_to_reseller('legal_opinion', 'true', 'SELECT (brand_id, number, starts_on, expires_on)');

-- The two dates are the database's own; deliveries wait, so that none brings a sale of a later day meanwhile.
CREATE FUNCTION check_legal_opinion() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'intake');
    SELECT (clock_timestamp() AT TIME ZONE b.time_zone)::date INTO NEW.approved_on FROM brand b WHERE b.id = NEW.brand_id;
    NEW.approved_at := clock_timestamp();
    SELECT greatest(NEW.approved_on, max(l.paid_on)) + 1 INTO NEW.starts_on FROM order_line l WHERE l.brand_id = NEW.brand_id;
    IF NEW.expires_on <= NEW.starts_on THEN
        RAISE EXCEPTION 'an opinion that starts on % would be over before', NEW.starts_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'legal_opinion_start_check';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
        WHERE a.brand_id = NEW.brand_id AND a.id = NEW.approval AND a.action = 'policy.opinion' AND a.state = 'executed'
          AND (a.maker, a.checker) = (NEW.author, NEW.approver)
          AND (said ->> 'reference', said ->> 'expires_on') IS NOT DISTINCT FROM (NEW.reference, NEW.expires_on::text)) THEN
        RAISE EXCEPTION 'the opinion % is not what was allowed', NEW.reference USING ERRCODE = 'restrict_violation', CONSTRAINT = 'legal_opinion_allowed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER legal_opinion_allowed BEFORE INSERT ON legal_opinion FOR EACH ROW EXECUTE FUNCTION check_legal_opinion();

-- How many levels earn on a sale of that day, of the visible brand.
CREATE FUNCTION paid_levels(day date) RETURNS smallint LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN b.policy = 'cn-two-tier' AND day >= b.expires_on
                     AND NOT EXISTS (SELECT 1 FROM legal_opinion o WHERE o.brand_id = b.id AND o.starts_on <= day AND day < o.expires_on)
                THEN 1::smallint ELSE b.max_levels END
    FROM brand b WHERE b.id = current_brand()
$$;
GRANT EXECUTE ON FUNCTION paid_levels(date) TO qucheng_app, qucheng_reseller;

-- A month of which the reports were made; of each root that stood in it: how it stood at the end of the month's last day (none
-- where it was no root any more), and the most that stood under it on a day of the month. As it was known when it was made.
CREATE TABLE compliance_month (
    brand_id uuid NOT NULL REFERENCES brand,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    policy text NOT NULL CHECK (policy <> ''),
    max_depth smallint NOT NULL,
    paid_levels smallint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, month)
);
CALL protect('compliance_month', true);
REVOKE INSERT ON compliance_month FROM qucheng_app;
GRANT INSERT (brand_id, month, policy, max_depth, paid_levels) ON compliance_month TO qucheng_app;

CREATE FUNCTION check_compliance_month() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.month + interval '1 month')::date > (SELECT (clock_timestamp() AT TIME ZONE b.time_zone)::date FROM brand b WHERE b.id = NEW.brand_id) THEN
        RAISE EXCEPTION 'the month % is not over', NEW.month USING ERRCODE = 'check_violation', CONSTRAINT = 'compliance_month_over';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_month_over BEFORE INSERT ON compliance_month FOR EACH ROW EXECUTE FUNCTION check_compliance_month();

CREATE TABLE compliance_report (
    brand_id uuid NOT NULL,
    month date NOT NULL,
    root text COLLATE "C" NOT NULL,
    heads integer NOT NULL CHECK (heads >= 0),
    persons smallint NOT NULL CHECK (persons >= 0),
    most_heads integer NOT NULL CHECK (most_heads >= 1),
    most_persons smallint NOT NULL CHECK (most_persons >= 1),
    PRIMARY KEY (brand_id, month, root),
    CONSTRAINT compliance_report_month_reference FOREIGN KEY (brand_id, month) REFERENCES compliance_month,
    CONSTRAINT compliance_report_root_reference FOREIGN KEY (brand_id, root) REFERENCES reseller,
    CONSTRAINT compliance_report_most_check CHECK (most_heads >= heads AND most_persons >= persons AND (heads = 0) = (persons = 0))
);
CREATE INDEX compliance_report_root_index ON compliance_report (brand_id, root);
CALL protect('compliance_report', true);

-- What the brand tells its resellers; a text that is changed is ended and written anew, so what was shown stays known.
CREATE TABLE portal_text (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('announcement', 'help')),
    title_zh text CHECK (title_zh ~ '\S' AND length(title_zh) <= 80),
    body_zh text CHECK (body_zh ~ '\S' AND length(body_zh) <= 4000),
    title_en text CHECK (title_en ~ '\S' AND length(title_en) <= 80),
    body_en text CHECK (body_en ~ '\S' AND length(body_en) <= 4000),
    starts_on date NOT NULL,
    ends_on date,
    published_by uuid NOT NULL REFERENCES person,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, id),
    CONSTRAINT portal_text_dates_check CHECK (ends_on > starts_on),
    CONSTRAINT portal_text_language_check CHECK (
        (title_zh IS NULL) = (body_zh IS NULL) AND (title_en IS NULL) = (body_en IS NULL) AND (title_zh IS NOT NULL OR title_en IS NOT NULL))
);
CREATE INDEX portal_text_published_index ON portal_text (brand_id, published_at);
CREATE INDEX portal_text_published_by_index ON portal_text (published_by);
CALL protect('portal_text', true);
REVOKE INSERT ON portal_text FROM qucheng_app;
GRANT INSERT (brand_id, id, kind, title_zh, body_zh, title_en, body_en, starts_on, ends_on, published_by) ON portal_text TO qucheng_app;
CALL show_to_reseller('portal_text', 'true',
    'SELECT (brand_id, id, kind, title_zh, body_zh, title_en, body_en, starts_on, ends_on, published_at)');

CREATE TABLE portal_text_end (
    brand_id uuid NOT NULL,
    text uuid NOT NULL,
    ended_by uuid NOT NULL REFERENCES person,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, text),
    CONSTRAINT portal_text_end_text_reference FOREIGN KEY (brand_id, text) REFERENCES portal_text
);
CREATE INDEX portal_text_end_ended_by_index ON portal_text_end (ended_by);
CALL protect('portal_text_end', true);
REVOKE INSERT ON portal_text_end FROM qucheng_app;
GRANT INSERT (brand_id, text, ended_by) ON portal_text_end TO qucheng_app;
CALL show_to_reseller('portal_text_end', 'true', 'SELECT (brand_id, text)');

-- What resellers of a tier earned in a settled and published month, before tax and adjustments: the one in the middle, never the
-- best. Those who earned nothing count. Nothing where fewer than five stood in the tier at the end of the month: then it
-- would tell of persons.
CREATE FUNCTION median_earnings(of_month date, of_tier text) RETURNS TABLE (persons bigint, median_minor bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH earned AS (
        SELECT s.reseller, coalesce(t.accrued_minor + t.reversed_minor + t.bonus_minor, 0) AS amount
        FROM period p
        JOIN placement_span s ON s.brand_id = p.brand_id AND s.starts_on < (p.starts_on + interval '1 month')::date AND s.ends_on >= (p.starts_on + interval '1 month')::date
        LEFT JOIN statement t ON t.brand_id = p.brand_id AND t.reseller = s.reseller AND t.period = p.starts_on
        WHERE p.brand_id = current_brand() AND p.starts_on = of_month AND p.starts_on <> ALL (unpublished_periods()) AND (of_tier IS NULL OR s.tier = of_tier)
    ), placed AS (SELECT amount, row_number() OVER (ORDER BY amount) AS place, count(*) OVER () AS persons FROM earned)
    SELECT max(persons), (sign(sum(amount)) * div(2 * abs(sum(amount)) + count(*), 2 * count(*)))::bigint
    FROM placed WHERE persons >= 5 AND place IN (div(persons + 1, 2), div(persons + 2, 2)) HAVING count(*) > 0
$$;
REVOKE EXECUTE ON FUNCTION median_earnings(date, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION median_earnings(date, text) TO qucheng_app, qucheng_reseller;

-- refused attempts are looked for by what they are
CREATE INDEX audit_record_refused_index ON audit_record (brand_id, at) WHERE action IN ('compliance.refused', 'network.refused', 'plan.refused');
