-- That this database was given the demonstration: invented brands, and people whose passwords stand in a file. A start in
-- production refuses it, so the row is written before anything else of the demonstration, and the app cannot take it back.
CREATE TABLE demonstration (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT demonstration_finished_check CHECK (finished_at >= begun_at)
);
GRANT SELECT, INSERT (id), UPDATE (finished_at) ON demonstration TO qucheng_app;
