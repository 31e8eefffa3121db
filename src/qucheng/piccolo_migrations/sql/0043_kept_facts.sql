-- Who applied and was rejected is nobody's concern for ever: what was sealed of it is wiped half a year after it was decided. That
-- somebody applied, when, and what was answered stays; the fingerprint still finds the same person within the brand.
ALTER TABLE application ALTER COLUMN facts_cipher DROP NOT NULL,
    ADD CONSTRAINT application_facts_check CHECK (facts_cipher IS NOT NULL OR state = 'rejected');
CREATE INDEX application_kept_index ON application (brand_id, decided_at) WHERE state = 'rejected' AND facts_cipher IS NOT NULL;
GRANT UPDATE (facts_cipher) ON application TO qucheng_app;

CREATE OR REPLACE FUNCTION check_application_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changing text[] := ARRAY['state', 'decided_at', 'decided_by', 'reason', 'reseller'];
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'rejected' AND NEW.facts_cipher IS NULL AND OLD.decided_at < clock_timestamp() - interval '180 days' THEN
        changing := ARRAY['facts_cipher'];
    ELSIF TG_OP = 'DELETE' OR OLD.state NOT IN ('waiting', 'repeated') OR NEW.state NOT IN ('approved', 'rejected') THEN
        changing := NULL;
    END IF;
    IF changing IS NULL OR to_jsonb(OLD) - changing IS DISTINCT FROM to_jsonb(NEW) - changing THEN
        RAISE EXCEPTION 'an application is decided once, and nothing else of it changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'application_step';
    END IF;
    RETURN NEW;
END $$;
