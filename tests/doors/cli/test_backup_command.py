"""qucheng backup and qucheng restore: what they print, where the file goes, and how they refuse."""

from __future__ import annotations

import asyncio
import os
import re
import time
from typing import TYPE_CHECKING

import pytest
from tests import product, serving

from qucheng.core import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def platform(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a migrated database of the test's own; the command line finds it in the environment."""
    name = f"backup_{os.getpid()}_{time.monotonic_ns()}"
    serving.ask(postgres_url, f"CREATE DATABASE {name}")
    url = database.with_database(postgres_url, name)
    asyncio.run(database.migrate(url))
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("QUCHENG_VAR", str(tmp_path / "var"))
    yield name
    for each in (name, f"{name}_copy"):
        serving.drop(postgres_url, each)


def test_a_backup_is_written_and_put_back(platform: str, postgres_url: str, tmp_path: Path) -> None:
    paper = tmp_path / "var" / "documents" / "shanlan" / "S-1.pdf"
    paper.parent.mkdir(parents=True)
    paper.write_bytes(b"%PDF-1.7")
    taken = product.run("backup", "--out", tmp_path)
    (file,) = tmp_path.glob("*.zip")
    assert re.fullmatch(r"qucheng-[0-9]{8}T[0-9]{6}Z\.zip", file.name)
    rows = serving.ask(database.with_database(postgres_url, platform), "SELECT count(*) FROM migration")
    tables = serving.ask(
        database.with_database(postgres_url, platform),
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    said = f"{tables} tables, {rows} rows, 1 documents"
    assert (taken.status, taken.stdout, taken.stderr) == (0, f"{file}: {said}, {file.stat().st_size} bytes\n", "")
    paper.unlink()
    for into, name in (([], platform), (["--into", f"{platform}_copy"], f"{platform}_copy")):
        made = product.run("restore", file, *into)
        assert (made.status, made.stdout, made.stderr) == (0, f"restored into {name}: {said}; all equal\n", "")
        assert paper.read_bytes() == b"%PDF-1.7"


def test_without_documents(platform: str, tmp_path: Path) -> None:
    assert platform
    paper = tmp_path / "var" / "documents" / "S-1.pdf"
    paper.parent.mkdir(parents=True)
    paper.write_bytes(b"%PDF-1.7")
    file = tmp_path / "books.zip"
    assert ", 0 documents, " in product.run("backup", "--out", file, "--no-documents").stdout
    paper.unlink()
    assert product.run("restore", file).status == 0
    assert not paper.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restore", "missing.zip"], "missing.zip cannot be read as a backup: it is damaged or no backup."),
        (
            ["restore", "missing.zip", "--into", 'a"b'],
            'a"b cannot name a database: small letters, digits and _, at most 63, a letter first.',
        ),
        (["backup", "--out", "no/where/at.zip"], "There is no folder no/where."),
    ],
)
def test_a_refusal_is_said_and_nothing_is_written(platform: str, arguments: list[str], said: str, tmp_path: Path) -> None:
    assert platform
    ran = product.run(*arguments)
    assert (ran.status, ran.stdout, ran.stderr) == (1, "", f"qucheng: {said}\n")
    assert list(tmp_path.rglob("*.zip")) == []
