"""Workers killed while codes are made and taken in: every card once, every secret with its card, and the file gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.faults import site
from tests.rooms.stock import card_desk

from qucheng.core import audit, crypto, db
from qucheng.stock import batch_import, card_intake, generate

if TYPE_CHECKING:
    from tests.faults.site import Site

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio

CARDS = card_intake.CHUNK + 500
STATE = """
    SELECT i.state, i.made, i.refused, (SELECT count(*) FROM card), (SELECT count(*) FROM card_secret), (SELECT count(DISTINCT number) FROM card),
           (SELECT coalesce(sum(came_in), 0)::int FROM stock_level), (SELECT count(*) FROM card_rejection) FROM card_intake i"""


async def _asked(at: Site, brand: Brand, way: str) -> None:
    keys = crypto.keys(at.var / "keys")
    actor: audit.Actor = await card_desk.somebody(keys)
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE sku SET kind = 'card_secret' WHERE code = 'card'")
    if way == "made":
        await generate.request(brand=brand, keys=keys, sku="card", quantity=CARDS, actor=actor, now=books.NOW)
        return
    # the last row is one that stands there before
    content = "code\n" + "".join(f"KILLED-{number:06}\n" for number in range(CARDS)) + "KILLED-000000\n"
    await card_desk.sent(brand, keys, at.var / batch_import.FOLDER, content.encode(), actor, pool=0)


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("point", "way"),
    [
        (card_intake.COMMITTED, "brought"),
        pytest.param(card_intake.STORED, "made", marks=LONG),
        pytest.param(card_intake.STORED, "brought", marks=LONG),
        pytest.param(card_intake.COMMITTED, "made", marks=LONG),
    ],
)
async def test_killed_in_a_chunk_and_behind_it(at: Site, point: str, way: str) -> None:
    brand = await at.brand()
    await _asked(at, brand, way)
    assert await site.ended(at.worker(crash=point), within=site.PATIENCE) == -signal.SIGKILL
    chunk = card_intake.CHUNK
    none, some = ("waiting", 0, 0, 0, 0, 0, 0, 0), ("running", chunk, 0, chunk, chunk, chunk, chunk, 0)
    assert await books.seen(brand, STATE) == [none if point == card_intake.STORED else some]
    at.worker()
    assert await site.finished(brand, within=site.PATIENCE)
    refused = int(way == "brought")
    assert await books.seen(brand, STATE) == [("done", CARDS, refused, CARDS, CARDS, CARDS, CARDS, refused)]
    folder = at.var / batch_import.FOLDER
    assert [path for path in folder.rglob("*") if path.is_file()] == []
