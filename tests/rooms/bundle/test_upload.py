"""Deliveries that a person sends: two at once, an attempt that fails half way, endless rows, and what the night removes."""

from __future__ import annotations

import asyncio
import datetime as dt
import tracemalloc
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.identity import people

from qucheng.bundle import importing, upload, upload_report
from qucheng.core import audit, crypto, db, ids, task
from qucheng.jobs import handlers, runner

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

HEAD = ",".join(books.COLUMNS["orders"])


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    folder = books.write(tmp_path / "bundle", code=f"b-{uuid.uuid4().hex[:12]}")
    made = await books.found(folder)
    await books.take_in(made, folder)
    return made


@pytest.fixture
def current(tmp_path: Path) -> Settings:
    from qucheng.core import settings  # noqa: PLC0415

    return settings.load({"QUCHENG_VAR": str(tmp_path / "var")})


async def actor(current: Settings) -> audit.Actor:
    user_id = await people.person(crypto.keys(current.var / "keys"))
    return audit.Actor(user_id=user_id, role="accountant")


async def sent(current: Settings, brand: Brand, *lines: str, kind: upload.Kind = "orders") -> uuid.UUID:
    content = "".join(f"{line}\n" for line in (HEAD, *lines)).encode()
    with upload.Incoming(current.var / upload.FOLDER, brand.id) as incoming:
        incoming.write(content)
        return await upload.keep(
            incoming=incoming, brand=brand, kind=kind, file_name="a\x00\nb.csv", actor=await actor(current), now=books.NOW
        )


async def perform(current: Settings, brand: Brand) -> list[str]:
    """All waiting tasks of the brand at once; the states in which they end."""
    waiting = await task.listing(states=("waiting",), brand_id=brand.id)
    with handlers.Tools(current) as tools:
        await asyncio.gather(*(runner.perform(each.id, worker=ids.new_id(), tools=tools) for each in waiting))
    return [(await task.read(each.id)).state for each in waiting]


def order(number: int, *, reseller: str = "R1") -> str:
    return f"O-{number},1,2026-03-05T10:00:00,{reseller},web,card,1,100.00,,"


async def counts(brand: Brand) -> list[tuple[int, ...]]:
    return await books.seen(
        brand,
        "SELECT u.state = 'done', u.intake, f.imported, f.duplicate, f.rejected FROM upload u JOIN upload_file f ON f.upload = u.id ORDER BY u.intake",
    )


async def test_two_at_once_store_each_row_once(current: Settings, brand: Brand) -> None:
    rows = [order(number) for number in range(50)]
    for _ in range(2):
        await sent(current, brand, *rows)
    assert await perform(current, brand) == ["done", "done"]
    assert await books.seen(brand, "SELECT count(*), count(DISTINCT intake) FROM order_line") == [(50, 1)]
    assert await books.seen(brand, "SELECT count(*), sum(amount_minor)::int FROM accrual") == [(50, 50_000)]
    assert await counts(brand) == [(True, 2, 50, 0, 0), (True, None, 0, 50, 0)]


