-- What an evidence pack is about, in temporary tables. Before it runs, `pack_scope` holds the root and the days (half-open).

-- Who stood under the root, and when within these days.
CREATE TEMP TABLE pack_member ON COMMIT DROP AS
SELECT c.reseller, c.parent, c.tier, c.depth, greatest(c.starts_on, s.starts_on) AS starts_on, least(c.ends_on, s.ends_on) AS ends_on
FROM pack_scope s JOIN chain c ON c.root = s.root AND c.starts_on < s.ends_on AND s.starts_on < c.ends_on;
ANALYZE pack_member;

CREATE TEMP TABLE pack_person ON COMMIT DROP AS SELECT DISTINCT reseller FROM pack_member;
ANALYZE pack_person;

-- What they sold in that time. The buyer's hash tells one buyer from another, and nobody's name.
CREATE TEMP TABLE pack_line ON COMMIT DROP AS
SELECT l.order_no, l.line_no, l.paid_at, l.paid_on, l.reseller, l.channel, l.sku, l.quantity, l.gross_minor, l.discount_minor, l.net_minor, l.self_purchase,
       l.parent, l.grandparent, encode(sha256(convert_to(b.code || ':' || l.buyer, 'UTF8')), 'hex') AS buyer_sha256
FROM brand b JOIN order_line l ON l.brand_id = b.id
WHERE b.id = current_brand() AND EXISTS (SELECT 1 FROM pack_member m WHERE m.reseller = l.reseller AND m.starts_on <= l.paid_on AND l.paid_on < m.ends_on);
ALTER TABLE pack_line ADD PRIMARY KEY (order_no, line_no);
ANALYZE pack_line;
