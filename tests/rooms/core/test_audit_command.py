"""`qucheng audit`: seals, keeps the heads, and says which link does not hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import serving

from qucheng import cli
from qucheng.core import audit, database, db, ids, platform, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A platform of the test's own. Yields the owner's address of its database."""
    name = f"audit_{ids.new_id().hex[-12:]}"

    async def ask(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(ask(f"CREATE DATABASE {name}"))
    url = database.with_database(postgres_url, name)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path))
    yield url
    serving.drop(postgres_url, name)
    asyncio.run(ask(f"DROP ROLE IF EXISTS qucheng_app_{name}"))


def test_it_names_the_first_bad_link(home: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    async def act() -> None:
        async with platform.entered(settings.load()):
            for subject in "abc":
                async with db.atomic(audit.PLATFORM):
                    await audit.record(brand_id=audit.PLATFORM, actor=audit.SYSTEM, action="test.act", subject=subject)

    async def change() -> None:
        owner = await asyncpg.connect(home)
        await owner.execute(
            "ALTER TABLE audit_record DISABLE TRIGGER append_only; UPDATE audit_record SET subject = 'x' WHERE subject = 'b'"
        )
        await owner.close()

    asyncio.run(act())
    assert cli.run(["audit", "seal"]) == 0
    assert capsys.readouterr().out == "3 records sealed, 1 heads kept\n"
    assert (tmp_path / "audit" / "heads.jsonl").is_file()
    assert cli.run(["audit", "verify"]) == 0
    whole = capsys.readouterr().out
    assert whole.startswith("whole   platform: 3 links, ")
    assert whole.endswith("compared with 1 heads that were kept\n")
    asyncio.run(change())
    assert cli.run(["audit", "verify"]) == 1
    broken = capsys.readouterr().out.splitlines()[0]
    assert broken.startswith("BROKEN  platform: link 2, record ")
    assert broken.endswith(": the record was changed")
