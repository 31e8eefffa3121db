"""Journal, trial balance and their files: totals of the whole filtered set, debits equal credits, and nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import TYPE_CHECKING

import pytest
import python_calamine
from tests import books
from tests.doors.finance import keepers

from qucheng.core import exports

if TYPE_CHECKING:
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

RESELLERS = 30
FIGURE = re.compile(r'<td class="r"><span class="num[^"]*">([^<]*)</span></td>')


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """Two settled months of thirty sellers: 10 percent of 100.00 each month, the first seller's second sale refunded in part."""
    assert workspace
    people = [f"R{i:02},{i},company,,gold,2026-01-01," for i in range(RESELLERS)]
    orders = [
        f"{month}-{i:02},1,{month}-05T10:00:00,R{i:02},web,card,1,100.00,,"
        for month in ("2026-02", "2026-03")
        for i in range(RESELLERS)
    ]
    folder = books.write(
        tmp_path_factory.mktemp("books") / "bundle",
        code="-sum",
        resellers=people,
        orders=orders,
        refunds=["F,2026-03-00,1,2026-03-20T10:00:00,1,40.00"],
    )
    return await books.settled(folder, "2026-03")


@pytest.fixture(scope="module")
async def other(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    folder = books.write(
        tmp_path_factory.mktemp("books") / "bundle", code="other", orders=["X-1,1,2026-03-05T10:00:00,R1,web,card,1,77.00,,"]
    )
    return await books.settled(folder, "2026-03")


def codes(page: str) -> list[str]:
    return [html.unescape(code) for code in re.findall(r'<th scope="rowgroup"[^>]*>([^<]+) <span', page)]


def foot(page: str) -> list[list[str]]:
    return [FIGURE.findall(row) for row in page.split("<tfoot>")[1].split("</tfoot>", maxsplit=1)[0].split("<tr>")[1:]]


def foot_words(page: str) -> str:
    return page.split("<tfoot>")[1].split("</tfoot>", maxsplit=1)[0]


async def test_totals_are_of_all_that_was_chosen_and_pages_lead_on_and_back(
    house: browser.House, brand: Brand, other: Brand
) -> None:
    assert other
    reader = await keepers.signed_in(house, brand.id, "auditor")
    await reader.get("/journal")
    # 30 accruals and 30 payouts a month of 10.00, the reversal of 4.00 less
    whole = [["1,200.00", "1,200.00"]]
    assert foot(reader.page) == whole
    assert "Debits equal credits" in reader.page
    seen, address = [], "/journal"
    while address:
        await reader.get(address)
        assert foot(reader.page) == whole
        seen.append(codes(reader.page))
        links = re.findall(r'href="([^"]+)" rel="next"', reader.page)
        address = html.unescape(links[0]) if links else ""
    assert [len(page) for page in seen] == [20, 20, 20, 20, 20, 20, 1]
    assert [code for page in seen for code in page] == [
        code for (code,) in await books.seen(brand, "SELECT code FROM journal_entry ORDER BY period, document, position")
    ]
    backwards = []
    while links := re.findall(r'href="([^"]+)" rel="prev"', reader.page):
        await reader.get(html.unescape(links[0]))
        backwards.append(codes(reader.page))
    assert backwards == seen[-2::-1]
    assert "X-1" not in str(seen)


@pytest.mark.parametrize(
    ("query", "entries", "totals"),
    [
        ("from=2026-02&to=2026-02", 60, [["600.00", "600.00"]]),
        ("from=2026-03", 61, [["600.00", "600.00"]]),
        ("account=liability:reseller:R00", 5, [["40.00", "40.00"], ["20.00", "20.00"]]),
        ("account=liability:reseller:", 121, [["1,200.00", "1,200.00"], ["600.00", "600.00"]]),
        ("statement=-sum-202603-000001", 3, [["20.00", "20.00"]]),
        ("text=REVERSAL", 1, [["4.00", "4.00"]]),
        ("text=100%25&from=nonsense", 0, []),
    ],
)
async def test_filters(house: browser.House, brand: Brand, query: str, entries: int, totals: list[list[str]]) -> None:
    reader = await keepers.signed_in(house, brand.id, "auditor")
    answer = await reader.get(f"/journal?{query}")
    assert answer.status_code == 200
    if not entries:
        assert "No entry fits" in reader.page
        return
    assert foot(reader.page) == totals
    assert f"Total of {entries} entr" in reader.page


async def test_a_cursor_of_other_filters_is_refused(house: browser.House, brand: Brand) -> None:
    reader = await keepers.signed_in(house, brand.id, "auditor")
    await reader.get("/journal")
    cursor = re.findall(r"after=([^&\"]+)\" rel=\"next\"", reader.page)[0]
    assert (await reader.get(f"/journal?after={cursor}")).status_code == 200
    assert (await reader.get(f"/journal?text=x&after={cursor}")).status_code == 400


async def test_the_trial_balance_adds_up_three_times(house: browser.House, brand: Brand) -> None:
    reader = await keepers.signed_in(house, brand.id, "auditor")
    await reader.get("/trial-balance?from=2026-03&to=2026-03")
    lines = [
        FIGURE.findall(row) for row in reader.page.split("</thead>")[1].split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]
    ]
    assert lines == [
        ["300.00", "296.00", "596.00"],  # the bank: paid out before, paid out now
        ["300.00", "300.00", "4.00", "596.00"],
        ["300.00", "300.00"],
    ]
    assert foot(reader.page) == [["300.00", "300.00", "600.00", "600.00", "596.00", "596.00"]]
    assert "30 accounts" in reader.page
    assert re.findall(r"Difference <span class=\"num\">([^<]+)</span>", reader.page) == ["0.00"]
    await reader.get("/trial-balance/resellers?from=2026-03&to=2026-03")
    assert foot(reader.page) == [["0.00", "0.00", "300.00", "300.00", "0.00", "0.00"]]
    assert reader.page.count('class="row-link"') == RESELLERS


