-- The role that holds the app's rights. The roles that log in are members; none of them owns anything.
DO $$ BEGIN
    CREATE ROLE qucheng_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- Row-level security reads the brand from the transaction's setting; without it nothing is visible.
CREATE FUNCTION current_brand() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('qucheng.brand_id', true), '')::uuid $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a correction is a new row', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END $$;

-- Every table of a brand gets its policy and, where history is written, the guard and the narrow grant, from here.
CREATE PROCEDURE protect(name regclass, append_only boolean, column_name text DEFAULT 'brand_id') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY brand_only ON %s USING (%I = (SELECT current_brand())) WITH CHECK (%2$I = (SELECT current_brand()))',
                   name, column_name);
    IF append_only THEN
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
        EXECUTE format('GRANT SELECT, INSERT ON %s TO qucheng_app', name);
    ELSE
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO qucheng_app', name);
    END IF;
END $$;

-- A writer that must not run beside another of the same brand waits here; the lock ends with the transaction.
CREATE FUNCTION lock_brand(brand uuid, subject text) RETURNS void LANGUAGE sql
    AS $$ SELECT pg_advisory_xact_lock(hashtextextended(brand::text || ':' || subject, 0)) $$;

-- A check of other rows must see what was committed while it waited. At a higher isolation level it would look at the books
-- as they were before, so such writes are refused there.
CREATE FUNCTION require_read_committed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'this is written at the isolation level READ COMMITTED only'
            USING ERRCODE = 'invalid_transaction_state', HINT = 'its checks wait for other writers and must then see what they wrote';
    END IF;
END $$;

-- The instant of a local time: of an hour that occurs twice the first, in a gap with the offset before it. AT TIME ZONE
-- alone takes the second; three hours earlier there is no doubt about the offset.
-- Written without FROM so that the planner puts it in place.
CREATE FUNCTION instant_of_local(local timestamp, zone text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN ((local - interval '3 hours') AT TIME ZONE zone) + interval '3 hours' < local AT TIME ZONE zone
                 AND (((local - interval '3 hours') AT TIME ZONE zone) + interval '3 hours') AT TIME ZONE zone = local
                THEN ((local - interval '3 hours') AT TIME ZONE zone) + interval '3 hours' ELSE local AT TIME ZONE zone END
$$;

-- The period (its first day) an instant is in. Periods are intervals of instants: where a clock goes back over midnight on
-- the first, what comes after the first midnight is in the new month, whatever the clock shows.
CREATE FUNCTION period_of(at timestamptz, zone text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (CASE WHEN at >= instant_of_local(date_trunc('month', at AT TIME ZONE zone) + interval '1 month', zone)
                 THEN date_trunc('month', at AT TIME ZONE zone) + interval '1 month' ELSE date_trunc('month', at AT TIME ZONE zone) END)::date
$$;
