-- Redemptions that were taken back after the hold of their order line had counted them. The event and the clock stay as they are;
-- what was earned too soon is put right by people, with an adjustment or a note. started_minor: what the line had earned by then, if
-- its hold was running or over; matured_minor: the same where it was over.
CREATE TABLE late_reversal (
    brand_id uuid NOT NULL,
    redemption uuid NOT NULL,
    order_no text COLLATE "C" NOT NULL,
    line_no text COLLATE "C" NOT NULL,
    batch integer NOT NULL,
    number integer NOT NULL,
    reversed_at timestamptz NOT NULL,
    started_minor bigint NOT NULL,
    matured_minor bigint NOT NULL,
    PRIMARY KEY (brand_id, redemption),
    CONSTRAINT late_reversal_undo_reference FOREIGN KEY (brand_id, redemption) REFERENCES redemption_undo,
    CONSTRAINT late_reversal_line_reference FOREIGN KEY (brand_id, order_no, line_no) REFERENCES order_line,
    CONSTRAINT late_reversal_card_reference FOREIGN KEY (brand_id, batch, number) REFERENCES card,
    CONSTRAINT late_reversal_matured_check CHECK (matured_minor IN (0, started_minor))
);
CREATE INDEX late_reversal_line_index ON late_reversal (brand_id, order_no, line_no);
CREATE INDEX late_reversal_card_index ON late_reversal (brand_id, batch, number);
CALL protect('late_reversal', true);
