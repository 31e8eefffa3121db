-- What a person is told of, in the place of the role that it concerns: a reseller of the brand, the brand itself, or the platform
-- under its id. Kind, subject and content are codes, dates and amounts; the sentence is made in the language of whoever reads it.
-- shown: in the app; else it is there for the mail alone. subject: the same thing is told once.
CREATE TABLE notification (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES person,
    reseller text COLLATE "C",
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'approval.waiting', 'approval.decided', 'statement.published', 'dispute.opened', 'dispute.decided', 'price.change',
        'plan.published', 'application.received', 'agreement.published', 'task.failed')),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 120),
    content jsonb NOT NULL CHECK (jsonb_typeof(content) = 'object' AND length(content::text) <= 8000),
    shown boolean NOT NULL,
    told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz,
    mail text NOT NULL CHECK (mail IN ('none', 'waiting', 'sent', 'refused')),
    mailed_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT notification_once_unique UNIQUE NULLS NOT DISTINCT (brand_id, user_id, reseller, kind, subject),
    CONSTRAINT notification_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT notification_mailed_check CHECK ((mail = 'sent') = (mailed_at IS NOT NULL))
);
CREATE INDEX notification_user_index ON notification (user_id);
CREATE INDEX notification_reseller_index ON notification (brand_id, reseller);
CREATE INDEX notification_newest_index ON notification (brand_id, user_id, told_at DESC, id DESC) WHERE shown;
CREATE INDEX notification_unread_index ON notification (brand_id, user_id) WHERE shown AND read_at IS NULL;
CREATE INDEX notification_subject_index ON notification (brand_id, kind, subject) WHERE read_at IS NULL OR mail = 'waiting';
CREATE INDEX notification_waiting_index ON notification (brand_id, user_id, kind) WHERE mail = 'waiting';
CREATE INDEX notification_mailed_index ON notification (brand_id, user_id, kind, mailed_at) WHERE mail = 'sent';
CREATE INDEX notification_told_index ON notification (brand_id, told_at);
CALL protect('notification', false);
REVOKE INSERT, UPDATE ON notification FROM qucheng_app;
GRANT UPDATE (read_at, mail, mailed_at), DELETE ON notification TO qucheng_app;
-- without what became of the letter
CALL show_to_reseller('notification', 'reseller = (SELECT current_reseller())',
    'SELECT (brand_id, id, user_id, reseller, kind, subject, content, shown, told_at, read_at)');
GRANT UPDATE (read_at) ON notification TO qucheng_reseller;

-- What a person wants to be told of, and how; without a row, as the kind has it. It is the same in all roles.
CREATE TABLE notification_setting (
    user_id uuid NOT NULL REFERENCES person,
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'approval.waiting', 'approval.decided', 'statement.published', 'dispute.opened', 'dispute.decided', 'price.change',
        'plan.published', 'application.received', 'agreement.published', 'task.failed')),
    app boolean NOT NULL,
    mail boolean NOT NULL,
    PRIMARY KEY (user_id, kind)
);
GRANT SELECT, INSERT, UPDATE ON notification_setting TO qucheng_app;

-- Tells everybody who has one of the roles in one of the places (null: of the brand itself), or of those only the people that are
-- named; but one. contents: one for all places, or one for each. Of the owner, because who acts for a reseller sees nobody of its
-- brand; and such a one tells of its disputes alone.
CREATE FUNCTION tell_people(kind_given text, subject_given text, on_platform boolean, places text[], contents text[], roles text[],
                            people uuid[], but_one uuid, by_mail boolean) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    told integer;
BEGIN
    IF current_brand() IS NULL OR (current_reseller() IS NOT NULL AND kind_given <> 'dispute.opened') THEN
        RAISE EXCEPTION 'nobody is told of this from here' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO notification (brand_id, id, user_id, reseller, kind, subject, content, shown, mail)
    SELECT m.brand_id, gen_random_uuid(), m.user_id, m.reseller, kind_given, subject_given, m.content::jsonb, coalesce(s.app, true),
           CASE WHEN coalesce(s.mail, by_mail) THEN 'waiting' ELSE 'none' END
    FROM (SELECT DISTINCT g.brand_id, g.user_id, g.reseller, p.content
          FROM (SELECT place, contents[CASE WHEN cardinality(contents) = 1 THEN 1 ELSE position END] AS content
                FROM unnest(places) WITH ORDINALITY listed (place, position)) p
          JOIN membership g ON coalesce(g.reseller, '') = coalesce(p.place, '')
          WHERE g.brand_id = CASE WHEN on_platform THEN platform_id() ELSE current_brand() END AND g.revoked_at IS NULL
            AND g.role = ANY (roles) AND (people IS NULL OR g.user_id = ANY (people)) AND g.user_id IS DISTINCT FROM but_one) m
    JOIN person ON person.id = m.user_id AND person.state <> 'closed'
    LEFT JOIN notification_setting s ON s.user_id = m.user_id AND s.kind = kind_given
    WHERE coalesce(s.app, true) OR coalesce(s.mail, by_mail)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS told = ROW_COUNT;
    RETURN told;
END $$;

-- What waited does so no longer: it counts as read, and no letter goes out about it.
CREATE FUNCTION settle_notifications(kind_given text, subject_given text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE notification SET read_at = coalesce(read_at, clock_timestamp()), mail = CASE WHEN mail = 'waiting' THEN 'none' ELSE mail END
    WHERE brand_id IN (current_brand(), platform_id()) AND kind = kind_given AND subject = subject_given AND (read_at IS NULL OR mail = 'waiting')
$$;

-- How many a person has not read, in each of the roles that they have: asked over all brands, as the roles themselves are.
CREATE FUNCTION unread_of(person_id uuid) RETURNS TABLE (membership uuid, unread bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.id, count(*) FROM membership m
    JOIN notification n ON n.brand_id = m.brand_id AND n.user_id = m.user_id AND n.reseller IS NOT DISTINCT FROM m.reseller
    WHERE m.user_id = person_id AND m.revoked_at IS NULL AND n.shown AND n.read_at IS NULL GROUP BY m.id
$$;
REVOKE EXECUTE ON FUNCTION tell_people(text, text, boolean, text[], text[], text[], uuid[], uuid, boolean), settle_notifications(text, text),
    unread_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tell_people(text, text, boolean, text[], text[], text[], uuid[], uuid, boolean) TO qucheng_app, qucheng_reseller;
GRANT EXECUTE ON FUNCTION settle_notifications(text, text), unread_of(uuid) TO qucheng_app;

-- tasks that were given up, for those who are told of them
CREATE INDEX task_dead_index ON task (ended_at) WHERE state = 'dead';
