"""Ten thousand claim a thousand cards at once, at two desks: a thousand have one, none is given twice, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.campaigns import gate
from tests.rooms.campaigns.gate import NEVER, NOW, claimed, offered, opened, written
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim
from qucheng.core import crypto, db

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCKS = ("PERFORM lock_stock(ARRAY[offer.sku], ARRAY[offer.pool]);", "AND o.code = of_offer FOR NO KEY UPDATE")
CARDS, PEOPLE = 1_000, 10_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


@pytest.mark.usefixtures("workspace")
async def test_ten_thousand_claim_a_thousand_cards(tmp_path: Path, keys: crypto.Keys) -> None:
    brand, pool = await opened(tmp_path, *[NEVER] * CARDS)
    await offered(brand)
    desks = (claim.Desk(most=300), claim.Desk(most=300))
    asked = [claimed(brand, keys, f"p{place}", desk=desks[place % 2]) for place in range(PEOPLE)]
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 120)
    assert Counter(type(answer) for answer in answers) == {claim.Claim: CARDS, claim.SoldOutError: PEOPLE - CARDS}
    given = [answer for answer in answers if isinstance(answer, claim.Claim)]
    assert len({each.card for each in given}) == CARDS
    assert all(each.fresh for each in given)
    stored = await books.seen(brand, "SELECT claim, batch || '-' || number FROM card WHERE state = 'delivered'")
    assert sorted(stored) == sorted((each.id, each.card) for each in given)
    assert await warehouse.level(brand, pool) == {"delivered": CARDS, "came_in": CARDS}
    assert (await written(brand))[:3] == (CARDS, CARDS, CARDS)
    assert await warehouse.differences(brand) == []


@pytest.mark.usefixtures("workspace")
async def test_one_person_at_many_windows_has_one(tmp_path: Path, keys: crypto.Keys) -> None:
    brand, _ = await opened(tmp_path, *[NEVER] * 10)
    await offered(brand)
    desks = [claim.Desk(most=3) for _ in range(4)]
    answers = await asyncio.gather(*(claimed(brand, keys, "one", desk=desks[place % 4]) for place in range(40)))
    assert Counter(each.fresh for each in answers) == {True: 1, False: 39}
    assert len({(each.id, each.card) for each in answers}) == 1
    assert await written(brand) == (1, 1, 1, 1, 1)


async def two_batches(
    brand: Brand, keys: crypto.Keys, owner: asyncpg.Connection
) -> tuple[list[claim.Answer], list[claim.Answer]]:
    """Two people are served, and not yet committed, when one of them comes again, with another."""
    outside = contextvars.copy_context()  # where no transaction is open
    people = [[claim.ask(brand=brand, keys=keys, subject=who) for who in both] for both in ("ab", "bc")]
    async with db.atomic(brand.id):
        first = await claim.serve(brand=brand, code=gate.CODE, asks=people[0], now=NOW)
        second = asyncio.create_task(claim.serve(brand=brand, code=gate.CODE, asks=people[1], now=NOW), context=outside)
        async with asyncio.timeout(20):
            while not await owner.fetchval(BLOCKED):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
    return first, await second


async def test_batches_come_one_after_another(tmp_path: Path, keys: crypto.Keys, owner: asyncpg.Connection) -> None:
    brand, _ = await opened(tmp_path, *[NEVER] * 4)
    await offered(brand)
    first, second = await two_batches(brand, keys, owner)
    answers = [(each.card, each.fresh) for each in (*first, *second) if isinstance(each, claim.Claim)]
    assert answers == [("1-1", True), ("1-2", True), ("1-2", False), ("1-3", True)]


async def test_control_without_the_locks_a_batch_fails_for_one_who_came_twice(
    tmp_path: Path, keys: crypto.Keys, owner: asyncpg.Connection
) -> None:
    brand, _ = await opened(tmp_path, *[NEVER] * 4)
    await offered(brand)
    whole = await owner.fetchval("SELECT pg_get_functiondef('claim_cards'::regproc)")
    unlocked = whole
    for lock in LOCKS:
        assert unlocked.count(lock) == 1
        unlocked = unlocked.replace(lock, lock.removesuffix(" FOR NO KEY UPDATE") if "UPDATE" in lock else "")
    await owner.execute(unlocked)
    try:
        with pytest.raises(asyncpg.UniqueViolationError, match="claim_person_unique"):
            await two_batches(brand, keys, owner)
    finally:
        await owner.execute(whole)
    # what the first was answered stands, the database let nothing else through
    assert (await written(brand))[:3] == (2, 2, 2)
