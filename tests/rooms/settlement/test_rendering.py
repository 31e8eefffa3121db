"""Statements through the real engine in processes of its own, read back from the PDF."""

import csv
import datetime as dt
import hashlib
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from pypdf.generic import ContentStream
from tests.unit.settlement import document_samples as samples

from qucheng.core import money
from qucheng.settlement import document as documents
from qucheng.settlement import document_pdf, document_pool
from qucheng.settlement.document_files import Format

BONUS = documents.Bonus("B-1", "slab", "2026-02", "unit", 1840, "0:0.00;10:0.50", 92000)
ADJUSTMENTS = (
    documents.Adjustment("A-1", dt.date(2026, 3, 6), "三月动销激励", 30000),
    documents.Adjustment("A-2", dt.date(2026, 3, 19), "客诉赔付分担", -2500),
)
HOSTILE = [
    "<script>alert(1)</script>",
    "=1+1",
    "{{7*7}}",
    '"><img src=file:///etc/passwd>',
    "%(n)s %s",
    "\\A url(http://example.com)",
    "&lt;b&amp;",
]


@pytest.fixture(scope="module")
def renderer() -> Iterator[document_pool.Renderer]:
    with document_pool.Renderer(processes=1) as pool:
        yield pool


def _render(renderer: document_pool.Renderer, item: tuple[documents.StatementDocument, bytes]) -> bytes:
    ((number, files),) = renderer.render_all([samples.item(*item)])
    assert number == item[0].statement_no
    assert not isinstance(files, str), files
    assert list(files) == ["pdf"]
    return files["pdf"]


