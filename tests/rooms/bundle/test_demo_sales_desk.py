"""The sales desk of the demonstration: settings, links and orders, once however often it is filled."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests import books
from tests.rooms.catalog import price_shop
from tests.rooms.identity import people

from qucheng.bundle import demo_sales_desk
from qucheng.connectors import payment_simulator
from qucheng.core import clock, crypto

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
COUNTS = """
    SELECT (SELECT count(*) FROM sales_link), (SELECT count(*) FROM sale WHERE source = 'manual'), (SELECT count(*) FROM sale WHERE source = 'page'),
           (SELECT count(*) FROM payment WHERE state = 'paid' AND problem IS NULL)"""


async def test_it_is_filled_once(workspace: books.Workspace, tmp_path: Path) -> None:
    assert workspace
    keys = crypto.keys(tmp_path / "keys")
    brand = (await price_shop.opened(keys, tmp_path, code=f"m-{uuid.uuid4().hex[:20]}")).brand
    for reseller in ("G1", "S1"):
        await people.member(keys, brand.id, "seller", reseller=reseller)
    for _ in range(2):
        provider = payment_simulator.of(tmp_path / "var", keys)
        await demo_sales_desk.fill(keys=keys, brand=brand, provider=provider, now=clock.now())
        assert await books.seen(brand, COUNTS) == [(4, 2, 6, 6)]
