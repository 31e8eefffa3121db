"""`qucheng user add`: the first operator, who invites the others."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import serving
from tests.rooms.identity import people

from qucheng import cli
from qucheng.core import audit, database, ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNTS = "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM membership WHERE role = 'operator' AND brand_id = $1)"


async def ask(url: str, statement: str, *values: object) -> tuple[int, ...]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(statement, *values)
        return tuple(row) if row else ()
    finally:
        await connection.close()


@pytest.fixture
def home(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A platform of the test's own. Yields the owner's address of its database."""
    name = f"users_{ids.new_id().hex[-12:]}"
    asyncio.run(ask(postgres_url, f"CREATE DATABASE {name}"))
    url = database.with_database(postgres_url, name)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path))
    yield url
    serving.drop(postgres_url, name)
    asyncio.run(ask(postgres_url, f"DROP ROLE IF EXISTS qucheng_app_{name}"))


def test_an_operator_is_made_once_and_not_with_a_weak_password(
    home: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(password: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        status = cli.run(["user", "add", *arguments])
        return (status, *capsys.readouterr())

    assert typed("short", "ops@example.com", "--name", "Ming") == (
        1, "", "qucheng: A password has 12 to 128 characters.\n",
    )  # fmt: skip
    assert asyncio.run(ask(home, COUNTS, audit.PLATFORM)) == (0, 0)
    status, out, _ = typed(people.PASSWORD, "Ops@example.com", "--name", "Ming", "--locale", "en")
    assert (status, out.partition(".com")[0]) == (0, "ops@example")
    assert asyncio.run(ask(home, COUNTS, audit.PLATFORM)) == (1, 1)
    assert typed(people.PASSWORD, "ops@example.com", "--name", "Ming") == (1, "", "qucheng: This login is somebody's already.\n")
    assert asyncio.run(ask(home, COUNTS, audit.PLATFORM)) == (1, 1)
    assert people.PASSWORD not in out
