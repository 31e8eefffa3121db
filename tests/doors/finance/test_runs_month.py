"""A month through the pages, from the computation to what a reseller sees, with the worker's own handlers."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.doors.finance import run_desk

from qucheng.settlement import queries

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

pytestmark = pytest.mark.anyio

PILL = re.compile(r'<h1 class="page-title">.*?<span class="pill[^>]*>.*?</svg>([^<]+)</span>', re.DOTALL)


def pill(page: str) -> str:
    found = PILL.search(page)
    assert found is not None, page
    return found[1]


async def test_a_month_from_computed_to_published(house: browser.House, owner: asyncpg.Connection, tmp_path: Path) -> None:
    brand = await run_desk.stored(tmp_path)
    one, two = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    assert "Compute March 2026" in await one.shows("/runs")

    code = await run_desk.computed(house, brand, one)
    page = await one.shows(f"/runs/{code}")
    assert (pill(page), "1,016.89" in page, "nobody has looked at it yet" in page) == ("To check", True, True)
    await one.send(f"/runs/{code}/check")
    page = await one.shows(f"/runs/{code}")
    assert pill(page) == "Checked"
    assert "Ask to issue 2 statements, ¥1,016.89" in await one.shows(f"/runs/{code}/request")
    await one.send(f"/runs/{code}/request", code=await one.code())
    page = await one.shows(f"/runs/{code}")
    assert pill(page) == "Awaiting approval"
    found = run_desk.APPROVAL.search(page)
    assert found is not None

    assert "Another person decides this" in await one.shows(found[0])
    page = await two.shows(found[0])
    assert ("Your decision" in page, "¥1,016.89" in page) == (True, True)
    answer = await two.send(found[0], decision="approve", code=await two.code())
    assert (answer.status_code, answer.headers["location"]) == (303, f"{found[0]}?done=1")
    page = await one.shows(f"/runs/{code}")
    assert (pill(page), "Issuing: 0 of 2 statements" in page) == ("Being issued", True)
    number = f"{brand.code}-202603-000002"
    with pytest.raises(queries.StatementUnknownError):
        await queries.statement(brand=brand, statement_no=number, reseller="A02")

    done = await run_desk.work_off(house, brand)
    assert [(each.kind, each.state) for each in done] == [("settlement.issue", "done"), ("document.render", "done")]
    page = await one.shows(f"/runs/{code}")
    assert (pill(page), "with the last document" in page) == ("Published", True)
    assert (await queries.statement(brand=brand, statement_no=number, reseller="A02")).net_minor == 89386
    assert await books.seen(brand, "SELECT apart, checked_by IS NULL FROM run_check ORDER BY number") == [
        (0, True),
        (0, False),
        (0, True),
        (0, True),
        (0, True),
    ]

    page = await one.shows(f"/statements/{number}")
    for kind, start in (("pdf", b"%PDF-"), ("xlsx", b"PK"), ("csv", b"row,kind,")):
        assert f"/statements/{number}/documents/{kind}" in page
        answer = await one.browser.get(f"/statements/{number}/documents/{kind}")
        assert (answer.status_code, answer.content[: len(start)]) == (200, start)
        assert answer.headers["content-disposition"] == f'attachment; filename="{number}.{kind}"'

    await one.shows(f"/runs/{code}")
    answer = await one.send(f"/runs/{code}/archive")
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports")
    assert [(each.kind, each.state) for each in await run_desk.work_off(house, brand)] == [("document.archive", "done")]
    taken = re.search(r'href="(/exports/[0-9a-f-]{36}[^"]*)"', await one.shows("/exports"))
    assert taken is not None
    packed = zipfile.ZipFile(io.BytesIO((await one.browser.get(taken[1])).content))
    assert sorted(packed.namelist()) == [
        f"{brand.code}-202603-00000{each}.{kind}" for each in (1, 2) for kind in ("csv", "pdf", "xlsx")
    ]


async def test_what_has_no_documents_is_published_by_a_person_who_says_so(
    house: browser.House, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    brand = await run_desk.stored(tmp_path)
    one, two = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    code, address = await run_desk.asked(house, brand, one)
    await two.shows(address)
    await two.send(address, decision="approve", code=await two.code())
    assert [each.kind for each in await run_desk.keepers.work_off(house, brand)] == ["settlement.issue"]
    await owner.execute("UPDATE task SET state = 'cancelled', ended_at = now() WHERE brand = $1 AND state = 'waiting'", brand.id)

    page = await one.shows(f"/runs/{code}")
    assert (pill(page), "Make the documents of 2 statements again" in page) == ("Issued", True)
    page = await one.shows(f"/runs/{code}/publish")
    assert "Publish with the documents of 2 statements missing" in page
    answer = await one.send(f"/runs/{code}/publish", missing="1")
    assert (answer.status_code, "another number of statements" in answer.text) == (409, True)
    await one.shows(f"/runs/{code}/publish")
    for _ in range(2):  # clicked twice
        answer = await one.send(f"/runs/{code}/publish", missing="2")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{code}?done=published")
    assert pill(await one.shows(f"/runs/{code}")) == "Published"
    assert await books.seen(brand, "SELECT published_by FROM settlement_run") == [(one.who.user_id,)]
    answer = await one.browser.get(f"/statements/{brand.code}-202603-000002/documents/pdf")
    assert answer.status_code == 404
