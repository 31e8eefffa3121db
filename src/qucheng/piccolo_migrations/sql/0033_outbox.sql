-- What happened, told with the transaction that did it, for those outside who want to know of it: ids and codes, no more.
-- seq is given before COMMIT, so a row may appear below one that was seen before: what is new is found by `pending`, never by the
-- highest number. Of one subject, what was told after another was committed has the higher number. Kept for thirty days.
CREATE TABLE outbox_event (
    brand_id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'order.paid', 'order.refunded', 'entry.accrued', 'entry.reversed', 'statement.published', 'card.redeemed', 'webhook.test')),
    subject text COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 120),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object' AND length(data::text) <= 1000),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pending boolean NOT NULL DEFAULT true,
    PRIMARY KEY (brand_id, seq)
);
CREATE INDEX outbox_event_pending_index ON outbox_event (brand_id, seq) WHERE pending;
CALL protect('outbox_event', false);
REVOKE INSERT, UPDATE ON outbox_event FROM qucheng_app;
GRANT INSERT (brand_id, id, kind, subject, data, pending), UPDATE (pending), DELETE ON outbox_event TO qucheng_app;
-- told of, never read
CALL show_to_reseller('outbox_event', $$kind IN ('order.paid', 'order.refunded', 'card.redeemed')$$, 'INSERT (brand_id, id, kind, subject, data)');

-- Where a brand's events go. Rows stay: they are the history. kinds: a list with a space between.
CREATE TABLE webhook_endpoint (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    url text COLLATE "C" NOT NULL CHECK (url ~ '^https://[!-~]+$' AND length(url) <= 500),
    kinds text COLLATE "C" NOT NULL CHECK (kinds ~ '^[a-z._]+( [a-z._]+)*$'),
    state text NOT NULL CHECK (state IN ('active', 'paused', 'disabled', 'deleted')),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL REFERENCES person,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, id)
);
CREATE INDEX webhook_endpoint_created_by_index ON webhook_endpoint (created_by);
CALL protect('webhook_endpoint', false);
REVOKE UPDATE ON webhook_endpoint FROM qucheng_app;
GRANT UPDATE (state, changed_at) ON webhook_endpoint TO qucheng_app;

CREATE FUNCTION check_webhook_endpoint_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changing constant text[] := ARRAY['state', 'changed_at'];
BEGIN
    IF to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing OR OLD.state = 'deleted' THEN
        RAISE EXCEPTION 'of a webhook endpoint nothing changes but its state, and of a deleted one nothing'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'webhook_endpoint_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER webhook_endpoint_step BEFORE UPDATE ON webhook_endpoint FOR EACH ROW EXECUTE FUNCTION check_webhook_endpoint_step();

-- What its messages are signed with, sealed. ends_at: blank for the newest, which is one; the one before it signs as well until then.
CREATE TABLE webhook_secret (
    brand_id uuid NOT NULL,
    endpoint uuid NOT NULL,
    number smallint NOT NULL CHECK (number >= 1),
    cipher bytea NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by uuid NOT NULL REFERENCES person,
    ends_at timestamptz,
    PRIMARY KEY (brand_id, endpoint, number),
    CONSTRAINT webhook_secret_endpoint_reference FOREIGN KEY (brand_id, endpoint) REFERENCES webhook_endpoint,
    CONSTRAINT webhook_secret_ends_check CHECK (ends_at >= issued_at)
);
CREATE UNIQUE INDEX webhook_secret_newest_unique ON webhook_secret (brand_id, endpoint) WHERE ends_at IS NULL;
CREATE INDEX webhook_secret_issued_by_index ON webhook_secret (issued_by);
CALL protect('webhook_secret', false);
REVOKE UPDATE ON webhook_secret FROM qucheng_app;
GRANT UPDATE (ends_at) ON webhook_secret TO qucheng_app;

CREATE FUNCTION check_webhook_secret_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(OLD) - 'ends_at' IS DISTINCT FROM to_jsonb(NEW) - 'ends_at' OR NEW.ends_at IS NULL OR NEW.ends_at > OLD.ends_at) THEN
        RAISE EXCEPTION 'a secret ends once, and is never made good again'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'webhook_secret_step';
    END IF;
    IF TG_OP = 'INSERT' AND (SELECT count(*) FROM webhook_secret WHERE brand_id = NEW.brand_id AND endpoint = NEW.endpoint AND number <> NEW.number
                             AND (ends_at IS NULL OR ends_at > NEW.issued_at)) > 1 THEN
        RAISE EXCEPTION 'two secrets of an endpoint are good at a time'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'webhook_secret_two';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER webhook_secret_step BEFORE INSERT OR UPDATE ON webhook_secret FOR EACH ROW EXECUTE FUNCTION check_webhook_secret_step();

