"""A brand with books, and machines that call its web process."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.doors.account.conftest import house
from tests.doors.open_api import callers
from tests.rooms.core import reseller_brand
from tests.rooms.identity import people

from qucheng.core import clock
from qucheng.identity import api_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    import httpx
    from tests import books
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

__all__ = ["house"]


@pytest.fixture(scope="module")
async def brand(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    """Four resellers, of each an order of three lines with a refund, an adjustment, and a statement."""
    assert workspace
    return await reseller_brand.made(tmp_path_factory.mktemp("brands") / "ours", owner, code="ours")


@pytest.fixture(scope="module")
async def other(workspace: books.Workspace, owner: asyncpg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Brand:
    assert workspace
    return await reseller_brand.made(tmp_path_factory.mktemp("brands") / "theirs", owner, code="theirs")


@pytest.fixture
async def make(house: browser.House) -> AsyncIterator[callers.Make]:
    """Makes a key in a brand, by an owner of it, and the machine that has it."""
    async with contextlib.AsyncExitStack() as stack:

        async def made(
            brand: Brand,
            *scopes: str,
            reseller: str | None = None,
            networks: tuple[str, ...] = (),
            mode: api_key.Mode = "live",
            days: int = 90,
            bearer_orders: bool = False,
        ) -> callers.Machine:
            maker, now = await people.member(house.keys, brand.id, "owner"), clock.now()
            issued = await api_key.create(
                keys=house.keys,
                brand_id=brand.id,
                name="till",
                mode=mode,
                reseller=reseller,
                scopes=scopes,
                networks=networks,
                expires_at=now + dt.timedelta(days=days),
                bearer_orders=bearer_orders,
                created_by=maker.user_id,
                actor=people.actor(maker),
                now=now,
            )
            client = await stack.enter_async_context(callers.client(house.app))
            return callers.Machine(client=client, issued=issued, maker=maker)

        yield made


@pytest.fixture
async def stranger(house: browser.House) -> AsyncIterator[httpx.AsyncClient]:
    async with callers.client(house.app) as made:
        yield made
