"""qucheng plan lint: what it prints, and its exit status."""

from __future__ import annotations

import asyncio
import errno
import secrets
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books, product, serving

from qucheng import cli
from qucheng.core import database, db

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAWFUL = "code,kind,level,basis,rate\nOWN,percent,1,net,10%\n"
FORBIDDEN = '[joining]\nfee = "1.00"\n[[rule]]\ncode = "OWN"\nkind = "percent"\nlevel = 2\nbasis = "net"\nrate = "10%"\n'


@pytest.fixture
def brand(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A platform with one brand."""
    name = f"platform_{secrets.token_hex(6)}"
    owner, var = database.with_database(postgres_url, name), tmp_path / "var"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    monkeypatch.setenv("DATABASE_URL", owner)
    monkeypatch.setenv("QUCHENG_VAR", str(var))
    asyncio.run(database.migrate(owner))
    asyncio.run(_found(asyncio.run(database.app_url(owner, None, var)), tmp_path))
    yield "ashan"
    serving.drop(postgres_url, name)


async def _execute(url: str, statement: str) -> None:
    async with books.connected(url) as connection:
        await connection.execute(statement)


async def _found(app: str, folder: Path) -> None:
    bundle = books.write(folder / "bundle", code="ashan")
    async with db.connected(app):
        await books.take_in(await books.found(bundle), bundle)


def test_a_described_plan_passes_or_is_refused_with_its_clauses(brand: str, tmp_path: Path) -> None:
    lawful, forbidden, nothing = (tmp_path / name for name in ("lawful.csv", "forbidden.toml", "nothing.csv"))
    lawful.write_text(LAWFUL, encoding="utf-8")
    forbidden.write_text(FORBIDDEN, encoding="utf-8")
    nothing.write_text("code,kind\n", encoding="utf-8")
    assert product.run("plan", "lint", str(lawful), "--brand", brand) == product.Run(0, "", "")
    assert product.run("plan", "lint", str(forbidden), "--lang", "en", "--since", "2101-01-01") == product.Run(
        1,
        "plan.entry_fee  Rule joining-fee: joining, a tier or a rank costs no fee, no deposit and no purchase."
        "  [禁止传销条例 (国务院令第444号) 第七条（二）]\n"
        "plan.level_exceeded  Rule OWN: level 2 would earn, and the policy cn-strict lets 1 earn on a sale."
        "  [禁止传销条例 (国务院令第444号) 第七条（三） · cn-strict, max_levels]\n",
        "",
    )
    assert product.run("plan", "lint", str(nothing)) == product.Run(1, "", "qucheng: There is no rule in it.\n")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    broken = tmp_path / "plan.csv"
    broken.write_bytes(b"code,kind\n\xff\n")
    for given, said in (
        (tmp_path / "missing.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        assert product.run("plan", "lint", given) == product.Run(1, "", f"qucheng: {given}: {said}\n")
    assert product.run("plan", "lint", broken) == product.Run(1, "", f"qucheng: {broken} is not UTF-8: byte 10 and after.\n")
    assert product.run("openapi", "--out", tmp_path / "no" / "where.json").stderr.endswith(
        "where.json: No such file or directory\n"
    )


def ending_by(error: Exception) -> Callable[..., None]:
    def command(*_: object, **__: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (
            asyncpg.DiskFullError("could not extend file"),
            "PostgreSQL's disk is full: make room there, then give the command again",
        ),
    ],
)
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    monkeypatch.setattr(cli, "app", ending_by(error))
    assert product.run("doctor") == product.Run(1, "", f"qucheng: {said}\n")


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), asyncpg.UniqueViolationError("twice")])
def test_another_error_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(cli, "app", ending_by(error))
    with pytest.raises(type(error)):
        cli.run(["doctor"])
