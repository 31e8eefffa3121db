"""qucheng import and qucheng export: what they print, and their exit status."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest
from tests import books, product, serving

from qucheng.core import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SALE = "O1,1,2026-03-02T10:00:00,R1,web,card,1,100.00,0,"
BAD = "O{},1,2026-03-03T10:00:00,nobody,web,card,1,100.00,0,"
UNKNOWN = "ref.unknown  reseller：所指的行不存在，或已被拒绝；请先补上"


@pytest.fixture(scope="module", autouse=True)
def platform(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty database of the platform for the commands of this module."""
    name = f"platform_{secrets.token_hex(6)}"
    asyncio.run(on_server(postgres_url, f"CREATE DATABASE {name}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database.with_database(postgres_url, name))
        patch.setenv("QUCHENG_VAR", str(tmp_path_factory.mktemp("var")))
        yield
    serving.drop(postgres_url, name)


async def on_server(url: str, statement: str) -> None:
    async with books.connected(url) as connection:
        await connection.execute(statement)


def shown(run: product.Run) -> list[str]:
    """The lines after the table of files, without the times."""
    return [line for line in run.stdout.splitlines() if ".csv  " not in line and not line.startswith("file ")][:-1]


def test_a_brand_is_kept_told_again_and_given_more(tmp_path: Path) -> None:
    folder = books.write(tmp_path / "1", code="kept", orders=[SALE])
    first, again = product.run("import", folder), product.run("import", folder)
    assert (first.status, shown(first)) == (0, ["kept: created, 6 rows imported as delivery 1"])
    assert first.counts["orders.csv"] == (1, 1, 0, 0)
    assert (again.status, shown(again)) == (0, ["kept: nothing new, and nothing was changed"])
    assert again.counts["orders.csv"] == (1, 0, 1, 0)
    more = books.write(
        tmp_path / "2", code="kept", orders=[SALE, *(BAD.format(n) for n in range(2, 25)), SALE.replace("O1", "O99")]
    )
    run = product.run("import", more, "--out", tmp_path / "out")
    assert run.status == 3
    rejections = [line for line in run.stdout.splitlines() if " row " in line]
    assert rejections == [f"orders.csv row {row}  {UNKNOWN}" for row in range(2, 22)]
    assert shown(run)[-3:] == [
        "… and 3 more",
        "kept: known, 1 rows imported as delivery 2",
        f"rejected.csv and flags.csv of this delivery are in {tmp_path / 'out'}",
    ]
    assert len((tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8").splitlines()) == 24


def test_other_settings_stop_the_import(tmp_path: Path) -> None:
    assert product.run("import", books.write(tmp_path / "1", code="fixed")).status == 0
    run = product.run("import", books.write(tmp_path / "2", code="fixed", settlement="hold_days = 3"))
    assert (run.status, run.stdout) == (1, "")
    assert run.stderr.startswith("qucheng: brand.toml differs from what is stored of fixed: settlement.hold_days is 0, given 3.")


def test_an_export_is_a_bundle_and_its_import_changes_nothing(tmp_path: Path) -> None:
    assert product.run("import", books.write(tmp_path / "1", code="out", orders=[SALE])).status == 0
    run = product.run("export", "--brand", "out", "--out", tmp_path / "bundle")
    assert (run.status, run.stdout) == (0, f"the books of out are in {tmp_path / 'bundle'}\n")
    assert shown(product.run("import", tmp_path / "bundle")) == ["out: nothing new, and nothing was changed"]
    assert product.settle(tmp_path / "bundle", "2026-03", tmp_path / "books").status == 0
    assert len((tmp_path / "books" / "statements.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    folder = books.write(tmp_path / "1", code="mine")
    assert product.run("import", folder).status == 0
    taken = product.run("export", "--brand", "mine", "--out", folder)
    assert taken.status == 1
    assert taken.stderr == f"qucheng: {folder} holds files, and not an earlier export of mine: name an empty or a new folder.\n"
    unknown = product.run("export", "--brand", "nobody", "--out", tmp_path / "2")
    assert unknown.status == 1
    assert unknown.stderr.startswith("qucheng: There is no brand 'nobody' here; there is ")
    assert not (tmp_path / "2").exists()
