-- Where everyone stands by date, with the identities above: what freezes on a line. A network that came in the same transaction
-- has no statistics yet, and who asks for them there keeps every other import waiting; so the planner is told what not to take.
SET LOCAL enable_nestloop = off;
CREATE TEMP TABLE standing ON COMMIT DROP AS
SELECT h.*, r.identity, p.identity AS parent_identity, g.identity AS grandparent_identity
FROM chain h JOIN reseller r ON r.brand_id = h.brand_id AND r.code = h.reseller
LEFT JOIN reseller p ON p.brand_id = h.brand_id AND p.code = h.parent
LEFT JOIN reseller g ON g.brand_id = h.brand_id AND g.code = h.grandparent
WHERE h.brand_id = current_brand();
ANALYZE standing;
SET LOCAL enable_nestloop TO DEFAULT;
