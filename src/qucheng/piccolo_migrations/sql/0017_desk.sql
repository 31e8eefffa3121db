-- What people of a reseller dispute and confirm on their statements, and what stands behind an adjustment that a person asked for.

-- The rows of a statement by number: position is the row's place in the statement's CSV (settlement/document_entries.sql). An
-- issued statement takes no more rows, so a position stays.
CREATE VIEW statement_row WITH (security_invoker = true) AS
SELECT e.*, row_number() OVER (
    PARTITION BY e.brand_id, e.period, e.number
    ORDER BY e.occurred_at, e.order_no COLLATE "C" NULLS FIRST, e.line_no COLLATE "C" NULLS FIRST, e.kind COLLATE "C", e.refund_no COLLATE "C" NULLS FIRST,
             e.rule COLLATE "C" NULLS FIRST, e.of_period NULLS FIRST, e.level NULLS FIRST)::integer AS position
FROM statement_entry e;
GRANT SELECT ON statement_row TO qucheng_app, qucheng_reseller;

-- A row of a statement that its reseller does not agree with, until it is answered: by a reason, or by an adjustment. What the
-- row is stands here as well, put in by the database.
CREATE TABLE dispute (
    brand_id uuid NOT NULL,
    id uuid NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    reseller text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('accrual', 'reversal', 'bonus', 'adjustment')),
    order_no text COLLATE "C",
    line_no text COLLATE "C",
    level smallint,
    refund_no text COLLATE "C",
    rule text COLLATE "C",
    of_period date,
    amount_minor bigint NOT NULL,
    reason text NOT NULL CHECK (reason ~ '\S' AND length(reason) <= 1000),
    opened_by uuid NOT NULL REFERENCES person,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'rejected', 'adjusted')),
    answer text CHECK (answer ~ '\S' AND length(answer) <= 1000),
    adjustment text COLLATE "C",
    decided_by uuid REFERENCES person,
    decided_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT dispute_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement,
    CONSTRAINT dispute_reseller_reference FOREIGN KEY (brand_id, reseller) REFERENCES reseller,
    CONSTRAINT dispute_adjustment_reference FOREIGN KEY (brand_id, adjustment) REFERENCES adjustment,
    CONSTRAINT dispute_decided_check CHECK ((state = 'open') = (decided_by IS NULL) AND (state = 'open') = (decided_at IS NULL)
        AND (state = 'rejected') = (answer IS NOT NULL) AND (state = 'adjusted') = (adjustment IS NOT NULL))
);
CREATE INDEX dispute_statement_index ON dispute (brand_id, period, number, position);
CREATE UNIQUE INDEX dispute_open_unique ON dispute (brand_id, period, number, position) WHERE state = 'open';
CREATE INDEX dispute_reseller_index ON dispute (brand_id, reseller, opened_at);
CREATE INDEX dispute_adjustment_index ON dispute (brand_id, adjustment);
CREATE INDEX dispute_opened_by_index ON dispute (opened_by);
CREATE INDEX dispute_decided_by_index ON dispute (decided_by);
CALL protect('dispute', false);
-- opened by people of the reseller only, below
REVOKE INSERT, UPDATE ON dispute FROM qucheng_app;
GRANT UPDATE (state, answer, decided_by) ON dispute TO qucheng_app;

-- That a reseller agrees with a statement: said once, and not while one of its rows is disputed.
CREATE TABLE statement_confirmation (
    brand_id uuid NOT NULL,
    period date NOT NULL,
    number integer NOT NULL,
    confirmed_by uuid NOT NULL REFERENCES person,
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, period, number),
    CONSTRAINT statement_confirmation_statement_reference FOREIGN KEY (brand_id, period, number) REFERENCES statement
);
CREATE INDEX statement_confirmation_confirmed_by_index ON statement_confirmation (confirmed_by);
CALL protect('statement_confirmation', true);
REVOKE INSERT ON statement_confirmation FROM qucheng_app;

