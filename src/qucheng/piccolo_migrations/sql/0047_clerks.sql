-- Shop clerks: a role of the brand's own people, who work at a terminal of a store.
ALTER TABLE membership DROP CONSTRAINT membership_role_check;
ALTER TABLE membership ADD CONSTRAINT membership_role_check
    CHECK (role IN ('operator', 'owner', 'manager', 'accountant', 'auditor', 'support', 'clerk', 'admin', 'seller'));
ALTER TABLE invitation DROP CONSTRAINT invitation_role_check;
ALTER TABLE invitation ADD CONSTRAINT invitation_role_check
    CHECK (role IN ('operator', 'owner', 'manager', 'accountant', 'auditor', 'support', 'clerk', 'admin', 'seller'));
ALTER TABLE role_request DROP CONSTRAINT role_request_role_check;
ALTER TABLE role_request ADD CONSTRAINT role_request_role_check
    CHECK (role IN ('owner', 'manager', 'accountant', 'auditor', 'support', 'clerk'));

-- A terminal is a program's, known by its key, or a person's, who signs in: one of the two.
ALTER TABLE terminal ALTER COLUMN api_key DROP NOT NULL;
ALTER TABLE terminal ADD COLUMN user_id uuid REFERENCES person;
ALTER TABLE terminal ADD CONSTRAINT terminal_whose_check CHECK (num_nonnulls(api_key, user_id) = 1);
CREATE INDEX terminal_user_index ON terminal (user_id);
CREATE UNIQUE INDEX terminal_user_unique ON terminal (brand_id, user_id) WHERE ended_at IS NULL;
-- what a terminal was answered of late
CREATE INDEX redemption_terminal_index ON redemption (brand_id, terminal, at);
