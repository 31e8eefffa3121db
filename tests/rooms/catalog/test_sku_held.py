"""What the database holds of the catalogue, attacked as the app and as the owner; and two at once that would together break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.races import duel
from tests.rooms.catalog import goods

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

ORDER = ["O-1,1,2026-02-03T10:00:00,R1,web,tea,1,30.00,,"]
SKU = "INSERT INTO sku (brand_id, code, name, category, list_price_minor, cost_minor, kind) VALUES ($1, $2, 'x', 'x', 1, 1, $3)"
PART = "INSERT INTO sku_part (brand_id, package, part, quantity, share_ppm) VALUES ($1, $2, $3, $4, $5)"


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    """card is a package of two tea."""
    assert workspace
    made = await goods.brand(tmp_path, orders=ORDER, channels=["web,网店,agency", "b2b,批发,wholesale"])
    await goods.say(made, "card", kind="package", parts=(goods.part("tea", 2, 1_000_000),))
    return made


@pytest.mark.parametrize("column", ["code", "cost_minor", "brand_id"])
async def test_code_and_cost_stay(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, column: str) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(f"UPDATE sku SET {column} = {column}")
    async with books.refused(owner, asyncpg.RestrictViolationError):
        await owner.execute(f"UPDATE sku SET {column} = {column} WHERE brand_id = $1", brand.id)


@pytest.mark.parametrize("table", ["sku", "channel", "tier"])
async def test_nothing_of_the_books_is_removed(
    app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, table: str
) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute(f"DELETE FROM {table}")
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        async with books.refused(owner, asyncpg.RestrictViolationError):
            await owner.execute(statement)


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ("kind = 'voucher'", "sku_kind_check"),
        ("face_value_minor = -1", "sku_face_value_check"),
        ("valid_days = 0", "sku_valid_days_check"),
        ("valid_days = 3, valid_until = '2027-01-01'", "sku_validity_check"),
        ("rules_zh = ''", "sku_rules_zh_check"),
        ("rules_en = repeat('x', 2001)", "sku_rules_en_check"),
        ("hold_from = 'never'", "sku_hold_from_check"),
        ("name = ''", "sku_name_check"),
        ("list_price_minor = -1", "sku_list_price_minor_check"),
    ],
)
async def test_what_no_sku_is(
    app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, said: str, constraint: str
) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await app.execute(f"UPDATE sku SET {said} WHERE code = 'tea'")


async def test_a_revision_is_counted_and_never_said(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE sku SET revision = 9")
    for table in ("sku", "channel", "tier"):
        before = await owner.fetchval(f"SELECT max(revision) FROM {table} WHERE brand_id = $1", brand.id)
        await app.execute(f"UPDATE {table} SET name = name")
        assert await owner.fetchval(f"SELECT max(revision) FROM {table} WHERE brand_id = $1", brand.id) == before + 1
    await owner.execute("UPDATE tier SET revision = 40 WHERE brand_id = $1", brand.id)
    assert await owner.fetchval("SELECT max(revision) FROM tier WHERE brand_id = $1", brand.id) == 3


@pytest.mark.parametrize(
    ("part", "constraint"),
    [
        (("tea", "coupon", 1, 1_000_000), "sku_part_shares"),
        (("card", "coupon", 1, 1), "sku_part_shares"),
        (("card", "coupon", 0, 0), "sku_part_quantity_check"),
        (("card", "coupon", 1, 1_000_001), "sku_part_share_ppm_check"),
        (("card", "coupon", 1, -1), "sku_part_share_ppm_check"),
        (("card", "card", 1, 0), "sku_part_other_check"),
    ],
)
async def test_shares_are_the_whole_and_only_of_packages(
    app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, part: tuple[object, ...], constraint: str
) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await app.execute(PART, brand.id, *part)
    async with books.refused(owner, asyncpg.CheckViolationError, constraint):
        await owner.execute(PART, brand.id, *part)


async def test_a_package_is_never_without_parts(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_shares"):
        await app.execute("DELETE FROM sku_part")
    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_shares"):
        await app.execute(SKU, brand.id, "empty", "package")
    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_shares"):
        await app.execute("UPDATE sku SET kind = 'other' WHERE code = 'card'")
    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_shares"):
        await owner.execute("UPDATE sku_part SET share_ppm = 1 WHERE brand_id = $1", brand.id)


async def test_parts_are_no_packages(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)

    async def made(code: str, part: str) -> None:
        async with app.transaction():
            await app.execute("UPDATE sku SET kind = 'package' WHERE code = $1", code)
            await app.execute(PART, brand.id, code, part, 2, 1_000_000)

    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_flat"):
        await made("coupon", "card")
    async with books.refused(owner, asyncpg.CheckViolationError, "sku_part_flat"):
        await made("tea", "coupon")


async def wrap(connection: asyncpg.Connection, brand: Brand, code: str, part: str) -> None:
    await connection.execute("UPDATE sku SET kind = 'package' WHERE code = $1", code)
    await connection.execute(PART, brand.id, code, part, 2, 1_000_000)
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def packed_at_once(workspace: books.Workspace, brand: Brand) -> duel.End:
    """One makes coupon a package of pen, the other makes pen a package: what either sees alone is in order."""
    for code in ("pen", "ink"):
        async with books.connected(workspace.app, brand.id) as connection:
            await connection.execute(SKU, brand.id, code, "other")
    return await duel.fight(
        workspace,
        brand.id,
        lambda one: wrap(one, brand, "coupon", "pen"),
        lambda two: wrap(two, brand, "pen", "ink"),
    )


async def test_two_that_would_nest_packages_do_not_both_pass(workspace: books.Workspace, brand: Brand) -> None:
    end = await packed_at_once(workspace, brand)
    assert (end.waited, end.first) == (True, None)
    assert isinstance(end.second, asyncpg.CheckViolationError)
    assert end.second.constraint_name == "sku_part_flat"


async def test_control_without_the_check_both_pass(workspace: books.Workspace, owner: asyncpg.Connection, brand: Brand) -> None:
    triggers = {"sku_part": ["sku_part_whole"], "sku": ["sku_package_made", "sku_package_changed"]}
    for table, names in triggers.items():
        for name in names:
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    try:
        end = await packed_at_once(workspace, brand)
    finally:
        for table, names in triggers.items():
            for name in names:
                await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")
    assert end == duel.End(waited=False, first=None, second=None)


async def test_a_package_is_not_written_in_a_transaction_that_sees_the_past(app: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    transaction = app.transaction(isolation="repeatable_read")
    await transaction.start()
    await app.execute("UPDATE sku SET kind = 'package' WHERE code = 'coupon'")
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        await transaction.commit()


async def test_a_channel_that_has_orders_stays_what_it_is(
    app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand
) -> None:
    await books.stand_in(app, brand.id)
    for connection in (app, owner):
        async with books.refused(owner, asyncpg.RestrictViolationError, "channel_kind_kept"):
            await connection.execute("UPDATE channel SET kind = 'wholesale' WHERE brand_id = $1 AND code = 'web'", brand.id)
    assert await app.execute("UPDATE channel SET kind = 'agency' WHERE code = 'b2b'") == "UPDATE 1"


@pytest.mark.parametrize("name", ["a;b", "a,b", " a", "", "x" * 41, "a\n"])
async def test_what_no_tag_is(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand, name: str) -> None:
    await books.stand_in(app, brand.id)
    with pytest.raises(asyncpg.CheckViolationError):
        await app.execute("INSERT INTO tag (brand_id, name) VALUES ($1, $2)", brand.id, name)
    assert await owner.fetchval("SELECT count(*) FROM tag WHERE brand_id = $1", brand.id) == 0


async def test_an_image_is_what_its_hash_says(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    add = "INSERT INTO sku_image (brand_id, sku, sha256, kind, width, height, bytes, set_at) VALUES ($1, 'tea', $2, $3, $4, 1, $5, now())"
    good = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    for values, constraint in (
        (("0" * 64, "image/png", 1, b"x"), "sku_image_hash_check"),
        ((good, "image/svg+xml", 1, b"x"), "sku_image_kind_check"),
        ((good, "image/png", 4097, b"x"), "sku_image_width_check"),
        ((good, "image/png", 1, b""), "sku_image_bytes_check"),
    ):
        async with books.refused(owner, asyncpg.CheckViolationError, constraint):
            await app.execute(add, brand.id, *values)
    await app.execute(add, brand.id, good, "image/png", 1, b"x")
    async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE sku_image SET width = 2")


async def test_what_was_sent_is_not_written_over(app: asyncpg.Connection, owner: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    for column in ("sheet", "sent_by", "sent_at", "file_name"):
        async with books.refused(owner, asyncpg.InsufficientPrivilegeError):
            await app.execute(f"UPDATE catalog_import SET {column} = {column}")
