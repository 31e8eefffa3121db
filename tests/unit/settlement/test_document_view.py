import datetime as dt
from typing import Any

import msgspec
import pytest
from tests.unit.settlement import document_samples as samples

from qucheng.core import money
from qucheng.settlement import document as documents
from qucheng.settlement import document_fonts, document_reasons, document_tables, document_texts, document_view, document_widths

ZH, EN = document_texts.texts("zh-CN"), document_texts.texts("en")


def _view(document: documents.StatementDocument) -> document_view.View:
    return document_view.View(document, document_texts.texts(document.locale), document_fonts.printable)


def _amount(text: str, decimals: int = 2) -> int:
    return money.parse_plain(text.replace(",", "").replace(money.MINUS, "-").replace("+", ""), decimals, signed=True)


@pytest.mark.parametrize(
    "changes", [{"opening": -1234}, {"opening": -(10**9)}, {"min_payout": 10**9}, {"tax": 12345, "reseller_kind": "individual"}]
)
def test_the_sum_adds_up_row_by_row_whether_paid_or_carried(changes: dict[str, Any]) -> None:
    document, attachment = samples.make(samples.entries(40), **changes)
    documents.verify(document, attachment)
    running = 0
    for term in _view(document).terms():
        amount = _amount(term.amount)
        if term.result:
            assert running == amount, term.name
        else:
            running += -amount if term.sign == "−" else amount
    assert running == document.net


def test_every_term_is_a_row_even_where_it_is_nothing() -> None:
    document, _ = samples.make([], opening=500)
    rows = [(term.sign, term.name, term.amount) for term in _view(document).terms()]
    assert rows == [
        ("", "上期结转", "5.00"), ("+", "计提", "0.00"), ("+", "冲回", "0.00"), ("+", "自有销量奖励", "0.00"), ("+", "调整", "0.00"),
        ("=", "本期应结", "5.00"), ("−", "代扣税额", "0.00"), ("−", "结转下期", "0.00"), ("=", "实付", "5.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "chinese", "english"),
    [
        (
            {"reseller_kind": "company"},
            "企业或个体工商户自行申报纳税，不代扣",
            "companies declare their own tax; nothing is withheld",
        ),
        ({"reseller_kind": "individual"}, "付款方不代扣", "the payer withholds nothing"),
        (
            {"reseller_kind": "individual", "withholding": documents.Withholding("cn-labor", income=400000, withheld=24000)},
            "劳务报酬所得，当月累计 4,000.00，已预扣 240.00",
            "labour income of the month 4,000.00, withheld before 240.00",
        ),
        (
            {
                "reseller_kind": "individual",
                "withholding": documents.Withholding("cn-platform", income=714000, withheld=0, months=1),
            },
            "劳务报酬累计预扣，本年 1 个月 7,140.00，已预扣 0.00",
            "income of the year 7,140.00 over 1 month, withheld before 0.00",
        ),
        ({"min_payout": 10**9, "reseller_kind": "individual"}, "本期不打款，不代扣", "nothing is paid, so nothing is withheld"),
    ],
)
def test_the_tax_row_says_why(changes: dict[str, Any], chinese: str, english: str) -> None:
    document, _ = samples.make(samples.entries(20), **changes)
    view = _view(document)
    assert document_reasons.tax(document, ZH, view.money) == chinese
    assert document_reasons.tax(document, EN, view.money) == english


@pytest.mark.parametrize(
    ("changes", "chinese"),
    [
        ({}, "全部付清"),
        ({"opening": -(10**9)}, "应结为负，从以后的佣金中抵扣"),
        ({"min_payout": 10**8}, "未达最低打款额 1,000,000.00"),
    ],
)
def test_the_carried_row_says_why(changes: dict[str, Any], chinese: str) -> None:
    document, _ = samples.make(samples.entries(20), **changes)
    assert document_reasons.carried(document, ZH, _view(document).money) == chinese


def test_notes_name_the_depth_cap_and_who_earns() -> None:
    strict, _ = samples.make(samples.entries(2))
    two_tier, _ = samples.make(samples.entries(2), max_levels=2, hold_days=0)
    assert "佣金只来自真实销售，不按发展人数计酬。一笔销售只有销售者本人计佣。层级上限为 2。" in document_reasons.notes(
        strict, ZH
    )
    assert "佣金只来自真实销售，不按发展人数计酬。一笔销售至多 2 个分销商计佣。层级上限为 2。" in document_reasons.notes(
        two_tier, ZH
    )
    assert "成交在付款当期结算。打款后发生的退款，在以后的账期冲回。" in document_reasons.notes(two_tier, ZH)


def test_capitals_are_for_yuan_only() -> None:
    yuan, _ = samples.make([], opening=804689)
    yen, _ = samples.make([], opening=804689, currency="JPY", decimals=0)
    assert _view(yuan).capitals == "人民币捌仟零肆拾陆元捌角玖分"
    assert _view(yen).capitals == ""
    assert _view(yen).money(yen.net) == "804,689"


def _table(document: documents.StatementDocument, title: str) -> document_tables.Table:
    return next(table for table in _view(document).tables if table.title == title)


def test_running_totals_end_at_the_total() -> None:
    document, _ = samples.make(samples.entries(400))
    table = _table(document, "计提与冲回明细")
    total = [cell.text for cell in table.total.cells]
    assert table.rows[-1].run == f"成交额 {total[5]}   佣金 {total[8]}"
    assert _amount(total[8]) == document.accrued + document.reversed


def test_rows_of_a_table_add_up_to_its_total() -> None:
    bonus = documents.Bonus("B-1", "graduated", "2026-02", "net", 1000050, "0:0;1000.5:0.0105", 6750)
    adjustment = documents.Adjustment("A-1", dt.date(2026, 3, 5), "国庆激励", -250)
    document, attachment = samples.make(samples.entries(400, items=50), bonuses=(bonus,), adjustments=(adjustment,))
    documents.verify(document, attachment)
    tables = _view(document).tables
    assert [table.title for table in tables] == ["按商品汇总", "自有销量奖励", "调整", "计提与冲回明细"]
    for table in tables:
        amounts = [row.cells[-1].text for row in table.rows if row.cells[-1].text]
        assert sum(map(_amount, amounts)) == _amount(table.total.cells[-1].text)
    assert len(tables[0].rows) == 31
    assert tables[0].rows[-1].cells[0].text == "其余 20 个商品"
    assert [cell.text for cell in tables[1].rows[0].cells] == [
        "B-1", "2026-02", "净额 10,000.50", "分段累进：0 起 0.00%；1,000.5 起 1.05%", "+67.50",
    ]  # fmt: skip


def test_a_line_shows_basis_and_rate_as_its_rule_has_them() -> None:
    row = samples.entries(1)[0]
    per_unit = row | {"basis": "unit", "basis_amount": 1200, "rate": "0.50", "level": 2, "order": "D2"}
    on_margin = row | {"basis": "margin", "rate": "0.012345", "order": "D3", "at": dt.datetime(2025, 12, 31, 16, tzinfo=dt.UTC)}
    document, _ = samples.make([row, per_unit, on_margin])
    cells = {row.cells[2].text[:2]: [cell.text for cell in row.cells] for row in _table(document, "计提与冲回明细").rows}
    notes = {row.cells[2].text[:2]: row.cells[3].note for row in _table(document, "计提与冲回明细").rows}
    assert cells["D2"][6:8] == ["1,200", "0.50/件"]
    assert notes["D2"] == "计佣层级 2"
    assert cells["D3"][7] == "1.2345%"
    assert (cells["D3"][1], notes["D3"]) == ("01-01", "按毛利计佣")


def test_a_day_of_another_year_is_written_in_full() -> None:
    row = samples.entries(1)[0] | {"at": dt.datetime(2025, 12, 30, tzinfo=dt.UTC)}
    document, _ = samples.make([row])
    assert _table(document, "计提与冲回明细").rows[0].cells[1].text == "2025-12-30"


def test_characters_without_a_glyph_or_that_work_unseen_are_named() -> None:
    assert document_fonts.printable("南屿㛃䶮𬭎龢 Ltd.") == "南屿㛃䶮𬭎龢 Ltd."
    assert document_fonts.printable("a\u202eb\u200bc") == "a[U+202E]b[U+200B]c"
    assert document_fonts.printable("🎉") == "[U+1F389]"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://example.com/", "data:text/css,*{}", "statement-asset:../OFL.txt", "statement-asset:", "x"],
)
def test_nothing_but_our_own_assets_is_read(url: str) -> None:
    with pytest.raises(document_fonts.AssetRefusedError):
        document_fonts.asset(url)


