-- What an older key has sealed is sealed anew, so that the key can go. The app writes none of these values again: reseal() does, as the
-- owner, and only a value of the same length for the one that stands there. Triggers that keep a row as it is let that pass.

-- Whether a sealed value is another one's by another key, as far as can be seen of it, and written by the owner.
CREATE FUNCTION resealed(old bytea, fresh bytea) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(length(old) = length(fresh) AND length(old) > 3 AND substr(old, 1, 1) = substr(fresh, 1, 1) AND substr(old, 2, 2) <> substr(fresh, 2, 2)
        AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'sale'::regclass), false)
$$;
REVOKE EXECUTE ON FUNCTION resealed(bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION resealed(bytea, bytea) TO qucheng_app, qucheng_reseller;

DROP TRIGGER invitation_step ON invitation;
CREATE TRIGGER invitation_step BEFORE UPDATE ON invitation FOR EACH ROW
    WHEN (NOT (resealed(OLD.login_cipher, NEW.login_cipher) AND to_jsonb(OLD) - 'login_cipher' = to_jsonb(NEW) - 'login_cipher'))
    EXECUTE FUNCTION check_invitation();
DROP TRIGGER sale_step ON sale;
CREATE TRIGGER sale_step BEFORE UPDATE ON sale FOR EACH ROW
    WHEN (NOT ((resealed(OLD.phone_cipher, NEW.phone_cipher) OR resealed(OLD.mail_cipher, NEW.mail_cipher)) AND to_jsonb(OLD) - ARRAY['phone_cipher', 'mail_cipher'] = to_jsonb(NEW) - ARRAY['phone_cipher', 'mail_cipher']))
    EXECUTE FUNCTION check_sale_step();
DROP TRIGGER api_secret_step ON api_secret;
CREATE TRIGGER api_secret_step BEFORE INSERT ON api_secret FOR EACH ROW EXECUTE FUNCTION check_api_secret_step();
CREATE TRIGGER api_secret_end BEFORE UPDATE ON api_secret FOR EACH ROW
    WHEN (NOT (resealed(OLD.signing_cipher, NEW.signing_cipher) AND to_jsonb(OLD) - 'signing_cipher' = to_jsonb(NEW) - 'signing_cipher'))
    EXECUTE FUNCTION check_api_secret_step();
DROP TRIGGER webhook_secret_step ON webhook_secret;
CREATE TRIGGER webhook_secret_step BEFORE INSERT ON webhook_secret FOR EACH ROW EXECUTE FUNCTION check_webhook_secret_step();
CREATE TRIGGER webhook_secret_end BEFORE UPDATE ON webhook_secret FOR EACH ROW
    WHEN (NOT (resealed(OLD.cipher, NEW.cipher) AND to_jsonb(OLD) - 'cipher' = to_jsonb(NEW) - 'cipher'))
    EXECUTE FUNCTION check_webhook_secret_step();
DROP TRIGGER application_step ON application;
CREATE TRIGGER application_step BEFORE UPDATE ON application FOR EACH ROW
    WHEN (NOT (resealed(OLD.facts_cipher, NEW.facts_cipher) AND to_jsonb(OLD) - 'facts_cipher' = to_jsonb(NEW) - 'facts_cipher'))
    EXECUTE FUNCTION check_application_step();
CREATE TRIGGER application_stays BEFORE DELETE ON application FOR EACH ROW EXECUTE FUNCTION check_application_step();
DROP TRIGGER append_only ON role_request;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE OR UPDATE OF brand_id, approval, invitation, token_hash, login_hash, role, letter
    ON role_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
DROP TRIGGER append_only ON reseller_identity;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE OR UPDATE OF brand_id, reseller, identity_hash, application, recorded_at
    ON reseller_identity FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The columns that hold sealed values: their names say so.
CREATE FUNCTION sealed_columns() RETURNS TABLE (name text, col text) LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped AND a.atttypid = 'bytea'::regtype
      AND (a.attname LIKE '%cipher' OR a.attname IN ('wrapped', 'sealed')) ORDER BY 1, 2
$$;

CREATE OR REPLACE FUNCTION sealed_values() RETURNS TABLE (key integer, place text, count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT s.name, s.col FROM sealed_columns() s LOOP
        RETURN QUERY EXECUTE format(
            'SELECT get_byte(%2$I, 1) * 256 + get_byte(%2$I, 2), %3$L::text, count(*) FROM %1$I WHERE length(%2$I) > 2 GROUP BY 1',
            found.name, found.col, found.name || '.' || found.col);
    END LOOP;
END $$;

-- The columns of the primary key of a table with such a column, each with its type.
CREATE FUNCTION sealed_key(of_name text, of_col text) RETURNS TABLE (part text, kind text) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sealed_columns() s WHERE s.name = of_name AND s.col = of_col) THEN
        RAISE EXCEPTION '% holds nothing sealed', of_name || '.' || of_col USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace AND c.relname = of_name
        CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE i.indisprimary ORDER BY k.place;
END $$;

-- Some of the values that another key than the newest has sealed, in the order of the table's key, locked; of a brand's table the visible
-- brand's. fields: what of the row is told with each. after: the fields of the last one before. Rows that others have locked are left
-- out, unless it waits.
CREATE FUNCTION sealed_before(of_name text, of_col text, fields text[], newest integer, after jsonb, most integer, waits boolean)
RETURNS TABLE (row_key jsonb, sealed bytea) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parts text;
    last_one text;
    of_brand boolean;
BEGIN
    SELECT string_agg(format('t.%I', part), ', '), string_agg(format('($2 ->> %L)::%s', part, kind), ', '), coalesce(bool_or(part = 'brand_id'), false)
    INTO parts, last_one, of_brand FROM sealed_key(of_name, of_col);
    RETURN QUERY EXECUTE format(
        'SELECT (SELECT jsonb_object_agg(f, to_jsonb(t) -> f) FROM unnest($3) f), t.%2$I FROM %1$I t'
        ' WHERE length(t.%2$I) > 2 AND get_byte(t.%2$I, 1) * 256 + get_byte(t.%2$I, 2) <> $1 AND %3$s AND ($2 IS NULL OR (%4$s) > (%5$s))'
        ' ORDER BY %4$s LIMIT $4 FOR NO KEY UPDATE OF t %6$s',
        of_name, of_col, CASE WHEN of_brand THEN 't.brand_id = current_brand()' ELSE 'true' END, parts, last_one,
        CASE WHEN waits THEN '' ELSE 'SKIP LOCKED' END) USING newest, after, fields, most;
END $$;

-- Puts a value in the place of the one that stands there: the same by another key, as far as can be seen of it. False where another stands there.
CREATE FUNCTION reseal(of_name text, of_col text, row_key jsonb, old bytea, fresh bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    which text;
    of_brand boolean;
    changed integer;
BEGIN
    IF NOT resealed(old, fresh) THEN
        RAISE EXCEPTION 'this is not the same value by another key' USING ERRCODE = 'check_violation', CONSTRAINT = 'reseal_same';
    END IF;
    SELECT string_agg(format('t.%I = ($3 ->> %L)::%s', part, part, kind), ' AND '), coalesce(bool_or(part = 'brand_id'), false)
    INTO which, of_brand FROM sealed_key(of_name, of_col);
    EXECUTE format('UPDATE %1$I t SET %2$I = $2 WHERE t.%2$I = $1 AND %3$s AND %4$s', of_name, of_col, which,
                   CASE WHEN of_brand THEN 't.brand_id = current_brand()' ELSE 'true' END) USING old, fresh, row_key;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed = 1;
END $$;
REVOKE EXECUTE ON FUNCTION sealed_columns(), sealed_key(text, text), sealed_before(text, text, text[], integer, jsonb, integer, boolean),
    reseal(text, text, jsonb, bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealed_columns(), sealed_before(text, text, text[], integer, jsonb, integer, boolean),
    reseal(text, text, jsonb, bytea, bytea) TO qucheng_app;
