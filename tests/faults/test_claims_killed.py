"""PostgreSQL killed while thousands claim: whoever was answered with a card has it, none is given twice, and the rest ask again."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests import books
from tests.rooms.campaigns import gate
from tests.rooms.stock import warehouse

from qucheng.campaigns import claim
from qucheng.core import crypto, servers
from qucheng.core.embedded import postgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site

    from qucheng.identity.brand import Brand

pytestmark = [pytest.mark.anyio, pytest.mark.long]
CARDS, PEOPLE, BEFORE = 1_000, 10_000, 300
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
STORED = "SELECT claim, batch || '-' || number FROM card WHERE state = 'delivered'"


async def crowd(brand: Brand, keys: crypto.Keys, told: dict[str, claim.Claim]) -> list[BaseException | None]:
    """All at once, at two desks. told: who was answered with a card."""
    desks = (claim.Desk(most=50), claim.Desk(most=50))

    async def one(place: int) -> None:
        told[f"p{place}"] = await gate.claimed(brand, keys, f"p{place}", desk=desks[place % 2])

    return await asyncio.gather(*(one(place) for place in range(PEOPLE) if f"p{place}" not in told), return_exceptions=True)


async def kill_at(at: Site, told: dict[str, claim.Claim], count: int) -> None:
    server = await at.postmaster()
    while len(told) < count:  # noqa: ASYNC110 - those who are told tell nobody
        await asyncio.sleep(0)
    os.kill(server, signal.SIGKILL)


async def test_no_claim_that_was_answered_is_lost(at: Site, tmp_path: Path) -> None:
    keys = crypto.keys(tmp_path)
    brand, pool = await gate.opened(tmp_path / "brand", *[gate.NEVER] * CARDS)
    await gate.offered(brand)
    told: dict[str, claim.Claim] = {}
    killer = asyncio.create_task(kill_at(at, told, BEFORE))
    failed = [each for each in await crowd(brand, keys, told) if each is not None]
    await killer
    assert all(isinstance(each, LOST) for each in failed), {repr(each) for each in failed if not isinstance(each, LOST)}
    acknowledged = dict(told)
    assert BEFORE <= len(acknowledged) < CARDS
    assert len(failed) == PEOPLE - len(acknowledged)
    await until_down(at)
    servers.database_url(at.settings)  # started again
    async with asyncio.timeout(60):
        while not await answers(brand):  # noqa: ASYNC110 - who starts tells nobody
            await asyncio.sleep(0.2)
    stored = set(await books.seen(brand, STORED))
    assert {(each.id, each.card) for each in acknowledged.values()} <= stored
    refused = [each for each in await crowd(brand, keys, told) if each is not None]
    assert {type(each) for each in refused} == {claim.SoldOutError}
    assert (len(told), len(refused)) == (CARDS, PEOPLE - CARDS)
    assert {who: told[who].card for who in acknowledged} == {who: each.card for who, each in acknowledged.items()}
    assert sorted(await books.seen(brand, STORED)) == sorted((each.id, each.card) for each in told.values())
    assert await warehouse.level(brand, pool) == {"delivered": CARDS, "came_in": CARDS}
    assert await warehouse.differences(brand) == []


async def until_down(at: Site) -> None:
    while postgres.running(at.var) is not None:  # noqa: ASYNC110 - who was killed tells nobody
        await asyncio.sleep(0.05)


async def answers(brand: Brand) -> bool:
    try:
        return bool(await books.seen(brand, "SELECT count(*) FROM claim_offer"))
    except LOST:
        return False
