-- The price of everything that is asked for at an instant, and the next other one. What is asked for has place, sku, channel and
-- tier; spans are the versions with the instants between which each is in force. A cell of the channel and tier comes before one of
-- the channel, that before the base for the tier, and that before the base; one without a price ends the search.
WITH place_of AS MATERIALIZED (
    SELECT time_zone, currency, decimals, ({at} AT TIME ZONE time_zone)::date AS day FROM brand WHERE id = current_brand()
), asked AS MATERIALIZED (
    {asked}
), span AS MATERIALIZED (
    {spans}
), cell AS MATERIALIZED (
    SELECT a.place, s.version, c.channel IS NOT NULL AS of_channel, c.tier IS NOT NULL AS of_tier, c.starts_on, c.ends_on, c.price_minor, s.starts_at, s.ends_at
    FROM asked a CROSS JOIN span s JOIN price_cell c ON c.brand_id = current_brand() AND c.version = s.version AND c.sku = a.sku
    WHERE (c.channel IS NULL OR c.channel = a.channel) AND (c.tier IS NULL OR c.tier = a.tier)
), point AS (
    SELECT a.place, {at} AS at, p.day, (SELECT s.version FROM span s WHERE s.starts_at <= {at} AND {at} < s.ends_at) AS version
    FROM asked a CROSS JOIN place_of p
    UNION
    SELECT a.place, s.starts_at, (s.starts_at AT TIME ZONE p.time_zone)::date, s.version
    FROM asked a CROSS JOIN span s CROSS JOIN place_of p WHERE s.starts_at > {at}
    UNION
    SELECT c.place, instant_of_local(d.day::timestamp, p.time_zone), d.day, c.version
    FROM cell c CROSS JOIN place_of p CROSS JOIN LATERAL (VALUES (c.starts_on), (c.ends_on)) d (day)
    WHERE d.day > p.day AND instant_of_local(d.day::timestamp, p.time_zone) >= c.starts_at AND instant_of_local(d.day::timestamp, p.time_zone) < c.ends_at
), found AS (
    SELECT DISTINCT ON (p.place, p.at) p.place, p.at, p.day, p.version, c.of_channel, c.of_tier, c.starts_on, c.ends_on, c.price_minor
    FROM point p LEFT JOIN cell c ON c.place = p.place AND c.version = p.version AND c.starts_on <= p.day AND (c.ends_on IS NULL OR p.day < c.ends_on)
    ORDER BY p.place, p.at, c.of_channel DESC NULLS LAST, c.of_tier DESC NULLS LAST
), marked AS (
    SELECT f.*, first_value(f.price_minor) OVER (PARTITION BY f.place ORDER BY f.at) AS now_minor FROM found f
), following AS (
    -- in one pass: a join of what was found with itself is planned for a few rows and costs the square of some thousands
    SELECT m.*, min(m.at) FILTER (WHERE m.at > {at} AND m.price_minor IS DISTINCT FROM m.now_minor) OVER (PARTITION BY m.place) AS next_at FROM marked m
), outlook AS (
    SELECT n.place, n.day, n.version, n.price_minor, n.starts_on, n.ends_on, n.of_channel IS NOT NULL AND n.price_minor IS NULL AS closed,
           CASE WHEN n.price_minor IS NULL THEN NULL WHEN n.of_channel AND n.of_tier THEN 'channel+tier' WHEN n.of_channel THEN 'channel'
                WHEN n.of_tier THEN 'base+tier' ELSE 'base' END AS level,
           n.next_minor, n.next_on, n.next_at
    FROM (
        SELECT f.place, max(f.day) FILTER (WHERE f.at = {at}) AS day, max(f.version) FILTER (WHERE f.at = {at}) AS version,
               max(f.price_minor) FILTER (WHERE f.at = {at}) AS price_minor, max(f.starts_on) FILTER (WHERE f.at = {at}) AS starts_on,
               max(f.ends_on) FILTER (WHERE f.at = {at}) AS ends_on, bool_or(f.of_channel) FILTER (WHERE f.at = {at}) AS of_channel,
               bool_or(f.of_tier) FILTER (WHERE f.at = {at}) AS of_tier,
               max(f.price_minor) FILTER (WHERE f.at = f.next_at) AS next_minor, max(f.day) FILTER (WHERE f.at = f.next_at) AS next_on, max(f.next_at) AS next_at
        FROM following f GROUP BY f.place) n
)