def _texts(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def _flat(pdf: bytes) -> str:
    """All the text without blanks and line breaks: how lines are broken says nothing about what is there."""
    return re.sub(r"\s", "", "".join(_texts(pdf)))


def _amount(text: str, decimals: int = 2) -> int:
    return money.parse_plain(text.replace(",", "").replace(money.MINUS, "-"), decimals, signed=True)


def _term(page: str, name: str) -> int:
    found = re.search(rf"^[+=−]? ?{name}.*?([−\d,]+\.\d\d)$", page, re.MULTILINE)
    assert found, name
    return _amount(found[1])


@pytest.fixture(scope="module")
def full(renderer: document_pool.Renderer) -> tuple[documents.StatementDocument, bytes, bytes]:
    """240 lines over several pages, with everything a statement can have."""
    item = samples.make(
        samples.entries(240, items=40),
        bonuses=(BONUS,),
        adjustments=ADJUSTMENTS,
        opening=-1234,
        tax=34567,
        reseller_kind="individual",
        withholding=documents.Withholding("cn-labor", income=3_000_000, withheld=0),
    )
    return *item, _render(renderer, item)


def test_the_sum_can_be_added_up_from_the_paper(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    document, _, pdf = full
    page = _texts(pdf)[0]
    names = ("上期结转", "计提", "冲回", "自有销量奖励", "调整")
    assert sum(_term(page, name) for name in names) == _term(page, "本期应结") == document.payable
    assert _term(page, "本期应结") - _term(page, "代扣税额") - _term(page, "结转下期") == _term(page, "实付") == document.net
    assert money.rmb_capitals(document.net) in page
    assert _term(page, "结转下期") == 0


def test_the_lines_can_be_added_up_from_paper_and_attachment(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    document, attachment, pdf = full
    rows = list(csv.DictReader(io.StringIO(attachment.decode())))
    lines = [row for row in rows if row["kind"] in ("accrual", "reversal")]
    assert sum(_amount(row["amount"]) for row in lines) == document.accrued + document.reversed
    assert sum(_amount(row["amount"]) for row in rows if row["kind"] == "bonus") == document.bonus
    assert sum(_amount(row["amount"]) for row in rows if row["kind"] == "adjustment") == document.adjustment

    text = "\n".join(_rows_on_one_line(page) for page in _texts(pdf))
    printed = {
        int(number): _amount(amount) for number, amount in re.findall(r"^(\d+) 03-\d\d D\d+.* ([−\d,.]+)$", text, re.MULTILINE)
    }
    attached = {int(row["row"]): _amount(row["amount"]) for row in lines if row["row"]}
    assert len(printed) == 100
    assert printed == attached

    days = {day: _amount(amount) for day, amount in re.findall(r"^(03-\d\d) \d+ 笔 [−\d,.]+ ([−\d,.]+)$", text, re.MULTILINE)}
    rest = [row for row in lines if not row["row"]]
    assert sum(days.values()) == sum(_amount(row["amount"]) for row in rest)
    assert sum(days.values()) + sum(attached.values()) == document.accrued + document.reversed


def _rows_on_one_line(page: str) -> str:
    """A refund's small print stands between the cells of its row."""
    return re.sub(r"\n退款冲回 \S+\n", " ", page)


def test_what_is_carried_to_the_next_page_is_what_it_begins_with(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    pages = [_rows_on_one_line(page) for page in _texts(full[2])]
    forward = [re.findall(r"过次页\s+成交额\s+([−\d,.]+)\s+佣金\s+([−\d,.]+)", page) for page in pages]
    brought = [re.findall(r"承前页\s+成交额\s+([−\d,.]+)\s+佣金\s+([−\d,.]+)", page) for page in pages]
    assert (brought[0], forward[-1]) == ([], [])
    assert brought[1:] == forward[:-1]
    running, checked = 0, 0
    for page, carried in zip(pages, forward, strict=True):
        running += sum(_amount(amount) for amount in re.findall(r"^(?:\d+ )?03-\d\d .* ([−\d,]+\.\d\d)$", page, re.MULTILINE))
        if carried:
            checked += 1
            assert running == _amount(carried[0][1])
    assert checked >= 2
    assert running == full[0].accrued + full[0].reversed


def test_every_page_says_which_it_is(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    pages = _texts(full[2])
    for number, page in enumerate(pages, 1):
        assert f"第 {number} 页，共 {len(pages)} 页" in page
        assert full[0].statement_no in page


def test_json_and_csv_are_attached_as_they_were_hashed(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    document, attachment, pdf = full
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    canonical = documents.canonical_json(document)
    assert {name: data for name, (data,) in reader.attachments.items()} == {
        f"{document.statement_no}.json": canonical,
        f"{document.statement_no}.csv": attachment,
    }
    assert hashlib.sha256(canonical).hexdigest() in "".join(_texts(pdf))
    root: Any = reader.root_object
    files = [reference.get_object() for reference in root["/AF"]]
    assert [(one["/AFRelationship"], one["/EF"]["/F"]["/Subtype"]) for one in files] == [
        ("/Data", "/application/json"),
        ("/Data", "/text/csv"),
    ]


def test_it_is_archival_tagged_and_says_what_it_is(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    document, _, pdf = full
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    root: Any = reader.root_object
    xmp = root["/Metadata"].get_data().decode()
    assert ('part="3"' in xmp, 'conformance="A"' in xmp) == (True, True)
    assert root["/Lang"] == "zh-CN"
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/OutputIntents"]
    assert reader.metadata is not None
    assert reader.metadata.title == f"渠道佣金结算单 {document.statement_no}"
    assert reader.metadata.creation_date == dt.datetime(2026, 4, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))


def test_fonts_are_the_ones_we_ship(full: tuple[documents.StatementDocument, bytes, bytes]) -> None:
    assert _fonts(full[2]) == {"Qucheng-Sans", "Qucheng-Sans-Bold"}


def _fonts(pdf: bytes) -> set[str]:
    found = set()
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        resources: Any = page["/Resources"]
        for font in resources["/Font"].values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descendant["/FontDescriptor"].get_object())
            found.add(str(font.get_object()["/BaseFont"]).partition("+")[2])
    return found


def _missing_glyphs(pdf: bytes) -> int:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    missing = 0
    for page in reader.pages:
        for operands, operator in ContentStream(page["/Contents"].get_object(), reader).operations:
            if operator in (b"TJ", b"Tj"):
                parts = operands[0] if operator == b"TJ" else operands
                strings = [getattr(part, "original_bytes", part) for part in parts if not isinstance(part, (int, float))]
                missing += sum(text[i : i + 2] == b"\0\0" for text in strings for i in range(0, len(text), 2))
    return missing


def test_rare_characters_come_from_the_full_font_in_bold_text_too(renderer: document_pool.Renderer) -> None:
    rows = [row | {"sku_name": "㛃䶮𬭎龢 卡🎉"} for row in samples.entries(2)]
    pdf = _render(renderer, samples.make(rows, brand_name="南屿㛃䶮𬭎龢", reseller_name="堃喆\u202e商行"))
    text = _flat(pdf)
    assert "南屿㛃䶮𬭎龢" in text
    assert "㛃䶮𬭎龢卡[U+1F389]" in text
    assert "堃喆[U+202E]商行" in text
    assert _missing_glyphs(pdf) == 0
    assert _fonts(pdf) == {"Qucheng-Sans", "Qucheng-Sans-Bold", "Qucheng-Sans-Full"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(renderer: document_pool.Renderer, name: str) -> None:
    rows = [row | {"sku_name": name} for row in samples.entries(3)]
    adjustment = documents.Adjustment("A-1", dt.date(2026, 3, 1), name, 100)
    item = samples.make(rows, reseller_name=name, brand_name=name, tier_name=name, adjustments=(adjustment,))
    flat, expected = _flat(_render(renderer, item)), re.sub(r"\s", "", name)
    assert flat.count(expected) >= 6


def test_the_longest_names_codes_and_amounts_stay_on_the_page(renderer: document_pool.Renderer) -> None:
    rows = [
        row | {"sku_name": "超长商品名称" * 13 + "尾名", "sku": "S" * 40, "order": "O" * 37 + f"{n:03d}", "line": "L" * 40}
        | {"net": 10**12 - 1, "basis_amount": 10**12 - 1, "amount": 3 * 10**11 + n}
        for n, row in enumerate(samples.entries(12))
    ]  # fmt: skip
    item = samples.make(
        rows,
        reseller_name="临" * 80,
        brand_name="南" * 80,
        tier_name="金" * 80,
        brand_code="b" * 40,
        statement_no=f"{'b' * 40}-202603-000001",
    )
    pdf = _render(renderer, item)
    assert "临" * 80 in _flat(pdf)
    assert item[0].statement_no in _flat(pdf)
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        right = 0.0

        def visit(text: str, outer: list[float], inner: list[float], _: Any, __: float | None) -> None:
            nonlocal right
            if text.strip():
                right = max(right, inner[4] * outer[0] + outer[4])

        page.extract_text(visitor_text=visit)
        assert 0 < right < float(page.mediabox.width) - 40


def test_ten_thousand_lines_are_as_short_as_a_hundred_and_all_attached(renderer: document_pool.Renderer) -> None:
    document, attachment = samples.make(samples.entries(10_000, items=200))
    pdf = _render(renderer, (document, attachment))
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) <= 6
    assert reader.attachments[f"{document.statement_no}.csv"] == [attachment]
    assert "共 10,000 行：金额最大的 100 行逐笔列示，其余按日汇总；金额单位：元" in reader.pages[1].extract_text()


def test_yen_have_no_decimals_and_no_capitals(renderer: document_pool.Renderer) -> None:
    item = samples.make(samples.entries(6, decimals=0), currency="JPY", decimals=0, locale="en", time_zone="Asia/Tokyo", zone=9)
    text = "\n".join(_texts(_render(renderer, item)))
    assert money.format_display(item[0].net, 0) in text
    assert not re.search(r"\d\.\d\d(?!%)", text)
    assert "in words" not in text
    assert "amounts in JPY" in text


def test_english_statements_are_english(renderer: document_pool.Renderer) -> None:
    rows = [row | {"sku_name": "Streaming, one year"} for row in samples.entries(30)]
    item = samples.make(
        rows, locale="en", brand_name="Nanyu Ltd", reseller_name="Riverside Trading", tier_name="Gold", currency="USD"
    )
    pdf = _render(renderer, item)
    pages = _texts(pdf)
    assert "Channel commission statement" in pages[0]
    assert "1 March 2026 to 31 March 2026" in pages[0]
    assert f"Page 2 of {len(pages)}" in pages[1]
    assert "carried forward" in pages[0]
    assert "brought forward" in pages[1]
    root: Any = pypdf.PdfReader(io.BytesIO(pdf)).root_object
    assert root["/Lang"] == "en"
    assert set(re.findall("[\u4e00-\u9fff]+", "".join(pages))) == {"渠成"}


def test_two_processes_make_the_same_bytes() -> None:
    item = samples.make(samples.entries(30), bonuses=(BONUS,), adjustments=ADJUSTMENTS)
    made = []
    for _ in range(2):
        with document_pool.Renderer(processes=1, public_url="https://pay.example") as renderer:
            made.append(_render(renderer, item))
    assert made[0] == made[1]


def test_a_statement_is_the_same_whatever_was_made_before_it(renderer: document_pool.Renderer) -> None:
    item = samples.make(samples.entries(9))
    first = _render(renderer, item)
    _render(renderer, samples.make(samples.entries(3), locale="en", brand_name="㛃䶮"))
    assert _render(renderer, item) == first


def test_a_document_that_does_not_add_up_has_no_pdf(renderer: document_pool.Renderer) -> None:
    document, attachment = samples.make(samples.entries(3))
    ((_, reason),) = renderer.render_all([samples.item(document, attachment + b" ")])
    assert isinstance(reason, str)
    assert "NotProvenError" in reason


def _ask_for_more(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> dict[Format, bytes]:
    """A page that wants what is not ours; the address comes in the place of the CSV."""
    del canonical, public_url, formats
    engine = document_pdf.engine()
    page = f'<link rel="stylesheet" href="{lines_csv.decode()}"><p>text</p>'
    result: bytes = engine.weasyprint.HTML(string=page, url_fetcher=engine.fetcher).write_pdf(font_config=engine.fonts)
    return {"pdf": result}


def test_the_engine_reads_nothing_but_our_own_assets() -> None:
    document, _ = samples.make([])
    addresses = ["file:///etc/passwd", "http://127.0.0.1:9/x.css", "data:text/css,p{color:red}", "statement-asset:other"]
    with document_pool.Renderer(processes=1, work=_ask_for_more) as renderer:
        reasons = [
            reason for _, reason in renderer.render_all([samples.item(document, address.encode()) for address in addresses])
        ]
    assert [str(reason).partition(", not ")[0] for reason in reasons] == [
        "no document: RuntimeError: a statement reads nothing but its own assets"
    ] * 4


def test_without_pango_the_refusal_says_what_to_install() -> None:
    code = (
        "import ctypes.util, sys\n"
        "import cffi\n"
        "real = cffi.FFI.dlopen\n"
        "def dlopen(self, name, *rest):\n"
        "    if name and 'pango' in str(name): raise OSError('cannot load library ' + name)\n"
        "    return real(self, name, *rest)\n"
        "cffi.FFI.dlopen = dlopen\n"
        "from qucheng.settlement import document_pdf\n"
        "try: document_pdf.warm()\n"
        "except document_pdf.PdfEngineMissingError as error: print(error.code, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("pdf.engine_missing PDF statements need Pango.")
    assert "libpango-1.0-0 libpangoft2-1.0-0" in done.stdout


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with document_pool.Renderer(processes=1) as renderer:
        _render(renderer, samples.make(samples.entries(1)))
        assert [path.name[:15] for path in tmp_path.iterdir()] == ["qucheng-render-"]
    assert list(tmp_path.iterdir()) == []
