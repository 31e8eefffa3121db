-- What a platform knows of a SKU beside its facts. Code and cost stay as they came: the cost of a day is the price book's.
-- kind 'other': a bundle brought it, and nobody has said.
ALTER TABLE sku
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'other'
        CONSTRAINT sku_kind_check CHECK (kind IN ('card_secret', 'top_up', 'membership', 'discount', 'package', 'other')),
    ADD COLUMN face_value_minor bigint CONSTRAINT sku_face_value_check CHECK (face_value_minor >= 0),
    ADD COLUMN valid_days integer CONSTRAINT sku_valid_days_check CHECK (valid_days BETWEEN 1 AND 36500),
    ADD COLUMN valid_until date,
    ADD COLUMN rules_zh text CONSTRAINT sku_rules_zh_check CHECK (length(rules_zh) BETWEEN 1 AND 2000),
    ADD COLUMN rules_en text CONSTRAINT sku_rules_en_check CHECK (length(rules_en) BETWEEN 1 AND 2000),
    ADD COLUMN hold_from text COLLATE "C" NOT NULL DEFAULT 'paid' CONSTRAINT sku_hold_from_check CHECK (hold_from IN ('paid', 'delivered', 'redeemed')),
    ADD COLUMN on_sale boolean NOT NULL DEFAULT true,
    ADD COLUMN sale_changed_at timestamptz,
    ADD COLUMN revision integer NOT NULL DEFAULT 1 CONSTRAINT sku_revision_check CHECK (revision >= 1),
    ADD CONSTRAINT sku_validity_check CHECK (valid_days IS NULL OR valid_until IS NULL);
ALTER TABLE channel ADD COLUMN IF NOT EXISTS deviation text NOT NULL DEFAULT 'flag' CHECK (deviation IN ('flag', 'refuse'));
ALTER TABLE channel ADD COLUMN revision integer NOT NULL DEFAULT 1 CONSTRAINT channel_revision_check CHECK (revision >= 1);
ALTER TABLE tier ADD COLUMN revision integer NOT NULL DEFAULT 1 CONSTRAINT tier_revision_check CHECK (revision >= 1);

-- Every change counts, so that who changes says what they saw.
CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER sku_revision BEFORE UPDATE ON sku FOR EACH ROW EXECUTE FUNCTION count_revision();
CREATE TRIGGER channel_revision BEFORE UPDATE ON channel FOR EACH ROW EXECUTE FUNCTION count_revision();
CREATE TRIGGER tier_revision BEFORE UPDATE ON tier FOR EACH ROW EXECUTE FUNCTION count_revision();

-- Names and what is said of a thing may change; what books refer to may not.
DROP TRIGGER append_only ON sku;
DROP TRIGGER append_only ON channel;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON sku FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON channel FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON tier FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sku_facts BEFORE UPDATE OF brand_id, code, cost_minor ON sku FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER channel_facts BEFORE UPDATE OF brand_id, code ON channel FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tier_facts BEFORE UPDATE OF brand_id, code ON tier FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT UPDATE (name, category, list_price_minor, kind, face_value_minor, valid_days, valid_until, rules_zh, rules_en, hold_from, on_sale, sale_changed_at)
    ON sku TO qucheng_app;
GRANT UPDATE (name, kind, deviation) ON channel TO qucheng_app;
REVOKE UPDATE ON tier FROM qucheng_app;
GRANT UPDATE (name, rank) ON tier TO qucheng_app;
GRANT SELECT (kind, face_value_minor, valid_days, valid_until, rules_zh, rules_en, on_sale) ON sku TO qucheng_reseller;

-- A channel in which something was sold stays what it was: its lines earned by it. An import that runs is waited for.
CREATE FUNCTION check_channel_kind() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_read_committed();
    PERFORM lock_brand(NEW.brand_id, 'intake');
    IF EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = NEW.brand_id AND l.channel = NEW.code) THEN
        RAISE EXCEPTION 'the channel % has orders: its kind stays', NEW.code USING ERRCODE = 'restrict_violation', CONSTRAINT = 'channel_kind_kept';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER channel_kind_kept AFTER UPDATE OF kind ON channel FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION check_channel_kind();

