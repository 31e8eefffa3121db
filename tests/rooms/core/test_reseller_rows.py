"""People of a reseller see its rows and nothing of another's, in every table that there is; what is not shown to them is refused.

The tables come from the catalog: one that a migration adds is refused to them, or must be described here.
"""

# ruff: noqa: PT012 - the block that fails is what is tested

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.core import reseller_brand
from tests.rooms.core.reseller_brand import CHILD, GRANDCHILD, RESELLERS, ROOT, SIBLING, seen

from qucheng.core import db

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

# shown whole to everybody of the brand: names and dates
SHARED = {
    "agreement",
    "brand",
    "tier",
    "channel",
    "period",
    "sku",
    "legal_opinion",
    "policy_term",
    "policy_value",
    "portal_text",
    "portal_text_end",
    "sku_part",
    "sku_image",
    "price_live",
    "sales_setting",
}
# which rows are a reseller's ($1) own
NAMED = "reseller = $1"
OWN_LINE = "(order_no, line_no) IN (SELECT order_no, line_no FROM order_line WHERE reseller = $1)"
OWN_STATEMENT = "(period, number) IN (SELECT period, number FROM statement WHERE reseller = $1)"
OWN_RULE = (
    "IN (SELECT rule FROM accrual WHERE reseller = $1 UNION SELECT rule FROM bonus WHERE reseller = $1"
    " UNION SELECT rule FROM own_volume WHERE reseller = $1)"
)
OWN = {
    "reseller": "code = $1",
    **dict.fromkeys(
        (
            "placement",
            "accrual",
            "reversal_version",
            "own_volume",
            "adjustment",
            "bonus",
            "statement",
            "order_line",
            "membership",
            "invitation",
            "reseller_channel",
            "agreement_acceptance",
            "identity_verification",
            "standing_change",
            "notification",
            "pool",
            "reservation",
            "allocation_request",
            "stock_case",
            "sale",
            "sales_link",
            "payment",
        ),
        NAMED,
    ),
    **dict.fromkeys(("refund", "order_flag"), OWN_LINE),
    "line_clock": "(order_no, line_no) IN (SELECT order_no, line_no FROM accrual WHERE reseller = $1)",
    **dict.fromkeys(("reversal", "timed_accrual", "timed_reversal"), NAMED),
    **dict.fromkeys(
        (
            "statement_accrual",
            "statement_reversal",
            "statement_adjustment",
            "statement_document",
            "document_file",
            "statement_entry",
            "statement_row",
            "dispute",
            "statement_confirmation",
        ),
        OWN_STATEMENT,
    ),
    "price_version": "state = 'approved' AND $1 <> ''",
    "price_cell": "version IN (SELECT number FROM price_version WHERE state = 'approved')"
    " AND (tier IS NULL OR tier IN (SELECT tier FROM placement_span WHERE reseller = $1))",
    "rule": f"code {OWN_RULE}",
    "rule_bracket": f"rule {OWN_RULE}",
    "rule_end": f"rule {OWN_RULE}",
    "rule_term": f"code {OWN_RULE}",
    "card": OWN_LINE,
    **dict.fromkeys(("stock_level", "pool_sku"), "pool IN (SELECT number FROM pool WHERE reseller = $1)"),
    "sales_link_day": "link IN (SELECT id FROM sales_link WHERE reseller = $1)",
}
# may be added to, never read
WRITTEN_ONLY = {"audit_record", "outbox_event"}
HIDDEN_COLUMNS = {
    "order_line": {"source_row", "buyer", "parent", "parent_tier", "grandparent", "grandparent_tier", "cost_minor"},
    "sku": {"cost_minor", "hold_from", "sale_changed_at", "revision"},
    "sku_part": {"share_ppm"},
    "refund": {"source_row"},
    "price_version": {
        *(
            "based_on",
            "restores",
            "intake",
            "name",
            "maker",
            "opened_at",
            "submitted_at",
            "sha256",
            "approval",
            "approver",
            "approved_at",
        )
    },
    "sale": {"phone_cipher", "phone_fingerprint", "mail_cipher", "mail_fingerprint", "placed_by", "api_key", "content_sha256"},
    "dispute": {"decided_by"},
    "notification": {"mail", "mailed_at"},
    "invitation": {"token_hash", "login_hash"},
    "agreement": {"published_by"},
    "identity_verification": {"reference", "verified_by"},
    "standing_change": {"changed_by"},
    "legal_opinion": {"reference", "author", "approver", "approval", "approved_on", "approved_at"},
    "policy_value": {"author", "approver", "approval", "approved_on", "approved_at"},
    "portal_text": {"published_by"},
    "portal_text_end": {"ended_by", "ended_at"},
    "card": {"pool", "changes", "reserved_until", "reservation", "claim", "borrowed", "came_from"},
    "stock_level": {"came_in", "moved_in", "moved_out"},
    "pool_sku": {"borrow_quota", "borrowed"},
    "allocation_request": {"act", "decided_by"},
    "stock_case": {"substitute", "note", "closed_by"},
    "sales_setting": {"changed_at", "changed_by"},
    "payment": {"phone_cipher", "phone_mark", "mail_cipher", "locale", "reservation", "pay_address", "provider_no", "asked_at"},
}
ADDED = {
    ("dispute", "INSERT"),
    ("statement_confirmation", "INSERT"),
    ("audit_record", "INSERT"),
    ("outbox_event", "INSERT"),
    ("agreement_acceptance", "INSERT"),
    ("allocation_request", "INSERT"),
    ("membership", "UPDATE"),
    ("invitation", "UPDATE"),
    ("notification", "UPDATE"),
    ("sales_link", "INSERT"),
    ("sales_link", "UPDATE"),
}


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = tmp_path_factory.mktemp("brands")
    await reseller_brand.made(folder / "other", owner, code="other")
    return await reseller_brand.made(folder / "ours", owner, code="ours")


