"""A reseller's month: reads its statement, takes the documents, disputes a row, gets an answer, agrees."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.rooms.identity import people
from tests.rooms.insight.portal_brand import CHILD, PARENT, SIBLING

from qucheng.core import audit
from qucheng.settlement import dispute, document_folder

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser
    from tests.doors.portal.conftest import SignedIn

    from qucheng.identity.brand import Brand
    from qucheng.web import site as sites

pytestmark = pytest.mark.anyio

MARCH = dt.date(2026, 3, 1)
NUMBERS = {CHILD: 1, PARENT: 2, SIBLING: 3}
PAPERS = ("dispute", "statement_confirmation", "adjustment", "statement")


def paper(reseller: str) -> str:
    return f"/portal/statements/ours-202603-{NUMBERS[reseller]:06}"


def text(page: str) -> str:
    apart = re.sub(r"</(?:div|td|th|tr|li|p|dd|dt|h[1-6]|b)>|<br>", " ", page)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", apart)))


async def written(owner: asyncpg.Connection, brand: Brand) -> dict[str, int]:
    found = {name: await owner.fetchval(f"SELECT count(*) FROM {name} WHERE brand_id = $1", brand.id) for name in PAPERS}
    return {**found, "audit": await owner.fetchval("SELECT count(*) FROM audit_record WHERE brand_id = $1", brand.id)}


async def of_statement(owner: asyncpg.Connection, brand: Brand, reseller: str) -> list[dict[str, Any]]:
    rows = await owner.fetch(
        "SELECT position, reason, state, amount_minor, opened_by FROM dispute WHERE brand_id = $1 AND period = $2 AND number = $3 ORDER BY opened_at",
        brand.id,
        MARCH,
        NUMBERS[reseller],
    )
    return [dict(row) for row in rows]


async def test_the_list_has_the_sums_of_all(signed_in: SignedIn) -> None:
    admin = await signed_in()
    await admin.get("/portal/statements")
    shown = text(admin.page)
    assert "2026-03ours-202603-000002 17.00 0.00 16.00 0.00 16.00 Paid" in shown
    assert "1 statement in all 17.00 0.00 0.00 16.00" in shown
    await admin.get("/portal/statements?state=carried")
    assert "No statement fits" in admin.page
    sibling = await signed_in(reseller=SIBLING)
    await sibling.get("/portal/statements?state=carried")
    assert "2026-03ours-202603-000003 2.00 0.00 2.00 0.00 0.00 Carried over" in text(sibling.page)


async def test_a_statement_adds_up_and_every_row_is_there(signed_in: SignedIn) -> None:
    admin = await signed_in()
    await admin.get(paper(PARENT))
    shown = text(admin.page)
    assert (
        "Brought forward0.00 +Commission17.00 −Taken back0.00 +Own-volume bonus0.50 +Adjustments−1.50 =Payable16.00 −Tax withheld0.00 =Net payment¥16.00"
        in shown
    )
    assert "会员月卡O1 / 1 2026-03-02 100.00 10.00% 10.00" in shown
    assert "会员月卡C1 / 1 · placed under you 2026-03-05 100.00 2.00% 2.00" in shown
    assert "Bonus on sales of 2026-03VOLUME 2026-04-01 150.00 — 0.50" in shown
    assert "coupon of the shopA1 2026-03-15 — — −1.50" in shown
    assert "5 rows in all 16.00" in shown
    # what cannot be undone is said beforehand
    assert "afterwards they cannot be disputed any more" in shown
    await admin.get(f"{paper(PARENT)}?kind=bonus")
    assert "1 row in all 0.50" in text(admin.page)
    await admin.get(f"{paper(PARENT)}?kind=reversal&page=7")
    assert "No rows of this kind" in admin.page


async def test_what_is_carried_over_says_why(signed_in: SignedIn) -> None:
    sibling = await signed_in(reseller=SIBLING)
    await sibling.get(paper(SIBLING))
    shown = text(sibling.page)
    assert "¥2.00 is carried over to the next statement It is below the least payout of ¥5.00." in shown


async def test_a_dispute_is_opened_answered_and_then_the_statement_is_confirmed(
    house: browser.House, signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection
) -> None:
    admin = await signed_in()
    await admin.get(f"{paper(PARENT)}/rows/2")
    stale, before = admin.page, await written(owner, brand)
    for reason in ("", "   ", "x" * 1001):
        answer = await admin.send(f"{paper(PARENT)}/rows/2", reason=reason)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in admin.page
        assert reason[:80].strip() in admin.page
    assert await written(owner, brand) == before
    answer = await admin.send(f"{paper(PARENT)}/rows/2", reason="The rate was agreed at <12 %>.")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{paper(PARENT)}?said=opened")
    await admin.get(answer.headers["location"])
    assert "The answer appears here." in admin.page
    assert "The rate was agreed at &lt;12 %&gt;." in admin.page
    assert "Confirm ¥16.00" not in text(admin.page)
    admin.page = stale  # the second click of two
    answer = await admin.send(f"{paper(PARENT)}/rows/2", reason="The rate was agreed at <12 %>.")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{paper(PARENT)}?said=dispute.stands")
    admin.page = stale
    answer = await admin.send(f"{paper(PARENT)}/confirm")
    assert answer.headers["location"] == f"{paper(PARENT)}?said=confirmation.disputed"
    assert await written(owner, brand) == {**before, "dispute": before["dispute"] + 1, "audit": before["audit"] + 1}
    ((position, reason, state, _, _),) = [tuple(row.values()) for row in await of_statement(owner, brand, PARENT)]
    assert (position, reason, state) == (2, "The rate was agreed at <12 %>.", "open")

    (open_,) = await dispute.listing(brand_id=brand.id, states=("open",))
    accountant = await people.member(house.keys, brand.id, "accountant")
    decider = audit.Actor(user_id=accountant.user_id, role="accountant")
    await dispute.reject(brand=brand, dispute_id=open_.id, reason="The agreement says 10 %.", actor=decider)
    await admin.get(paper(PARENT))
    shown = text(admin.page)
    assert "Answer: The agreement says 10 %." in shown
    assert "Confirm ¥16.00" in shown
    confirming = admin.page
    answer = await admin.send(f"{paper(PARENT)}/confirm")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{paper(PARENT)}?said=confirmed")
    admin.page = confirming
    assert (await admin.send(f"{paper(PARENT)}/confirm")).headers["location"] == f"{paper(PARENT)}?said=confirmed"
    confirmed = await written(owner, brand)
    assert (confirmed["statement_confirmation"], before["statement_confirmation"]) == (1, 0)
    assert (
        await owner.fetchval("SELECT count(*) FROM audit_record WHERE brand_id = $1 AND action = 'statement.confirm'", brand.id)
        == 1
    )
    await admin.get(paper(PARENT))
    assert "Confirmed by you" in text(admin.page)
    assert f"{paper(PARENT)}/rows/" not in admin.page
    await admin.get(f"{paper(PARENT)}/rows/1")
    assert "<textarea" not in admin.page
    admin.page = stale
    answer = await admin.send(f"{paper(PARENT)}/rows/1", reason="too late")
    assert answer.headers["location"] == f"{paper(PARENT)}?said=dispute.confirmed"
    assert await written(owner, brand) == confirmed


async def test_nobody_else_disputes_or_confirms(
    signed_in: SignedIn, brand: Brand, other: Brand, owner: asyncpg.Connection
) -> None:
    """The form's own token is not enough: whose statement it is decides."""
    strangers = (
        await signed_in(reseller=SIBLING),
        await signed_in(reseller=PARENT),
        await signed_in("seller", reseller=CHILD),
        await signed_in(reseller=CHILD, of=other),
        await signed_in("support", reseller=None),
    )
    before = [await written(owner, each) for each in (brand, other)]
    for who in strangers:
        await who.get("/account")
        form = who.page
        assert (await who.send(f"{paper(CHILD)}/rows/1", reason="mine")).status_code == 404
        who.page = form
        assert (await who.send(f"{paper(CHILD)}/confirm")).status_code == 404
    assert [await written(owner, each) for each in (brand, other)] == before