async def test_accounts_have_names_in_the_readers_language(house: browser.House, brand: Brand) -> None:
    """The code of an account stands beside its name, for it is what the filter and the files have."""
    reader = await keepers.signed_in(house, brand.id, "auditor")
    for language, names, unit in (
        ("en", {"expense:commission": "Commission expense", "asset:bank": "Bank"}, "Amounts in CNY."),
        ("zh-CN", {"expense:commission": "佣金费用", "asset:bank": "银行存款"}, "金额单位：元。"),
    ):
        reader.language = language
        await reader.get("/trial-balance")
        assert unit in reader.page
        for code, name in names.items():
            assert f'>{name}</a><span class="sub num">{code}</span>' in reader.page
        await reader.get("/journal?account=liability:reseller:R00")
        owed = {"en": "Owed to reseller R00", "zh-CN": "应付分销商 R00"}[language]
        assert f'<td>{owed} <span class="xs faint num hide-m">liability:reseller:R00</span></td>' in reader.page
        assert {"en": "Of which on Owed to reseller R00", "zh-CN": "应付分销商 R00"}[language] in foot_words(reader.page)


async def test_files_hold_every_leg_and_no_formula(house: browser.House, brand: Brand) -> None:
    """The brand's code begins with a minus, and with it every number of a statement."""
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/journal?from=2026-02&to=2026-02")
    assert "120 rows" in keeper.page
    made = await keeper.send("/journal/export", form="csv", **{"from": "2026-02", "to": "2026-02"})
    assert made.headers["content-disposition"] == 'attachment; filename="sum-journal-2026-02.csv"'
    assert made.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(made.content.decode("utf-8-sig"))))
    assert list(rows[0].values()) == [
        "'-sum-202602-000001/accrual",
        "2026-02",
        "'-sum-202602-000001",
        "expense:commission",
        "10.00",
        "",
    ]
    assert (len(rows), {row["entry"][0] for row in rows}) == (120, {"'"})
    await keeper.get("/journal")
    book = await keeper.send("/journal/export", form="xlsx", **{"from": "2026-02", "to": "2026-02"})
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert sheet[1] == ["-sum-202602-000001/accrual", "2026-02", "-sum-202602-000001", "expense:commission", 10.0, ""]
    assert len(sheet) == 121
    assert b"<f>" not in book.content
    await keeper.get("/trial-balance")
    balance = await keeper.send("/trial-balance/export", form="csv", **{"from": "2026-02", "to": "2026-03"})
    accounts = list(csv.reader(io.StringIO(balance.content.decode("utf-8-sig"))))
    assert accounts[1] == ["asset:bank", "", "", "", "596.00", "", "596.00"]
    assert len(accounts) == 1 + 2 + RESELLERS
    assert [path for path in (house.app.state["site"].settings.var / exports.FOLDER).rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_many_rows_are_made_in_the_background(
    house: browser.House, brand: Brand, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(exports, "DIRECT_ROWS", 100)
    keeper = await keepers.signed_in(house, brand.id, "accountant")
    await keeper.get("/journal")
    assert "242 rows · made in the background" in keeper.page
    asked = await keeper.send("/journal/export", form=form)
    assert (asked.status_code, asked.headers["location"]) == (303, "/exports")
    await keeper.get("/exports")
    assert (">Received<" in keeper.page, "/file" in keeper.page) == (True, False)
    assert [each.state for each in await keepers.work_off(house, brand)] == ["done"]
    await keeper.get("/exports")
    address = re.findall(r'href="(/exports/[^"]+/file)"', keeper.page)[0]
    taken = await keeper.get(address)
    assert (taken.status_code, taken.headers["content-disposition"]) == (200, f'attachment; filename="sum-journal-all.{form}"')
    rows = (
        len(taken.content.decode("utf-8-sig").splitlines())
        if form == "csv"
        else len(python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(taken.content)).get_sheet_by_index(0).to_python())
    )
    assert rows == 243
    for other_one in (await keepers.signed_in(house, brand.id, "owner"), await keepers.signed_in(house, brand.id, "support")):
        assert (await other_one.get(address)).status_code == 404
    file = next(path for path in (house.app.state["site"].settings.var / exports.FOLDER).rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(exports.ExportChangedError):
        list(exports.pieces(file, file.name.rpartition(".")[2]))


async def test_who_only_reads_takes_no_file(house: browser.House, brand: Brand) -> None:
    manager = await keepers.signed_in(house, brand.id, "manager")
    await manager.get("/journal")
    assert "/journal/export" not in manager.page
    assert (await manager.send("/journal/export", form="csv")).status_code == 404
    support = await keepers.signed_in(house, brand.id, "support")
    assert [(await support.get(path)).status_code for path in ("/journal", "/trial-balance", "/exports")] == [404, 404, 404]
    stranger = await house.browser()
    assert (await stranger.get("/journal")).status_code == 303
