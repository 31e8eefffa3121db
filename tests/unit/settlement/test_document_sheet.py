"""The workbook of a statement, read back cell by cell and as the XML it is."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import python_calamine
from tests.unit.settlement import document_samples as samples

from qucheng.core import money
from qucheng.settlement import document as documents
from qucheng.settlement import document_cells, document_sheet

BONUS = documents.Bonus("B-1", "slab", "2026-02", "unit", 1840, "0:0.00;10:0.50", 92000)
ADJUSTMENTS = (
    documents.Adjustment("A-1", dt.date(2026, 3, 6), "三月动销激励", 30000),
    documents.Adjustment("A-2", dt.date(1899, 3, 19), "客诉赔付分担", -2500),
)
INJECTION = '<r><t>x</t></r></is></c><c r="Z9"><f>1+1</f></c><c r="Z8" t="inlineStr"><is><r><t>y</t></r>'
HOSTILE = [
    "=cmd()",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "{=1+1}",
    "\t=1+1",
    "https://x.example/",
    "<script>",
    "&amp;",
    " a ",
    "_x003D_1",
    INJECTION,
]


def _parts(workbook: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(workbook)) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def _sheets(workbook: bytes) -> dict[str, list[list[Any]]]:
    read = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(workbook))
    return {name: read.get_sheet_by_name(name).to_python() for name in read.sheet_names}


def _numbers(workbook: bytes, sheet: int, column: str) -> list[str]:
    """The numbers of a column, as the XML writes them."""
    return re.findall(rf'<c r="{column}\d+"[^>]*><v>([^<]*)</v>', _parts(workbook)[f"xl/worksheets/sheet{sheet}.xml"])


def _minor(text: str, decimals: int = 2) -> int:
    return money.parse_plain(text, decimals, signed=True)


@pytest.fixture(scope="module")
def full() -> tuple[documents.StatementDocument, bytes]:
    """240 lines, with everything a statement can have."""
    item = samples.make(samples.entries(240, items=40), bonuses=(BONUS,), adjustments=ADJUSTMENTS, opening=-1234, tax=34567)
    return item[0], document_sheet.workbook(*item)


def test_the_sheets_of_a_statement(full: tuple[documents.StatementDocument, bytes]) -> None:
    sheets = _sheets(full[1])
    assert {name: len(rows) for name, rows in sheets.items()} == {
        "汇总": 21,
        "按商品汇总": 1 + 30 + 1 + 1,
        "自有销量奖励": 3,
        "调整": 4,
        "全部明细": 1 + 240 + 1 + 2 + 1,
    }
    assert sheets["自有销量奖励"][1] == ["B-1", "2026-02", "件数", 1840.0, "全额按达到的档：0 起 0.00/件；10 起 0.50/件", 920.0]
    assert sheets["调整"][1:] == [
        [dt.date(2026, 3, 6), "A-1", "三月动销激励", 300.0],
        ["1899-03-19", "A-2", "客诉赔付分担", -25.0],
        ["合计", "", "", 275.0],
    ]


def test_every_column_adds_up_to_what_the_statement_says(full: tuple[documents.StatementDocument, bytes]) -> None:
    paper, workbook = full
    *amounts, total = map(_minor, _numbers(workbook, 5, "M"))
    assert (sum(amounts), total) == (paper.gross, paper.gross)
    assert len(amounts) == 243
    assert paper.gross == paper.accrued + paper.reversed + paper.bonus + paper.adjustment
    *nets, total = map(_minor, _numbers(workbook, 5, "I"))
    assert sum(nets) == total == sum(sku.net for sku in paper.skus) + paper.skus_rest.net
    *commissions, total = map(_minor, _numbers(workbook, 2, "F"))
    assert sum(commissions) == total == paper.accrued + paper.reversed
    *bonuses, total = map(_minor, _numbers(workbook, 3, "F"))
    assert sum(bonuses) == total == paper.bonus
    *adjustments, total = map(_minor, _numbers(workbook, 4, "D"))
    assert sum(adjustments) == total == paper.adjustment
    terms = [_minor(text) for text in _numbers(workbook, 1, "B")]
    assert (sum(terms[:5]), sum(terms[5:8])) == (terms[5], terms[8])
    assert terms[5:] == [paper.payable, -paper.tax, -paper.carried, paper.net]


def test_the_entries_are_those_of_the_csv_in_local_time() -> None:
    document, attachment = samples.make(samples.entries(2))
    rows = _sheets(document_sheet.workbook(document, attachment))["全部明细"]
    assert rows[0] == [
        "序号", "时间", "类型", "订单", "订单行", "退款", "商品", "数量", "净成交额", "计佣口径", "计佣基数", "费率", "金额",
        "计佣层级", "规则", "销量账期", "可结算时间",
    ]  # fmt: skip
    at = dt.datetime(2026, 3, 1, 9)  # noqa: DTZ001 - as the cell has it
    line = document.lines[0]
    assert rows[1] == [
        1.0, at, "计提", line.order, "1", "", "JK-2T-Y", float(line.quantity), 496.0, "净额", 496.0, 0.1, 49.6, 1.0, "R-1", "", at,
    ]  # fmt: skip


def test_english_statements_are_english() -> None:
    item = samples.make(samples.entries(3), locale="en", reseller_name="Riverside", tier_name="Gold", brand_name="Nanyu")
    sheets = _sheets(document_sheet.workbook(*item))
    assert list(sheets) == ["Summary", "By item", "All entries"]
    assert [row[0] for row in sheets["Summary"]][9:18] == [
        "Brought forward", "Accrued", "Reversed", "Own-volume bonus", "Adjustments", "Payable this period", "Tax withheld",
        "Carried to the next period", "Paid",
    ]  # fmt: skip
    assert sheets["All entries"][-1][2] == "Total"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_person_typed_is_text(name: str) -> None:
    adjustment = documents.Adjustment("A-1", dt.date(2026, 3, 6), name, 100)
    rows = samples.entries(1)
    rows[0] |= {"sku_name": name, "sku": "=1+1", "order": "=2+2"}
    item = samples.make(rows, brand_name=name, reseller_name=name, tier_name=name, adjustments=(adjustment,))
    workbook = document_sheet.workbook(*item)
    parts = _parts(workbook)
    assert [part for part, text in parts.items() if "<f>" in text or "<f " in text or "hyperlink" in text] == []
    sheets = _sheets(workbook)
    shown = f"{name} " if name == INJECTION else name
    assert sheets["调整"][1][2] == shown
    assert sheets["按商品汇总"][1][:2] == [shown, "=1+1"]
    assert sheets["全部明细"][1][3] == "=2+2"
    assert sheets["汇总"][3][1] == f"{name} nanyu"


def test_without_care_the_library_would_write_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_cells, "inert", str)
    item = samples.make([], adjustments=(documents.Adjustment("A-1", dt.date(2026, 3, 6), INJECTION, 100),))
    assert "<f>1+1</f>" in _parts(document_sheet.workbook(*item))["xl/worksheets/sheet2.xml"]


def test_amounts_are_written_digit_by_digit() -> None:
    """A binary fraction would have shown in the first; the second has more digits than a spreadsheet keeps, so it is text."""
    figures = {"9007199200093.94": "9007199200093.939", "12345678901234.56": "12345678901234.56"}
    assert {text: f"{float(text):.16G}" for text in figures} == figures
    adjustments = tuple(
        documents.Adjustment(f"A-{n}", dt.date(2026, 3, 6), "x", int(text.replace(".", ""))) for n, text in enumerate(figures)
    )
    workbook = document_sheet.workbook(*samples.make([], adjustments=adjustments))
    assert _numbers(workbook, 2, "D") == ["9007199200093.94"]
    assert [row[3] for row in _sheets(workbook)["调整"][1:]] == [9007199200093.94, "12345678901234.56", "21352878101328.50"]


def test_yen_have_no_decimals() -> None:
    item = samples.make(samples.entries(2, decimals=0), currency="JPY", decimals=0)
    workbook = document_sheet.workbook(*item)
    assert sum(int(text) for text in _numbers(workbook, 3, "M")[:-1]) == item[0].gross
    assert "#,##0;[Red]-#,##0" in _parts(workbook)["xl/styles.xml"]


def test_long_statements_go_on_on_the_next_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_sheet, "ROWS_A_SHEET", 3)
    paper, attachment = samples.make(samples.entries(7))
    sheets = _sheets(document_sheet.workbook(paper, attachment))
    pages = [rows for name, rows in sheets.items() if name.startswith("全部明细")]
    assert list(sheets)[2:] == ["全部明细", "全部明细 2", "全部明细 3"]
    assert [[row[0] for row in rows] for rows in pages] == [["序号", 1.0, 2.0, 3.0], ["序号", 4.0, 5.0, 6.0], ["序号", 7.0, ""]]
    amounts = [Decimal(str(row[12])) for rows in pages for row in rows[1:] if row[0] != ""]
    assert sum(amounts) * 100 == paper.gross
    assert pages[-1][-1][12] == float(Decimal(paper.gross) / 100)


def test_a_statement_without_entries_has_its_heads() -> None:
    sheets = _sheets(document_sheet.workbook(*samples.make([])))
    assert list(sheets) == ["汇总", "全部明细"]
    assert [row[2] for row in sheets["全部明细"]] == ["类型", "合计"]


def test_entries_beyond_those_listed_are_counted() -> None:
    paper, attachment = samples.make([], bonuses=(BONUS,), adjustments=ADJUSTMENTS)
    more = msgspec.structs.replace(
        paper, bonuses_rest=documents.Rest(count=2, amount=300), adjustments_rest=documents.Rest(count=1, amount=-50)
    )
    sheets = _sheets(document_sheet.workbook(more, attachment))
    assert sheets["自有销量奖励"][2] == ["其余 2 项，见全部明细", "", "", "", "", 3.0]
    assert sheets["调整"][3] == ["其余 1 项，见全部明细", "", "", -0.5]


def test_the_same_statement_is_the_same_bytes() -> None:
    item = samples.make(samples.entries(12), bonuses=(BONUS,), adjustments=ADJUSTMENTS)
    workbook = document_sheet.workbook(*item)
    assert document_sheet.workbook(*item) == workbook
    core = _parts(workbook)["docProps/core.xml"]
    assert re.findall(r">(\d{4}-[^<]*)<", core) == ["2026-03-31T16:00:00Z"] * 2
    with zipfile.ZipFile(io.BytesIO(workbook)) as packed:
        assert {(info.date_time[0], info.external_attr) for info in packed.infolist()} == {(1980, 0o100600 << 16)}


def test_heads_stay_in_sight_and_print_on_each_page(full: tuple[documents.StatementDocument, bytes]) -> None:
    parts = _parts(full[1])
    entries = parts["xl/worksheets/sheet5.xml"]
    assert '<pane ySplit="1"' in entries
    assert 'orientation="landscape"' in entries
    assert 'fitToHeight="0"' in entries
    assert '<autoFilter ref="A1:Q244"/>' in entries
    assert "nanyu-202603-000037" in entries[entries.index("<headerFooter") :]
    assert "全部明细!$1:$1" in parts["xl/workbook.xml"].replace("'", "")
