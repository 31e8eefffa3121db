-- What else their documents say: sums by SKU, and what tax was reckoned on. Runs after document_entries.sql.

CREATE TEMP TABLE paper_sku ON COMMIT DROP AS
SELECT *, row_number() OVER (PARTITION BY period, number ORDER BY commission DESC, code) AS place
FROM (SELECT period, number, sku AS code, min(sku_name) AS name, count(*) FILTER (WHERE kind = 'accrual') AS lines, sum(quantity)::bigint AS quantity,
             sum(net_minor)::bigint AS net, sum(amount_minor)::bigint AS commission
      FROM paper_line GROUP BY period, number, sku) s;

-- What was paid to the payee before and with this statement: of the month, or since counts_since of the cumulative scheme.
CREATE TEMP TABLE paper_tax ON COMMIT DROP AS
SELECT s.period, s.number, sum(o.payable_minor)::bigint AS income, coalesce(sum(o.tax_minor) FILTER (WHERE (o.period, o.number) <> (s.period, s.number)), 0)::bigint AS withheld,
       min(o.period) AS since
FROM paper_wanted w CROSS JOIN withholding h
JOIN statement s ON s.brand_id = current_brand() AND s.period = w.period AND s.number = w.number
JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller
JOIN reseller x ON x.brand_id = r.brand_id AND x.kind = 'individual' AND (x.code = r.code OR x.identity = r.identity)
JOIN statement o ON o.brand_id = x.brand_id AND o.reseller = x.code AND o.net_minor + o.tax_minor > 0
    AND o.period >= coalesce(h.counts_since, s.period) AND (o.period, o.number) <= (s.period, s.number)
WHERE s.kind = 'individual' AND s.net_minor + s.tax_minor > 0
GROUP BY s.period, s.number;
