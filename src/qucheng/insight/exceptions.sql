-- What of the visible brand needs attention, in the temporary table `attention`. Before it runs, `horizon` holds one row: the
-- last month that was closed, the first that is open, and how far back deliveries and tasks are remembered.

CREATE TEMP TABLE attention (kind text, subject text, facts jsonb, amount_minor bigint, since timestamptz, link text) ON COMMIT DROP;

-- the books, as the last nightly check found them
INSERT INTO attention
SELECT 'books.differ', number::text, jsonb_build_object('differences', differences, 'first', findings -> 0 ->> 'subject'), NULL, checked_at, NULL
FROM (SELECT * FROM books_check ORDER BY number DESC LIMIT 1) last WHERE differences > 0;

-- a run that is open, and whose newest look found a difference
INSERT INTO attention
SELECT 'run.differs', r.period || '/' || r.number, jsonb_build_object('month', to_char(r.period, 'YYYY-MM'), 'resellers', c.apart), NULL, c.checked_at,
       to_char(r.period, 'YYYYMM') || '-' || r.number
FROM settlement_run r CROSS JOIN LATERAL (
    SELECT * FROM run_check k WHERE k.brand_id = r.brand_id AND k.period = r.period AND k.run = r.number ORDER BY k.number DESC LIMIT 1) c
WHERE r.state = 'computed' AND c.apart > 0;

-- work that was given up, unless the same was done later
INSERT INTO attention
SELECT 'task.dead', t.id::text, jsonb_build_object('kind', t.kind, 'reason', coalesce(t.reason, '')), NULL, t.ended_at, t.kind
FROM horizon h CROSS JOIN task t
WHERE t.brand = current_brand() AND t.state = 'dead' AND t.ended_at >= h.remembered AND NOT EXISTS (
    SELECT 1 FROM task o WHERE o.brand = t.brand AND o.kind = t.kind AND o.subject = t.subject AND o.state = 'done' AND o.created_at > t.created_at);

-- deliveries that were not taken, unless one of the same sort was taken later; and those of which some rows were not
INSERT INTO attention
SELECT 'delivery.refused', u.id::text, jsonb_build_object('file', u.file_name, 'code', u.code), NULL, u.uploaded_at, u.id::text
FROM horizon h CROSS JOIN upload u
WHERE u.state IN ('refused', 'failed') AND u.uploaded_at >= h.remembered AND NOT EXISTS (
    SELECT 1 FROM upload o WHERE o.kind = u.kind AND o.state = 'done' AND o.uploaded_at > u.uploaded_at);
INSERT INTO attention
SELECT 'delivery.partial', u.id::text, jsonb_build_object('file', u.file_name, 'rows', sum(f.rejected)), NULL, u.uploaded_at, u.id::text
FROM horizon h CROSS JOIN upload u JOIN upload_file f ON f.brand_id = u.brand_id AND f.upload = u.id
WHERE u.state = 'done' AND u.uploaded_at >= h.remembered GROUP BY u.id, u.file_name, u.uploaded_at HAVING sum(f.rejected) > 0;

-- documents that could not be made, by month
INSERT INTO attention
SELECT 'document.failed', d.period::text, jsonb_build_object('month', to_char(d.period, 'YYYY-MM'), 'documents', count(*)), NULL, min(d.made_at),
       to_char(d.period, 'YYYYMM') || '-' || (SELECT max(r.number) FROM settlement_run r WHERE r.period = d.period AND r.state IN ('issuing', 'issued'))
FROM document_file d WHERE d.state = 'failed' GROUP BY d.period;

INSERT INTO attention
SELECT 'dispute.open', d.id::text, jsonb_build_object('reseller', d.reseller, 'name', r.name, 'statement', s.statement_no), d.amount_minor, d.opened_at, d.id::text
FROM dispute d JOIN statement s USING (brand_id, period, number) JOIN reseller r ON r.brand_id = d.brand_id AND r.code = d.reseller WHERE d.state = 'open';

INSERT INTO attention
SELECT 'approval.waiting', a.id::text, jsonb_build_object('action', a.action), CASE a.action WHEN 'adjustment.add' THEN (a.payload::jsonb ->> 'amount_minor')::bigint END,
       a.requested_at, a.id::text
FROM approval a WHERE a.state = 'waiting' AND a.expires_at > clock_timestamp();

-- lines that were paid for and wait for cards, and refunds for which fewer cards came back
INSERT INTO attention
SELECT 'stock.' || c.kind, c.id::text, jsonb_build_object('order', c.order_no, 'line', c.line_no, 'name', r.name, 'sku', c.sku, 'units', c.units), NULL, c.opened_at,
       CASE WHEN c.kind = 'short' AND c.order_no ~ '^[A-Za-z0-9._-]+$' THEN c.order_no END
FROM stock_case c JOIN reseller r ON r.brand_id = c.brand_id AND r.code = c.reseller WHERE c.brand_id = current_brand() AND c.closed_at IS NULL;

-- pools that run low, and cards that expire soon
INSERT INTO attention
SELECT 'stock.' || a.kind, a.id::text, jsonb_build_object('sku', a.sku, 'cards', a.cards, 'day', a.expires_on,
       'place', coalesce(nullif(concat_ws(' · ', r.name, h.name), ''), b.name)), NULL, a.raised_at, NULL
