-- What an approval of the action `role.grant` asks for: an invitation that is ready and lies there. With its execution the
-- invitation is written and its letter sent; without it the letter is thrown away after a week. The approval itself names the
-- address by its fingerprint only: requests stay for ever.
CREATE TABLE role_request (
    brand_id uuid NOT NULL,
    approval uuid NOT NULL,
    invitation uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    login_hash bytea NOT NULL CHECK (length(login_hash) = 32),
    login_cipher bytea NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'manager', 'accountant', 'auditor', 'support')),
    letter uuid NOT NULL,
    PRIMARY KEY (brand_id, approval),
    CONSTRAINT role_request_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT role_request_invitation_unique UNIQUE (brand_id, invitation)
);
CREATE INDEX role_request_login_index ON role_request (brand_id, login_hash);
CALL protect('role_request', true);

-- A letter that tells of a change to one's own account.
ALTER TABLE letter DROP CONSTRAINT letter_kind_check;
ALTER TABLE letter ADD CONSTRAINT letter_kind_check CHECK (kind IN ('invitation', 'password-reset', 'second-factor'));

-- The brands as the platform looks at them, by code: who has come, and nothing of what they sell or earn. owners: those who have
-- accepted. invited: to be an owner, and not yet answered.
CREATE FUNCTION brand_overview(after_code text, most integer) RETURNS TABLE (
    id uuid, code text, name text, currency text, policy text, resellers bigint, people bigint, owners bigint, invited bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT b.id, b.code, b.name, b.currency, b.policy, r.resellers, m.people, m.owners, i.invited
    FROM (SELECT * FROM brand WHERE brand.code > after_code ORDER BY brand.code LIMIT most) b
    CROSS JOIN LATERAL (SELECT count(*) AS resellers FROM reseller WHERE reseller.brand_id = b.id) r
    CROSS JOIN LATERAL (SELECT count(DISTINCT user_id) AS people, count(DISTINCT user_id) FILTER (WHERE role = 'owner') AS owners
                        FROM membership WHERE membership.brand_id = b.id AND revoked_at IS NULL) m
    CROSS JOIN LATERAL (SELECT count(DISTINCT login_hash) AS invited FROM invitation WHERE invitation.brand_id = b.id AND role = 'owner'
                        AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > clock_timestamp()) i
    ORDER BY b.code
$$;
REVOKE EXECUTE ON FUNCTION brand_overview(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION brand_overview(text, integer) TO qucheng_app;

-- A statement as whoever holds its paper may compare it: by its number and the first digits of its hash, of which at least 80
-- bits are known. A number names its brand, which is found by its code. Digests are compared, not digits: how far a wrong hash is
-- right does not show in the time. The name is the one on the paper. Before a run is published its
-- statements are nobody's; what was settled without a run was published with it.
CREATE FUNCTION statement_check(number_given text, hash_given text) RETURNS TABLE (
    statement_no text, brand_name text, payee_initial text, currency text, decimals smallint, net_minor bigint,
    first_day date, last_day date, sha256 text, published_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.statement_no, d.document::jsonb ->> 'brand_name', left(d.document::jsonb ->> 'reseller_name', 1), b.currency, b.decimals, s.net_minor,
           s.period, (s.period + interval '1 month' - interval '1 day')::date, d.sha256, coalesce(r.published_at, p.settled_at)
    FROM brand b JOIN statement s ON s.brand_id = b.id JOIN statement_document d ON d.brand_id = s.brand_id AND d.period = s.period AND d.number = s.number
    JOIN period p ON p.brand_id = s.brand_id AND p.starts_on = s.period
    LEFT JOIN settlement_run r ON r.brand_id = s.brand_id AND r.period = s.period AND r.state IN ('issuing', 'issued')
    WHERE b.code = regexp_replace(number_given, '-[0-9]{6}-[0-9]+$', '') AND s.statement_no = number_given
      AND hash_given ~ '^[0-9a-f]{20,64}$' AND sha256(convert_to(left(d.sha256, length(hash_given)), 'UTF8')) = sha256(convert_to(hash_given, 'UTF8'))
      AND (r.brand_id IS NULL OR r.published_at IS NOT NULL)
$$;
REVOKE EXECUTE ON FUNCTION statement_check(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION statement_check(text, text) TO qucheng_app;
