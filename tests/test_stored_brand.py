"""A brand that stays, through the command line: imported, settled in place, exported; the same books as a bundle's, to the byte."""

from __future__ import annotations

import asyncio
import csv
import os
import secrets
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from qucheng.core import database
from tests import product, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = Path(__file__).parents[1] / "docs" / "example-bundle"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/bundle"))
BOOKS = ("statements.csv", "entries.csv", "journal.csv")
SIGNED = ("rejected.csv", "flags.csv")


@pytest.fixture(scope="module", autouse=True)
def installation(postgres_url: str) -> Iterator[Path]:
    """A platform of its own on the server of this run."""
    name = f"platform_{secrets.token_hex(4)}"
    asyncio.run(_as_owner(postgres_url, f"CREATE DATABASE {name}"))
    var = Path(os.environ["QUCHENG_TEST_FOLDER"]) / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database.with_database(postgres_url, name))
        patch.setenv("QUCHENG_VAR", str(var))
        yield var
    serving.drop(postgres_url, name)


async def _as_owner(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def three_columns(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[:3] for row in csv.reader(file)]


def code_of(bundle: Path) -> str:
    return (bundle / "brand.toml").read_text(encoding="utf-8").split('code = "')[1].split('"')[0]


def recoded(source: Path, folder: Path, code: str) -> Path:
    shutil.copytree(source, folder)
    text = (folder / "brand.toml").read_text(encoding="utf-8")
    (folder / "brand.toml").write_text(text.replace(f'"{code_of(source)}"', f'"{code}"', 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_stored_brand_settles_to_the_same_bytes(tmp_path: Path, case: str) -> None:
    bundle, want, out = GOLDEN / case / "bundle", GOLDEN / case / "expected", tmp_path / "out"
    code = f"case{case}"
    mine = recoded(bundle, tmp_path / "bundle", code)
    rejected = len(three_columns(want / "rejected.csv")) > 1
    assert product.run("import", mine).status == (3 if rejected else 0)
    ran = product.run("settle", "--brand", code, "--through", "2026-07", "--out", out, "--no-pdf")
    assert ran.status == 0, ran.stderr
    for name in BOOKS:
        expected = (want / name).read_bytes().replace(f"{code_of(bundle)}-2026".encode(), f"{code}-2026".encode())
        assert (out / name).read_bytes() == expected, name
    for name in SIGNED:
        assert three_columns(out / name) == three_columns(want / name)
    checked = product.run("books", "check", "--brand", code)
    assert checked.status == 0, checked.stdout
    assert product.run("export", "--brand", code, "--out", tmp_path / "exported").status == 0
    again = product.run("settle", tmp_path / "exported", "--through", "2026-07", "--out", tmp_path / "again", "--no-pdf")
    assert again.status == 0, again.stderr
    for name in BOOKS:
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name


def test_a_month_in_the_life_of_a_brand(tmp_path: Path) -> None:
    """Import, draft, issue, documents, ZIP; then the same again, which changes nothing."""
    bundle = recoded(EXAMPLE, tmp_path / "bundle", "monthly")
    assert product.run("import", bundle).status == 0
    assert "nothing" in product.run("import", bundle).stdout
    drafted = product.run("settle", "--brand", "monthly", "--through", "2026-03", "--draft")
    assert (drafted.status, drafted.stdout.split()[:4]) == (0, ["monthly-202603-1", "computed", "statements", "2"])
    issued = product.run("runs", "issue", "monthly-202603-1")
    assert issued.status == 0, issued.stderr
    assert issued.stdout.splitlines()[0].split()[:4] == ["monthly-202603-1", "issued", "statements", "2"]
    assert "documents 2026-03: 2 ready, 0 missing" in issued.stdout
    assert product.run("runs", "discard", "monthly-202603-1").status == 1
    assert product.run("runs", "issue", "monthly-202603-1").status == 0
    nothing = product.run("settle", "--brand", "monthly", "--through", "2026-03")
    assert (nothing.status, nothing.stdout) == (0, "monthly: nothing to settle through 2026-03; see qucheng runs list\n")
    shown = product.run("runs", "show", "monthly-202603-1").stdout
    assert "2 of 2 statements issued" in shown
    assert "documents of 2 statements ready, 0 waiting, 0 failed" in shown
    assert product.run("runs", "zip", "monthly-202603-1", "--out", tmp_path / "run.zip").status == 0
    names = [f"monthly-202603-00000{i}.{form}" for i in (1, 2) for form in ("csv", "pdf", "xlsx")]
    assert sorted(zipfile.ZipFile(tmp_path / "run.zip").namelist()) == names
    out = tmp_path / "out"
    later = product.run("settle", "--brand", "monthly", "--through", "2026-06", "--out", out)
    assert later.status == 0, later.stderr
    assert sorted(path.name for path in (out / "statements").iterdir())[:6] == names
    states = {line.split()[1]: line.split()[2] for line in product.run("tasks", "list", "--brand", "monthly").stdout.splitlines()}
    assert states == {"settlement.settle": "done", "settlement.issue": "done", "document.render": "done"}


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    bundle = recoded(EXAMPLE, tmp_path / "bundle", "refusing")
    assert product.run("import", bundle).status == 0
    for arguments, status, words in (
        (["settle", "--brand", "refusing", "--through", "2199-12"], 1, "2199-12 has not ended in Asia/Shanghai"),
        (["settle", "--brand", "nobody", "--through", "2026-03"], 1, "There is no brand 'nobody' here; there is "),
        (["settle", "--through", "2026-03"], 2, "--brand"),
        (["settle", bundle, "--brand", "refusing", "--through", "2026-03"], 2, "--brand"),
        (["settle", bundle, "--through", "2026-03", "--draft", "--out", tmp_path / "x"], 2, "--draft"),
        (["runs", "show", "refusing-202603-1"], 1, "refusing has no run 1 of 2026-03"),
        (["runs", "show", "refusing"], 1, "is not the code of a run"),
        (["tasks", "retry", "00000000-0000-7000-8000-000000000000"], 1, "There is no task"),
        (["tasks", "cancel", "nonsense"], 2, ""),
    ):
        ran = product.run(*arguments)
        assert (ran.status, words in ran.stderr) == (status, True), (arguments, ran.stderr)
