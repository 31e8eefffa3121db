CREATE TABLE brand (
    id uuid PRIMARY KEY,
    code text COLLATE "C" NOT NULL UNIQUE CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    decimals smallint NOT NULL CHECK (decimals BETWEEN 0 AND 2),
    time_zone text NOT NULL CHECK (time_zone <> ''),
    locale text NOT NULL CHECK (locale IN ('zh-CN', 'en')),
    policy text NOT NULL CHECK (policy IN ('cn-strict', 'cn-two-tier', 'intl')),
    legal_opinion text CHECK (legal_opinion <> ''),
    expires_on date,
    max_depth smallint NOT NULL CHECK (max_depth >= 1),
    max_levels smallint NOT NULL CHECK (max_levels >= 1),
    max_total_rate_ppm integer NOT NULL CHECK (max_total_rate_ppm BETWEEN 0 AND 1000000),
    hold_days smallint NOT NULL CHECK (hold_days BETWEEN 0 AND 90),
    min_payout_minor bigint NOT NULL CHECK (min_payout_minor >= 0),
    withholding text NOT NULL CHECK (withholding IN ('none', 'cn-labor', 'cn-platform')),
    -- 禁止传销条例 (2005) art. 7: nobody earns on a third person's sale in China, whatever a script may try
    CONSTRAINT brand_limits_check CHECK (
        CASE policy
            WHEN 'cn-strict' THEN max_depth <= 2 AND max_levels <= 1 AND max_total_rate_ppm <= 300000
            WHEN 'cn-two-tier' THEN max_depth <= 2 AND max_levels <= 2 AND max_total_rate_ppm <= 300000
                AND legal_opinion IS NOT NULL AND expires_on IS NOT NULL
            ELSE max_depth <= 3 AND max_levels <= 3 AND max_total_rate_ppm <= 500000
        END),
    CONSTRAINT brand_withholding_currency_check CHECK (withholding = 'none' OR currency = 'CNY')
);
CALL protect('brand', false, 'id');
REVOKE UPDATE ON brand FROM qucheng_app;
