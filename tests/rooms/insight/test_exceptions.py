"""What needs attention is listed while its cause lasts, with exact figures, and flags until somebody has looked."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests import books
from tests.rooms.identity import people
from tests.rooms.settlement import desk

from qucheng.core import crypto, db, task
from qucheng.insight import exceptions
from qucheng.settlement import dispute

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("workspace")]

BUYERS = ["R1,一号,company,,gold,2026-01-01,id-1", "R2,二号,company,,gold,2026-01-01,id-2"]


@pytest.fixture
async def accountant(keys: crypto.Keys, brand: Brand) -> permissions.Principal:
    return await people.member(keys, brand.id, "accountant")


async def selling(folder: Any, *orders: str, **more: Any) -> Brand:
    """A brand whose January is settled and whose February is open."""
    tables = {"resellers": BUYERS, "orders": ["E1,1,2026-01-10T10:00:00,R1,web,card,1,100.00,,", *orders], **more}
    return await books.settled(books.write(folder, code=f"s-{uuid.uuid4().hex[:20]}", **tables), "2026-01")


async def seen(brand: Brand, now: dt.datetime = books.NOW) -> dict[str, list[exceptions.Item]]:
    return {group.kind: group.items for group in await exceptions.listing(brand=brand, now=now)}


async def review(brand: Brand, who: permissions.Principal, item: exceptions.Item, note: str = "已核实") -> None:
    await exceptions.review(brand=brand, kind=item.kind, subject=item.subject, note=note, actor=people.actor(who), now=books.NOW)


async def test_clean_books_need_nothing(brand: Brand) -> None:
    assert await exceptions.listing(brand=brand, now=books.NOW) == []


async def test_an_open_dispute_until_it_is_answered(keys: crypto.Keys, brand: Brand) -> None:
    team = await desk.team(keys, brand)
    opened = await desk.disputed(brand, team.of["R1"], desk.TAKEN_BACK)
    (item,) = (await seen(brand))["dispute.open"]
    assert (item.subject, item.link, item.amount_minor) == (str(opened), str(opened), -500)
    assert item.facts == {"reseller": "R1", "name": "一号", "statement": f"{brand.code}-202601-000001"}
    await dispute.reject(brand=brand, dispute_id=opened, reason="对", actor=people.actor(team.checker))
    assert await seen(brand) == {}


async def test_a_request_until_it_is_decided(keys: crypto.Keys, brand: Brand) -> None:
    team = await desk.team(keys, brand)
    approval_id = await desk.asked(brand, team.maker)
    (item,) = (await seen(brand))["approval.waiting"]
    assert (item.link, item.facts, item.amount_minor) == (str(approval_id), {"action": "adjustment.add"}, -2500)
    await desk.allowed(brand, team.checker, approval_id)
    assert await seen(brand) == {}


async def test_flags_of_the_open_months_by_month_reseller_and_flag(tmp_path_factory: pytest.TempPathFactory) -> None:
    brand = await selling(
        tmp_path_factory.mktemp("a") / "a",
        "E2,1,2026-01-20T10:00:00,R1,web,card,1,10.00,,id-1",
        "E3,1,2026-02-20T10:00:00,R1,web,card,1,20.00,,id-1",
        "E3,2,2026-02-20T10:00:00,R1,web,card,1,30.00,,id-1",
        "E4,1,2026-02-21T10:00:00,R1,web,card,3,300.00,,",
        "E5,1,2026-03-01T10:00:00,R2,web,card,1,40.00,,id-2",
        "E6,1,2026-03-01T10:00:00,R2,web,card,1,960.00,,",
    )
    (group,) = await exceptions.listing(brand=brand, now=books.NOW)
    assert (group.kind, group.count, group.amount_minor) == ("order.flagged", 2, 9000)
    assert [(item.subject, item.amount_minor, item.facts["lines"]) for item in group.items] == [
        ("2026-02/R1/order.self_purchase/2", 5000, 2),
        ("2026-03/R2/order.self_purchase/1", 4000, 1),
    ]
    assert group.items[0].facts == {
        "month": "2026-02", "reseller": "R1", "name": "一号", "flag": "order.self_purchase", "lines": 2,
    }  # fmt: skip
    (few,) = await exceptions.listing(brand=brand, now=books.NOW, most=1)
    assert (few.count, few.amount_minor, [item.facts["reseller"] for item in few.items]) == (2, 9000, ["R1"])


@pytest.mark.parametrize(("own", "found"), [("30.00", None), ("30.01", 30), ("100.00", 58)])
async def test_a_share_above_thirty_percent_in_a_month(
    tmp_path_factory: pytest.TempPathFactory, own: str, found: int | None
) -> None:
    brand = await selling(
        tmp_path_factory.mktemp("a") / "a",
        f"E3,1,2026-02-20T10:00:00,R1,web,card,1,{own},,id-1",
        "E4,1,2026-02-21T10:00:00,R1,web,card,1,70.00,,",
    )
    items = (await seen(brand)).get("self_purchase.share", [])
    assert [item.facts["percent"] for item in items] == ([] if found is None else [found])


async def test_the_share_of_the_month_that_was_closed_last_is_still_asked_about(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    brand = await selling(tmp_path_factory.mktemp("a") / "a", "E2,1,2026-01-20T10:00:00,R1,web,card,1,60.00,,id-1")
    (item,) = (await seen(brand))["self_purchase.share"]
    assert (item.subject, item.amount_minor, item.facts["percent"]) == ("2026-01/R1/1", 6000, 37)


async def test_what_was_looked_at_comes_up_again_when_there_is_more(
    tmp_path_factory: pytest.TempPathFactory, keys: crypto.Keys, owner: asyncpg.Connection
) -> None:
    line = "E{0},1,2026-02-2{0}T10:00:00,R1,web,card,1,10.00,,id-1"
    folder = tmp_path_factory.mktemp("a")
    brand = await selling(folder / "a", line.format(3), "E9,1,2026-02-01T10:00:00,R1,web,card,1,900.00,,")
    who = await people.member(keys, brand.id, "accountant")
    (item,) = (await seen(brand))["order.flagged"]
    await review(brand, who, item, "  本人\n 自用 ")
    assert await seen(brand) == {}
    (note,) = await exceptions.reviews(brand=brand)
    assert (note.subject, note.note, note.seen_by) == (item.subject, "本人 自用", who.user_id)
    before = await books.everything(owner)
    await review(brand, who, item, "again")
    assert await books.everything(owner) == before
    await books.take_in(brand, books.write(folder / "more", code=brand.code, resellers=BUYERS, orders=[line.format(4)]))
    (more,) = (await seen(brand))["order.flagged"]
    assert more.subject == "2026-02/R1/order.self_purchase/2"


async def test_of_two_who_look_at_once_one_note_is_kept(tmp_path_factory: pytest.TempPathFactory, keys: crypto.Keys) -> None:
    brand = await selling(tmp_path_factory.mktemp("a") / "a", "E3,1,2026-02-20T10:00:00,R1,web,card,1,10.00,,id-1")
    who = await people.member(keys, brand.id, "accountant")
    (item,) = (await seen(brand))["order.flagged"]
    assert await asyncio.gather(*(review(brand, who, item, str(number)) for number in range(4))) == [None] * 4
    assert len(await exceptions.reviews(brand=brand)) == 1
    trail = await books.seen(brand, "SELECT subject FROM audit_record WHERE action = 'exception.review'")
    assert trail == [(f"order.flagged/{item.subject}",)]


async def test_only_what_is_flagged_is_done_with_by_looking(keys: crypto.Keys, brand: Brand, owner: asyncpg.Connection) -> None:
    team = await desk.team(keys, brand)
    opened = await desk.disputed(brand, team.of["R1"])
    before = await books.everything(owner)
    for kind, subject in (
        ("dispute.open", str(opened)),
        ("order.flagged", "2026-02/R1/order.capped/1"),
        ("order.flagged", ""),
        ("nonsense", "x"),
        ("order.flagged", "a\0b"),
        ("a\0b", "x"),
    ):
        with pytest.raises(exceptions.ExceptionGoneError):
            await exceptions.find(brand=brand, kind=kind, subject=subject, now=books.NOW)
        with pytest.raises(exceptions.ExceptionGoneError):
            await exceptions.review(
                brand=brand, kind=kind, subject=subject, note="x", actor=people.actor(team.maker), now=books.NOW
            )
    for note in ("", " ", "x" * 501, "a\x07"):
        with pytest.raises(exceptions.ExceptionNoteError):
            await exceptions.review(
                brand=brand, kind="order.flagged", subject="x", note=note, actor=people.actor(team.maker), now=books.NOW
            )
    assert await books.everything(owner) == before


async def test_debts_and_small_balances_that_the_last_statements_carried(
    workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("a") / "a", code=f"c-{uuid.uuid4().hex[:20]}", settlement='hold_days = 0\nmin_payout = "20.00"',
        resellers=BUYERS, orders=["E2,1,2026-01-10T10:00:00,R2,web,card,1,100.00,,"],
        adjustments=["A1,R1,2026-01-20T10:00:00,-3.00,owed"],
    )  # fmt: skip
    brand = await books.settled(folder, "2026-01")
    found = {group.kind: group for group in await exceptions.listing(brand=brand, now=books.NOW)}
    assert {kind: (group.count, group.amount_minor, group.items[0].link) for kind, group in found.items()} == {
        "statement.negative": (1, -300, f"{brand.code}-202601-000001"),
        "payee.below_minimum": (1, 1000, f"{brand.code}-202601-000002"),
    }


async def test_work_that_was_given_up_until_it_is_done(brand: Brand, owner: asyncpg.Connection) -> None:
    async with db.atomic():
        first = await task.add(kind="settlement.settle", queue="money", brand_id=brand.id, subject={"through": "2026-02"})
        await task.add(kind="settlement.settle", queue="money", brand_id=uuid.uuid4(), subject={"through": "2026-02"})
    await owner.execute("UPDATE task SET state = 'dead', ended_at = $1, reason = 'no luck' WHERE brand IS NOT NULL", books.NOW)
    (item,) = (await seen(brand))["task.dead"]
    assert (item.subject, item.facts) == (str(first), {"kind": "settlement.settle", "reason": "no luck"})
    assert await seen(brand, books.NOW + exceptions.REMEMBERED + dt.timedelta(seconds=1)) == {}
    async with db.atomic():
        again = await task.add(kind="settlement.settle", queue="money", brand_id=brand.id, subject={"through": "2026-02"})
    await owner.execute("UPDATE task SET state = 'done', ended_at = now() WHERE id = $1", again)
    assert await seen(brand) == {}


async def upload(
    owner: asyncpg.Connection, brand: Brand, who: permissions.Principal, number: int, *, code: str | None, rejected: int
) -> uuid.UUID:
    """A delivery of the hour of that number."""
    made = uuid.uuid4()
    at = books.NOW - dt.timedelta(hours=10 - number)
    await owner.execute(
        "INSERT INTO upload (brand_id, id, kind, file_name, bytes, sha256, uploaded_by, uploaded_at, state, task, judged_at, ended_at, code, reason)"
        " VALUES ($1, $2, 'orders', $3, 1, repeat('0', 64), $4, $5, $6, $2, $7, $5, $8, $8)",
        *(brand.id, made, f"orders-{number}.csv", who.user_id, at, "refused" if code else "done", None if code else at, code),
    )
    await owner.execute("INSERT INTO upload_file VALUES ($1, $2, 'orders.csv', $3, 0, 0, $3)", brand.id, made, rejected)
    return made


async def test_deliveries_that_were_not_taken(brand: Brand, accountant: permissions.Principal, owner: asyncpg.Connection) -> None:
    await upload(owner, brand, accountant, 1, code="bundle.unreadable", rejected=0)
    partial = await upload(owner, brand, accountant, 2, code=None, rejected=3)
    refused = await upload(owner, brand, accountant, 3, code="upload.other_brand", rejected=0)
    found = await seen(brand)
    assert {kind: [(item.link, item.facts) for item in items] for kind, items in found.items()} == {
        "delivery.refused": [(str(refused), {"file": "orders-3.csv", "code": "upload.other_brand"})],
        "delivery.partial": [(str(partial), {"file": "orders-2.csv", "rows": 3})],
    }


async def test_runs_that_differ_documents_that_failed_and_books_that_do_not_agree(
    brand: Brand, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, computed_at)"
        " VALUES ($1, '2026-02-01', 2, 'computed', 1, 1, 0, 0, 0, now())",
        brand.id,
    )
    check = "INSERT INTO run_check (brand_id, period, run, number, checked_at, intake, apart, figures) VALUES ($1, '2026-02-01', 2, $2, now(), 1, $3, '{}')"
    await owner.execute(check, brand.id, 1, 3)
    await owner.execute(
        "INSERT INTO statement_document SELECT brand_id, period, number, reseller, encode(sha256('x'), 'hex') FROM statement WHERE brand_id = $1",
        brand.id,
    )
    await owner.execute(
        "INSERT INTO document_file (brand_id, period, number, format, state, reason, made_at)"
        " SELECT brand_id, period, number, 'pdf', 'failed', 'x', now() FROM statement_document WHERE brand_id = $1",
        brand.id,
    )
    await owner.execute('INSERT INTO books_check VALUES ($1, 1, now(), 2, \'[{"subject": "E1/1/1"}]\')', brand.id)
    found = await seen(brand)
    assert {kind: [(item.link, item.facts) for item in items] for kind, items in found.items()} == {
        "books.differ": [(None, {"differences": 2, "first": "E1/1/1"})],
        "run.differs": [("202602-2", {"month": "2026-02", "resellers": 3})],
        "document.failed": [(None, {"month": "2026-01", "documents": 2})],
    }
    assert list(found) == ["books.differ", "run.differs", "document.failed"]
    await owner.execute(check, brand.id, 2, 0)
    await owner.execute("INSERT INTO books_check VALUES ($1, 2, now(), 0, '[]')", brand.id)
    assert list(await seen(brand)) == ["document.failed"]


async def test_another_brands_are_not_there(keys: crypto.Keys, brand: Brand, tmp_path_factory: pytest.TempPathFactory) -> None:
    team = await desk.team(keys, brand)
    await desk.disputed(brand, team.of["R1"])
    other = await desk.settled(tmp_path_factory.mktemp("other"), f"o-{uuid.uuid4().hex[:20]}")
    assert await exceptions.listing(brand=other, now=books.NOW) == []