async def test_a_month_that_is_not_published_has_no_statement(
    signed_in: SignedIn, other: Brand, owner: asyncpg.Connection
) -> None:
    address = "/portal/statements/other-202603-000003"
    sibling = await signed_in(reseller=SIBLING, of=other)
    assert (await sibling.get(address)).status_code == 200
    shown = sibling.page
    await owner.execute(
        "INSERT INTO settlement_run (brand_id, period, number, state, intake, statements, gross_minor, tax_minor, net_minor, issued, computed_at, issued_at)"
        " VALUES ($1, $2, 1, 'issued', 1, 3, 0, 0, 0, 3, now(), now())",
        other.id,
        MARCH,
    )
    before = await written(owner, other)
    for path in (address, f"{address}/rows/1", f"{address}/files/pdf"):
        assert (await sibling.get(path)).status_code == 404, path
    sibling.page = shown
    assert (await sibling.send(f"{address}/confirm")).status_code == 404
    sibling.page = shown
    assert (await sibling.send(f"{address}/rows/1", reason="x")).status_code == 404
    assert await written(owner, other) == before
    await sibling.get("/portal/statements")
    assert "No statements yet" in sibling.page
    await sibling.get("/portal/orders/S1")
    assert "On the statement of 2026-03, which is made after the end of that month." in text(sibling.page)
    await owner.execute("UPDATE settlement_run SET published_at = now() WHERE brand_id = $1", other.id)
    assert (await sibling.get(address)).status_code == 200


