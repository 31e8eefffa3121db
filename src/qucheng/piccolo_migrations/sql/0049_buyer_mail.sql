-- The buyer's e-mail address, kept like the phone: sealed for this place, and a keyed fingerprint to find it again.
ALTER TABLE sale ADD COLUMN mail_cipher bytea, ADD COLUMN mail_fingerprint bytea CHECK (length(mail_fingerprint) = 32),
    ADD CONSTRAINT sale_mail_check CHECK ((mail_cipher IS NULL) = (mail_fingerprint IS NULL));
CREATE INDEX sale_mail_index ON sale (brand_id, mail_fingerprint) WHERE mail_fingerprint IS NOT NULL;

-- Asked for on the page; the order has it from here.
ALTER TABLE payment ADD COLUMN mail_cipher bytea;

ALTER TABLE letter DROP CONSTRAINT letter_kind_check;
ALTER TABLE letter ADD CONSTRAINT letter_kind_check CHECK (kind IN (
    'invitation', 'password-reset', 'second-factor', 'application-received', 'application-approved', 'application-rejected', 'delivery'));

-- What the brand's people are told of stock and risk.
CALL add_notification_kind('stock.low');
CALL add_notification_kind('stock.expiring');
CALL add_notification_kind('risk.found');

-- The cards of a person who complains are looked for by the phone.
CREATE INDEX IF NOT EXISTS consumer_phone_index ON consumer (brand_id, phone_fingerprint) WHERE phone_fingerprint IS NOT NULL;

-- The list of orders, the newest first.
CREATE INDEX order_line_paid_index ON order_line (brand_id, paid_at, order_no);