FROM stock_alert a JOIN brand b ON b.id = a.brand_id JOIN pool p ON p.brand_id = a.brand_id AND p.number = a.pool
LEFT JOIN reseller r ON r.brand_id = p.brand_id AND r.code = p.reseller LEFT JOIN channel h ON h.brand_id = p.brand_id AND h.code = p.channel
WHERE a.brand_id = current_brand() AND a.cleared_at IS NULL;

-- redemptions that were taken back after a hold had counted them, until the order is adjusted for it. The amount is what its line
-- had earned when its hold had begun by then; hold: whether it was over.
INSERT INTO attention
SELECT 'redemption.reversed', v.redemption::text, jsonb_build_object('order', v.order_no, 'line', v.line_no, 'reseller', l.reseller, 'name', r.name,
       'card', v.batch || '-' || v.number, 'hold',
       CASE WHEN v.matured_minor <> 0 THEN 'over' WHEN v.started_minor <> 0 THEN 'running' ELSE 'waiting' END), v.started_minor, v.reversed_at,
       CASE WHEN v.order_no ~ '^[A-Za-z0-9._-]+$' THEN v.order_no END
FROM late_reversal v JOIN order_line l ON l.brand_id = v.brand_id AND l.order_no = v.order_no AND l.line_no = v.line_no
JOIN reseller r ON r.brand_id = l.brand_id AND r.code = l.reseller
WHERE v.brand_id = current_brand() AND NOT EXISTS (
    SELECT 1 FROM adjustment_case a JOIN adjustment j ON j.brand_id = a.brand_id AND j.code = a.code
    WHERE a.brand_id = v.brand_id AND a.reference_kind = 'order' AND a.reference = v.order_no AND j.occurred_at >= v.reversed_at);

-- money that came online and of which no order was made, and money that its provider did not give back
INSERT INTO attention
SELECT 'payment.problem', p.id::text, jsonb_build_object('order', p.order_no, 'reseller', p.reseller, 'name', r.name, 'problem', p.problem), p.gross_minor,
       coalesce(p.paid_at, p.created_at), p.reseller
FROM payment p JOIN reseller r ON r.brand_id = p.brand_id AND r.code = p.reseller
WHERE p.brand_id = current_brand() AND p.problem IS NOT NULL AND p.placed_at IS NULL;
INSERT INTO attention
SELECT 'payment.not_returned', f.id::text, jsonb_build_object('order', p.order_no, 'reseller', p.reseller, 'name', r.name), f.amount_minor, f.ended_at, p.reseller
FROM payment_refund f JOIN payment p ON p.brand_id = f.brand_id AND p.id = f.payment JOIN reseller r ON r.brand_id = p.brand_id AND r.code = p.reseller
WHERE f.brand_id = current_brand() AND f.state = 'refused';

-- of what a reseller sold in a month more than 30 % to itself or to somebody above it, in net amounts; the month that was closed last included
INSERT INTO attention
SELECT 'self_purchase.share', concat_ws('/', to_char(o.month, 'YYYY-MM'), o.reseller, o.own_lines),
       jsonb_build_object('month', to_char(o.month, 'YYYY-MM'), 'reseller', o.reseller, 'name', r.name, 'lines', o.own_lines,
                          'percent', div(o.own * 100, o.whole)), o.own::bigint, o.since, o.reseller
FROM (SELECT date_trunc('month', l.paid_on)::date AS month, l.reseller, sum(l.net_minor) AS whole, sum(l.net_minor) FILTER (WHERE l.self_purchase) AS own,
             count(*) FILTER (WHERE l.self_purchase) AS own_lines, min(l.paid_at) FILTER (WHERE l.self_purchase) AS since
      FROM horizon h CROSS JOIN order_line l WHERE l.paid_on >= h.last_closed GROUP BY 1, 2) o
JOIN reseller r ON r.brand_id = current_brand() AND r.code = o.reseller
WHERE o.own * 10 > o.whole * 3;

-- flagged lines of the open months, by month, reseller and flag
INSERT INTO attention
SELECT 'order.flagged', concat_ws('/', to_char(f.month, 'YYYY-MM'), f.reseller, f.code, f.lines),
       jsonb_build_object('month', to_char(f.month, 'YYYY-MM'), 'reseller', f.reseller, 'name', r.name, 'flag', f.code, 'lines', f.lines), f.net, f.since, f.reseller
FROM (SELECT date_trunc('month', l.paid_on)::date AS month, l.reseller, f.code, count(*) AS lines, sum(l.net_minor)::bigint AS net, min(l.paid_at) AS since
      FROM horizon h CROSS JOIN order_flag f JOIN order_line l USING (brand_id, order_no, line_no) WHERE l.paid_on >= h.open_from GROUP BY 1, 2, 3) f
JOIN reseller r ON r.brand_id = current_brand() AND r.code = f.reseller;

-- what the last statements carried: debts, and what is less than the least that is paid
INSERT INTO attention
SELECT CASE WHEN s.carried_minor < 0 THEN 'statement.negative' ELSE 'payee.below_minimum' END, s.statement_no,
       jsonb_build_object('reseller', s.reseller, 'name', r.name, 'statement', s.statement_no), s.carried_minor, p.settled_at, s.statement_no
FROM horizon h JOIN statement s ON s.period = h.last_closed JOIN period p ON p.brand_id = s.brand_id AND p.starts_on = s.period
JOIN reseller r ON r.brand_id = s.brand_id AND r.code = s.reseller WHERE s.carried_minor <> 0;

-- what somebody has looked at
DELETE FROM attention a USING exception_review v WHERE v.kind = a.kind AND v.subject = a.subject;
