"""Files of codes: sealed on the disk, read row by row, and never repeated in a refusal."""

from __future__ import annotations

import datetime as dt
import io
import uuid
import zipfile
from typing import TYPE_CHECKING

import pytest
import xlsxwriter

from qucheng.stock import code_sheet, sealed_file, workbook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BRAND = uuid.UUID("01900000-0000-7000-8000-000000000001")
CANARY = "CANARY-7K2M-9QX4"


def _lines(*pieces: bytes) -> list[code_sheet.Line]:
    return list(code_sheet.lines(lambda: iter(pieces)))


def _received(folder: Path, content: bytes, piece: int = 70_001) -> sealed_file.Incoming:
    with sealed_file.Incoming(folder, BRAND) as incoming:
        for start in range(0, len(content), piece):
            incoming.write(content[start : start + piece])
        incoming.finish()
        incoming.kept = True
    return incoming


def _book(rows: Sequence[Sequence[object]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("hidden").hide()
        sheet = book.add_worksheet("codes")
        sheet.activate()
        sheet.set_first_sheet()
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, dt.date):
                    sheet.write_datetime(number, column, dt.datetime.combine(value, dt.time()))
                else:
                    sheet.write(number, column, value)
    return out.getvalue()


def test_what_lies_on_the_disk_says_nothing_and_opens_whole(tmp_path: Path) -> None:
    content = (CANARY.encode() + b"\n") * 150_000
    incoming = _received(tmp_path, content)
    stored = incoming.path.read_bytes()
    assert b"CANARY" not in stored
    assert [entry.name for entry in tmp_path.rglob("*") if entry.is_file()] == [str(incoming.id)]
    assert incoming.path.stat().st_mode & 0o777 == 0o600
    assert b"".join(sealed_file.frames(incoming.path, incoming.key, incoming.id)) == content
    # the control: it is looked for in the right way
    incoming.path.write_bytes(content)
    assert b"CANARY" in incoming.path.read_bytes()


def test_a_file_that_was_changed_cut_or_exchanged_does_not_open(tmp_path: Path) -> None:
    incoming = _received(tmp_path, b"x" * (sealed_file.FRAME * 2 + 10))
    stored = incoming.path.read_bytes()
    frame = sealed_file.FRAME + 16 + 12 + 4
    flipped = bytearray(stored)
    flipped[frame + 100] ^= 1
    changed = [
        bytes(flipped),
        stored[:frame],
        stored[: 2 * frame],
        stored[:-1],
        stored[frame : 2 * frame] + stored[:frame] + stored[2 * frame :],
        b"",
    ]
    for content in changed:
        incoming.path.write_bytes(content)
        with pytest.raises(sealed_file.FileGoneError):
            list(sealed_file.frames(incoming.path, incoming.key, incoming.id))
    incoming.path.write_bytes(stored)
    with pytest.raises(sealed_file.FileGoneError):
        list(sealed_file.frames(incoming.path, incoming.key, uuid.uuid4()))


def test_a_file_that_is_not_kept_is_gone(tmp_path: Path) -> None:
    with pytest.raises(sealed_file.FileEmptyError), sealed_file.Incoming(tmp_path, BRAND) as incoming:
        incoming.finish()
    assert not incoming.path.exists()


def test_a_file_that_is_too_large_is_refused_at_its_first_byte_too_many(tmp_path: Path) -> None:
    with sealed_file.Incoming(tmp_path, BRAND) as incoming:
        for _ in range(64):
            incoming.write(bytes(1 << 20))
        with pytest.raises(sealed_file.FileTooLargeError):
            incoming.write(b"x")


def test_a_csv_is_read_across_pieces_with_its_row_numbers() -> None:
    text = '卡密;备注;PIN\r\nAAAA-1;x;0042\r\n\r\n  BBBB-2 ;;\r\n"CC;C";;\r\n'
    for encoding in ("utf-8-sig", "gb18030"):
        content = text.encode(encoding)
        whole = _lines(content)
        assert [(line.number, line.code, line.pin, line.expires_on) for line in whole] == [
            (2, "AAAA-1", "0042", ""),
            (4, "BBBB-2", "", ""),
            (5, "CC;C", "", ""),
        ]
        assert _lines(*(content[place : place + 60] for place in range(0, len(content), 60))) == whole
    assert repr(whole[0]) == "Line(2)"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (CANARY.encode() + b"\n1\n", "card_file.columns"),
        (b"code,code\n1,2\n", "card_file.columns"),
        (b"\n", "card_file.columns"),
        (b'code\n"' + CANARY.encode(), "card_file.unreadable"),
        (b"code\n" + CANARY.encode() * 1000, "card_file.unreadable"),
        (b"\xff\xfe\x00\x01" + CANARY.encode(), "card_file.unreadable"),
        (b"PK\x03\x04" + CANARY.encode(), "card_file.unreadable"),
    ],
)
def test_a_file_that_is_none_is_refused_without_a_word_of_it(content: bytes, code: str) -> None:
    with pytest.raises(code_sheet.SheetUnfitError) as refused:
        _lines(content)
    assert refused.value.code == code
    assert "CANARY" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_workbook_is_read_from_its_first_sheet_that_is_shown() -> None:
    content = _book(
        [
            ["note", "兑换码", "有效期至"],
            ["x", "AAAA-1", dt.date(2027, 3, 1)],
            [],
            ["", 123456789012345, "2027/04/02"],
            ["", 1234567890123456, ""],
        ]
    )
    found = _lines(content[:100], content[100:])
    assert [(line.number, line.code) for line in found] == [(2, "AAAA-1"), (4, "123456789012345"), (5, workbook.LOST)]
    assert [workbook.day(line.expires_on) for line in found] == [dt.date(2027, 3, 1), dt.date(2027, 4, 2), None]