async def test_an_attempt_that_fails_half_way_leaves_nothing_and_the_next_takes_all(
    current: Settings, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(current, brand, order(1), order(2, reseller="R9"))
    real = importing.counts

    async def broken(*, number: int) -> list[importing.FileCount]:
        assert await real(number=number)
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(importing, "counts", broken)
        assert await perform(current, brand) == ["waiting"]
    assert await books.seen(
        brand, "SELECT (SELECT count(*) FROM order_line), (SELECT count(*) FROM upload_rejection), state FROM upload"
    ) == [(0, 0, "running")]
    async with db.atomic():
        await db.connection().execute("UPDATE task SET available_at = clock_timestamp() WHERE brand = $1", brand.id)
    assert await perform(current, brand) == ["done"]
    assert await counts(brand) == [(True, 2, 1, 0, 1)]
    assert await books.seen(brand, "SELECT file, source_row, fault FROM upload_rejection") == [
        ("orders.csv", 2, "ref.unknown:reseller")
    ]


async def test_judged_is_judged_whatever_happens_to_the_file_then(
    current: Settings, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(current, brand, order(1))

    async def broken() -> None:
        raise OSError(5, "no disk")

    with monkeypatch.context() as patch:
        patch.setattr(db, "refresh_statistics", broken)
        assert await perform(current, brand) == ["waiting"]
    assert [path for path in (current.var / upload.FOLDER).rglob("*") if path.is_file()] == []
    assert await books.seen(brand, "SELECT state, intake FROM upload") == [("running", 2)]
    async with db.atomic():
        await db.connection().execute("UPDATE task SET available_at = clock_timestamp() WHERE brand = $1", brand.id)
    assert await perform(current, brand) == ["done"]
    assert await counts(brand) == [(True, 2, 1, 0, 0)]
    assert await books.seen(brand, "SELECT count(*) FROM accrual") == [(1,)]


async def test_new_rules_that_come_later_leave_earlier_sales_as_they_are(current: Settings, brand: Brand) -> None:
    """What was delivered has earned: a rule of a later delivery counts from then on, and the report says so."""
    await sent(current, brand, order(1))
    await perform(current, brand)
    folder = books.write(
        current.var / "more", code=brand.code, rules=["OWN,percent,1,,,,,net,0.1,0,,", "MORE,percent,1,,,,,net,0.2,9,,"]
    )
    await books.take_in(brand, folder)
    await sent(current, brand, order(2))
    await perform(current, brand)
    assert await books.seen(brand, "SELECT order_no, rule, amount_minor FROM accrual ORDER BY 1") == [
        ("O-1", "OWN", 1000),
        ("O-2", "MORE", 2000),
    ]


async def test_an_endless_row_is_not_read_to_its_end(current: Settings, brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty million characters without the end of a row: as one line, and as one field over many lines."""
    monkeypatch.setattr(upload, "LARGEST", 1 << 30)
    for piece in (b"x" * 65536, b"x" * 1000 + b"\n"):
        with upload.Incoming(current.var / upload.FOLDER, brand.id) as incoming:
            incoming.write(f'{HEAD}\n"'.encode())
            for _ in range(60_000_000 // len(piece)):
                incoming.write(piece)
            await upload.keep(
                incoming=incoming, brand=brand, kind="orders", file_name="o.csv", actor=await actor(current), now=books.NOW
            )
    tracemalloc.start()
    assert await perform(current, brand) == ["done", "done"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert await books.seen(brand, "SELECT state, code FROM upload") == [("refused", "bundle.unreadable")] * 2
    # both were read at once
    assert peak < 300 << 20
    assert await books.seen(brand, "SELECT count(*) FROM order_line") == [(0,)]


async def test_the_file_on_its_way_in_is_not_in_memory(current: Settings, brand: Brand) -> None:
    tracemalloc.start()
    with upload.Incoming(current.var / upload.FOLDER, brand.id) as incoming:
        for _ in range(1000):
            incoming.write(b"x" * 65536)
        digest = incoming.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (incoming.bytes, len(digest), peak < 4 << 20) == (65_536_000, 64, True)
    assert list((current.var / upload.FOLDER / str(brand.id)).iterdir()) == []


async def test_the_night_gives_up_what_nobody_takes_in(current: Settings, brand: Brand, owner: asyncpg.Connection) -> None:
    folder = current.var / upload.FOLDER
    old, fresh = [await sent(current, brand, order(number)) for number in (1, 2)]
    await owner.execute("UPDATE task SET state = 'dead', ended_at = now(), reason = 'ValueError' WHERE brand = $1", brand.id)
    assert [each.state for each in await upload_report.listing(brand_id=brand.id)] == ["failed", "failed"]
    late = books.NOW + dt.timedelta(days=upload.DAYS_KEPT, hours=1)
    await owner.execute("ALTER TABLE upload DISABLE TRIGGER upload_step")
    await owner.execute("UPDATE upload SET uploaded_at = $2 WHERE id = $1", fresh, late)
    await owner.execute("ALTER TABLE upload ENABLE TRIGGER upload_step")
    assert await upload.prune(brand_id=brand.id, folder=folder, now=late) == 1
    assert await books.seen(brand, "SELECT id, state, code, reason FROM upload WHERE state <> 'received'") == [
        (old, "failed", "task.dead", "ValueError")
    ]
    far = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    await upload.prune(brand_id=brand.id, folder=folder, now=far)
    assert [path.name for path in (folder / str(brand.id)).iterdir()] == [str(fresh)]


async def test_what_became_of_a_delivery_stays(current: Settings, brand: Brand, owner: asyncpg.Connection) -> None:
    upload_id = await sent(current, brand, order(1))
    await perform(current, brand)
    for change in (
        "state = 'running', ended_at = NULL",
        "intake = NULL",
        "reason = 'x', code = 'y', state = 'refused', judged_at = NULL",
    ):
        async with books.refused(owner, books.asyncpg.RestrictViolationError, "upload_step"):
            await owner.execute(f"UPDATE upload SET {change} WHERE id = $1", upload_id)
