"""qucheng keys: a key that wraps from now on, what each still holds, and the end of one that holds nothing."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books

from qucheng import cli
from qucheng.core import crypto, database, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def _do(url: str, statement: str) -> None:
    async with books.connected(url) as owner:
        await owner.execute(statement)


@pytest.fixture
def own_platform(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database in which nobody else's keys have sealed anything."""
    name = f"qucheng_keys_{uuid.uuid4().hex[:12]}"
    asyncio.run(_do(postgres_url, f"CREATE DATABASE {name}"))
    monkeypatch.setenv("DATABASE_URL", database.with_database(postgres_url, name))
    yield
    asyncio.run(_do(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.usefixtures("own_platform")
def test_keys_are_rotated_told_and_retired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path / "var"))
    folder = settings.load().var / "keys"
    assert cli.run(["keys", "status"]) == 1
    assert "has no ring of keys" in capsys.readouterr().err
    crypto.keys(folder)
    assert cli.run(["keys", "rotate"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "key 2 seals from now on; the workers seal anew what older keys hold"
    assert crypto.keys(folder).current == 2
    assert cli.run(["keys", "status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["key 1: holds nothing", "key 2 (seals): holds nothing"]
    assert cli.run(["keys", "retire", "2"]) == 1
    assert "is the one that seals" in capsys.readouterr().err
    assert cli.run(["keys", "retire", "1"]) == 1
    assert "less than 60 minutes ago" in capsys.readouterr().err
    long_ago = time.time() - crypto.SETTLED_SECONDS - 1
    os.utime(folder / crypto.RING, (long_ago, long_ago))
    assert cli.run(["keys", "retire", "1"]) == 0
    assert (
        capsys.readouterr().out
        == "key 1 is gone; what it once sealed in old backups opens with a copy of the ring of their day\n"
    )
    assert crypto.keys(folder).numbers == [2]
