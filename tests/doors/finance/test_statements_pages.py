"""Statements in the browser: filters in the address, totals of the whole set, and the rule behind a row."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from tests.doors.finance import run_desk
from tests.rooms.settlement.run_work import APRIL, MARCH, issued

from qucheng.core import exports

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

SHOWN = re.compile(r'class="row-link" href="/statements/[^"]*-(\d{6}-\d{6})"')
TOTAL = re.compile(r"<tfoot>(.*?)</tfoot>", re.DOTALL)
FIGURE = re.compile(r'<span class="num(?: neg)?">([^<]+)</span>')


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    """March and April are issued, and not published."""
    made = await run_desk.stored(tmp_path)
    for month in (MARCH, APRIL):
        await issued(made, month)
    return made


@pytest.mark.parametrize(
    ("query", "numbers", "net"),
    [
        ("", ["202604-000001", "202604-000002", "202603-000001", "202603-000002"], "1,016.89"),
        ("period=2026-03", ["202603-000001", "202603-000002"], "1,016.89"),
        ("kind=individual", ["202604-000002", "202603-000002"], "893.86"),
        ("reseller=%E6%9D%8E", ["202604-000002", "202603-000002"], "893.86"),
        ("reseller=a01", ["202604-000001", "202603-000001"], "123.03"),
        ("from=123.04", ["202603-000002"], "893.86"),
        ("from=0.01&to=123.03", ["202603-000001"], "123.03"),
        ("state=issued&sort=-net", ["202603-000002", "202603-000001", "202604-000001", "202604-000002"], "1,016.89"),
        ("sort=nonsense&period=2026-03&page=abc", ["202603-000001", "202603-000002"], "1,016.89"),
    ],
)
async def test_filters_stand_in_the_address_and_totals_cover_what_they_leave(
    house: browser.House, owner: asyncpg.Connection, brand: Brand, query: str, numbers: list[str], net: str
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    page = await one.shows(f"/statements?{query}")
    assert SHOWN.findall(page) == numbers
    total = TOTAL.search(page)
    assert total is not None
    assert FIGURE.findall(total[1])[6] == net
    assert f"Total of {'all ' if len(numbers) > 1 else ''}{len(numbers)} statement" in total[1]


async def test_nothing_fits_and_what_cannot_be_read_is_said(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    assert "No statement fits" in await one.shows("/statements?disputed=1")
    answer = await one.browser.get("/statements?from=1.234&period=2026-03")
    assert (answer.status_code, "An amount looks like 1200" in answer.text, 'value="1.234"' in answer.text) == (422, True, True)


async def test_the_csv_has_the_filtered_rows_as_plain_figures(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    answer = await one.browser.get("/statements.csv?kind=individual")
    assert answer.content.startswith(b"\xef\xbb\xbfstatement_no,")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    shown = ("statement_no", "opening", "payable", "net", "carried", "state")
    assert [tuple(row[name].removeprefix(f"{brand.code}-") for name in shown) for row in rows] == [
        ("202604-000002", "0.00", "-217.50", "0.00", "-217.50", "issued"),
        ("202603-000002", "0.00", "917.33", "893.86", "0.00", "issued"),
    ]


async def test_a_long_list_becomes_a_file(
    house: browser.House, owner: asyncpg.Connection, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "DIRECT_ROWS", 1)
    one = await run_desk.keeper(house, owner, brand.id)
    assert (await one.browser.get("/statements.csv?period=2026-03")).headers["location"] == "/statements?period=2026-03"
    await one.shows("/statements?period=2026-03")
    answer = await one.send("/statements/export", period="2026-03")
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports")
    done = [each for each in await run_desk.keepers.work_off(house, brand) if each.kind == "statement.list"]
    assert [each.state for each in done] == ["done"]
    taken = re.search(r'href="(/exports/[0-9a-f-]{36}[^"]*)"', await one.shows("/exports"))
    assert taken is not None
    assert len((await one.browser.get(taken[1])).text.splitlines()) == 3


async def test_an_article_says_by_which_rule_it_earned(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    page = await one.shows(f"/statements/{brand.code}-202603-000002?why=VIP-Y")
    assert [each in page for each in ("Why ¥844.25", "6,754.00", "12.50%", "rule VIP", "2 sales")] == [True] * 5
    page = await one.shows(f"/statements/{brand.code}-202603-000002?group=order&sku=VIP-Y")
    assert ("E1001/1" in page, "E1002/1" in page, "E1001/2" in page) == (True, True, False)


async def test_a_row_tells_its_life(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    number = f"{brand.code}-202603-000002"
    page = await one.shows(f"/statements/{number}?group=order&why=3")
    for said in (
        "Why ¥750.00",
        "rule VIP (percent net 0.125",
        "not TEA",
        "cap ⌊0.3 × 6000.00⌋ = 1800.00",
        "refund F2001",
        "reckoned again",
    ):
        assert said in page, said
    page = await one.shows(f"/statements/{number}?group=order&why=4")
    assert ("Why ¥65.08" in page, "own-volume bonus" in page.lower()) == (True, True)
    assert "Why ¥" not in await one.shows(f"/statements/{number}?group=order&why=99")


async def test_support_reads_and_downloads_nothing(house: browser.House, owner: asyncpg.Connection, brand: Brand) -> None:
    one = await run_desk.keeper(house, owner, brand.id, "support")
    assert "CSV of" not in await one.shows("/statements")
    for path in ("/statements.csv", f"/statements/{brand.code}-202603-000002/documents/pdf", "/runs", "/approvals"):
        assert (await one.browser.get(path)).status_code == 404


async def test_an_address_that_no_text_and_no_number_is_asks_nothing_of_the_database(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one = await run_desk.keeper(house, owner, brand.id)
    here = f"/statements/{brand.code}-202603-000002"
    for path, status in (
        ("/statements/%00", 404),
        (f"/statements/{brand.code}%00/documents/pdf", 404),
        (f"{here}?why=%00", 200),
        (f"{here}?group=order&sku=%00", 200),
        ("/journal?text=%00&account=%00&statement=%00", 200),
        (f"/runs/{brand.code}-202603-99999", 404),
        (f"/runs/{brand.code}-202603-{10**30}", 404),
    ):
        assert (await one.browser.get(path)).status_code == status, path
    await one.shows("/statements")
    assert (await one.send("/runs/compute", month="2026-03\0x")).status_code == 422
    assert (await one.send("/statements/export", reseller="\0")).status_code == 303
