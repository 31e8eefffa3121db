"""The migrated schema keeps the brands apart and history unchanged (house rules 7, 8 and 9).

Driven by the catalog: a table that a migration adds is checked without being named here. What is an exception stands in a list
with its reason. Each check is shown to fail on a table planted in a schema of its own.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.house import schema_lists

from qucheng.core import database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

APP_ROLE = "qucheng_app"

BRANDED = """
    SELECT c.oid, c.relname AS name FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'brand_id' AND NOT a.attisdropped)
"""

# each: what it finds, a query for schema $1 that returns one text for every fault, and tables in which it must find them
CHECKS = {
    "brand_id is in the primary key": (
        f"""
        SELECT b.name FROM ({BRANDED}) b WHERE NOT EXISTS (
            SELECT 1 FROM pg_constraint p JOIN pg_attribute a ON a.attrelid = b.oid AND a.attname = 'brand_id'
            WHERE p.conrelid = b.oid AND p.contype = 'p' AND a.attnum = ANY (p.conkey))
        """,
        "CREATE TABLE bad (brand_id uuid, id uuid PRIMARY KEY); CREATE TABLE keyless (brand_id uuid)",
        {"bad", "keyless"},
    ),
    "brand_id is in every unique key": (
        f"""
        SELECT b.name || '.' || i.indexrelid::regclass::text FROM ({BRANDED}) b JOIN pg_index i ON i.indrelid = b.oid
        WHERE i.indisunique AND NOT EXISTS (
            SELECT 1 FROM pg_attribute a WHERE a.attrelid = b.oid AND a.attname = 'brand_id' AND a.attnum = ANY (i.indkey::smallint[]))
        """,
        "CREATE TABLE bad (brand_id uuid, a int UNIQUE, b int, PRIMARY KEY (brand_id, a)); CREATE UNIQUE INDEX bad_b ON bad (b)",
        {"bad.planted.bad_a_key", "bad.planted.bad_b"},
    ),
    "foreign keys stay inside the brand": (
        f"""
        SELECT f.conname::text FROM pg_constraint f JOIN ({BRANDED}) b ON b.oid = f.conrelid
        WHERE f.contype = 'f' AND EXISTS (
            SELECT 1 FROM pg_attribute t WHERE t.attrelid = f.confrelid AND NOT t.attisdropped
            AND (t.attname = 'brand_id' OR (t.attname = 'id' AND f.confrelid = to_regclass($1::text || '.brand'))))
        AND NOT EXISTS (
            SELECT 1 FROM unnest(f.conkey, f.confkey) pair (here, there)
            JOIN pg_attribute h ON h.attrelid = f.conrelid AND h.attnum = here AND h.attname = 'brand_id'
            JOIN pg_attribute t ON t.attrelid = f.confrelid AND t.attnum = there
                AND (t.attname = 'brand_id' OR (t.attname = 'id' AND f.confrelid = to_regclass($1::text || '.brand'))))
        """,
        """
        CREATE TABLE target (brand_id uuid, a int UNIQUE, PRIMARY KEY (brand_id, a));
        CREATE TABLE bad (brand_id uuid, a int CONSTRAINT astray REFERENCES target (a), PRIMARY KEY (brand_id, a),
                          CONSTRAINT home FOREIGN KEY (brand_id, a) REFERENCES target)
        """,
        {"astray"},
    ),
    "a table without brand_id is in the list": (
        f"""
        SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')
        AND c.oid NOT IN (SELECT oid FROM ({BRANDED}) b) AND NOT (c.relname = ANY ($2::text[]))
        """,
        "CREATE TABLE bad (id uuid PRIMARY KEY); CREATE TABLE brand (id uuid PRIMARY KEY)",
        {"bad"},
    ),
    "row-level security is on, not forced, with a policy that reads the brand": (
        f"""
        SELECT c.relname::text FROM pg_class c
        WHERE (c.oid IN (SELECT oid FROM ({BRANDED}) b) OR c.oid = to_regclass($1::text || '.brand'))
        AND (NOT c.relrowsecurity OR c.relforcerowsecurity OR NOT EXISTS (
            SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*'
            AND pg_get_expr(p.polqual, p.polrelid) LIKE '%current_brand()%'
            AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%current_brand()%'))
        """,
        """
        CREATE TABLE brand (id uuid PRIMARY KEY);
        CREATE TABLE bare (brand_id uuid); ALTER TABLE bare ENABLE ROW LEVEL SECURITY;
        CREATE TABLE wide (brand_id uuid); ALTER TABLE wide ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON wide USING (true);
        CREATE TABLE forced (brand_id uuid); ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY;
        CREATE POLICY brand_only ON forced USING (brand_id = public.current_brand()) WITH CHECK (brand_id = public.current_brand());
        CREATE TABLE good (brand_id uuid); ALTER TABLE good ENABLE ROW LEVEL SECURITY;
        CREATE POLICY brand_only ON good USING (brand_id = public.current_brand()) WITH CHECK (brand_id = public.current_brand())
        """,
        {"brand", "bare", "wide", "forced"},
    ),
    "views read with the rights of who asks": (
        """
        SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND (c.relkind = 'm' OR (
            c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)))
        """,
        "CREATE VIEW bad AS SELECT 1 AS a; CREATE VIEW good WITH (security_invoker = true) AS SELECT 1 AS a",
        {"bad"},
    ),
    "functions of the owner have a fixed search_path": (
        """
        SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND p.prosecdef
        AND NOT EXISTS (SELECT 1 FROM unnest(p.proconfig) setting WHERE setting LIKE 'search_path=%')
        """,
        """
        CREATE FUNCTION bad() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE FUNCTION good() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT 1'
        """,
        {"bad"},
    ),
    "every foreign key is indexed": (
        """
        SELECT f.conname::text FROM pg_constraint f
        WHERE f.connamespace = $1::regnamespace AND f.contype = 'f' AND NOT EXISTS (
            SELECT 1 FROM pg_index i WHERE i.indrelid = f.conrelid AND i.indpred IS NULL AND i.indisvalid
            AND f.conkey @> (i.indkey::smallint[])[0:cardinality(f.conkey) - 1]
            AND f.conkey <@ (i.indkey::smallint[])[0:cardinality(f.conkey) - 1])
        """,
        """
        CREATE TABLE target (a int, b int, PRIMARY KEY (a, b));
        CREATE TABLE t (a int, b int, c int, PRIMARY KEY (a, c), CONSTRAINT bare FOREIGN KEY (a, b) REFERENCES target);
        CREATE TABLE u (a int, b int, c int, PRIMARY KEY (b, a, c), CONSTRAINT covered FOREIGN KEY (a, b) REFERENCES target);
        CREATE TABLE v (a int, b int, CONSTRAINT part FOREIGN KEY (a, b) REFERENCES target); CREATE INDEX ON v (a, b) WHERE a > 0
        """,
        {"bare", "part"},
    ),
    "a nullable reference is in the list": (
        """
        SELECT c.relname || '.' || a.attname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (f.conkey)
        WHERE f.connamespace = $1::regnamespace AND f.contype = 'f' AND NOT a.attnotnull AND NOT (c.relname || '.' || a.attname = ANY ($2::text[]))
        """,
        """
        CREATE TABLE target (id int PRIMARY KEY);
        CREATE TABLE bad (id int REFERENCES target, known int NOT NULL REFERENCES target);
        CREATE TABLE reseller (parent int REFERENCES target)
        """,
        {"bad.id"},
    ),
    "nothing is deleted or rewritten behind a reference": (
        """
        SELECT conname::text FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype = 'f'
        AND NOT (confdeltype IN ('a', 'r') AND confupdtype IN ('a', 'r'))
        """,
        """
        CREATE TABLE target (id int PRIMARY KEY);
        CREATE TABLE t (a int CONSTRAINT gone REFERENCES target ON DELETE CASCADE, b int CONSTRAINT moved REFERENCES target ON UPDATE CASCADE,
                        c int CONSTRAINT blank REFERENCES target ON DELETE SET NULL, d int CONSTRAINT kept REFERENCES target)
        """,
        {"gone", "moved", "blank"},
    ),
    "no default is an empty text": (
        r"""
        SELECT c.relname || '.' || a.attname FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
        JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE c.relnamespace = $1::regnamespace AND c.relname <> 'migration' AND pg_get_expr(d.adbin, d.adrelid) ~ '^''''(::|$)'
        """,
        "CREATE TABLE t (a text DEFAULT '', b varchar(9) DEFAULT '', c text DEFAULT 'x', d text)",
        {"t.a", "t.b"},
    ),
    "a kind or status has a CHECK": (
        """
        SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND a.attname IN ('kind', 'status') AND NOT a.attisdropped
        AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey))
        """,
        "CREATE TABLE t (kind text, status text CHECK (status IN ('a', 'b')))",
        {"t.kind"},
    ),
    "no column is a float": (
        """
        SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = $1::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype)
        """,
        "CREATE TABLE t (a real, b double precision, c money, d bigint)",
        {"t.a", "t.b", "t.c"},
    ),
    "the app owns nothing": (
        f"""
        SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND pg_has_role('{APP_ROLE}', c.relowner, 'MEMBER')
        UNION ALL
        SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND pg_has_role('{APP_ROLE}', p.proowner, 'MEMBER')
        """,
        f"""
        GRANT {APP_ROLE} TO CURRENT_USER; GRANT CREATE ON SCHEMA planted TO {APP_ROLE};
        CREATE TABLE bad (a int); ALTER TABLE bad OWNER TO {APP_ROLE}; CREATE TABLE good (a int)
        """,
        {"bad"},
    ),
    "the app takes nothing out of history": (
        f"""
        SELECT c.relname || ' ' || verb FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) verb
        WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY ($2::text[]) AND (has_table_privilege('{APP_ROLE}', c.oid, verb)
            OR (verb = 'UPDATE' AND has_any_column_privilege('{APP_ROLE}', c.oid, verb)))
        """,
        f"""
        GRANT USAGE ON SCHEMA planted TO {APP_ROLE};
        CREATE TABLE accrual (a int, b int); GRANT SELECT, INSERT, DELETE, UPDATE (b) ON accrual TO {APP_ROLE};
        CREATE TABLE refund (a int); GRANT TRUNCATE ON refund TO PUBLIC;
        CREATE TABLE bonus (a int); GRANT SELECT, INSERT ON bonus TO {APP_ROLE}
        """,
        {"accrual DELETE", "accrual UPDATE", "refund TRUNCATE"},
    ),
    "history has triggers that refuse": (
        """
        SELECT c.relname || ' ' || verb FROM pg_class c, (VALUES ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) verbs (verb, bit)
        WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY ($2::text[]) AND NOT EXISTS (
            SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid AND t.tgtype & bit <> 0
            AND t.tgtype & 2 <> 0 AND t.tgtype & 1 = 0 AND t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL AND p.proname = 'refuse_change')
        """,
        """
        CREATE TABLE accrual (a int);
        CREATE TRIGGER t BEFORE UPDATE OR DELETE OR TRUNCATE ON accrual FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
        ALTER TABLE accrual DISABLE TRIGGER t;
        CREATE TABLE refund (a int);
        CREATE TRIGGER t BEFORE UPDATE OR DELETE ON refund FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()
        """,
        {"accrual DELETE", "accrual UPDATE", "accrual TRUNCATE", "refund TRUNCATE"},
    ),
}
LISTS = {
    "a table without brand_id is in the list": sorted(schema_lists.WITHOUT_BRAND),
    "a nullable reference is in the list": sorted(schema_lists.NULLABLE_REFERENCES),
    "the app takes nothing out of history": list(schema_lists.APPEND_ONLY),
    "history has triggers that refuse": list(schema_lists.APPEND_ONLY),
}


@pytest.fixture(scope="module")
async def migrated_url(postgres_url: str) -> AsyncIterator[str]:
    name = f"house_{os.getpid()}_{secrets.token_hex(4)}"
    owner = await asyncpg.connect(postgres_url)
    await owner.execute(f"CREATE DATABASE {name}")
    try:
        url = database.with_database(postgres_url, name)
        await database.migrate(url)
        yield url
    finally:
        await database.drop(owner, name)
        await owner.close()


@pytest.fixture
async def owner_connection(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner of a freshly migrated database; whatever is done through it is undone."""
    connection = await asyncpg.connect(migrated_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def faults(connection: asyncpg.Connection, check: str, schema: str) -> list[str]:
    arguments = [LISTS[check]] if check in LISTS else []
    return sorted(row[0] for row in await connection.fetch(CHECKS[check][0], schema, *arguments))


async def become_app(connection: asyncpg.Connection) -> None:
    await connection.execute(f"GRANT {APP_ROLE} TO CURRENT_USER")  # undone with the transaction
    await connection.execute(f"SET LOCAL ROLE {APP_ROLE}")


@pytest.mark.parametrize("check", CHECKS)
async def test_the_schema(owner_connection: asyncpg.Connection, check: str) -> None:
    assert await faults(owner_connection, check, "public") == []


@pytest.mark.parametrize("check", CHECKS)
async def test_a_planted_fault_is_seen(owner_connection: asyncpg.Connection, check: str) -> None:
    await owner_connection.execute("CREATE SCHEMA planted")
    await owner_connection.execute("SET LOCAL search_path = planted")
    await owner_connection.execute(CHECKS[check][1])
    await owner_connection.execute("SET LOCAL search_path = pg_catalog")
    assert set(await faults(owner_connection, check, "planted")) == CHECKS[check][2]


async def test_the_lists_name_only_what_is_there(owner_connection: asyncpg.Connection) -> None:
    tables = {row[0] for row in await owner_connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert set(schema_lists.WITHOUT_BRAND) | set(schema_lists.APPEND_ONLY) <= tables
    columns = await owner_connection.fetch(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' AND is_nullable = 'YES'"
    )
    assert set(schema_lists.NULLABLE_REFERENCES) <= {row[0] for row in columns}


@pytest.mark.parametrize("table", schema_lists.APPEND_ONLY)
async def test_not_even_the_owner_rewrites_history(owner_connection: asyncpg.Connection, table: str) -> None:
    for change in (f"UPDATE {table} SET brand_id = brand_id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            async with owner_connection.transaction():
                await owner_connection.execute(change)


@pytest.mark.parametrize("role", database.SHARED_ROLES)
async def test_no_role_of_ours_has_power_over_the_checks(owner_connection: asyncpg.Connection, role: str) -> None:
    roles = await owner_connection.fetch(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin FROM pg_roles WHERE rolname = $1",
        role,
    )
    assert [tuple(found) for found in roles] == [(role, False, False, False, False, False, False)]
    assert not await owner_connection.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", role)
    assert not await owner_connection.fetchval("SELECT has_database_privilege($1, current_database(), 'CREATE')", role)
    owned = "SELECT count(*) FROM pg_class WHERE pg_has_role($1, relowner, 'MEMBER')"
    assert await owner_connection.fetchval(owned, role) == 0


async def test_the_roles_are_in_no_other_but_the_switch(owner_connection: asyncpg.Connection) -> None:
    """Who is in the switch can become the reseller's role and has, before that, nothing of it."""
    pairs = await owner_connection.fetch(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members WHERE member::regrole::text = ANY ($1)",
        list(database.SHARED_ROLES),
    )
    assert {tuple(pair) for pair in pairs} <= {("qucheng_switch", "qucheng_reseller")}
    assert not await owner_connection.fetchval("SELECT rolinherit FROM pg_roles WHERE rolname = 'qucheng_switch'")


@pytest.mark.parametrize(
    "attempt",
    [
        "SET session_replication_role = replica",
        "ALTER TABLE accrual DISABLE TRIGGER ALL",
        "ALTER TABLE posting DISABLE TRIGGER append_only",
        "ALTER TABLE statement DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER append_only ON journal_entry",
        "DROP POLICY brand_only ON accrual",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "UPDATE statement SET net_minor = 0",
        "DELETE FROM posting",
        "TRUNCATE refund",
        "COPY order_line FROM PROGRAM 'true'",
    ],
)
async def test_the_app_cannot(owner_connection: asyncpg.Connection, attempt: str) -> None:
    await become_app(owner_connection)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner_connection.execute(attempt)


async def test_without_a_brand_the_app_sees_and_writes_nothing(owner_connection: asyncpg.Connection) -> None:
    brand = "01890000-0000-7000-8000-000000000001"
    await owner_connection.execute(
        """
        INSERT INTO brand (id, code, name, currency, decimals, time_zone, locale, policy, max_depth, max_levels, max_total_rate_ppm,
                           hold_days, min_payout_minor, withholding)
        VALUES ($1, 'house', 'House', 'CNY', 2, 'Asia/Shanghai', 'en', 'cn-strict', 2, 1, 300000, 7, 0, 'none')
        """,
        brand,
    )
    await owner_connection.execute("INSERT INTO account (brand_id, code) VALUES ($1, 'asset:bank')", brand)
    await become_app(owner_connection)
    assert await owner_connection.fetchval("SELECT count(*) FROM account") == 0
    await owner_connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", brand)
    assert await owner_connection.fetchval("SELECT count(*) FROM account") == 1
    await owner_connection.execute("SELECT set_config('qucheng.brand_id', $1, true)", brand.replace("1890", "1891"))
    assert await owner_connection.fetchval("SELECT count(*) FROM account") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await owner_connection.execute("INSERT INTO account (brand_id, code) VALUES ($1, 'asset:cash')", brand)
