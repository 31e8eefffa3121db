"""Damage of one minor unit, or of one row, planted as the owner with the triggers off: the check finds it and names it."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.insight import damage

from qucheng.core import database, db
from qucheng.insight import books as checks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

TRIGGERS_OFF = """DO $$ DECLARE name regclass; BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', name);
    END LOOP;
END $$"""


@pytest.fixture(scope="module")
async def issued(books_home: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Brand]]:
    """A database with the books of a brand, to be copied: nobody is connected to it."""
    owner, app = books_home
    async with database.workspace(owner, app) as url:
        async with db.connected(url):
            brand = await books.found(folder := books.example(tmp_path_factory.mktemp("a") / "bundle", code="held"))
            await books.take_in(brand, folder)
            await damage.issue_through(brand, "2026-05")
        yield database.database_name(url), brand


@pytest.fixture
async def copy(books_home: tuple[str, str], issued: tuple[str, Brand]) -> AsyncIterator[books.Workspace]:
    """A copy of those books to damage, with the engine on it as the app."""
    name = f"qucheng_damaged_{secrets.token_hex(6)}"
    owner, app = (database.with_database(url, name) for url in books_home)
    async with books.connected(books_home[0]) as maker:
        await maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{issued[0]}"')
        try:
            async with db.connected(app):
                yield books.Workspace(owner, app)
        finally:
            await database.drop(maker, name)


async def test_control_the_copy_agrees(copy: books.Workspace, issued: tuple[str, Brand]) -> None:
    assert copy
    report = await checks.check(brand=issued[1], now=books.NOW)
    assert (report.total, report.differences) == (0, [])
    assert (report.statements, report.entries, report.postings) == (6, 12, 22)


@pytest.mark.parametrize("case", sorted(damage.CASES))
async def test_damage_is_found_and_named(copy: books.Workspace, issued: tuple[str, Brand], case: str) -> None:
    planted = damage.CASES[case]
    async with books.connected(copy.owner) as owner:
        await owner.execute(TRIGGERS_OFF)
        await owner.execute(planted.sql)
    report = await checks.check(brand=issued[1], now=books.NOW)
    told = [f"{each.invariant} {each.subject}: {each.expected} | {each.found}" for each in report.differences]
    assert told == planted.found
    assert report.total == len(planted.found)


async def test_a_month_that_is_half_issued_is_no_difference(copy: books.Workspace, issued: tuple[str, Brand]) -> None:
    half = "UPDATE settlement_run SET state = 'issuing', issued = 1, issued_at = NULL WHERE period = '2026-05-01'"
    async with books.connected(copy.owner) as owner:
        await owner.execute(TRIGGERS_OFF)
        await owner.execute(f"{damage.CASES['statement gone'].sql}; {half}")
    report = await checks.check(brand=issued[1], now=books.NOW)
    assert (report.total, report.statements) == (0, 5)


async def test_a_document_that_was_changed_is_found(copy: books.Workspace, issued: tuple[str, Brand]) -> None:
    async with books.connected(copy.owner) as owner:
        await owner.execute(TRIGGERS_OFF)
        changed = await owner.fetchrow(
            "UPDATE statement_document SET document = document || ' ' WHERE period = '2026-05-01' AND number = 2 RETURNING sha256, document"
        )
    report = await checks.check(brand=issued[1], now=books.NOW)
    digest = hashlib.sha256(changed["document"].encode()).hexdigest()
    assert report.differences == [checks.Difference("document.sha256", "held-202605-000002", changed["sha256"], digest)]


async def test_of_many_differences_the_first_hundred_are_told(copy: books.Workspace, issued: tuple[str, Brand]) -> None:
    async with books.connected(copy.owner) as owner:
        await owner.execute(TRIGGERS_OFF)
        await owner.execute(
            "INSERT INTO journal_entry SELECT brand_id, 'x' || to_char(n, 'FM000'), '2026-05-01', 'x' || n, 1 FROM generate_series(1, 130) n, brand"
            " b (brand_id)"
        )
    report = await checks.check(brand=issued[1], now=books.NOW)
    assert report.total == 130
    assert [each.subject for each in report.differences] == [f"x{n:03}" for n in range(1, 101)]


def test_every_invariant_is_damaged_once() -> None:
    told = {line.split(" ", 1)[0] for each in damage.CASES.values() for line in each.found}
    assert told | {"document.sha256"} == set(checks.WORDS)


def test_every_invariant_is_documented() -> None:
    table = (
        (Path(__file__).parents[3] / "docs" / "books-check.md").read_text(encoding="utf-8").partition("## `qucheng explain")[0]
    )
    named = {code for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for code in re.findall(r"`([a-z_.0-9]+)`", row)}
    assert named == set(checks.WORDS)
