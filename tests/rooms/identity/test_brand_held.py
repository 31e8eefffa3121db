"""What the app's role may not do, whatever brand it stands in; and the limits of a policy that no brand can be given."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests import books

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TWO_TIER = {"policy": "cn-two-tier", "legal_opinion": "LO-1", "expires_on": "2027-01-01", "max_levels": 2}
LOOSEST = {"policy": "intl", "max_depth": 3, "max_levels": 3, "max_total_rate_ppm": 500_000}


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await books.settled(books.example(tmp_path_factory.mktemp("a") / "bundle", code="held"), "2026-04")


@pytest.fixture
async def intruder(app: asyncpg.Connection, brand: Brand) -> asyncpg.Connection:
    await books.stand_in(app, brand.id)
    return app


async def add(app: asyncpg.Connection, **changes: Any) -> uuid.UUID:
    fresh = uuid.uuid4()
    row = {
        "id": fresh,
        "code": f"c-{fresh.hex[:20]}",
        "name": "Neu",
        "currency": "CNY",
        "decimals": 2,
        "time_zone": "Asia/Shanghai",
        "locale": "zh-CN",
        "policy": "cn-strict",
        "max_depth": 2,
        "max_levels": 1,
        "max_total_rate_ppm": 300_000,
        "hold_days": 7,
        "min_payout_minor": 0,
        "withholding": "none",
    }
    await books.stand_in(app, fresh)
    await books.insert(app, "brand", {**row, **changes})
    return fresh


@pytest.mark.parametrize("changes", [{}, TWO_TIER, LOOSEST, {"max_depth": 1, "max_total_rate_ppm": 0}], ids=str)
async def test_control_a_brand_within_its_policy_is_taken(app: asyncpg.Connection, changes: dict[str, Any]) -> None:
    fresh = await add(app, **changes)
    assert await app.fetchval("SELECT array_agg(id) FROM brand") == [fresh]


@pytest.mark.parametrize(
    "changes",
    [
        {"max_depth": 3},
        {"max_levels": 2},
        {"max_total_rate_ppm": 300_001},
        {**TWO_TIER, "max_depth": 3},
        {**TWO_TIER, "max_levels": 3},
        {**TWO_TIER, "max_total_rate_ppm": 300_001},
        {**TWO_TIER, "legal_opinion": None},
        {**TWO_TIER, "expires_on": None},
        {**LOOSEST, "max_depth": 4},
        {**LOOSEST, "max_levels": 4},
        {**LOOSEST, "max_total_rate_ppm": 500_001},
    ],
    ids=str,
)
async def test_no_brand_is_given_more_than_its_policy_allows(
    app: asyncpg.Connection, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, "brand_limits_check"):
        await add(app, **changes)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"max_depth": 0}, "brand_max_depth_check"),
        ({"max_levels": 0}, "brand_max_levels_check"),
        ({"max_total_rate_ppm": -1}, "brand_max_total_rate_ppm_check"),
        ({"hold_days": 91}, "brand_hold_days_check"),
        ({"min_payout_minor": -1}, "brand_min_payout_minor_check"),
        ({"decimals": 3}, "brand_decimals_check"),
        ({"policy": "none"}, "brand_policy_check"),
        ({"withholding": "cn-labour"}, "brand_withholding_check"),
        ({"withholding": "cn-labor", "currency": "JPY"}, "brand_withholding_currency_check"),
        ({"code": "a b"}, "brand_code_check"),
        ({"code": "a\n"}, "brand_code_check"),
        ({**TWO_TIER, "legal_opinion": ""}, "brand_legal_opinion_check"),
    ],
    ids=str,
)
async def test_a_brand_is_well_formed(
    app: asyncpg.Connection, owner: asyncpg.Connection, changes: dict[str, Any], constraint: str
) -> None:
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await add(app, **changes)


async def test_two_brands_do_not_share_a_code(app: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection) -> None:
    async with books.refused(owner, asyncpg.UniqueViolationError, "brand_code_key"):
        await add(app, code=brand.code)


async def test_a_brand_is_not_founded_under_the_setting_of_another(
    intruder: asyncpg.Connection, brand: Brand, owner: asyncpg.Connection
) -> None:
    row = await books.row(owner, "SELECT * FROM brand WHERE id = $1", brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await books.insert(intruder, "brand", {**row, "id": uuid.uuid4(), "code": "second"})


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE brand SET max_levels = 3",
        "UPDATE brand SET policy = 'intl'",
        "INSERT INTO brand SELECT * FROM brand ON CONFLICT (id) DO UPDATE SET max_depth = 3",
        "DELETE FROM brand",
        "CREATE TABLE loot (a int)",
        "CREATE VIEW loot AS SELECT * FROM accrual",
        "CREATE FUNCTION loot() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA loot",
        "CREATE DATABASE loot",
        "CREATE ROLE loot",
        "ALTER TABLE accrual DISABLE TRIGGER append_only",
        "ALTER TABLE placement DISABLE TRIGGER ALL",
        "ALTER TABLE posting DISABLE TRIGGER USER",
        "DROP TRIGGER posting_in_time ON posting",
        "CREATE TRIGGER loot BEFORE INSERT ON accrual FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        "CREATE RULE loot AS ON INSERT TO accrual DO INSTEAD NOTHING",
        "SET session_replication_role = 'replica'",
        "SET LOCAL session_replication_role = 'replica'",
        "SELECT set_config('session_replication_role', 'replica', false)",
        "ALTER ROLE CURRENT_USER SET session_replication_role = 'replica'",
        "DROP POLICY brand_only ON accrual",
        "ALTER POLICY brand_only ON accrual USING (true)",
        "CREATE POLICY everyone ON accrual USING (true)",
        "ALTER TABLE accrual DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE accrual NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE accrual OWNER TO CURRENT_USER",
        "ALTER TABLE statement DROP CONSTRAINT statement_paid_check",
        "ALTER TABLE statement ADD COLUMN loot int",
        "DROP TABLE posting",
        "DROP VIEW chain CASCADE",
        "DROP FUNCTION check_network() CASCADE",
        "ALTER FUNCTION lock_brand(uuid, text) IMMUTABLE",
        "CREATE OR REPLACE FUNCTION current_brand() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
        "CALL protect('tier', true)",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "ALTER ROLE qucheng_app LOGIN",
        "SET ROLE {owner}",
        "SET SESSION AUTHORIZATION {owner}",
        "GRANT {owner} TO CURRENT_USER",
        "DO $$ BEGIN LOCK TABLE accrual IN ACCESS EXCLUSIVE MODE; END $$",
        "SELECT 1 FROM statement FOR UPDATE",
        "COPY accrual FROM PROGRAM 'true'",
        "COPY accrual TO '/tmp/loot'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{owner}'",
        "SET ROLE pg_write_all_data",
    ],
)
async def test_the_app_may_not(intruder: asyncpg.Connection, owner: asyncpg.Connection, attempt: str) -> None:
    name = await owner.fetchval("SELECT current_user")
    shape = (
        "SELECT jsonb_agg(ARRAY[oid::text, relowner::text, relrowsecurity::text] ORDER BY oid) FROM pg_class WHERE oid > 16383"
    )
    before = json.loads(await owner.fetchval(shape))
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await intruder.execute(attempt.format(owner=f'"{name}"' if "'" not in attempt else name))
    assert json.loads(await owner.fetchval(shape)) == before
    assert await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'") == 0


@pytest.mark.filterwarnings("ignore")
async def test_the_app_gives_itself_no_rights(intruder: asyncpg.Connection) -> None:
    """GRANT by one who may not is a warning and does nothing."""
    await intruder.execute("GRANT UPDATE, DELETE, TRIGGER ON brand, accrual TO qucheng_app")
    for table in ("brand", "accrual"):
        assert await intruder.fetchval(
            "SELECT NOT has_table_privilege($1, 'UPDATE, DELETE, TRIGGER, TRUNCATE, REFERENCES')", table
        )
        assert await intruder.fetchval("SELECT NOT has_any_column_privilege($1, 'UPDATE, REFERENCES')", table)


async def test_switching_row_security_off_shows_nothing_but_an_error(
    intruder: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError), intruder.transaction():
        await intruder.execute("SET LOCAL row_security = off")
        await intruder.fetch("SELECT * FROM accrual")


async def test_the_planner_tells_the_app_nothing_about_values(intruder: asyncpg.Connection, owner: asyncpg.Connection) -> None:
    await intruder.execute("SELECT refresh_statistics()")
    query = "SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND tablename = 'reseller'"
    assert await owner.fetchval(query) > 0
    assert await intruder.fetchval(query) == 0
