"""Brands are kept apart by the database, for every table that has a brand: without one nothing is there, with one only its own.

The tables come from the catalog: one that a migration adds must have rows of both brands here.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.core import reseller_brand

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

BRANDED = """
    SELECT c.relname, c.relkind = 'v' AS view FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
      AND (a.attname = 'brand_id' OR (c.relname = 'brand' AND a.attname = 'id')) ORDER BY 1"""


@pytest.fixture(scope="module")
async def brands(
    workspace: books.Workspace, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Brand, Brand]:
    assert workspace
    folder = tmp_path_factory.mktemp("brands")
    ours, theirs = [await books.settled(books.example(folder / code, code=code), "2026-04") for code in ("ours", "theirs")]
    for brand in (ours, theirs):
        await reseller_brand.papers(owner, brand.id)
        await reseller_brand.people(owner, brand.id, ("A01", "A02"))
        await reseller_brand.draft(owner, brand.id, "A01")
    return ours, theirs


@pytest.fixture
async def tables(owner: asyncpg.Connection, brands: tuple[Brand, Brand]) -> dict[str, str]:
    """Every table and view of a brand, with the column of the brand; each has rows of both."""
    found = {row["relname"]: "id" if row["relname"] == "brand" else "brand_id" for row in await owner.fetch(BRANDED)}
    assert len(found) > 25
    for name, column in found.items():
        seen = {row[0] for row in await owner.fetch(f"SELECT DISTINCT {column} FROM {name}")}
        assert seen == {brand.id for brand in brands}, f"{name} needs rows of both brands"
    return found


@pytest.fixture
async def stored(owner: asyncpg.Connection, tables: dict[str, str]) -> list[str]:
    """Without the views."""
    return [row["relname"] for row in await owner.fetch(BRANDED) if not row["view"] and row["relname"] in tables]


async def test_without_a_brand_nothing_is_visible(app: asyncpg.Connection, tables: dict[str, str]) -> None:
    assert {name: await app.fetchval(f"SELECT count(*) FROM {name}") for name in tables} == dict.fromkeys(tables, 0)


@pytest.mark.parametrize("setting", ["", str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1))])
async def test_with_a_brand_that_is_none_nothing_is_visible(
    app: asyncpg.Connection, tables: dict[str, str], setting: str
) -> None:
    await app.execute("SELECT set_config('qucheng.brand_id', $1, false)", setting)
    assert {name: await app.fetchval(f"SELECT count(*) FROM {name}") for name in tables} == dict.fromkeys(tables, 0)


async def test_a_setting_that_is_no_brand_is_an_error(app: asyncpg.Connection, brands: tuple[Brand, Brand]) -> None:
    await app.execute("SELECT set_config('qucheng.brand_id', $1, false)", f"{brands[0].id}' OR true --")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await app.fetchval("SELECT count(*) FROM brand")


async def test_only_the_rows_of_the_brand_are_visible(
    app: asyncpg.Connection, owner: asyncpg.Connection, brands: tuple[Brand, Brand], tables: dict[str, str]
) -> None:
    for brand in brands:
        await books.stand_in(app, brand.id)
        for name, column in tables.items():
            counted = await owner.fetchval(f"SELECT count(*) FROM {name} WHERE {column} = $1", brand.id)
            seen = await app.fetch(f"SELECT {column}, count(*) FROM {name} GROUP BY 1")
            assert [tuple(row) for row in seen] == [(brand.id, counted)], name


async def test_the_brand_ends_with_its_transaction(app: asyncpg.Connection, brands: tuple[Brand, Brand]) -> None:
    async with app.transaction():
        await app.execute("SELECT set_config('qucheng.brand_id', $1, true)", str(brands[0].id))
        assert await app.fetchval("SELECT count(*) FROM brand") == 1
    assert await app.fetchval("SELECT count(*) FROM brand") == 0


@pytest.mark.parametrize("standing", ["none", "ours"])
async def test_no_row_of_another_brand_is_written(
    app: asyncpg.Connection, owner: asyncpg.Connection, brands: tuple[Brand, Brand], stored: list[str], standing: str
) -> None:
    ours, theirs = brands
    if standing == "ours":
        await books.stand_in(app, ours.id)
    before = await books.everything(owner)
    for name in stored:
        column = "id" if name == "brand" else "brand_id"
        names = [
            row[0]
            for row in await app.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND has_column_privilege(attrelid, attnum, 'INSERT')",
                name,
            )
        ]
        if not names:  # written by people of a reseller only
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"permission denied for table {name}"):
                await app.execute(f"INSERT INTO {name} SELECT * FROM {name} WHERE false")
            continue
        row = await books.row(owner, f"SELECT {', '.join(names)} FROM {name} WHERE {column} = $1 LIMIT 1", theirs.id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f'row-level security policy for table "{name}"'):
            await books.insert(app, name, row)
    assert await books.everything(owner) == before


async def test_rows_of_another_brand_are_out_of_reach_of_a_change(
    app: asyncpg.Connection, owner: asyncpg.Connection, brands: tuple[Brand, Brand], stored: list[str]
) -> None:
    ours, theirs = brands
    await books.stand_in(app, ours.id)
    before = await books.everything(owner)
    changeable = [name for name in stored if await app.fetchval("SELECT has_table_privilege($1, 'UPDATE')", name)]
    assert changeable == ["document_file", "intake", "settlement_run"]
    for name in changeable:
        assert await app.execute(f"UPDATE {name} SET brand_id = brand_id WHERE brand_id = $1", theirs.id) == "UPDATE 0"
        with pytest.raises(
            (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError), match=r"row-level security|figures stay"
        ):
            await app.execute(f"UPDATE {name} SET brand_id = $1", theirs.id)
    for name, column in {"membership": "revoked_at", "invitation": "withdrawn_at", "approval": "decided_at"}.items():
        assert await app.execute(f"UPDATE {name} SET {column} = now() WHERE brand_id = $1", theirs.id) == "UPDATE 0"
    assert await books.everything(owner) == before


# drafts, what is over after its time, and why a file could not be made until it is tried again
DISCARDED = (
    "api_nonce",
    "consumer_session",
    "document_file",
    "idempotent_reply",
    "notification",
    "outbox_event",
    "plan_draft_rule",
    "price_cell",
    "price_edit",
    "price_limit",
    "run_entry",
    "run_statement",
    "short_digits",
    "sign_in_code",
    "sku_image",
    "sku_part",
    "sku_tag",
    "text_message",
    "webhook_attempt",
    "webhook_delivery",
    "wrong_entry",
)


async def test_only_drafts_are_deleted_by_the_app_and_only_its_own(
    app: asyncpg.Connection, owner: asyncpg.Connection, brands: tuple[Brand, Brand], stored: list[str]
) -> None:
    ours, theirs = brands
    await books.stand_in(app, ours.id)
    before = await books.everything(owner)
    for name in stored:
        for verb in ("DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            allowed = await app.fetchval("SELECT has_table_privilege($1, $2)", name, verb)
            assert allowed is (verb == "DELETE" and name in DISCARDED), (name, verb)
    for name in DISCARDED:
        assert await app.execute(f"DELETE FROM {name} WHERE brand_id = $1", theirs.id) == "DELETE 0"
    assert await books.everything(owner) == before


async def test_control_the_same_insert_passes_where_row_security_is_off(
    app: asyncpg.Connection, owner: asyncpg.Connection, brands: tuple[Brand, Brand]
) -> None:
    ours, theirs = brands
    await books.stand_in(app, ours.id)
    async with owner.transaction():
        await owner.execute("ALTER TABLE account DISABLE ROW LEVEL SECURITY")
    try:
        assert await app.fetchval("SELECT count(DISTINCT brand_id) FROM account") == 2
        await books.insert(app, "account", {"brand_id": theirs.id, "code": "asset:planted"})
    finally:
        await owner.execute("ALTER TABLE account ENABLE ROW LEVEL SECURITY")
    assert await app.fetchval("SELECT count(DISTINCT brand_id) FROM account") == 1
