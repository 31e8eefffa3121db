"""Sheets that people send are read as they see them; what would take more room than a sheet has is refused before it does."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING

import pytest
import python_calamine
import xlsxwriter

from qucheng.core import cells, sheets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

NAMES = {"sku": ["商品"], "price": ["价格"], "from": ["起"]}
BOMB = 60 << 20


def workbook(*rows: list[object]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        hidden, sheet = book.add_worksheet("hidden"), book.add_worksheet("prices")
        hidden.write_string(0, 0, "nothing")
        sheet.activate()
        sheet.set_first_sheet()
        hidden.hide()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, dt.date):
                    sheet.write_datetime(number, column, dt.datetime.combine(value, dt.time()), day)
                elif value is not None:
                    sheet.write(number, column, value)
    return out.getvalue()


def changed(data: bytes, change: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """With each part of the workbook as `change` makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as sent, zipfile.ZipFile(out, "w", method) as made:
        for member in sent.infolist():
            made.writestr(member.filename, change(member.filename, sent.read(member)))
    return out.getvalue()


SHEET = workbook(
    ["SKU", "价格", "From", "note"], ["T-1", 27.6, dt.date(2026, 11, 10), "x"], [None], ["0012", 0.1 + 0.2, None, True]
)


async def read(data: bytes) -> sheets.Sheet:
    return await sheets.read(data, names=NAMES, needed=["sku", "price"])


async def test_a_workbook_is_read_as_a_person_sees_it() -> None:
    found = await read(SHEET)
    assert found.names == ("sku", "price", "from")
    assert found.unknown == ("note",)
    assert found.lines == [
        sheets.Line(2, {"sku": "T-1", "price": "27.6", "from": "2026-11-10"}),
        sheets.Line(4, {"sku": "0012", "price": "0.3", "from": ""}),
    ]


@pytest.mark.parametrize(
    ("figure", "shown"),
    [(27.6, "27.6"), (100, "100"), (1e16, "10000000000000000"), (-2.5e-7, "-0.00000025"), (1.005, "1.005"), (0, "0")],
)
async def test_a_figure_is_its_digits(figure: float, shown: str) -> None:
    found = await read(workbook(["sku", "price"], ["a", figure]))
    assert [line.values["price"] for line in found.lines] == [shown]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("comma", [",", "\t", ";"])
async def test_a_csv_of_any_program_is_read(encoding: str, comma: str) -> None:
    text = '商品,价格\r\n"二\n行",1.5\r\n,\r\n\'=a,2\r\n'.replace(",", comma)
    found = await read(text.encode(encoding))
    assert [(line.number, line.values) for line in found.lines] == [
        (2, {"sku": "二\n行", "price": "1.5", "from": ""}),
        (4, {"sku": "=a", "price": "2", "from": ""}),
    ]


@pytest.mark.parametrize("form", cells.FORMS)
async def test_what_is_written_is_read_again(form: cells.Form, tmp_path: Path) -> None:
    rows: list[list[str | None]] = [["0012", "27.60", "=1+1"], ["T,1", None, "'tis"]]
    await sheets.write(tmp_path / "out", form, title="prices", names=["sku", "price", "from"], rows=rows, figures=frozenset({1}))
    data = (tmp_path / "out").read_bytes()
    found = await read(data)
    price = "27.6" if form == "xlsx" else "27.60"
    assert [line.values for line in found.lines] == [
        {"sku": "0012", "price": price, "from": "=1+1"},
        {"sku": "T,1", "price": "", "from": "'tis"},
    ]
    if form == "csv":
        assert data.startswith(cells.MARK)
        assert b"'=1+1" in data


