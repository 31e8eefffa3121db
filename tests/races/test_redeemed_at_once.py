"""Many tills present few cards, twice and thrice, with retries, lost answers and reversals: each card is redeemed once."""

from __future__ import annotations

import asyncio
import collections
import random
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.redemption import tills

from qucheng.core import crypto
from qucheng.redemption import redemption

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.anyio
CARDS, CLIENTS, SEED = 200, 64, 20261122
OK = "SELECT batch, number FROM redemption WHERE verdict = 'ok' AND NOT undone ORDER BY 1, 2"
OFF = "CREATE OR REPLACE FUNCTION {} LANGUAGE sql AS {}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> crypto.Keys:
    return crypto.keys(tmp_path_factory.mktemp("keys"))


async def client(ground: tills.Ground, place: int, until: float, told: collections.Counter[str]) -> None:
    """Presents cards by chance; now and then its patience ends while the till's request goes on, and it asks again with the same key."""
    chance = random.Random(SEED + place)
    while time.monotonic() < until:
        card, key = chance.randrange(len(ground.codes)), uuid.uuid4().hex
        asked = []
        for _ in range(chance.choice((1, 1, 2, 3))):
            asked.append(asyncio.create_task(ground.redeem(ground.codes[card], key=key)))
            await asyncio.wait({asked[-1]}, timeout=chance.choice((0.005, 0.05, 30)))
        results = {(answer.result, answer.id) for answer in await asyncio.gather(*asked)}
        assert len(results) == 1
        told.update(result for result, _ in results)


async def stormed(ground: tills.Ground, seconds: float) -> collections.Counter[str]:
    told: collections.Counter[str] = collections.Counter()
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(ground, place, until, told) for place in range(CLIENTS)))
    for code in ground.codes:  # those that chance left out
        await ground.redeem(code)
    return told


async def require_one_success_each(ground: tills.Ground, told: collections.Counter[str]) -> None:
    assert set(told) <= {"ok", "used"}
    assert await books.seen(ground.brand, OK) == sorted(ground.cards)
    assert await books.seen(ground.brand, "SELECT state, count(*) FROM card GROUP BY 1") == [("redeemed", CARDS)]
    assert await ground.count("card_event WHERE to_state = 'redeemed'") == CARDS
    assert await ground.count("outbox_event WHERE kind = 'card.redeemed'") == CARDS
    assert await tills.differences(ground.brand) == []


async def test_two_hundred_cards_are_redeemed_once_each(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> None:
    assert workspace
    ground = await tills.opened(tmp_path / "b", keys, cards=CARDS)
    await require_one_success_each(ground, await stormed(ground, 5))


@pytest.mark.long
async def test_for_a_minute(workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path) -> None:
    assert workspace
    ground = await tills.opened(tmp_path / "b", keys, cards=CARDS)
    await require_one_success_each(ground, await stormed(ground, 60))


async def test_control_without_the_lock_of_a_card_some_fail(
    workspace: books.Workspace, keys: crypto.Keys, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    """What several judge free at the same time, one has: the others find it gone, and no answer is theirs."""
    assert workspace
    ground = await tills.opened(tmp_path / "b", keys)
    before = await owner.fetchval("SELECT pg_get_functiondef('lock_card'::regproc)")
    head = "lock_card(of_batch integer, of_number integer) RETURNS TABLE (sku text, pool integer, state text)"
    # they all go on at the same full second
    wait = "pg_sleep(1 - extract(microsecond FROM clock_timestamp()) % 1000000 / 1000000)"
    await owner.execute(OFF.format(head, f"'SELECT NULL::text, NULL::int, NULL::text WHERE {wait} IS NULL'"))
    try:
        answers = await asyncio.gather(*(ground.redeem(ground.codes[0]) for _ in range(3)), return_exceptions=True)
    finally:
        await owner.execute(before)
    assert any(isinstance(each, BaseException) for each in answers)
    assert await ground.count("redemption WHERE verdict = 'ok'") == 1


async def test_a_reversal_beside_its_redemption_leaves_the_card_free(
    workspace: books.Workspace, keys: crypto.Keys, tmp_path: Path
) -> None:
    """Whichever comes first: undone, or blocked and then refused."""
    assert workspace
    ground = await tills.opened(tmp_path / "b", keys)

    async def redeemed(key: str) -> str:
        try:
            return (await ground.redeem(ground.codes[0], key=key)).result
        except redemption.ReversedError as refusal:
            return refusal.code

    seen = set()
    for place in range(12):
        key = f"k-{place}"
        if place % 2:
            first, second = await asyncio.gather(redeemed(key), ground.reverse(key))
        else:
            second, first = await asyncio.gather(ground.reverse(key), redeemed(key))
        seen.add((first, second.result))
        assert await ground.state() == "revealed"
    assert seen <= {("ok", "undone"), ("redemption.reversed", "blocked")}
    assert await books.seen(ground.brand, OK) == []
    assert await tills.differences(ground.brand) == []
