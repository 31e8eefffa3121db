-- A rule's rate in its shortest form, or NULL where it cannot be read: percent a share from 0 to 1 with at most 6 decimals,
-- per_unit money below 10^6, graduated and slab brackets `from:rate;…` that start at 0 and rise.
CREATE OR REPLACE FUNCTION pg_temp.share(value text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^0*[01](\.[0-9]{1,6})?$' AND value::numeric <= 1 THEN trim_scale(value::numeric) END
$$;
CREATE OR REPLACE FUNCTION pg_temp.money(value text, digits integer, decimals integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ ('^0*[0-9]{1,' || digits || '}' || CASE WHEN decimals > 0 THEN '(\.[0-9]{1,' || decimals || '})?' ELSE '' END || '$')
                THEN round(value::numeric, decimals) END
$$;
CREATE OR REPLACE FUNCTION pg_temp.brackets(basis text, value text, decimals integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN bool_and(pair ~ '^[^:]+:[^:]+$' AND from_value IS NOT NULL AND rate IS NOT NULL
                              AND CASE WHEN n = 1 THEN from_value = 0 ELSE from_value > before END)
                THEN string_agg(trim_scale(from_value)::text || ':' || rate::text, ';' ORDER BY n) END
    FROM (SELECT *, lag(from_value) OVER (ORDER BY n) AS before
          FROM (SELECT n, pair,
                       pg_temp.money(split_part(pair, ':', 1), 10, CASE basis WHEN 'unit' THEN 0 ELSE decimals END) AS from_value,
                       CASE basis WHEN 'unit' THEN pg_temp.money(split_part(pair, ':', 2), 6, decimals) ELSE pg_temp.share(split_part(pair, ':', 2)) END AS rate
                FROM unnest(string_to_array(value, ';')) WITH ORDINALITY u (pair, n)) parts) bracket
$$;
CREATE OR REPLACE FUNCTION pg_temp.canonical_rate(kind text, basis text, value text, decimals integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN kind = 'percent' THEN pg_temp.share(value)::text
                WHEN kind = 'per_unit' THEN pg_temp.money(value, 6, decimals)::text
                WHEN kind IN ('graduated', 'slab') THEN pg_temp.brackets(basis, value, decimals) END
$$;