def test_our_own_assets_are_fonts() -> None:
    assert document_fonts.asset("statement-asset:regular")[:4] == b"OTTO"
    assert document_fonts.asset("statement-asset:bold")[:4] == b"\x00\x01\x00\x00"
    assert document_fonts.asset("statement-asset:full")[:4] == b"OTTO"


def test_columns_fill_the_page_and_numbers_keep_their_room() -> None:
    for cells in (["a"] * 3, ["名" * 80, "A" * 40, "−98,411,000,000.00"]):
        widths = [
            int(width.removesuffix("mm").replace(".", ""))
            for width in document_widths.columns([[cell] for cell in cells], (0, 1))
        ]
        assert document_widths.PAGE - 3 <= sum(widths) <= document_widths.PAGE
        assert widths[2] >= document_widths.width(cells[2]) * document_widths.TABLE * document_widths.PT // 1000


def test_a_paper_says_from_when_the_hold_counts_where_that_is_not_the_payment() -> None:
    """And says nothing of it, to the last byte, where it is."""
    document, _ = samples.make(samples.entries(3))
    held = msgspec.structs.replace(document, held=1)
    for texts, sentence in (
        (EN, "Of articles that are held until they are delivered or redeemed, the last unit's counts instead of the payment."),
        (ZH, "须待发放或核销的商品，以最后一件发放或核销之时代替付款之时。"),
    ):
        assert sum(sentence in note for note in document_reasons.notes(held, texts)) == 1
        assert not any(sentence in note for note in document_reasons.notes(document, texts))
    assert b'"held"' not in documents.canonical_json(document)
    assert b'"held":1,' in documents.canonical_json(held)
