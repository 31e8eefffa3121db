-- A rule counts for sales that are accrued after it came, never for earlier ones: `intake` is the delivery that brought it,
-- accrued_through the last delivery that was known when this one was accrued.
ALTER TABLE rule ADD COLUMN intake integer;
ALTER TABLE rule DISABLE TRIGGER append_only;
UPDATE rule SET intake = (SELECT min(number) FROM intake i WHERE i.brand_id = rule.brand_id);
ALTER TABLE rule ENABLE TRIGGER append_only;
ALTER TABLE rule ALTER COLUMN intake SET NOT NULL;
ALTER TABLE rule ADD CONSTRAINT rule_intake_reference FOREIGN KEY (brand_id, intake) REFERENCES intake;
CREATE INDEX rule_intake_index ON rule (brand_id, intake);
ALTER TABLE intake ADD COLUMN accrued_through integer;
UPDATE intake SET accrued_through = (SELECT max(number) FROM intake o WHERE o.brand_id = intake.brand_id AND o.accrued_at <= intake.accrued_at)
    WHERE accrued_at IS NOT NULL;
ALTER TABLE intake ADD CONSTRAINT intake_accrued_check CHECK ((accrued_at IS NULL) = (accrued_through IS NULL) AND accrued_through >= number);

-- What the check of a brand's books found when it last ran (insight/books.sql).
CREATE TABLE books_check (
    brand_id uuid NOT NULL REFERENCES brand,
    number integer NOT NULL CHECK (number >= 1),
    checked_at timestamptz NOT NULL,
    differences integer NOT NULL CHECK (differences >= 0),
    -- the first of them: invariant, subject, expected, found
    findings jsonb NOT NULL,
    PRIMARY KEY (brand_id, number)
);
CALL protect('books_check', true);
-- Readiness asks it of all brands at once, and learns numbers only.
CREATE FUNCTION books_differing() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $$ SELECT count(*) FROM (SELECT DISTINCT ON (brand_id) differences FROM books_check ORDER BY brand_id, number DESC) last WHERE differences > 0 $$;
REVOKE EXECUTE ON FUNCTION books_differing() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION books_differing() TO qucheng_app;
