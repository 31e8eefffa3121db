"""The operator is the other of two where a brand has nobody else, and sees nothing where it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.doors.finance import run_desk

from qucheng.core import audit
from qucheng.identity import approval

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg
    from tests.doors.account import browser

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio


@pytest.fixture
async def brand(tmp_path: Path) -> Brand:
    return await run_desk.stored(tmp_path)


async def requests(brand: Brand) -> list[str]:
    return [each.state for each in await approval.listing(brand_id=brand.id, states=("waiting", "executed"))]


async def test_the_operator_is_the_other_of_two_where_there_is_nobody_else(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one, operator = (
        await run_desk.keeper(house, owner, brand.id, "owner"),
        await run_desk.keeper(house, owner, audit.PLATFORM, "operator"),
    )
    _, address = await run_desk.asked(house, brand, one)
    assert address in await operator.shows("/approvals")
    await operator.shows(address)
    answer = await operator.send(address, decision="approve", code=await operator.code())
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address}?done=1")
    assert "allowed it, and it is done" in await operator.shows(address)
    assert await requests(brand) == ["executed"]
    for path in ("/runs", "/statements"):
        assert (await operator.browser.get(path)).status_code == 404


async def test_the_operator_sees_nothing_where_the_brand_has_somebody(
    house: browser.House, owner: asyncpg.Connection, brand: Brand
) -> None:
    one, _ = [await run_desk.keeper(house, owner, brand.id) for _ in range(2)]
    operator = await run_desk.keeper(house, owner, audit.PLATFORM, "operator")
    _, address = await run_desk.asked(house, brand, one)
    assert address not in await operator.shows("/approvals")
    assert (await operator.browser.get(address)).status_code == 404
