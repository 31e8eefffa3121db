"""Documents out of settled books: what each statement says is what the books say, and it can be added up again."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import pypdf
import pytest
from tests import books, product

from qucheng.bundle import brand_file, importing, settle
from qucheng.commission import accrual
from qucheng.core import settings
from qucheng.identity import brand as brands
from qucheng.settlement import document, document_source

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("product_home")]

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
EXAMPLE = ROOT / "docs" / "example-bundle"
THROUGH = dt.date(2026, 7, 1)
SUMS = ("opening", "accrued", "reversed", "bonus", "adjustment", "gross", "payable", "tax", "net", "carried")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def minor(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


async def documents(folder: Path) -> list[tuple[document.StatementDocument, bytes]]:
    brand = brand_file.read(folder / "brand.toml")
    async with settle.workspace(settings.load()):
        await brands.create(brand=brand)
        await importing.take_in(folder=folder, brand=brand, now=books.NOW, progress=books.QUIET)
        await accrual.accrue(brand_id=brand.id, now=books.NOW)
        await settle.settle_periods(brand=brand, through=THROUGH, now=books.NOW, progress=books.QUIET)
        return [item async for batch in document_source.batches(brand=brand) for item in batch]


@pytest.mark.parametrize("case", ["01", "02", "03", "05", "07", "10", "12"])
async def test_every_document_proves_itself_and_says_what_the_books_say(case: str) -> None:
    made = await documents(GOLDEN / case / "bundle")
    statements, entries = rows(GOLDEN / case / "expected" / "statements.csv"), rows(GOLDEN / case / "expected" / "entries.csv")
    assert [paper.statement_no for paper, _ in made] == [row["statement_no"] for row in statements]
    for (paper, attached), row in zip(made, statements, strict=True):
        document.verify(paper, attached)
        assert {name: getattr(paper, name) for name in SUMS} == {name: minor(row[name], paper.decimals) for name in SUMS}
        lines = list(csv.DictReader(io.StringIO(attached.decode())))
        mine = [entry for entry in entries if entry["statement_no"] == paper.statement_no]
        columns = sorted(set(lines[0]) & set(entries[0])) if lines else []
        assert sorted([line[name] for name in columns] for line in lines) == sorted(
            [entry[name] for name in columns] for entry in mine
        )
        assert [line["row"] for line in lines if line["row"]] == [str(number + 1) for number in range(len(paper.lines))]
        income = paper.withholding.income
        assert (income is not None) == (
            paper.withholding.scheme != "none" and row["kind"] == "individual" and not paper.carried and paper.payable > 0
        )
        assert income is None or income >= paper.payable


def test_the_command_writes_a_document_for_each_statement_and_clears_older_ones(tmp_path: Path) -> None:
    stale = tmp_path / "statements" / "shanlan-202001-000009.pdf"
    stale.parent.mkdir()
    stale.write_bytes(b"of another run")
    run = product.run("settle", EXAMPLE, "--through", "2026-04", "--out", tmp_path)
    assert run.status == 0, run.stderr
    statements = rows(tmp_path / "statements.csv")
    assert sorted(path.name for path in (tmp_path / "statements").iterdir()) == [
        f"{row['statement_no']}.pdf" for row in statements
    ]
    for row in statements:
        reader = pypdf.PdfReader(tmp_path / "statements" / f"{row['statement_no']}.pdf")
        text = "".join(page.extract_text() for page in reader.pages)
        assert row["statement_no"] in text
        assert f"{abs(minor(row['payable'], 2)) // 100:,}" in text
        assert {name.rpartition(".")[2] for name in reader.attachments} == {"json", "csv"}