async def test_a_document_is_the_one_that_was_made_or_none(
    house: browser.House, signed_in: SignedIn, brand: Brand, owner: asyncpg.Connection
) -> None:
    content = "﻿row,kind\n1,accrual\n".encode()
    await owner.execute(
        "INSERT INTO statement_document SELECT brand_id, period, number, '{}', encode(sha256('{}'), 'hex') FROM statement WHERE brand_id = $1",
        brand.id,
    )
    await owner.execute(
        "INSERT INTO document_file (brand_id, period, number, format, state, sha256, bytes, made_at) VALUES ($1, $2, 3, 'csv', 'ready', $3, $4, now())",
        brand.id,
        MARCH,
        hashlib.sha256(content).hexdigest(),
        len(content),
    )
    await owner.execute(
        "INSERT INTO document_file (brand_id, period, number, format, state, reason, made_at) VALUES ($1, $2, 3, 'pdf', 'failed', 'no room', now())",
        brand.id,
        MARCH,
    )
    where = document_folder.place(folder_of(house), brand, MARCH)
    where.mkdir(parents=True)
    where.joinpath("ours-202603-000003.csv").write_bytes(content)
    sibling, parent = await signed_in(reseller=SIBLING), await signed_in()
    await sibling.get(paper(SIBLING))
    assert f'href="{paper(SIBLING)}/files/csv"' in sibling.page
    assert f"{paper(SIBLING)}/files/pdf" not in sibling.page
    assert "could not be made; the brand is told" in sibling.page
    assert "no room" not in sibling.page
    answer = await sibling.get(f"{paper(SIBLING)}/files/csv")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="ours-202603-000003.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert (await sibling.get(f"{paper(SIBLING)}/files/pdf")).status_code == 404
    assert (await parent.get(f"{paper(SIBLING)}/files/csv")).status_code == 404
    where.joinpath("ours-202603-000003.csv").write_bytes(content.replace(b"1", b"2"))
    assert (await sibling.get(f"{paper(SIBLING)}/files/csv")).status_code == 404
    where.joinpath("ours-202603-000003.csv").unlink()
    assert (await sibling.get(f"{paper(SIBLING)}/files/csv")).status_code == 404


def folder_of(house: browser.House) -> Path:
    site: sites.Site = house.app.state["site"]
    return site.settings.documents