@pytest.mark.parametrize(
    ("data", "missing", "twice"),
    [
        (b"", ("sku", "price"), ()),
        (b"a,b\n1,2\n", ("sku", "price"), ()),
        ("sku,商品,price\n1,2,3\n".encode(), (), ("sku",)),
    ],
)
async def test_columns_that_are_not_there_or_twice(data: bytes, missing: tuple[str, ...], twice: tuple[str, ...]) -> None:
    with pytest.raises(sheets.SheetColumnsError) as refusal:
        await read(data)
    assert (refusal.value.missing, refusal.value.twice) == (missing, twice)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02",
        b'sku,price\n"a,1\n',
        b"PK\x03\x04 and no more",
        SHEET[:-300],
        changed(SHEET, lambda name, part: part[: len(part) // 2] if "sheet2" in name else part),
        changed(SHEET, lambda name, part: b"<!DOCTYPE a>" + part[part.index(b"<worksheet") :] if "sheet2" in name else part),
        changed(SHEET, lambda _, part: part.replace(b'encoding="UTF-8"', b'encoding="no-such"')),
        changed(SHEET, lambda _, part: part.replace(b'encoding="UTF-8"', b'encoding="gbk"')),
        changed(SHEET, lambda _, part: part.replace(b"T-1", b"T_x0000_1")),
        changed(SHEET, lambda _, part: part, zipfile.ZIP_BZIP2),
        changed(SHEET, lambda _, part: part, zipfile.ZIP_LZMA)[:-1] + b"\0",
    ],
    ids=[
        "bytes",
        "quotation marks",
        "no archive",
        "cut",
        "half a sheet",
        "document type",
        "no such encoding",
        "wide encoding",
        "nul",
        "bzip2",
        "lzma",
    ],
)
async def test_what_is_no_sheet(data: bytes) -> None:
    with pytest.raises(sheets.SheetUnreadableError):
        await read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"sku,price\n" + b"x,1\n" * (sheets.MOST_ROWS + 1),
        b"sku,price\n" + b"x" * (sheets.LONGEST_CELL + 1),
        ",".join(["sku", "price", *map(str, range(sheets.MOST_COLUMNS))]).encode(),
        b" " * (sheets.LARGEST + 1),
        changed(SHEET, lambda _, part: part.replace(b'r="A4"', b'r="XFD4"')),
        changed(SHEET, lambda _, part: part.replace(b'r="A4"', b"r='&#65;1048576'")),
        changed(SHEET, lambda _, part: part.replace(b'<row r="4"', b'<row r="1048576"')),
        changed(SHEET, lambda _, part: part.replace(b'<row r="4"', b'<row r="' + b"1" * 5000 + b'"')),
        changed(SHEET, lambda name, part: part + b" " * BOMB if "sheet2" in name else part),
        changed(
            SHEET,
            lambda _, part: part.replace(b"T-1", b"T" * 30_000_000),
        ),
    ],
    ids=[
        "rows",
        "letters",
        "columns",
        "bytes",
        "far column",
        "far row",
        "far empty row",
        "row of many digits",
        "bomb",
        "a long text in many cells",
    ],
)
async def test_what_is_too_large(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_reached(*_: object) -> None:
        raise AssertionError("the reader was given it")

    if data.startswith(sheets.ZIP_MARK):
        monkeypatch.setattr(python_calamine.CalamineWorkbook, "from_filelike", not_reached)
    with pytest.raises(sheets.SheetTooLargeError):
        await read(data)


async def test_a_size_that_an_archive_only_claims_means_nothing() -> None:
    """Control: what follows the claimed size is not handed on, so the reader never sees more than was counted."""
    real = changed(SHEET, lambda name, part: part + b" " * BOMB if "sheet2" in name else part)
    size = next(each.file_size for each in zipfile.ZipFile(io.BytesIO(real)).infolist() if "sheet2" in each.filename)
    claimed = real.replace(size.to_bytes(4, "little"), (size - BOMB).to_bytes(4, "little"))
    with pytest.raises((sheets.SheetUnreadableError, sheets.SheetTooLargeError)):
        await read(claimed)
