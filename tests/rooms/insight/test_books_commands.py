"""qucheng books check and qucheng explain: what they print, and their exit status."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest
from tests import books, product, serving
from tests.rooms.insight import test_explain

from qucheng.core import database, db

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SALE = "L1,1,2026-02-10T12:00:00,R1,web,card,1,100.00,,"


@pytest.fixture
def platform(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[books.Workspace]:
    """An empty database of the platform, for the commands."""
    name = f"platform_{secrets.token_hex(6)}"
    owner, var = database.with_database(postgres_url, name), tmp_path / "var"
    asyncio.run(execute(postgres_url, f"CREATE DATABASE {name}"))
    monkeypatch.setenv("DATABASE_URL", owner)
    monkeypatch.setenv("QUCHENG_VAR", str(var))
    asyncio.run(database.migrate(owner))
    yield books.Workspace(owner, asyncio.run(database.app_url(owner, None, var)))
    serving.drop(postgres_url, name)


async def execute(url: str, statement: str) -> None:
    async with books.connected(url) as connection:
        await connection.execute(statement)


async def settle(platform: books.Workspace, folder: Path, through: str) -> None:
    async with db.connected(platform.app):
        await books.settled(folder, through)


async def recorded(platform: books.Workspace) -> list[tuple[str, int, int]]:
    async with books.connected(platform.owner) as owner:
        rows = await owner.fetch(
            "SELECT b.code, c.number, c.differences FROM books_check c JOIN brand b ON b.id = c.brand_id ORDER BY 1, 2"
        )
    return [tuple(row) for row in rows]


def test_books_that_agree_and_books_that_differ(platform: books.Workspace, tmp_path: Path) -> None:
    assert product.run("books", "check") == product.Run(0, "no brand is stored\n", "")
    asyncio.run(settle(platform, books.write(tmp_path / "a", code="ashan", orders=[SALE]), "2026-02"))
    asyncio.run(settle(platform, books.EXAMPLE, "2026-04"))
    ashan = "the books of ashan agree: 1 statements, 1 entries, 4 postings\n"
    assert product.run("books", "check") == product.Run(
        0, f"{ashan}the books of shanlan agree: 4 statements, 12 entries, 22 postings\n", ""
    )
    damage = (
        "ALTER TABLE bonus DISABLE TRIGGER USER; UPDATE bonus SET amount_minor = amount_minor + 1 WHERE period = '2026-04-01'"
    )
    asyncio.run(execute(platform.owner, damage))
    differ = (
        "the books of shanlan DIFFER: 2 differences\n"
        "  a sum of a statement is not that of its entries: shanlan-202604-000002/bonus: expected -29.99, found -30.00\n"
        "  a bonus is not what its volume earns: bonus/A02/VOLUME/2026-03: expected 35.08, found 35.09\n"
    )
    assert product.run("books", "check") == product.Run(1, ashan + differ, "")
    assert product.run("books", "check", "--brand", "shanlan") == product.Run(1, differ, "")
    assert product.run("books", "check", "--brand", "ashan") == product.Run(0, ashan, "")
    assert product.run("books", "check", "--brand", "nobody") == product.Run(
        1, "", "qucheng: There is no brand 'nobody' here; there is ashan, shanlan.\n"
    )
    assert asyncio.run(recorded(platform)) == [
        *(("ashan", number, 0) for number in (1, 2, 3)),
        ("shanlan", 1, 0),
        ("shanlan", 2, 2),
        ("shanlan", 3, 2),
    ]


def test_a_figure_is_explained(platform: books.Workspace, tmp_path: Path) -> None:
    assert product.run("explain", "E1002/1").status == 1
    asyncio.run(settle(platform, books.EXAMPLE, "2026-05"))
    told = test_explain.sections()
    for language in ("en", "zh"):
        run = product.run("explain", "E1002/1/1/F2001", "--lang", language)
        assert run == product.Run(0, told["shanlan", "E1002/1/1/F2001", language] + "\n", "")
    chinese = told["shanlan", "adjustment/Z3001", "zh"] + "\n"
    assert product.run("explain", "adjustment/Z3001") == product.Run(0, chinese, "")
    unknown = product.run("explain", "E9/1")
    assert (unknown.status, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("qucheng: shanlan has no entry 'E9/1'. The forms are: ORDER/LINE, ")
    asyncio.run(settle(platform, books.write(tmp_path / "a", code="ashan", orders=[SALE]), "2026-02"))
    assert product.run("explain", "adjustment/Z3001") == product.Run(
        1, "", "qucheng: Several brands are stored: say --brand with one of ashan, shanlan.\n"
    )
    assert product.run("explain", "adjustment/Z3001", "--brand", "shanlan") == product.Run(0, chinese, "")
    damage = (
        "ALTER TABLE accrual DISABLE TRIGGER USER; UPDATE accrual SET amount_minor = amount_minor + 1 WHERE order_no = 'E1006'"
    )
    asyncio.run(execute(platform.owner, damage))
    differs = product.run("explain", "E1006/1", "--brand", "shanlan", "--lang", "en")
    assert differs.status == 1
    assert differs.stdout.splitlines()[-1] == (
        "!! THE BOOKS DIFFER: amount_minor of accrual/E1006/1/1 is 64.50 by the rules, 64.51 as stored. Run qucheng books check"
    )