-- An adjustment that one person asked for and another allowed; one that came in a delivery has no such row.
CREATE TABLE adjustment_case (
    brand_id uuid NOT NULL,
    code text COLLATE "C" NOT NULL,
    reason_code text COLLATE "C" NOT NULL CHECK (reason_code IN ('correction', 'goodwill', 'campaign', 'fee', 'dispute', 'other')),
    reference_kind text COLLATE "C" NOT NULL CHECK (reference_kind IN ('order', 'statement')),
    reference text COLLATE "C" NOT NULL CHECK (reference <> ''),
    note text CHECK (note ~ '\S'),
    maker uuid NOT NULL REFERENCES person,
    checker uuid NOT NULL REFERENCES person,
    approval uuid NOT NULL,
    dispute uuid,
    PRIMARY KEY (brand_id, code),
    CONSTRAINT adjustment_case_adjustment_reference FOREIGN KEY (brand_id, code) REFERENCES adjustment,
    CONSTRAINT adjustment_case_approval_unique UNIQUE (brand_id, approval),
    CONSTRAINT adjustment_case_approval_reference FOREIGN KEY (brand_id, approval) REFERENCES approval,
    CONSTRAINT adjustment_case_dispute_unique UNIQUE (brand_id, dispute),
    CONSTRAINT adjustment_case_dispute_reference FOREIGN KEY (brand_id, dispute) REFERENCES dispute,
    CONSTRAINT adjustment_case_people_check CHECK (maker <> checker),
    CONSTRAINT adjustment_case_other_check CHECK (reason_code <> 'other' OR note IS NOT NULL),
    CONSTRAINT adjustment_case_cause_check CHECK ((reason_code = 'dispute') = (dispute IS NOT NULL))
);
CREATE INDEX adjustment_case_maker_index ON adjustment_case (maker);
CREATE INDEX adjustment_case_checker_index ON adjustment_case (checker);
CALL protect('adjustment_case', true);

-- Opening and confirming wait for each other on the statement, so that each sees what the other wrote.
CREATE FUNCTION lock_statement(brand uuid, of_period date, of_number integer) RETURNS void LANGUAGE sql
    AS $$ SELECT lock_brand(brand, concat_ws('/', 'statement', of_period, of_number)) $$;

CREATE FUNCTION check_dispute_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_statement(NEW.brand_id, NEW.period, NEW.number);
    IF NEW.state <> 'open' OR NEW.answer IS NOT NULL OR NEW.adjustment IS NOT NULL OR NEW.decided_by IS NOT NULL OR NEW.decided_at IS NOT NULL THEN
        RAISE EXCEPTION 'a dispute begins by being open' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'dispute_begins';
    END IF;
    SELECT s.reseller, r.kind, r.order_no, r.line_no, r.level, r.refund_no, r.rule, r.of_period, r.amount_minor
    INTO NEW.reseller, NEW.kind, NEW.order_no, NEW.line_no, NEW.level, NEW.refund_no, NEW.rule, NEW.of_period, NEW.amount_minor
    FROM statement_row r JOIN statement s USING (brand_id, period, number)
    WHERE r.brand_id = NEW.brand_id AND r.period = NEW.period AND r.number = NEW.number AND r.position = NEW.position;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the statement has no such row' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'dispute_row';
    END IF;
    IF EXISTS (SELECT 1 FROM statement_confirmation c WHERE c.brand_id = NEW.brand_id AND c.period = NEW.period AND c.number = NEW.number) THEN
        RAISE EXCEPTION 'a statement that was confirmed is not disputed' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'dispute_confirmed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dispute_begins BEFORE INSERT ON dispute FOR EACH ROW EXECUTE FUNCTION check_dispute_begins();

CREATE FUNCTION check_dispute_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    decided constant text[] := ARRAY['state', 'answer', 'adjustment', 'decided_by', 'decided_at'];
BEGIN
    IF OLD.state <> 'open' OR NEW.state = 'open' OR to_jsonb(OLD) - decided IS DISTINCT FROM to_jsonb(NEW) - decided
        OR (NEW.state = 'adjusted' AND NOT EXISTS (
            SELECT 1 FROM adjustment_case c WHERE c.brand_id = NEW.brand_id AND c.code = NEW.adjustment AND c.dispute = NEW.id)) THEN
        RAISE EXCEPTION 'a dispute is answered once, by a reason or by an adjustment for it, and what was said stays'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'dispute_step';
    END IF;
    NEW.decided_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER dispute_step BEFORE UPDATE ON dispute FOR EACH ROW EXECUTE FUNCTION check_dispute_step();

CREATE FUNCTION check_confirmation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_statement(NEW.brand_id, NEW.period, NEW.number);
    IF EXISTS (SELECT 1 FROM dispute d WHERE d.brand_id = NEW.brand_id AND d.period = NEW.period AND d.number = NEW.number AND d.state = 'open') THEN
        RAISE EXCEPTION 'a statement with an open dispute is not confirmed'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'statement_confirmation_disputed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_confirmation_agreed BEFORE INSERT ON statement_confirmation FOR EACH ROW EXECUTE FUNCTION check_confirmation();

