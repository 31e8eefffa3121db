"""A brand in which every table that people of a reseller may see has rows of several resellers: a root, its child, the child's
child, and a root beside them.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import books

from qucheng.core import db

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

ROOT, CHILD, GRANDCHILD, SIBLING = RESELLERS = ("R-root", "R-child", "R-grandchild", "R-sibling")


async def made(folder: Path, owner: asyncpg.Connection, *, code: str) -> Brand:
    bundle = books.write(
        folder,
        code=code,
        compliance=books.INTL,
        tiers=["gold,金牌,1", "base,普通,2"],
        resellers=[
            f"{ROOT},根,company,,gold,2026-01-01,id-{ROOT}",
            f"{CHILD},子,individual,{ROOT},gold,2026-01-01,id-{CHILD}",
            f"{GRANDCHILD},孙,individual,{CHILD},gold,2026-01-01,id-{GRANDCHILD}",
            f"{SIBLING},旁,company,,base,2026-01-01,id-{SIBLING}",
        ],
        placements=[f"{name},{parent},{tier},2026-03-01" for name, parent, tier in _places()],
        rules=[
            "OWN,percent,1,,,,gold,net,0.1,0,,",
            "OWN-base,percent,1,,,,base,net,0.05,0,,",
            "UP,percent,2,,,,gold,net,0.03,0,,",
            "VOLUME,graduated,,,,,gold,net,0:0;50:0.01,,,",
            "VOLUME-base,graduated,,,,,base,net,0:0;50:0.02,,,",
        ],
        orders=[
            f"O-{name},{line},2026-02-1{line}T10:00:00,{name},web,card,1,{100 + line}.00,,{buyer}"
            for name in RESELLERS
            for line, buyer in ((1, f"id-{name}"), (2, f"buyer-of-{name}"), (3, ""))
        ],
        refunds=[f"F-{name},O-{name},2,2026-02-20T10:00:00,1,50.00" for name in RESELLERS],
        adjustments=[f"A-{name},{name},2026-02-21T10:00:00,1.00,of {name}" for name in RESELLERS],
    )
    brand = await books.settled(bundle, "2026-02")
    await papers(owner, brand.id)
    await people(owner, brand.id, RESELLERS)
    return brand


def _places() -> list[tuple[str, str, str]]:
    return [(ROOT, "", "gold"), (CHILD, ROOT, "gold"), (GRANDCHILD, CHILD, "gold"), (SIBLING, "", "base")]


async def papers(owner: asyncpg.Connection, brand_id: uuid.UUID) -> None:
    """Of each statement a document, and a file that could not be made."""
    await owner.execute(
        "INSERT INTO statement_document SELECT brand_id, period, number, reseller, encode(sha256('x'), 'hex') FROM statement WHERE brand_id = $1",
        brand_id,
    )
    await owner.execute(
        "INSERT INTO document_file (brand_id, period, number, format, state, reason, made_at)"
        " SELECT brand_id, period, number, 'pdf', 'failed', 'for ' || number, now() FROM statement_document WHERE brand_id = $1",
        brand_id,
    )


async def draft(owner: asyncpg.Connection, brand_id: uuid.UUID, reseller: str) -> None:
    """A run of a later month with a statement and an entry, and a check of the books."""
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, computed_at)"
        " VALUES ($1, '2027-01-01', 1, 'computed', 1, 1, 0, 0, 0, now())",
        brand_id,
    )
    await owner.execute(
        "INSERT INTO run_statement VALUES ($1, '2027-01-01', 1, 1, $2, 'individual', 0, 0, 0, 0, 0, 0, 0, 0, 0)",
        brand_id,
        reseller,
    )
    await owner.execute(
        "INSERT INTO run_entry (brand_id, period, run, number, position, kind, order_no, amount_minor)"
        " VALUES ($1, '2027-01-01', 1, 1, 1, 'adjustment', 'x', 0)",
        brand_id,
    )
    await owner.execute("INSERT INTO run_check VALUES ($1, '2027-01-01', 1, 1, now(), NULL, 1, 0, '{}')", brand_id)
    await owner.execute("INSERT INTO books_check VALUES ($1, 1, now(), 0, '[]')", brand_id)


PERSON = "INSERT INTO person VALUES ($1, sha256($2), $2, $2, 'en', '$argon2id$v=19$none', 'active', now(), now())"
OF_A_PERSON = """
    INSERT INTO membership (brand_id, id, user_id, role, reseller, granted_at) VALUES ($1, $2, $2, 'seller', $3, now());
    INSERT INTO invitation (brand_id, id, token_hash, login_hash, login_cipher, role, reseller, invited_at, expires_at)
    VALUES ($1, $2, sha256(uuid_send($2)), sha256('x'), 'x', 'seller', $3, now(), now() + interval '7 days');
    INSERT INTO dispute (brand_id, id, period, number, position, reason, opened_by)
    SELECT brand_id, $2::uuid, period, number, 1, 'of ' || reseller, $2::uuid FROM statement WHERE brand_id = $1 AND reseller = $3 ORDER BY period LIMIT 1;
    UPDATE dispute SET state = 'rejected', answer = 'to ' || reseller, decided_by = $2 WHERE brand_id = $1 AND reseller = $3;
    INSERT INTO statement_confirmation SELECT brand_id, period, number, $2::uuid FROM statement WHERE brand_id = $1 AND reseller = $3;
    INSERT INTO export_file (brand_id, id, kind, permission, parameters, file_name, task, asked_by, asked_at, expires_at)
    VALUES ($1, $2, 'test.export', 'none', '{}', $3, $2, $2, now(), now() + interval '7 days');
    INSERT INTO upload (brand_id, id, kind, file_name, bytes, sha256, uploaded_by, uploaded_at, task)
    VALUES ($1, $2, 'orders', $3, 1, encode(sha256('x'), 'hex'), $2, now(), $2);
    INSERT INTO upload_file SELECT $1::uuid, $2::uuid, $3, 1, 0, 0, 1;
    INSERT INTO upload_rejection SELECT $1::uuid, $2::uuid, $3, 1, 'value.missing:line';
    INSERT INTO exception_review (brand_id, kind, subject, note, seen_by) VALUES ($1, 'order.flagged', $3, 'known', $2);
    INSERT INTO audit_record (brand_id, id, user_id, role, action, subject) VALUES ($1, $2, $2, 'seller', 'test.act', $3);
    INSERT INTO audit_seal SELECT $1::uuid, count(*) + 1, $2::uuid, sha256(convert_to($3, 'UTF8')) FROM audit_seal WHERE brand_id = $1;
    INSERT INTO approval (brand_id, id, action, payload, sha256, maker)
    VALUES ($1, $2, 'test.act', $3, encode(sha256(convert_to($3, 'UTF8')), 'hex'), $2);
    INSERT INTO role_request SELECT $1::uuid, $2::uuid, $2::uuid, sha256('x'), sha256('x'), convert_to($3, 'UTF8'), 'support', $2::uuid;
    INSERT INTO api_key (brand_id, id, name, mode, reseller, scopes, created_at, created_by, expires_at)
    VALUES ($1, $2, 'till', 'live', $3, 'orders.read', now(), $2, now() + interval '90 days');
    INSERT INTO api_secret SELECT $1::uuid, $2::uuid, 1, sha256(convert_to($3, 'UTF8')), NULL, now(), $2::uuid, NULL;
    INSERT INTO api_nonce SELECT $1::uuid, $2::uuid, rpad($3, 16, '0'), now();
    INSERT INTO idempotent_reply SELECT $1::uuid, $2::uuid, $3, sha256(convert_to($3, 'UTF8')), 200, '{}', now()"""


# the case of an adjustment that came in a delivery: what it would have to match is not what is looked at here
CASE = """
    ALTER TABLE adjustment_case DISABLE TRIGGER adjustment_case_allowed;
    INSERT INTO adjustment_case (brand_id, code, reason_code, reference_kind, reference, maker, checker, approval)
    SELECT a.brand_id, a.code, 'goodwill', 'order', 'x', p.maker, $2::uuid, p.id
    FROM adjustment a JOIN approval p USING (brand_id) WHERE a.brand_id = $1 AND p.maker <> $2 LIMIT 1;
    ALTER TABLE adjustment_case ENABLE TRIGGER adjustment_case_allowed"""


# further rows for each reseller, a file for each room: $1 the brand, $2 the person, $3 the reseller, all in every statement
SAMPLES = Path(__file__).with_name("samples")


async def people(owner: asyncpg.Connection, brand_id: uuid.UUID, resellers: tuple[str, ...]) -> None:
    """A person, a role and an invitation for each reseller, something on record and something asked for."""
    for name in resellers:
        user_id = uuid.uuid4()
        await owner.execute(PERSON, user_id, user_id.bytes)
        for statement in OF_A_PERSON.split(";"):
            await owner.execute(statement, brand_id, user_id, name)
        for file in sorted(SAMPLES.glob("*.sql")):
            for statement in file.read_text(encoding="utf-8").split(";"):
                if statement.strip():
                    await owner.execute(statement, brand_id, user_id, name)
    for statement in CASE.split(";"):
        await owner.execute(statement, *((brand_id, user_id) if "INSERT" in statement else ()))


async def seen(brand: Brand, reseller: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What people of the reseller read."""
    async with db.atomic(brand.id, reseller=reseller):
        return [tuple(row) for row in await db.connection().fetch(query, *values)]
