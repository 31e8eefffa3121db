"""Codes come in, made here or from a file: every row judged once, and none of them in clear."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.stock import card_desk

from qucheng.core import audit, crypto, task
from qucheng.stock import batch_import, card_intake, code, generate

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
NOW = books.NOW


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await card_desk.opened(tmp_path_factory.mktemp("b") / "brand", "intakes", orders=1)


@pytest.fixture(scope="module")
async def actor(brand: Brand, keys: crypto.Keys) -> audit.Actor:
    assert brand
    return await card_desk.somebody(keys)


async def test_a_batch_is_made_in_chunks_by_its_task_and_goes_on_where_it_stopped(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_intake, "CHUNK", 30)
    number = await generate.request(
        brand=brand, keys=keys, sku="card", quantity=100, expires_on=dt.date(2027, 1, 31), actor=actor, now=NOW
    )
    real, stored = card_intake.store, []

    async def cut(**given: object) -> None:
        await real(**given)  # type: ignore[arg-type] # as it was called
        stored.append(1)
        if len(stored) == 3:
            raise ConnectionError

    monkeypatch.setattr(card_intake, "store", cut)
    work = await card_desk.taken(generate.KIND, brand)
    with pytest.raises(ConnectionError):
        await generate.run(work=work, brand=brand, keys=keys, now=NOW)
    found = await card_intake.read(brand_id=brand.id, batch=number)
    assert (found.state, found.rows_done, found.made) == ("running", 60, 60)
    monkeypatch.setattr(card_intake, "store", real)
    await task.fail(work.task, ConnectionError())
    await generate.run(work=await card_desk.taken(generate.KIND, brand), brand=brand, keys=keys, now=NOW)
    found = await card_intake.read(brand_id=brand.id, batch=number)
    assert (found.state, found.rows_done, found.made, found.refused) == ("done", 100, 100, 0)
    plain = await card_desk.plain(brand, keys, number)
    assert (len(plain), len(set(plain)), [each for each in plain if code.read(each) != each]) == (100, 100, [])
    ends = await books.seen(brand, "SELECT last_four FROM card_secret WHERE batch = $1 ORDER BY number", number)
    assert [end for (end,) in ends] == [each[-4:] for each in plain]
    assert await books.seen(
        brand, "SELECT min(number), max(number), count(*), min(state), max(expires_on) FROM card WHERE batch = $1", number
    ) == [(1, 100, 100, "inactive", dt.date(2027, 1, 31))]
    assert await books.seen(brand, "SELECT state, quantity FROM batch WHERE number = $1", number) == [("filled", 100)]


async def test_what_cannot_be_made_opens_no_batch(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, owner: asyncpg.Connection
) -> None:
    before = await books.everything(owner)
    for quantity, day in ((0, None), (1_000_001, None), (10, dt.date(2026, 11, 22))):
        with pytest.raises(card_intake.IntakeUnfitError):
            await generate.request(brand=brand, keys=keys, sku="card", quantity=quantity, expires_on=day, actor=actor, now=NOW)
    assert await books.everything(owner) == before


ROWS = b"""code,pin,expires_on
AAAA-BBBB-0001,0042,2027-05-01
AAAA-BBBB-0002,,
AAAABBBB0001,,
x,,
1234567,,
AAAA-BBBB-0003,,2026-11-22
AAAA-BBBB-0004,,soon
AAAA-BBBB-0005,12\x0134,
"""


async def test_a_file_is_judged_row_by_row_and_nothing_of_it_stays_on_the_disk(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_intake, "CHUNK", 3)
    first = await card_desk.sent(brand, keys, tmp_path, ROWS, actor, refuse_weak=True)
    assert [b"AAAA" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [False]
    await card_desk.taken_in(brand, keys, tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    found = await card_intake.read(brand_id=brand.id, batch=first)
    assert (found.state, found.wanted, found.rows_done, found.made, found.refused) == ("done", 8, 8, 2, 6)
    assert await card_desk.plain(brand, keys, first) == ["AAAA-BBBB-0001", "AAAA-BBBB-0002"]
    refused = await batch_import.rejections(brand_id=brand.id, batch=first)
    assert [(each.source_row, each.fault, each.last_four) for each in refused] == [
        (4, "twice_in_file", "0001"),
        (5, "malformed", ""),
        (6, "weak", "67"),
        (7, "expired", "0003"),
        (8, "expires_on", "0004"),
        (9, "pin", "0005"),
    ]
    assert await books.seen(brand, "SELECT wrapped FROM card_intake WHERE batch = $1", first) == [(None,)]
    # the same file again: what is in stock is not taken twice, in whatever way it is spelled
    again = await card_desk.sent(brand, keys, tmp_path, b"code\naaaa\nAAAA BBBB 0002\nAAAABBBB0001\nAAAA-BBBB-0009\n", actor)
    await card_desk.taken_in(brand, keys, tmp_path)
    assert [(each.source_row, each.fault) for each in await batch_import.rejections(brand_id=brand.id, batch=again)] == [
        (3, "in_stock"),
        (4, "in_stock"),
    ]
    assert await batch_import.counts(brand_id=brand.id, batch=again) == {"in_stock": 2}
    await batch_import.write_report(brand_id=brand.id, batch=again, out=tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text() == "row,fault,last_four\n3,in_stock,0002\n4,in_stock,0001\n"


async def test_the_report_of_a_file_holds_no_formula(brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path) -> None:
    """The end of a code stands in it as it came."""
    sent = await card_desk.sent(brand, keys, tmp_path, b"code\nAAAABBBBCCCC=1+1\nAAAABBBBCCCC=1+1\n", actor)
    await card_desk.taken_in(brand, keys, tmp_path)
    await batch_import.write_report(brand_id=brand.id, batch=sent, out=tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text().splitlines()[-1].rpartition(",")[2] == "'=1+1"


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"SECRET-CODE-1\nSECRET-CODE-2\n", "card_file.columns"),
        (b"code\n", "card_file.no_rows"),
        (b'code\n"SECRET', "card_file.unreadable"),
    ],
)
async def test_a_file_that_cannot_be_read_leaves_no_card(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path, content: bytes, refusal: str
) -> None:
    number = await card_desk.sent(brand, keys, tmp_path, content, actor)
    await card_desk.taken_in(brand, keys, tmp_path)
    found = await card_intake.read(brand_id=brand.id, batch=number)
    assert (found.state, found.refusal, found.made) == ("refused", refusal, 0)
    assert await books.seen(brand, "SELECT count(*) FROM card WHERE batch = $1", number) == [(0,)]
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


async def test_an_import_that_is_cut_off_goes_on_and_takes_no_row_twice(
    brand: Brand, keys: crypto.Keys, actor: audit.Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_intake, "CHUNK", 4)
    content = b"code\n" + b"".join(b"CUTOFF-%04d\n" % (number // 2 * 2 if number == 7 else number) for number in range(11))
    number = await card_desk.sent(brand, keys, tmp_path, content, actor)
    real, stored = card_intake.advance, []

    async def cut(**given: object) -> bool:
        stored.append(1)
        if len(stored) == 2:
            raise ConnectionError
        return await real(**given)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(card_intake, "advance", cut)
    work = await card_desk.taken(batch_import.KIND, brand)
    with pytest.raises(ConnectionError):
        await batch_import.run(work=work, brand=brand, keys=keys, folder=tmp_path, now=NOW)
    assert (await card_intake.read(brand_id=brand.id, batch=number)).rows_done == 4
    await task.fail(work.task, ConnectionError())
    await card_desk.taken_in(brand, keys, tmp_path)
    found = await card_intake.read(brand_id=brand.id, batch=number)
    assert (found.state, found.rows_done, found.made, found.refused) == ("done", 11, 10, 1)
    assert await card_desk.plain(brand, keys, number) == [f"CUTOFF-{row:04}" for row in range(11) if row != 7]
    assert [(each.source_row, each.fault) for each in await batch_import.rejections(brand_id=brand.id, batch=number)] == [
        (9, "twice_in_file")
    ]