-- What is written is what was allowed, word for word; and a dispute for which it was allowed is answered by it.
CREATE FUNCTION check_adjustment_case() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    written adjustment%ROWTYPE;
BEGIN
    PERFORM require_read_committed();
    SELECT * INTO written FROM adjustment WHERE brand_id = NEW.brand_id AND code = NEW.code;
    IF NOT EXISTS (
        SELECT 1 FROM approval a CROSS JOIN LATERAL (SELECT a.payload::jsonb AS said) p
        WHERE a.brand_id = NEW.brand_id AND a.id = NEW.approval AND a.action = 'adjustment.add' AND a.state = 'executed'
          AND (a.maker, a.checker) = (NEW.maker, NEW.checker)
          AND (said ->> 'code', said ->> 'reason_code', said ->> 'reference_kind', said ->> 'reference', said ->> 'note', said ->> 'dispute')
              IS NOT DISTINCT FROM (NEW.code, NEW.reason_code, NEW.reference_kind, NEW.reference, NEW.note, NEW.dispute::text)
          AND (said ->> 'reseller', said ->> 'amount_minor', said ->> 'reason') = (written.reseller, written.amount_minor::text, written.reason)) THEN
        RAISE EXCEPTION 'adjustment % is not what was allowed', NEW.code USING ERRCODE = 'restrict_violation', CONSTRAINT = 'adjustment_case_allowed';
    END IF;
    IF NOT (CASE NEW.reference_kind
        WHEN 'statement' THEN EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = NEW.brand_id AND s.statement_no = NEW.reference AND s.reseller = written.reseller)
        ELSE EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = NEW.brand_id AND l.order_no = NEW.reference AND l.reseller = written.reseller)
            OR EXISTS (SELECT 1 FROM accrual e WHERE e.brand_id = NEW.brand_id AND e.order_no = NEW.reference AND e.reseller = written.reseller) END) THEN
        RAISE EXCEPTION 'adjustment % refers to nothing of its reseller', NEW.code
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'adjustment_case_reference';
    END IF;
    IF NEW.dispute IS NOT NULL THEN
        UPDATE dispute SET state = 'adjusted', adjustment = NEW.code, decided_by = NEW.checker
        WHERE brand_id = NEW.brand_id AND id = NEW.dispute AND reseller = written.reseller AND state = 'open';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'adjustment % answers no open dispute of its reseller', NEW.code
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'adjustment_case_dispute';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER adjustment_case_allowed AFTER INSERT ON adjustment_case FOR EACH ROW EXECUTE FUNCTION check_adjustment_case();

-- Something that was flagged, and somebody has looked at: what was thought of it. The subject names what was seen, with its
-- figures: where more comes, it is another.
CREATE TABLE exception_review (
    brand_id uuid NOT NULL REFERENCES brand,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('order.flagged', 'self_purchase.share')),
    subject text COLLATE "C" NOT NULL CHECK (subject <> ''),
    note text NOT NULL CHECK (note ~ '\S' AND length(note) <= 500),
    seen_by uuid NOT NULL REFERENCES person,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brand_id, kind, subject)
);
CREATE INDEX exception_review_seen_by_index ON exception_review (seen_by);
CALL protect('exception_review', true);
REVOKE INSERT ON exception_review FROM qucheng_app;
GRANT INSERT (brand_id, kind, subject, note, seen_by) ON exception_review TO qucheng_app;

-- Of statements that it sees, with its own eyes: so a statement that is not published is not disputed either.
CALL show_to_reseller('dispute', 'EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = dispute.brand_id AND s.period = dispute.period AND s.number = dispute.number)',
    'SELECT (brand_id, id, period, number, position, reseller, kind, order_no, line_no, level, refund_no, rule, of_period, amount_minor, reason, opened_by,
             opened_at, state, answer, adjustment, decided_at), INSERT (brand_id, id, period, number, position, reason, opened_by)');
CALL show_to_reseller('statement_confirmation', 'EXISTS (SELECT 1 FROM statement s WHERE s.brand_id = statement_confirmation.brand_id
    AND s.period = statement_confirmation.period AND s.number = statement_confirmation.number)', 'SELECT, INSERT (brand_id, period, number, confirmed_by)');
