-- Exact arithmetic for the money scripts, in the session's temporary schema.

-- Exact sum of fractions: numerators over a common denominator.
CREATE OR REPLACE FUNCTION pg_temp.add_fraction(total numeric[], numerator numeric, denominator numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[total[1] * div(common, total[2]) + numerator * div(common, denominator), common]
    FROM (SELECT lcm(total[2], denominator) AS common) c
$$;
DO $$ BEGIN
    CREATE AGGREGATE pg_temp.sum_fractions(numeric, numeric) (SFUNC = pg_temp.add_fraction, STYPE = numeric[], INITCOND = '{0,1}');
EXCEPTION WHEN duplicate_function THEN NULL;
END $$;

-- Half away from zero, b > 0.
CREATE OR REPLACE FUNCTION pg_temp.half_away(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT sign(a) * div(2 * abs(a) + b, 2 * b) $$;
