"""Workers killed while they take a delivery in: every row once, what it earns once, the report once, and the file gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.faults import site
from tests.rooms.identity import people

from qucheng.bundle import upload
from qucheng.core import audit, crashpoint, crypto

if TYPE_CHECKING:
    from tests.faults.site import Site

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

LINES = 40
STATE = """
    SELECT u.state, (SELECT count(*) FROM intake), (SELECT count(*) FROM order_line WHERE intake = 2), (SELECT count(*) FROM accrual a WHERE a.order_no ~ '^N-'),
           (SELECT count(*) FROM upload_rejection), (SELECT count(*) FROM upload_file) FROM upload u"""
# one more delivery, 40 lines, a commission for each seller and, of the even ones, for who stands above; one row refused
WHOLE = ("done", 2, LINES, LINES + LINES // 2, 1, 1)
NOTHING = ("running", 1, 0, 0, 0, 0)


async def sent(at: Site, brand: Brand) -> None:
    user_id = await people.person(crypto.keys(at.var / "keys"))
    rows = [f"N-{number},1,2026-02-05T10:00:00,R{number % 2:02},web,card,1,100.00,," for number in range(LINES)]
    content = "\n".join([",".join(books.COLUMNS["orders"]), *rows, "N-X,1,2026-02-05T10:00:00,nobody,web,card,1,100.00,,", ""])
    with upload.Incoming(at.var / upload.FOLDER, brand.id) as incoming:
        incoming.write(content.encode())
        actor = audit.Actor(user_id=user_id, role="accountant")
        await upload.keep(incoming=incoming, brand=brand, kind="orders", file_name="o.csv", actor=actor, now=books.NOW)


def left(at: Site, brand: Brand) -> list[str]:
    return [path.name for path in (at.var / upload.FOLDER / str(brand.id)).rglob("*") if path.is_file()]


@pytest.mark.parametrize("point", [*crashpoint.OF_DELIVERIES, "task.done"])
async def test_killed_at_every_crash_point(at: Site, point: str) -> None:
    brand = await at.brand()
    await sent(at, brand)
    assert await site.ended(at.worker(crash=point), within=site.PATIENCE) == -signal.SIGKILL
    (after,) = await books.seen(brand, STATE)
    assert after == {"upload.judging": NOTHING, "upload.judged": ("running", 2, LINES, 0, 1, 1), "task.done": WHOLE}[point]
    assert bool(left(at, brand)) is (point != "task.done")
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    assert await books.seen(brand, STATE) == [WHOLE]
    assert left(at, brand) == []
    assert await books.seen(brand, "SELECT count(*) FROM audit_record WHERE action = 'upload.judge'") == [(1,)]


@pytest.mark.long
async def test_without_the_sweep_a_delivery_stays_undone(at: Site) -> None:
    """The control: nobody looks for what a killed worker held."""
    brand = await at.brand()
    await sent(at, brand)
    assert await site.ended(at.worker(crash="upload.judging"), within=site.PATIENCE) == -signal.SIGKILL
    at.worker("qucheng.core.task.sweep=@tests.faults.changes.no_sweep")
    assert not await site.finished(brand, within=12)
    assert await books.seen(brand, STATE) == [NOTHING]
    at.end()
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    assert await books.seen(brand, STATE) == [WHOLE]