class UndoneError(Exception):
    """What a block was left with."""


async def relations(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') ORDER BY 1"
    )
    return [row[0] for row in rows]


async def columns(owner: asyncpg.Connection, table: str, right: str) -> set[str]:
    rows = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
        " AND has_column_privilege('qucheng_reseller', attrelid, attnum, $2)",
        table,
        right,
    )
    return {row[0] for row in rows}


async def test_only_the_described_tables_can_be_read(owner: asyncpg.Connection) -> None:
    readable = {name: await columns(owner, name, "SELECT") for name in await relations(owner)}
    assert {name for name, shown in readable.items() if shown} == SHARED | set(OWN)
    for name, hidden in HIDDEN_COLUMNS.items():
        there = await owner.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0", name)
        assert {row[0] for row in there} - readable[name] == hidden, name


async def test_only_the_described_tables_can_be_written(owner: asyncpg.Connection) -> None:
    rights = {
        (name, right)
        for name in await relations(owner)
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
        if await owner.fetchval("SELECT has_table_privilege('qucheng_reseller', $1, $2)", name, right)
        or (right in {"INSERT", "UPDATE"} and await columns(owner, name, right))
    }
    assert rights == ADDED


@pytest.mark.parametrize("reseller", RESELLERS)
async def test_in_every_table_the_rows_are_its_own(owner: asyncpg.Connection, brand: Brand, reseller: str) -> None:
    for name in sorted(SHARED | set(OWN)):
        shown = ", ".join(sorted(await columns(owner, name, "SELECT")))
        key = "id" if name == "brand" else "brand_id"
        # both brands of this database have the same rows, so a condition need not name the brand again
        mine = OWN.get(name, "$1 <> ''")
        query = f"SELECT ({shown})::text FROM {name} WHERE {key} = '{brand.id}' AND {mine} ORDER BY 1"
        wanted = await owner.fetch(query, reseller)
        whole = await owner.fetchval(f"SELECT count(*) FROM {name} WHERE {key} = $1", brand.id)
        found = await seen(brand, reseller, f"SELECT ({shown})::text FROM {name} ORDER BY 1")
        assert found == [tuple(row) for row in wanted], name
        assert found, f"{name} needs rows of {reseller}"
        assert name in SHARED or len(found) < whole, f"{name} needs rows of another reseller"