-- An event on its way to an endpoint. queued: behind another of its subject, or the endpoint is paused. One of a subject at a time
-- is waiting or being sent, which is what keeps them in order. attempt fences who sends; tries counts since it was queued or replayed.
CREATE TABLE webhook_delivery (
    brand_id uuid NOT NULL,
    endpoint uuid NOT NULL,
    event bigint NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind <> ''),
    subject text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'waiting', 'sending', 'delivered', 'dead', 'dropped')),
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    tries smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz,
    lease_until timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (brand_id, endpoint, event),
    CONSTRAINT webhook_delivery_endpoint_reference FOREIGN KEY (brand_id, endpoint) REFERENCES webhook_endpoint,
    CONSTRAINT webhook_delivery_event_reference FOREIGN KEY (brand_id, event) REFERENCES outbox_event,
    CONSTRAINT webhook_delivery_due_check CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
    CONSTRAINT webhook_delivery_lease_check CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CONSTRAINT webhook_delivery_ended_check CHECK ((state IN ('delivered', 'dead', 'dropped')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX webhook_delivery_one_unique ON webhook_delivery (brand_id, endpoint, subject) WHERE state IN ('waiting', 'sending');
CREATE INDEX webhook_delivery_queued_index ON webhook_delivery (brand_id, endpoint, subject, event) WHERE state = 'queued';
CREATE INDEX webhook_delivery_due_index ON webhook_delivery (brand_id, endpoint, due_at) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_lease_index ON webhook_delivery (brand_id, endpoint, lease_until) WHERE state = 'sending';
CREATE INDEX webhook_delivery_dead_index ON webhook_delivery (brand_id, endpoint, ended_at) WHERE state = 'dead';
CREATE INDEX webhook_delivery_newest_index ON webhook_delivery (brand_id, event, endpoint);
CREATE INDEX webhook_delivery_subject_index ON webhook_delivery (brand_id, subject);
CALL protect('webhook_delivery', false);
REVOKE UPDATE ON webhook_delivery FROM qucheng_app;
GRANT UPDATE (state, attempt, tries, due_at, lease_until, ended_at), DELETE ON webhook_delivery TO qucheng_app;

-- One sending: what was answered, or why nothing was. lost: the worker died with it, and nobody knows whether it arrived.
CREATE TABLE webhook_attempt (
    brand_id uuid NOT NULL,
    endpoint uuid NOT NULL,
    event bigint NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    at timestamptz NOT NULL,
    duration_ms integer NOT NULL CHECK (duration_ms >= 0),
    status smallint CHECK (status BETWEEN 100 AND 999),
    fault text CHECK (fault IN ('url', 'name', 'address', 'connect', 'timeout', 'protocol', 'secret', 'lost')),
    answer text CHECK (length(answer) BETWEEN 1 AND 2048),
    PRIMARY KEY (brand_id, endpoint, event, number),
    CONSTRAINT webhook_attempt_delivery_reference FOREIGN KEY (brand_id, endpoint, event) REFERENCES webhook_delivery,
    CONSTRAINT webhook_attempt_outcome_check CHECK ((status IS NULL) = (fault IS NOT NULL))
);
CALL protect('webhook_attempt', false);
REVOKE UPDATE ON webhook_attempt FROM qucheng_app;
GRANT DELETE ON webhook_attempt TO qucheng_app;

-- The brands that have something to send now: asked over all of them, as the worker does, and told as ids alone.
CREATE FUNCTION brands_with_webhooks_due() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT b.id FROM brand b WHERE EXISTS (SELECT FROM outbox_event o WHERE o.brand_id = b.id AND o.pending)
        OR EXISTS (SELECT FROM webhook_endpoint e WHERE e.brand_id = b.id AND (
            EXISTS (SELECT FROM webhook_delivery d WHERE d.brand_id = b.id AND d.endpoint = e.id AND d.state = 'waiting' AND d.due_at <= statement_timestamp())
            OR EXISTS (SELECT FROM webhook_delivery d WHERE d.brand_id = b.id AND d.endpoint = e.id AND d.state = 'sending' AND d.lease_until < statement_timestamp())))
    ORDER BY b.id
$$;
REVOKE EXECUTE ON FUNCTION brands_with_webhooks_due() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION brands_with_webhooks_due() TO qucheng_app;

-- A further kind of notification, beside whatever kinds there are.
CREATE PROCEDURE add_notification_kind(added text) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    name text;
    kinds text[];
BEGIN
    FOREACH name IN ARRAY ARRAY['notification', 'notification_setting'] LOOP
        SELECT array_agg(hit[1] ORDER BY place) INTO kinds FROM pg_constraint,
            regexp_matches(pg_get_constraintdef(oid), '''([a-z_]+\.[a-z_]+)''', 'g') WITH ORDINALITY AS listed (hit, place)
        WHERE conrelid = name::regclass AND conname = name || '_kind_check';
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I, ADD CONSTRAINT %2$I CHECK (kind IN (%s))',
                       name, name || '_kind_check', (SELECT string_agg(quote_literal(each), ', ') FROM unnest(kinds || added) each));
    END LOOP;
END $$;
REVOKE EXECUTE ON PROCEDURE add_notification_kind(text) FROM PUBLIC;
CALL add_notification_kind('webhook.disabled');
