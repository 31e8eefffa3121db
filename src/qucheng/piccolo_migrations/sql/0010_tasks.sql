-- Readiness compares what was applied with what the program brings.
GRANT SELECT ON migration TO qucheng_app;

-- Background work: a row is written with the business change and is the truth about it; arq only rings. A lease is told by
-- this server's clock. `attempt` is the fence: who took the task at an earlier attempt changes nothing any more.
-- subject holds codes, dates and numbers that say what it is about; no value that a person entered, and no secret.
CREATE TABLE task (
    id uuid PRIMARY KEY,
    queue text NOT NULL CHECK (queue IN ('money', 'documents', 'rest')),
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z_]+\.[a-z_]+$'),
    brand uuid,
    subject jsonb NOT NULL,
    -- work that must not be there twice has a key; it is free again when the task has ended
    key text COLLATE "C" CHECK (key <> ''),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    attempts_left integer NOT NULL DEFAULT 5 CHECK (attempts_left >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    available_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rung_at timestamptz,
    lease_until timestamptz,
    worker uuid,
    units_done bigint NOT NULL DEFAULT 0 CHECK (units_done >= 0),
    units bigint CHECK (units >= 0),
    reason text CHECK (reason <> ''),
    ended_at timestamptz,
    CONSTRAINT task_lease_check CHECK ((state = 'running') = (lease_until IS NOT NULL AND worker IS NOT NULL)),
    CONSTRAINT task_ended_check CHECK ((state IN ('done', 'dead', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX task_key_unique ON task (key) WHERE state IN ('waiting', 'running');
CREATE INDEX task_waiting_index ON task (available_at) WHERE state = 'waiting';
CREATE INDEX task_lease_index ON task (lease_until) WHERE state = 'running';
CREATE INDEX task_brand_index ON task (brand, created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON task TO qucheng_app;

-- The last tick of each schedule for which a task was made: what was missed while nobody looked is found by it.
CREATE TABLE schedule (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    ticked_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON schedule TO qucheng_app;

-- The processes that serve and work, as they report themselves every few seconds.
CREATE TABLE process (
    id uuid PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('web', 'worker')),
    host text NOT NULL CHECK (host <> ''),
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON process TO qucheng_app;

-- Which brands there are, for the platform's own work: row-level security shows a brand only to those who stand in it.
CREATE FUNCTION brand_named(wanted text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT id FROM brand WHERE code = wanted $$;
CREATE FUNCTION brands() RETURNS TABLE (id uuid, code text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT id, code FROM brand ORDER BY code $$;
REVOKE EXECUTE ON FUNCTION brand_named(text), brands() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION brand_named(text), brands() TO qucheng_app;