@pytest.mark.parametrize("reseller", RESELLERS)
async def test_no_value_names_another_reseller(owner: asyncpg.Connection, brand: Brand, reseller: str) -> None:
    """The numbers, files and buyers of a reseller carry its code. Of others only the order number of a sale below it is there,
    and in its own row its parent.
    """
    below = {ROOT: {CHILD}, CHILD: {GRANDCHILD}}.get(reseller, set())
    for name in sorted(set(OWN)):
        shown = await columns(owner, name, "SELECT") - ({"parent"} if name in {"reseller", "placement"} else set())
        values = [text for (text,) in await seen(brand, reseller, f"SELECT ({', '.join(sorted(shown))})::text FROM {name}")]
        for other in set(RESELLERS) - {reseller}:
            found = [text.replace(f"O-{other}", "").replace(f"F-{other}", "") if other in below else text for text in values]
            assert not [text for text in found if other in text], (name, other)


async def test_what_is_not_shown_is_refused(owner: asyncpg.Connection, brand: Brand) -> None:
    refused = [name for name in await relations(owner) if name not in SHARED | set(OWN)]
    assert {"task", "session", "person", "posting", "run_entry", "rejection", "audit_record", "books_check"} <= set(refused)
    for name in refused:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"permission denied for .* {name}"):
            await seen(brand, ROOT, f"SELECT 1 FROM {name}")