CREATE FUNCTION is_on_sale(article text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.on_sale FROM sku s WHERE s.brand_id = current_brand() AND s.code = article
$$;
GRANT EXECUTE ON FUNCTION is_on_sale(text) TO qucheng_app, qucheng_reseller;

CREATE TABLE tag (
    brand_id uuid NOT NULL REFERENCES brand,
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[^[:cntrl:];,]{1,40}$' AND name = btrim(name)),
    PRIMARY KEY (brand_id, name)
);
CALL protect('tag', false);
REVOKE UPDATE ON tag FROM qucheng_app;

CREATE TABLE sku_tag (
    brand_id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    PRIMARY KEY (brand_id, sku, tag),
    CONSTRAINT sku_tag_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT sku_tag_tag_reference FOREIGN KEY (brand_id, tag) REFERENCES tag
);
CREATE INDEX sku_tag_tag_index ON sku_tag (brand_id, tag);
CALL protect('sku_tag', false);
REVOKE UPDATE ON sku_tag FROM qucheng_app;
GRANT DELETE ON sku_tag TO qucheng_app;

-- What a package holds, and which share of its price each part has.
CREATE TABLE sku_part (
    brand_id uuid NOT NULL,
    package text COLLATE "C" NOT NULL,
    part text COLLATE "C" NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
    share_ppm integer NOT NULL CHECK (share_ppm BETWEEN 0 AND 1000000),
    PRIMARY KEY (brand_id, package, part),
    CONSTRAINT sku_part_package_reference FOREIGN KEY (brand_id, package) REFERENCES sku,
    CONSTRAINT sku_part_part_reference FOREIGN KEY (brand_id, part) REFERENCES sku,
    CONSTRAINT sku_part_other_check CHECK (part <> package)
);
CREATE INDEX sku_part_part_index ON sku_part (brand_id, part);
CALL protect('sku_part', false);
REVOKE UPDATE ON sku_part FROM qucheng_app;
GRANT DELETE ON sku_part TO qucheng_app;
GRANT SELECT (brand_id, package, part, quantity) ON sku_part TO qucheng_reseller;

-- At COMMIT: the shares of a package are all of its price, what is no package has no parts, and no part is a package. Two that
-- would together break it wait for each other.
CREATE FUNCTION check_package() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    brand uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.brand_id ELSE NEW.brand_id END;
    subject text;
    kind_of text;
    shares bigint;
BEGIN
    IF TG_TABLE_NAME = 'sku' THEN
        subject := NEW.code;
    ELSE
        subject := CASE TG_OP WHEN 'DELETE' THEN OLD.package ELSE NEW.package END;
    END IF;
    PERFORM require_read_committed();
    PERFORM lock_brand(brand, 'packages');
    SELECT s.kind INTO kind_of FROM sku s WHERE s.brand_id = brand AND s.code = subject;
    SELECT sum(p.share_ppm) INTO shares FROM sku_part p WHERE p.brand_id = brand AND p.package = subject;
    IF (CASE WHEN kind_of = 'package' THEN shares IS DISTINCT FROM 1000000 ELSE shares IS NOT NULL END) THEN
        RAISE EXCEPTION 'the shares of % are % millionths', subject, coalesce(shares, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'sku_part_shares';
    END IF;
    IF EXISTS (SELECT 1 FROM sku_part p JOIN sku s ON s.brand_id = p.brand_id AND s.code = p.part
               WHERE p.brand_id = brand AND subject IN (p.package, p.part) AND s.kind = 'package') THEN
        RAISE EXCEPTION 'a part of % is a package, or % is a package and a part', subject, subject
            USING ERRCODE = 'check_violation', CONSTRAINT = 'sku_part_flat';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sku_part_whole AFTER INSERT OR UPDATE OR DELETE ON sku_part
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_package();
CREATE CONSTRAINT TRIGGER sku_package_made AFTER INSERT ON sku
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'package') EXECUTE FUNCTION check_package();
CREATE CONSTRAINT TRIGGER sku_package_changed AFTER UPDATE OF kind ON sku
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION check_package();

CREATE TABLE sku_image (
    brand_id uuid NOT NULL,
    sku text COLLATE "C" NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('image/png', 'image/jpeg', 'image/webp')),
    width integer NOT NULL CHECK (width BETWEEN 1 AND 4096),
    height integer NOT NULL CHECK (height BETWEEN 1 AND 4096),
    bytes bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 1048576),
    set_at timestamptz NOT NULL,
    PRIMARY KEY (brand_id, sku),
    CONSTRAINT sku_image_sku_reference FOREIGN KEY (brand_id, sku) REFERENCES sku,
    CONSTRAINT sku_image_hash_check CHECK (sha256 = encode(sha256(bytes), 'hex'))
);
CALL protect('sku_image', false);
REVOKE UPDATE ON sku_image FROM qucheng_app;
GRANT DELETE ON sku_image TO qucheng_app;
GRANT SELECT ON sku_image TO qucheng_reseller;

-- A file of SKUs that was sent, read and not yet applied: what is typed in it is not lost between the look at it and the word.
CREATE TABLE catalog_import (
    brand_id uuid NOT NULL REFERENCES brand,
    id uuid NOT NULL,
    file_name text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 200),
    sheet jsonb NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'applied', 'discarded')),
    sent_by uuid NOT NULL REFERENCES person,
    sent_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (brand_id, id),
    CONSTRAINT catalog_import_end_check CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX catalog_import_sent_by_index ON catalog_import (sent_by);
CALL protect('catalog_import', false);
REVOKE UPDATE ON catalog_import FROM qucheng_app;
GRANT UPDATE (state, ended_at) ON catalog_import TO qucheng_app;

CREATE INDEX audit_record_sku_index ON audit_record (brand_id, subject, at) WHERE action LIKE 'sku.%';