def test_a_workbook_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _book([["code"], *[[f"C{number:06}"] for number in range(2000)]])
    assert len(_lines(content)) == 2000
    monkeypatch.setattr(workbook, "LARGEST_UNPACKED", 50_000)
    with pytest.raises(code_sheet.SheetUnfitError):
        _lines(content)


def test_a_workbook_never_looks_outside_itself() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_book([["code"], ["AAAA"]]))) as book, zipfile.ZipFile(out, "w") as changed:
        for name in book.namelist():
            text = book.read(name)
            if name.endswith("sharedStrings.xml"):
                text = text.replace(b"<sst", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><sst', 1)
            changed.writestr(name, text)
    with pytest.raises(code_sheet.SheetUnfitError):
        _lines(out.getvalue())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'encoding="UTF-8"', b'encoding="no-such"'),
        (b'encoding="UTF-8"', b'encoding="gbk"'),
        (b'<row r="2"', b'<row r="' + b"1" * 5000 + b'"'),
        (b"<v>1</v>", b"<v>" + b"1" * 5000 + b"</v>"),
    ],
    ids=["no such encoding", "wide encoding", "row of many digits", "text of many digits"],
)
def test_a_workbook_that_was_tampered_with_is_refused_and_ends_no_task(old: bytes, new: bytes) -> None:
    """What is refused is told; any other error would be tried again and again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_book([["code"], ["AAAA"]]))) as book, zipfile.ZipFile(out, "w") as made:
        whole = b"".join(book.read(name) for name in book.namelist())
        assert old in whole
        for name in book.namelist():
            made.writestr(name, book.read(name).replace(old, new))
    with pytest.raises(code_sheet.SheetUnfitError):
        _lines(out.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_workbook_is_packed_as_workbooks_are(method: int) -> None:
    """A part that is damaged would be the disk's fault, as far as its error tells: it would be tried for ever."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_book([["code"], ["AAAA"]]))) as book, zipfile.ZipFile(out, "w", method) as made:
        for name in book.namelist():
            made.writestr(name, book.read(name))
    with pytest.raises(code_sheet.SheetUnfitError):
        _lines(out.getvalue())


def test_a_day_of_many_digits_is_none() -> None:
    assert workbook.day("9" * 5000) is None