@pytest.mark.parametrize("column", ["cost_minor", "buyer", "grandparent"])
async def test_a_hidden_column_of_an_own_row_is_refused(brand: Brand, column: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for table order_line"):
        await seen(brand, ROOT, f"SELECT {column} FROM order_line")


@pytest.mark.parametrize(
    ("table", "change"), [("membership", "revoked_at = now() + interval '1 day'"), ("invitation", "withdrawn_at = now()")]
)
async def test_only_its_own_people_are_dismissed(owner: asyncpg.Connection, brand: Brand, table: str, change: str) -> None:
    before = await books.everything(owner)
    for other in set(RESELLERS) - {ROOT}:
        assert await seen(brand, ROOT, f"UPDATE {table} SET {change} WHERE reseller = $1 RETURNING id", other) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await seen(brand, ROOT, f"UPDATE {table} SET reseller = $1", ROOT)
    assert await books.everything(owner) == before
    with pytest.raises(UndoneError):
        async with db.atomic(brand.id, reseller=ROOT):
            assert await db.connection().execute(f"UPDATE {table} SET {change}") == "UPDATE 1"
            raise UndoneError
    assert await books.everything(owner) == before


async def test_what_it_does_is_recorded_in_its_brand_only(owner: asyncpg.Connection, brand: Brand) -> None:
    other = await owner.fetchval("SELECT id FROM brand WHERE code = 'other'")
    record = (
        "INSERT INTO audit_record (brand_id, id, role, action, subject) VALUES ($1, gen_random_uuid(), 'admin', 'test.mark', 'x')"
    )
    await seen(brand, ROOT, record, brand.id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
        await seen(brand, ROOT, record, other)
    assert await owner.fetch("SELECT brand_id FROM audit_record WHERE action = 'test.mark'") == [(brand.id,)]


async def test_without_a_reseller_the_role_sees_nothing_of_any(app: asyncpg.Connection, brand: Brand) -> None:
    await books.stand_in(app, brand.id)
    await app.execute("SET ROLE qucheng_reseller")
    assert {name: await app.fetchval(f"SELECT count(*) FROM {name}") for name in sorted(OWN)} == dict.fromkeys(sorted(OWN), 0)


async def test_a_reseller_of_that_code_in_another_brand_is_another(brand: Brand, owner: asyncpg.Connection) -> None:
    other = await owner.fetchval("SELECT id FROM brand WHERE code = 'other'")
    for name in sorted(set(OWN)):
        assert await seen(brand, ROOT, f"SELECT count(*) FROM {name} WHERE brand_id = $1", other) == [(0,)], name


async def test_the_app_itself_is_under_no_such_policy(brand: Brand) -> None:
    """The switch lends the role, and not its restrictions: a settlement reads all resellers."""
    assert await books.seen(brand, "SELECT DISTINCT reseller FROM accrual ORDER BY 1") == [(name,) for name in sorted(RESELLERS)]
    assert await books.seen(
        brand, "SELECT pg_has_role('qucheng_reseller', 'USAGE'), pg_has_role('qucheng_reseller', 'MEMBER')"
    ) == [(False, True)]


async def test_the_role_ends_with_its_transaction(brand: Brand) -> None:
    for _ in range(6):  # whichever connection of the pool it gets
        assert await seen(brand, ROOT, "SELECT current_user::text, current_reseller()") == [("qucheng_reseller", ROOT)]
        ((user, reseller),) = await books.seen(brand, "SELECT current_user::text, current_reseller()")
        assert (user.startswith("qucheng_app"), reseller) == (True, None)


async def test_a_block_inside_shows_no_more(brand: Brand) -> None:
    count = "SELECT count(DISTINCT reseller) FROM accrual"
    async with db.atomic(brand.id, reseller=ROOT):
        async with db.atomic():
            assert await db.connection().fetchval(count) == 1
        async with db.atomic(brand.id):
            assert await db.connection().fetchval(count) == 1
        async with db.atomic(brand.id, reseller=ROOT):
            assert await db.connection().fetchval(count) == 1
        with pytest.raises(RuntimeError, match="another's"):
            async with db.atomic(brand.id, reseller=SIBLING):
                pass
        assert await db.connection().fetchval(count) == 1


async def test_a_block_that_shows_the_brand_is_not_narrowed(brand: Brand) -> None:
    async with db.atomic(brand.id):
        with pytest.raises(RuntimeError, match="shows the whole brand"):
            async with db.atomic(brand.id, reseller=ROOT):
                pass
    with pytest.raises(RuntimeError, match="one of its brand"):
        async with db.atomic(reseller=ROOT):
            pass


async def test_control_without_the_policy_all_rows_are_there(owner: asyncpg.Connection, brand: Brand) -> None:
    count = "SELECT count(DISTINCT reseller) FROM accrual"
    assert await seen(brand, ROOT, count) == [(1,)]
    policy = await owner.fetchval(
        "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'reseller_only' AND polrelid = 'accrual'::regclass"
    )
    await owner.execute("DROP POLICY reseller_only ON accrual")
    try:
        assert await seen(brand, ROOT, count) == [(4,)]
    finally:
        await owner.execute(
            f"CREATE POLICY reseller_only ON accrual AS RESTRICTIVE TO qucheng_reseller USING ({policy}) WITH CHECK ({policy})"
        )
    assert await seen(brand, ROOT, count) == [(1,)]


async def test_of_a_sale_below_seven_things_are_known(brand: Brand) -> None:
    """On 101.00 nothing was earned: its seller bought it. Of 102.00 a part went back later: the accrual is of the whole."""
    below = "SELECT * FROM sales_below('2026-02-01', '2026-03-01', 10)"
    async with db.atomic(brand.id, reseller=ROOT):
        rows = [dict(row) for row in await db.connection().fetch(below)]
    day = rows[0]["paid_on"].replace
    common = {"order_no": f"O-{CHILD}", "sku": "card", "rate": "0.03"}
    assert rows == [
        {**common, "line_no": "3", "paid_on": day(day=13), "basis_value": 10300, "amount_minor": 309},
        {**common, "line_no": "2", "paid_on": day(day=12), "basis_value": 10200, "amount_minor": 306},
    ]
    assert [row[0] for row in await seen(brand, CHILD, below)] == [f"O-{GRANDCHILD}"] * 2
    assert await seen(brand, GRANDCHILD, below) == []
    assert await seen(brand, SIBLING, below) == []
    assert await seen(brand, ROOT, "SELECT line_no FROM sales_below('2026-02-12', '2026-02-13', 10)") == [("2",)]
    assert await seen(brand, ROOT, "SELECT line_no FROM sales_below('2026-02-01', '2026-03-01', 1)") == [("3",)]
    assert await books.seen(brand, below) == []
